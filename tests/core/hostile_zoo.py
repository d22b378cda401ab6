"""Files that somebody made to do harm, or that a broken disk made by chance: each must be answered with one clear error."""

from __future__ import annotations

import base64
import json
import os
import pickle  # To write files with that must be refused. Nothing reads one.
import shutil
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import safetensors.torch
import torch
from small_world import CRS, GRID, label_boxes, on_map, write_labels, write_raster

from false_core.computing.device import memory_of
from false_core.jobs import Classify, Finetune, Job, Polygonise, Pretrain
from false_core.models.header import LONGEST_HEADER, MODEL_FORMAT

MODEL, ENCODER, WEIGHTS, RASTER, MAP, LABELS, LEGEND = "model", "encoder", "weights", "raster", "map", "labels", "legend"
GREATEST = 2**31 - 1
"""Side of the largest raster that a file can declare."""


@dataclass(frozen=True)
class Good:
    """What the jobs need beside the hostile file."""

    raster: str
    labels: str
    encoder: str
    model: str


@dataclass(frozen=True)
class Animal:
    """A hostile file.

    Attributes:
        name: What is wrong with it.
        kind: What it pretends to be.
        make: Writes it into a folder, from what is good, and returns its path.
        said: Part of the error that must follow.
    """

    name: str
    kind: str
    make: Callable[[Path, Good], str]
    said: str

    def job(self, path: str, good: Good, out: Path) -> Job:
        """Return the job that meets the file at ``path``."""
        if self.kind == MODEL:
            return Classify(good.raster, path, str(out / "map.tif"), device="cpu")
        if self.kind == ENCODER:
            return Finetune(
                good.raster, good.labels, "cover", str(out / "m.safetensors"), path, preset="quick", device="cpu", steps=1
            )
        if self.kind == WEIGHTS:
            return Pretrain((good.raster,), str(out / "e.safetensors"), preset="quick", device="cpu", steps=1, weights=path)
        if self.kind == RASTER:
            return Classify(path, good.model, str(out / "map.tif"), device="cpu")
        if self.kind == MAP:
            return Polygonise(path, str(out / "polygons.gpkg"))
        more: dict[str, Any] = {"preset": "quick", "device": "cpu", "steps": 1}
        if self.kind == LEGEND:
            more["legend"] = path
        labels = good.labels if self.kind == LEGEND else path
        return Finetune(good.raster, labels, "cover", str(out / "m.safetensors"), good.encoder, **more)


ZOO: list[Animal] = []


def animal(name: str, kind: str, said: str) -> Callable[[Callable[[Path, Good], str]], Callable[[Path, Good], str]]:
    """Put a hostile file into the zoo."""

    def keep(make: Callable[[Path, Good], str]) -> Callable[[Path, Good], str]:
        ZOO.append(Animal(name, kind, make, said))
        return make

    return keep


# What every reader has to bear, whatever it reads.

NO_MODEL, NO_RASTER, NO_LABELS = "is not a model made by FALSE", "cannot be opened", "cannot be read"


def _content(name: str, content: bytes, models: str = NO_MODEL, rasters: str = NO_RASTER, labels: str = NO_LABELS) -> None:
    def write(folder: Path, good: Good, suffix: str) -> str:
        path = folder / f"hostile.{suffix}"
        path.write_bytes(content)
        return str(path)

    ZOO.append(Animal(name, MODEL, lambda folder, good: write(folder, good, "safetensors"), models))
    ZOO.append(Animal(name, RASTER, lambda folder, good: write(folder, good, "tif"), rasters))
    ZOO.append(Animal(name, LABELS, lambda folder, good: write(folder, good, "gpkg"), labels))
    ZOO.append(Animal(name, LEGEND, lambda folder, good: write(folder, good, "json"), "is not a legend"))


_content("nothing in it", b"")
_content("zeros", bytes(5000))
_content("random bytes", np.random.default_rng(0).bytes(5000))
_content("a pickle with a program", pickle.dumps({"weights": print}))
_content("lists in lists", b"[" * 100_000)
_content("the start of a GeoTIFF", b"II*\x00\xff\xff\xff\x7f" + bytes(100))
_content("the start of a database", b"SQLite format 3\x00" + bytes(100))


def _special(name: str, make: Callable[[Path], None], models: str, others: str) -> None:
    def write(folder: Path, good: Good) -> str:
        make(folder / "hostile")
        return str(folder / "hostile")

    ZOO.extend(Animal(name, kind, write, said) for kind, said in ((MODEL, models), (RASTER, others), (LABELS, others)))


_special("a pipe that nobody writes to", os.mkfifo, "does not exist", "is a pipe or a device")
_special("a link to itself", lambda path: path.symlink_to(path), "does not exist", "does not exist")
_special(
    "a link to a device without an end", lambda path: path.symlink_to("/dev/zero"), "does not exist", "is a pipe or a device"
)
_special("a link to nothing", lambda path: path.symlink_to("nowhere"), "does not exist", "does not exist")
_special("a folder", Path.mkdir, "does not exist", "cannot be|not recognized|There is no raster in the folder")
ZOO.extend(
    Animal("a name too long for the system", kind, lambda folder, good: str(folder / ("x" * 5000)), "does not exist")
    for kind in (MODEL, RASTER, LABELS)
)


# Models.


def _parts_of(path: str) -> tuple[dict[str, Any], bytes]:
    """Return header and weights of a safetensors file."""
    content = Path(path).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _write(path: Path, header: dict[str, Any] | str, weights: bytes) -> str:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + weights)
    return str(path)


def _described(folder: Path, good: str, **changes: Any) -> str:
    """Write a model again with some of its description changed."""
    header, weights = _parts_of(good)
    metadata = header["__metadata__"]
    metadata[MODEL_FORMAT] = json.dumps({**json.loads(metadata[MODEL_FORMAT]), **changes})
    return _write(folder / "hostile.safetensors", header, weights)


def _weighted(folder: Path, good: str, change: Callable[[str, torch.Tensor], torch.Tensor]) -> str:
    """Write a model again with its weights changed."""
    path = folder / "hostile.safetensors"
    with safetensors.safe_open(good, "pt") as file:
        metadata = file.metadata()
    weights = safetensors.torch.load_file(good)
    safetensors.torch.save_file({name: change(name, tensor) for name, tensor in weights.items()}, path, metadata=metadata)
    return str(path)


@animal("cut off in the weights", MODEL, "damaged or cut off")
def _(folder: Path, good: Good) -> str:
    header, weights = _parts_of(good.model)
    return _write(folder / "hostile.safetensors", header, weights[: len(weights) // 2])


@animal("a header of 2^63 bytes", MODEL, NO_MODEL)
def _(folder: Path, good: Good) -> str:
    (folder / "hostile.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    return str(folder / "hostile.safetensors")


@animal("a header longer than any", MODEL, NO_MODEL)
def _(folder: Path, good: Good) -> str:
    return _write(folder / "hostile.safetensors", '{"a": "' + "x" * LONGEST_HEADER + '"}', b"")


@animal("a header of millions of objects", MODEL, NO_MODEL)
def _(folder: Path, good: Good) -> str:
    return _write(folder / "hostile.safetensors", "[" + ",".join(["{}"] * (LONGEST_HEADER // 4)) + "]", b"")


@animal("weights named twice", MODEL, NO_MODEL)
def _(folder: Path, good: Good) -> str:
    header, weights = _parts_of(good.model)
    name = next(name for name in header if name != "__metadata__")
    twice = f'{{"{name}": {json.dumps(header[name])}, ' + json.dumps(header)[1:]
    return _write(folder / "hostile.safetensors", twice, weights)


@animal("a description that says a thing twice", MODEL, "its description cannot be read.*kind.*twice")
def _(folder: Path, good: Good) -> str:
    header, weights = _parts_of(good.model)
    header["__metadata__"][MODEL_FORMAT] = '{"kind": "encoder", ' + header["__metadata__"][MODEL_FORMAT][1:]
    return _write(folder / "hostile.safetensors", header, weights)


@animal("a description of a hundred thousand levels", MODEL, "its description cannot be read.*levels deep")
def _(folder: Path, good: Good) -> str:
    header, weights = _parts_of(good.model)
    header["__metadata__"][MODEL_FORMAT] = '{"a":' * 100_000
    return _write(folder / "hostile.safetensors", header, weights)


@animal("the weights of another network", MODEL, "weights do not fit its own description")
def _(folder: Path, good: Good) -> str:
    return _described(folder, good.model, encoder="resnet50")


@animal("the largest network there is", MODEL, "weights do not fit its own description")
def _(folder: Path, good: Good) -> str:
    return _described(folder, good.model, encoder="convnext_xxlarge")


@animal("a network that nobody knows", MODEL, "no encoder|cannot be built")
def _(folder: Path, good: Good) -> str:
    return _described(folder, good.model, encoder="skynet")


ZOO.extend(
    Animal(
        f"a network called {name}",
        MODEL,
        lambda folder, good, name=name: _described(folder, good.model, encoder=name),
        "must be plain ones",
    )
    for name in ("local-dir:/etc", "hf-hub:stranger/model", "../../model", "/etc/passwd", "http://127.0.0.1:9/x")
)


@animal("65,536 bands", MODEL, "weights do not fit|was made for 65536 bands")
def _(folder: Path, good: Good) -> str:
    n = 65_536
    normal = {"low": [0] * n, "high": [1] * n, "mean": [0] * n, "deviation": [1] * n}
    return _described(folder, good.model, bands=["b"] * n, band_numbers=[1] * n, normalisation=normal, descriptions=[])


@animal("a million bands", MODEL, "bands are counted from 1 to 65536")
def _(folder: Path, good: Good) -> str:
    n = 200_000
    normal = {"low": [0] * n, "high": [1] * n, "mean": [0] * n, "deviation": [1] * n}
    return _described(folder, good.model, bands=["b"] * n, band_numbers=[1] * n, normalisation=normal, descriptions=[])


@animal("a billion classes", MODEL, "its description cannot be read")
def _(folder: Path, good: Good) -> str:
    return _described(folder, good.model, classes=10**9)


@animal("as many classes as the header holds", MODEL, "class codes must be different numbers")
def _(folder: Path, good: Good) -> str:
    return _described(folder, good.model, classes=[{"code": k, "name": "", "color": "#000000"} for k in range(100_000)])


@animal("weights in another precision", MODEL, "weights do not fit its own description")
def _(folder: Path, good: Good) -> str:
    return _weighted(folder, good.model, lambda name, tensor: tensor.half() if tensor.is_floating_point() else tensor)


@animal("weights of another shape", MODEL, "weights do not fit its own description")
def _(folder: Path, good: Good) -> str:
    return _weighted(folder, good.model, lambda name, tensor: tensor.flatten())


@animal("a weight that is no number", MODEL, "are no finite numbers")
def _(folder: Path, good: Good) -> str:
    return _weighted(folder, good.model, lambda name, tensor: tensor * float("nan") if tensor.ndim == 4 else tensor)


@animal("an infinite weight", ENCODER, "are no finite numbers")
def _(folder: Path, good: Good) -> str:
    return _weighted(folder, good.encoder, lambda name, tensor: tensor / 0 if tensor.ndim == 4 else tensor)


@animal("weights that are finite and compute nothing", MODEL, "what its weights compute are no finite numbers")
def _(folder: Path, good: Good) -> str:
    return _weighted(
        folder, good.model, lambda name, tensor: torch.full_like(tensor, -1) if name.endswith("running_var") else tensor
    )


@animal("weights of 3e38", MODEL, "what its weights compute are no finite numbers")
def _(folder: Path, good: Good) -> str:
    return _weighted(
        folder, good.model, lambda name, tensor: torch.full_like(tensor, 3e38) if name.endswith("weight") else tensor
    )


@animal("weights that share their bytes", MODEL, "damaged or cut off")
def _(folder: Path, good: Good) -> str:
    header, weights = _parts_of(good.model)
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            entry["data_offsets"] = [0, end - start]
    return _write(folder / "hostile.safetensors", header, weights)


@animal("weights of twice the computer's memory, without any on disk", MODEL, "too large for this computer")
def _(folder: Path, good: Good) -> str:
    header, _ = _parts_of(good.model)
    size = int(2 * memory_of(torch.device("cpu")))
    header["decoder.more"] = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    path = _write(folder / "hostile.safetensors", header, b"")
    os.truncate(path, os.path.getsize(path) + size)
    return path


for _what, _changes in {
    "a pixel size of 1e300": {"pixel_size": 1e300},
    "a patch of 1e18 pixels": {"patch_size": 10**18},
    "a deviation of 1e-300": {
        "normalisation": {"low": [0] * 4, "high": [1] * 4, "mean": [0] * 4, "deviation": [1e-300] * 4}
    },
    "a mean of 1e300": {"normalisation": {"low": [0] * 4, "high": [1] * 4, "mean": [1e300] * 4, "deviation": [1] * 4}},
    "descriptions that are texts": {"descriptions": "abcd"},
    "a scale of 0": {
        "descriptions": [{"name": "", "wavelength_um": None, "colour": "", "scale": 0, "offset": 0}] * 4,
    },
    "a wavelength of -1": {
        "descriptions": [{"name": "", "wavelength_um": -1, "colour": "", "scale": 1, "offset": 0}] * 4,
    },
    "fewer descriptions than bands": {
        "descriptions": [{"name": "", "wavelength_um": None, "colour": "", "scale": 1, "offset": 0}] * 3,
    },
    "labels that are no counts": {"provenance": {"labels": ["<script>"]}},
    "scores that are texts": {"provenance": {"scores": {"oa": "1"}}},
    "rasters that are numbers": {"provenance": {"rasters": [1]}},
}.items():
    ZOO.append(
        Animal(
            _what,
            MODEL,
            lambda folder, good, changes=_changes: _described(folder, good.model, **changes),
            "its description cannot be read",
        )
    )


# Weights to start from.


@animal("a pickle with a program", WEIGHTS, "could be a program")
def _(folder: Path, good: Good) -> str:
    class Program:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "executed"),)

    torch.save({"conv1.weight": Program()}, folder / "hostile.pth")
    return str(folder / "hostile.pth")


@animal("a zip bomb", WEIGHTS, "unpacks to 5.0 GB")
def _(folder: Path, good: Good) -> str:
    return _zip_bomb(folder / "hostile.pth", "archive/data.pkl", 5_000_000_000)


def _zip_bomb(path: Path, name: str, size: int) -> str:
    """Write an archive of a few kilobytes for each megabyte that it unpacks to. Its checksum is wrong."""
    deflater, piece = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS), 10_000_000
    # It refers to nothing before it, and can stand there as often as one likes.
    zeros = deflater.compress(bytes(piece)) + deflater.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo(name)
        archive.writestr(entry, zeros * (size // piece) + deflater.flush())
        entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, size
    return str(path)


# Rasters.

VRT = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}">
  <SRS>EPSG:32633</SRS><GeoTransform>500000, 1, 0, 5600000, 0, -1</GeoTransform>{bands}</VRTDataset>"""
BAND = """<VRTRasterBand dataType="{dtype}" band="{band}"{more}>{sources}</VRTRasterBand>"""
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>
  <SourceBand>{band}</SourceBand></SimpleSource>"""


def write_vrt(
    path: Path, parts: list[str], width: int = 64, height: int = 64, more: str = "", inside: str = "", dtype: str = "UInt16"
) -> str:
    """Write a VRT of four bands that each are made of ``parts``."""
    bands = [
        BAND.format(
            band=band, more=more, dtype=dtype,
            sources=inside + "".join(SOURCE.format(name=p, band=band, relative=int(not os.path.isabs(p))) for p in parts),
        )
        for band in (1, 2, 3, 4)
    ]  # fmt: skip
    path.write_text(VRT.format(width=width, height=height, bands="".join(bands)))
    return str(path)


@animal("a GeoTIFF cut off", RASTER, "cut off|cannot be opened")
def _(folder: Path, good: Good) -> str:
    content = Path(good.raster).read_bytes()
    (folder / "hostile.tif").write_bytes(content[: len(content) // 2])
    return str(folder / "hostile.tif")


@animal("a VRT of itself", RASTER, "leads back to itself")
def _(folder: Path, good: Good) -> str:
    return write_vrt(folder / "hostile.vrt", ["hostile.vrt"])


@animal("a VRT of a VRT of it", RASTER, "leads back to itself")
def _(folder: Path, good: Good) -> str:
    write_vrt(folder / "other.dat", ["hostile.vrt"])
    return write_vrt(folder / "hostile.vrt", ["other.dat"])


@animal("a VRT of itself under the name of a link", RASTER, "leads back to itself")
def _(folder: Path, good: Good) -> str:
    (folder / "link.tif").symlink_to("hostile.vrt")
    return write_vrt(folder / "hostile.vrt", ["link.tif"])


@animal("VRTs fifty levels deep", RASTER, "more than 16 levels deep")
def _(folder: Path, good: Good) -> str:
    for level in range(50):
        write_vrt(folder / f"{level}.vrt", [f"{level + 1}.vrt"])
    write_vrt(folder / "50.vrt", [good.raster])
    return str(folder / "0.vrt")


@animal("VRTs that hold each other a hundred times", RASTER, "parts, as the VRTs in it hold each other")
def _(folder: Path, good: Good) -> str:
    for level in range(10):
        write_vrt(folder / f"{level}.vrt", [f"{level + 1}.vrt"] * 100)
    write_vrt(folder / "10.vrt", [good.raster])
    return str(folder / "0.vrt")


@animal("a VRT of what is not there", RASTER, "damaged or cut off.*nowhere.tif|nowhere.tif")
def _(folder: Path, good: Good) -> str:
    return write_vrt(folder / "hostile.vrt", ["nowhere.tif"])


@animal("a VRT of a pipe", RASTER, "is a pipe or a device")
def _(folder: Path, good: Good) -> str:
    os.mkfifo(folder / "pipe")
    return write_vrt(folder / "hostile.vrt", ["pipe"])


@animal("a VRT that shows the bytes of a file elsewhere", RASTER, "outside its own folder")
def _(folder: Path, good: Good) -> str:
    path = write_vrt(folder / "hostile.vrt", [], 16, 16, more=' subClass="VRTRawRasterBand"', dtype="Byte")
    text = Path(path).read_text()
    inside = '<SourceFilename relativetoVRT="0">/etc/passwd</SourceFilename><ImageOffset>0</ImageOffset></VRTRasterBand>'
    Path(path).write_text(text.replace("</VRTRasterBand>", inside))
    return path


@animal("a VRT with a program", RASTER, "computes its pixels with a program")
def _(folder: Path, good: Good) -> str:
    code = f"import os; os.mkdir('{folder}/executed')\ndef f(*a, **k): pass"
    language = "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    program = f"{language}<PixelFunctionCode>{code}</PixelFunctionCode>"
    return write_vrt(folder / "hostile.vrt", [good.raster], more=' subClass="VRTDerivedRasterBand"', inside=program)


@animal("a VRT with a document type", RASTER, "is a VRT that cannot be read")
def _(folder: Path, good: Good) -> str:
    path = Path(write_vrt(folder / "hostile.vrt", [good.raster]))
    laughs = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
    path.write_text(f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>' + path.read_text().replace("EPSG:32633", "&l9;"))
    return str(path)


@animal("a VRT of an address where nobody answers", RASTER, "damaged or cut off|cannot be opened|read over the network")
def _(folder: Path, good: Good) -> str:
    return write_vrt(folder / "hostile.vrt", ["/vsicurl/http://127.0.0.1:9/x.tif"])


for _what, _numbers in {
    "no numbers": "nan, 1, 0, 5600000, 0, -1",
    "no end": "500000, inf, 0, 5600000, 0, -1",
    "1e300": "1e300, 1e300, 0, 1e300, 0, -1e300",
}.items():
    ZOO.append(
        Animal(
            f"a georeference of {_what}",
            RASTER,
            lambda folder, good, numbers=_numbers: _placed(folder, good.raster, numbers),
            "has a georeferencing that holds no usable numbers",
        )
    )


def _placed(folder: Path, raster: str, numbers: str) -> str:
    with rasterio.open(raster) as file:
        size = f'rasterXSize="{file.width}" rasterYSize="{file.height}"'
    source = f"<SimpleSource><SourceFilename>{raster}</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand dataType="UInt16" band="1">{source}</VRTRasterBand>'
    path = folder / "hostile.vrt"
    path.write_text(f"<VRTDataset {size}><GeoTransform>{numbers}</GeoTransform>{band}</VRTDataset>")
    return str(path)


@animal("a VRT larger than anybody can classify", RASTER, "that takes weeks|takes .* GB of memory")
def _(folder: Path, good: Good) -> str:
    return write_vrt(folder / "hostile.vrt", [good.raster], GREATEST, GREATEST)


@animal("a map larger than anybody can go through", MAP, "too many to go through")
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.vrt"
    band = BAND.format(dtype="Byte", band=1, more="", sources="")
    path.write_text(VRT.format(width=GREATEST, height=GREATEST, bands=band))
    return str(path)


@animal("blocks of 4 GB", RASTER, "is stored in blocks of 64,000 x 64,000 pixels")
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=64_000, height=64_000, count=4, dtype="uint8", tiled=True, blockxsize=64_000,
        blockysize=64_000, sparse_ok=True, crs=CRS, transform=GRID, compress="deflate",
        interleave="band", photometric="minisblack",
    ):  # fmt: skip
        pass
    return str(path)


@animal("complex numbers", RASTER, "holds complex numbers")
def _(folder: Path, good: Good) -> str:
    return write_raster(folder / "hostile.tif", np.ones((4, 8, 8), np.complex64))


@animal("another number of bands", RASTER, "was made for 4 bands")
def _(folder: Path, good: Good) -> str:
    return write_raster(folder / "hostile.tif", np.ones((1, 8, 8), np.uint16))


@animal("a billion classes", MAP, "holds more than 254 different values|beyond 16,777,215")
def _(folder: Path, good: Good) -> str:
    return write_raster(folder / "hostile.tif", np.random.default_rng(0).integers(1, 10**9, (1, 64, 64)).astype("uint32"))


# Rasters that lead elsewhere, however that is spelled.

ELSEWHERE, FAR = "outside its own folder", "read over the network"
SECRET = "/etc/passwd"
ADDRESS = "/vsicurl/http://127.0.0.1:9/x.tif"


def _text(name: str, text: str, said: str, file: str = "hostile.tif", kind: str = RASTER) -> None:
    """Add a raster that is a text, with the folder in place of FOLDER and a good raster in place of GOOD."""

    def write(folder: Path, good: Good) -> str:
        (folder / "secret").write_bytes(b"TOPSECRET!" * 1000)
        inner = folder / "inner"
        inner.mkdir()
        (inner / file).write_text(text.replace("FOLDER", str(folder)).replace("GOOD", good.raster))
        return str(inner / file)

    ZOO.append(Animal(name, kind, write, said))


def _band(inside: str, more: str = "", dtype: str = "Byte") -> str:
    bands = "".join(BAND.format(dtype=dtype, band=band, more=more, sources=inside) for band in (1, 2, 3, 4))
    return VRT.format(width=16, height=16, bands=bands)


_RAW = '<SourceFilename relativeToVRT="0">FOLDER/secret</SourceFilename><ImageOffset>0</ImageOffset>'
_SUBCLASS = ' subClass="VRTRawRasterBand"'
for _what, _vrt in {
    "in capitals and small letters": _band(_RAW.replace("SourceFilename", "sourcefilename"), ' SUBCLASS="vrtrawrasterband"'),
    "whose kind is an element": _band("<subClass>VRTRawRasterBand</subClass>" + _RAW),
    "whose name is an attribute": _band("", f'{_SUBCLASS} SourceFilename="FOLDER/secret" relativeToVRT="0"'),
    "in a namespace": _band(_RAW, _SUBCLASS).replace("<VRTDataset", '<VRTDataset xmlns="urn:x" xmlns:y="urn:y"'),
    "whose name is written in numbers": _band(_RAW.replace("FOLDER/", "FOLDER&#x2f;"), _SUBCLASS),
    "beside it, with dots": _band('<SourceFilename relativeToVRT="1">x/../../secret</SourceFilename>', _SUBCLASS),
    "said to be relative in two ways": _band(
        '<SourceFilename relativeToVRT="1" relativetovrt="0">FOLDER/secret</SourceFilename>', _SUBCLASS
    ),
    "as a mask": _band("").replace("</VRTDataset>", f"<MaskBand>{_band(_RAW, _SUBCLASS)[96:-13]}</MaskBand></VRTDataset>"),
}.items():
    _text(f"a VRT that shows the bytes of a file {_what}", _vrt, f"{ELSEWHERE}|cannot be read")

for _what, _name in {
    "a comment": "FOLDER/secret<!-- -->/../inner/x",
    "a block of text": "FOLDER/secret<![CDATA[/../inner/x]]>",
    "an instruction": "FOLDER/secret<?a b?>/../inner/x",
    "an element": "FOLDER/secret<a/>/../inner/x",
}.items():
    _vrt = _band(f'<SourceFilename relativeToVRT="0">{_name}</SourceFilename>', _SUBCLASS)
    _text(f"a VRT with a name that is interrupted by {_what}", _vrt, "is a VRT that cannot be read")

_PROGRAM = "<pixelfunctiontype>f</pixelfunctiontype><{0}language>Python</{0}language><{0}code>import os</{0}code>".format(
    "pixelfunction"
)
_text("a VRT with a program in small letters", _band(_PROGRAM, ' subclass="vrtderivedrasterband"'), "with a program")

for _what, _name, _said in (
    ("of an address", ADDRESS, FAR),
    ("of an address written in numbers", "&#47;vsicurl/http://127.0.0.1:9/x.tif", FAR),
    ("of an address in an archive", "/vsizip//vsicurl/http://127.0.0.1:9/x.zip/x.tif", FAR),
    ("of a bucket", "/vsis3/bucket/x.tif", FAR),
    ("of a variable at an address", "NETCDF:&quot;http://127.0.0.1:9/x.nc&quot;:x", FAR),
    ("of a share", r"\\127.0.0.1\share\x.tif", FAR),
    (
        "of another that is written into its name",
        "&lt;VRTDataset rasterXSize='1' rasterYSize='1'/&gt;",
        "written into a name",
    ),
    ("of a file put together from others", "/vsisparse/FOLDER/secret", "which is not opened"),
    ("of a piece of a file", "/vsisubfile/0_100,FOLDER/secret", "which is not opened"),
    ("of what is written to the process", "/vsistdin/", "which is not opened"),
    ("of what is in an archive and leads out", "/vsizip//vsistdin/x/y.tif", "which is not opened"),
):
    _source = f'<SimpleSource><SourceFilename relativeToVRT="0">{_name}</SourceFilename></SimpleSource>'
    _text(f"a VRT {_what}", _band(_source), _said)

_text(  # Found by fuzzing: a crash in GDAL.
    "a VRT with a filter that has no coefficients",
    _band("<KernelFilteredSource><SourceFilename>GOOD</SourceFilename></KernelFilteredSource>"),
    "filters pixels by a kernel",
)
_OPTION = "<OpenOptions><OOI key='prelude_statements'>ATTACH 'FOLDER/x' AS x</OOI></OpenOptions>"
_text(
    "a VRT with a query for its part",
    _band(f"<SimpleSource><SourceFilename>GOOD</SourceFilename>{_OPTION}</SimpleSource>"),
    "with the option prelude_statements",
)
_text("a VRT called by its parts", _band(_RAW, _SUBCLASS), ELSEWHERE, "hostile.vrt")

_MRF = """<MRF_META><CachedSource><Source>GOOD</Source></CachedSource><Raster><Size x="64" y="64" c="1"/><PageSize
  x="64" y="64" c="1"/><Compression>NONE</Compression><DataType>Byte</DataType><DataFile>FOLDER/secret</DataFile>
  <IndexFile>FOLDER/made.idx</IndexFile></Raster></MRF_META>"""
_PDS = """PDS_VERSION_ID = PDS3\nRECORD_TYPE = FIXED_LENGTH\nRECORD_BYTES = 16\n^IMAGE = ("../secret", 1)\nOBJECT = IMAGE
  LINES = 16\n  LINE_SAMPLES = 16\n  SAMPLE_TYPE = UNSIGNED_INTEGER\n  SAMPLE_BITS = 8\nEND_OBJECT = IMAGE\nEND\n"""
_WMS = "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/${z}</ServerUrl></Service><DataWindow><UpperLeftX>0" \
    "</UpperLeftX><UpperLeftY>1</UpperLeftY><LowerRightX>1</LowerRightX><LowerRightY>0</LowerRightY>" \
    "<TileLevel>1</TileLevel></DataWindow><Projection>EPSG:3857</Projection></GDAL_WMS>"  # fmt: skip
for _what, _raster in {
    "writes what it reads": _MRF,
    "is of a planet": _PDS,
    "asks for tiles": _WMS,
    "asks for coverages": "<WCS_GDAL><ServiceURL>http://127.0.0.1:9/?</ServiceURL><CoverageName>x</CoverageName></WCS_GDAL>",
    "asks for maps": "<GDAL_WMTS><GetCapabilitiesUrl>http://127.0.0.1:9/x</GetCapabilitiesUrl></GDAL_WMTS>",
    "is an index of tiles": "<GDALTileIndexDataset><IndexDataset>GOOD</IndexDataset></GDALTileIndexDataset>",
    "is a catalogue": '{"type": "FeatureCollection", "stac_version": "1.0.0", "features": []}',
    "is a command": '{"type": "gdal_streamed_alg", "command_line": "gdal raster pipeline ! read GOOD"}',
}.items():
    _text(f"a raster that {_what}", _raster, NO_RASTER)
    _text(f"a map that {_what}", _raster, NO_RASTER, kind=MAP)

_ERS = """DatasetHeader Begin
  Version = "5.0"\n  DATAFILE\t=\t"../secret"\n  DataSetType = ERStorage\n  DataType = Raster\n  ByteOrder = LSBFirst
  RasterInfo Begin
    CellType = Unsigned8BitInteger\n    NrOfLines = 16\n    NrOfCellsPerLine = 16\n    NrOfBands = 4
  RasterInfo End
DatasetHeader End
"""
_text("a raster of ER Mapper with its pixels elsewhere", _ERS, ELSEWHERE, "hostile.ers")


@animal("a raster of PCI with its pixels elsewhere", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.pix"
    with rasterio.open(
        path, "w", driver="PCIDSK", width=16, height=16, count=4, dtype="uint8", transform=GRID, crs=CRS, interleaving="BAND"
    ) as file:
        file.write(np.ones((4, 16, 16), np.uint8))
    content = bytearray(path.read_bytes())
    at = (int(content[336:352]) - 1) * 512 + 64
    content[at : at + 64] = SECRET.encode().ljust(64)
    path.write_bytes(content)
    return str(path)


_HDF5 = (
    "eNrtmM1uEzEQxz3O1/YDNRGoXVAPEUIoQoj20ENvTZS4NFK6QdkeuEEgkdoDoVIiNb31SN+gj8Aj9Ngjj8MbpLvrvze7JgSQKijK/C7/2GPvjEezsde"
    "XB439B8tPlkWI44isKIokEyAqVhu8hxL0C/SrNP0U2Vz0l/B8e9xRR6lw9MTC+NnOanUEs4gcqNqbUN+iXYZ+k+lx59Ax9EN30EvW5+4f+iWxpOeSae"
    "tKJtId5m0xmgnsoaVU3kOtVsXOitiZZLQ9F/SGdikl6XrWz8uQKe2LlP9VsQ2/+WCAI+qtmu8H7YfwadbVaB4qz2+2vXd+vdZSwbwK5uWieV7tUAnMk"
    "4l553H8egXHWMhNHEH6jfO9doOiVeJ9z8/Pn8nLODd/nPFSzixGPf+9urr4J3U1tuqqUppfV4T4p/mAHzk7Hz/mpxhNncbuzMxLIXguYUy4M10VfrKv"
    "kOk3eYx3JErXdzEVyHFs2b2T/zvX2l+vC+lxW/3Rx63T7nB41ruDqvy+hx9VrB5ahD6CutBNaBn6FPoM+hxagb6AvoS+qt4v/wzDMAyzGKziC57EWnC"
    "EcRPnvVbTPxLiMY42GzgjmfOp+eySyfOJO/2dbMvIz3XsZxQYOmpfdZRXV/CzLrWfXnfUHfZHv4zbxNM7+dQfDE8+D8Tv3Q+EPrKJL0izHrLvMfJ2nv"
    "7P+IlLnGEYhpnB63q7RYn7C7L2IXMfJ61++z7vZo1zyTAMwzAMwzAMwzD3lVsZjIge"
)
"""A file of netCDF whose variable ``band`` says that its bytes are those of /etc/passwd, compressed."""


@animal("a netCDF with its pixels elsewhere", RASTER, "shows the bytes of other files")
def _(folder: Path, good: Good) -> str:
    (folder / "hostile.nc").write_bytes(zlib.decompress(base64.b64decode(_HDF5)))
    return f'NETCDF:"{folder}/hostile.nc":band'


@animal("a link to a file elsewhere that a header takes for pixels", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    (folder / "hostile").symlink_to(SECRET)
    header = (
        "ENVI\nsamples = 16\nlines = 16\nbands = 4\nheader offset = 0\ndata type = 1\ninterleave = bsq\nbyte order = 0\n"
    )
    (folder / "hostile.hdr").write_text(header)
    return str(folder / "hostile")


@animal("a link to a file elsewhere beside a header of Idrisi", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    (folder / "hostile.rst").symlink_to(SECRET)
    lines = (
        "file format : IDRISI Raster A.1",
        "data type   : byte",
        "file type   : binary",
        "columns     : 2",
        "rows        : 2",
    )
    (folder / "hostile.rdc").write_text("\n".join([*lines, "ref. system : plane", "ref. units  : m", "unit dist.  : 1", ""]))
    return str(folder / "hostile.rst")


@animal("a header of R whose pixels are a link to a file elsewhere", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    (folder / "hostile.gri").symlink_to(SECRET)
    size = "[georeference]\nnrows=2\nncols=2\nxmin=0\nymin=0\nxmax=2\nymax=2\nprojection=\n"
    data = "[data]\ndatatype=INT1U\nbyteorder=little\nnbands=1\nbandorder=BIL\n"
    (folder / "hostile.grd").write_text(f"[general]\ncreator=R package 'raster'\n{size}{data}")
    return str(folder / "hostile.grd")


@animal("a folder of chunks one of which is a link", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    import rasterio.shutil

    write_raster(folder / "bytes.tif", np.ones((1, 64, 64), np.uint8))
    rasterio.shutil.copy(folder / "bytes.tif", folder / "hostile.zarr", driver="Zarr")
    (next(path for path in folder.glob("hostile.zarr/*") if path.is_dir()) / "9.9").symlink_to(SECRET)
    return str(folder / "hostile.zarr")


def _beside(name: str, ending: str, text: str, said: str) -> None:
    def write(folder: Path, good: Good) -> str:
        path = shutil.copy(good.raster, folder / "hostile.tif")
        (folder / f"hostile.tif{ending}").write_text(text)
        return str(path)

    ZOO.append(Animal(name, RASTER, write, said))


_PAM = '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{}</MDI></Metadata></PAMDataset>'
_beside("overviews at an address", ".aux.xml", _PAM.format(ADDRESS), FAR)
_beside(
    "overviews at an address, in capitals", ".aux.xml", _PAM.format(ADDRESS).replace("MDI", "mdi").replace("key", "KEY"), FAR
)
_beside("overviews that are written into their name", ".aux.xml", _PAM.format("&lt;VRTDataset/>"), "written into a name")
_beside("overviews in an aux.xml that is no XML", ".aux.xml", _PAM.format(ADDRESS)[:-3], "cannot be read")
_beside(
    "places of pixels at an address", ".aux.xml",
    _PAM.format(ADDRESS).replace("OVERVIEW_FILE", "X_DATASET").replace("OVERVIEWS", "GEOLOCATION"), FAR,
)  # fmt: skip
_FAR_SOURCE = f"<SimpleSource><SourceFilename>{ADDRESS}</SourceFilename></SimpleSource>"
_beside("a mask at an address", ".msk", _band(_FAR_SOURCE), FAR)
_beside("overviews that are a VRT of a file", ".ovr", _band(_RAW.replace("FOLDER/secret", SECRET), _SUBCLASS), ELSEWHERE)


@animal("overviews at an address, in the GeoTIFF", RASTER, FAR)
def _(folder: Path, good: Good) -> str:
    path = shutil.copy(good.raster, folder / "hostile.tif")
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=ADDRESS)
    return str(path)


@animal("a VRT of a GeoTIFF with overviews at an address", RASTER, FAR)
def _(folder: Path, good: Good) -> str:
    path = shutil.copy(good.raster, folder / "part.tif")
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=ADDRESS)
    return write_vrt(folder / "hostile.vrt", ["part.tif"])


def _archived(folder: Path, name: str, content: str) -> str:
    with zipfile.ZipFile(folder / "hostile.zip", "w") as archive:
        archive.writestr(name, content)
    return f"{folder}/hostile.zip"


@animal("a VRT in an archive", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    archive = _archived(folder, "a.vrt", _band(_RAW.replace("FOLDER/secret", SECRET), _SUBCLASS))
    return f"/vsizip/{archive}/a.vrt"


@animal("a VRT in an archive that is named another way", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    return f"zip://{_archived(folder, 'a.vrt', _band(_RAW.replace('FOLDER/secret', SECRET), _SUBCLASS))}!/a.vrt"


@animal("a VRT of a VRT in an archive", RASTER, FAR)
def _(folder: Path, good: Good) -> str:
    archive = _archived(folder, "a.tif", _band(_FAR_SOURCE))
    return write_vrt(folder / "hostile.vrt", [f"/vsizip/{archive}/a.tif"])


@animal("a VRT that is the name itself", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    return _band(_RAW.replace("FOLDER/secret", SECRET), _SUBCLASS)


@animal("a VRT that is named as a part of itself", RASTER, ELSEWHERE)
def _(folder: Path, good: Good) -> str:
    (folder / "hostile.tif").write_text(_band(_RAW.replace("FOLDER/secret", SECRET), _SUBCLASS))
    return f"vrt://{folder}/hostile.tif?bands=1"


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@animal("a GeoPackage of tiles that never end", RASTER, "is a query that takes too long|gives more than")
def _(folder: Path, good: Good) -> str:
    import rasterio.shutil

    path = folder / "hostile.gpkg"
    write_raster(folder / "bytes.tif", np.full((1, 64, 64), 255, np.uint8))
    rasterio.shutil.copy(folder / "bytes.tif", path, driver="GPKG", raster_table="t")
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(f"ALTER TABLE t RENAME TO u; CREATE VIEW t AS {ENDLESS} SELECT u.* FROM n, u WHERE n.i < 0;")
    return str(path)


# Labels.


@animal("a GeoPackage cut off", LABELS, NO_LABELS)
def _(folder: Path, good: Good) -> str:
    content = Path(good.labels).read_bytes()
    (folder / "hostile.gpkg").write_bytes(content[: len(content) // 2])
    return str(folder / "hostile.gpkg")


@animal("a layer that is made from itself", LABELS, NO_LABELS)
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.vrt"
    source = '<SrcDataSource relativeToVRT="1">hostile.vrt</SrcDataSource><SrcLayer>a</SrcLayer>'
    path.write_text(f'<OGRVRTDataSource><OGRVRTLayer name="a">{source}</OGRVRTLayer></OGRVRTDataSource>')
    return str(path)


@animal("a layer that is made from itself a thousand times", LABELS, NO_LABELS)  # Found by fuzzing.
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.vrt"
    source = '<SrcDataSource relativeToVRT="1">hostile.vrt</SrcDataSource>' * 1000
    path.write_text(f'<OGRVRTDataSource><OGRVRTLayer name="a">{source}</OGRVRTLayer></OGRVRTDataSource>')
    return str(path)


@animal("a layer that never ends", LABELS, "is a query that (gives more than 2,000,000 features|takes too long)")
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.gpkg"
    path.write_bytes(Path(good.labels).read_bytes())
    database = sqlite3.connect(path)
    database.executescript(
        """CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
             SELECT n.i AS fid, l.geom AS geom, l.cover AS cover FROM n, (SELECT * FROM labels LIMIT 1) AS l;
           UPDATE gpkg_contents SET table_name = 'endless', identifier = 'endless' WHERE table_name = 'labels';
           UPDATE gpkg_geometry_columns SET table_name = 'endless' WHERE table_name = 'labels';"""
    )
    database.commit()
    database.close()
    return f"{path}|layername=endless"


@animal("a view that takes for ever to give its first feature", LABELS, "is a query that takes too long")
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.gpkg"
    path.write_bytes(Path(good.labels).read_bytes())
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(
            """CREATE VIEW slow AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                 SELECT n.i AS fid, l.geom AS geom, l.cover AS cover FROM n, labels AS l WHERE n.i < 0;
               INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)
                 VALUES ('slow', 'features', 'slow', 32633);
               INSERT INTO gpkg_geometry_columns SELECT 'slow', column_name, geometry_type_name, srs_id, z, m
                 FROM gpkg_geometry_columns WHERE table_name = 'labels';"""
        )
    return f"{path}|layername=slow"


@animal("a layer with a query in it", LABELS, "holds a query, which is not run")
def _(folder: Path, good: Good) -> str:
    query = (
        "<SrcSQL dialect='SQLITE'>WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT * FROM n</SrcSQL>"
    )
    source = f"<SrcDataSource>{good.labels}</SrcDataSource>"
    (folder / "inner.dat").write_text(
        f"<OGRVRTDataSource><OGRVRTLayer name='a'>{source}{query}</OGRVRTLayer></OGRVRTDataSource>"
    )
    inner = '<SrcDataSource relativeToVRT="1">inner.dat</SrcDataSource><SrcLayer>a</SrcLayer>'
    path = folder / "hostile.vrt"
    path.write_text(f"<OGRVRTDataSource><OGRVRTLayer name='a'>{inner}</OGRVRTLayer></OGRVRTDataSource>")
    return str(path)


@animal("a layer of a file whose name holds a null byte", LABELS, NO_LABELS)  # Found by fuzzing.
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.vrt"
    path.write_text(
        "<OGRVRTDataSource><OGRVRTLayer name='a'><SrcDataSource>a\0b</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )
    return str(path)


@animal("a file without a layer", LABELS, "holds no layer")  # Found by fuzzing.
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.vrt"
    path.write_text("<OGRVRTDataSource></OGRVRTDataSource>")
    return str(path)


@animal("a zip bomb", LABELS, "unpacks to 5.0 GB")
def _(folder: Path, good: Good) -> str:
    return _zip_bomb(folder / "hostile.zip", "labels.geojson", 5_000_000_000)


def _geojson(folder: Path, *features: tuple[Any, Any]) -> str:
    path = folder / "hostile.geojson"
    body = [{"type": "Feature", "properties": {"cover": cover}, "geometry": geometry} for cover, geometry in features]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": body}))
    return str(path)


@animal("coordinates at the end of the numbers", LABELS, "No label lies over the raster|holds no geometry")
def _(folder: Path, good: Good) -> str:
    far = [[[1e308, 1e308], [-1e308, 1e308], [1e308, -1e308], [1e308, 1e308]]]
    return _geojson(
        folder, ("a", {"type": "Polygon", "coordinates": far}), ("b", {"type": "Point", "coordinates": [1e308, 0]})
    )


@animal("collections a thousand levels deep", LABELS, "cannot be read|holds no geometry|without geometries|No label lies")
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.geojson"
    deep = '{"type": "GeometryCollection", "geometries": [' * 1000 + "]}" * 1000
    path.write_text('{"type": "Feature", "properties": {"cover": "a"}, "geometry": ' + deep + "}")
    return str(path)


@animal("500 classes", LABELS, "has 500 different values; a map can hold 254")
def _(folder: Path, good: Good) -> str:
    _, boxes = label_boxes()
    return write_labels(
        folder / "hostile.gpkg", [f"class {k}" for k in range(500)], [on_map(boxes[k % 12]) for k in range(500)]
    )


@animal("half a shapefile", LABELS, NO_LABELS)
def _(folder: Path, good: Good) -> str:
    head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, GREATEST) + struct.pack("<2i8d", 1000, 5, *[0.0] * 8)
    (folder / "hostile.shp").write_bytes(head + b"\xff" * 200)
    return str(folder / "hostile.shp")


# Labels that lead elsewhere, or never end, however that is spelled.


def _layer_vrt(name: str, inside: str, said: str) -> None:
    def write(folder: Path, good: Good) -> str:
        inner = folder / "inner.dat"
        query = f"<SrcDataSource>{good.labels}</SrcDataSource><SrcSQL dialect='SQLITE'>SELECT * FROM labels</SrcSQL>"
        inner.write_text(f"<OGRVRTDataSource><OGRVRTLayer name='a'>{query}</OGRVRTLayer></OGRVRTDataSource>")
        slow = Path(_with_view(folder / "slow.dat", good, f"{ENDLESS} SELECT * FROM n WHERE i < 0"))
        text = inside.replace("GOOD", good.labels).replace("INNER", str(inner)).replace("SLOW", str(slow))
        path = folder / "hostile.vrt"
        path.write_text(f"<OGRVRTDataSource><OGRVRTLayer name='a'>{text}</OGRVRTLayer></OGRVRTDataSource>")
        return str(path)

    ZOO.append(Animal(name, LABELS, write, said))


def _with_view(path: Path, good: Good, query: str, name: str = "v") -> str:
    shutil.copy(good.labels, path)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(
            f"""CREATE VIEW {name} AS {query};
               INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)
                 VALUES ('{name}', 'features', '{name}', 32633);
               INSERT INTO gpkg_geometry_columns SELECT '{name}', column_name, geometry_type_name, srs_id, z, m
                 FROM gpkg_geometry_columns WHERE table_name = 'labels';"""
        )
    return str(path)


_QUERY, _UNTRIED, _SLOW = (
    "holds a query",
    "is a query that cannot be tried",
    "is a query that takes too long|gives more than",
)
_layer_vrt("a query in another file whose name has a number in it", "<SrcDataSource>INNER</SrcDataSource>".replace("INNER",
    "inner&#46;dat").replace(">inner", ' relativeToVRT="1">inner'), _QUERY)  # fmt: skip
_layer_vrt("a query in small letters", "<SrcDataSource>GOOD</SrcDataSource><srcsql>SELECT 1</srcsql>", _QUERY)
_layer_vrt("a query that is an attribute", "<x SrcSQL='SELECT 1'/><SrcDataSource>GOOD</SrcDataSource>", _QUERY)
_layer_vrt(
    "a query in a namespace", "<y xmlns='urn:x'><SrcSQL>SELECT 1</SrcSQL></y><SrcDataSource>GOOD</SrcDataSource>", _QUERY
)
_layer_vrt(
    "a query that is written into a name",
    "<SrcDataSource>&lt;OGRVRTDataSource&gt;&lt;OGRVRTLayer name='a'&gt;&lt;SrcSQL&gt;SELECT 1&lt;/SrcSQL&gt;"
    "&lt;/OGRVRTLayer&gt;&lt;/OGRVRTDataSource&gt;</SrcDataSource>",
    "written into a name",
)
_layer_vrt("a name that is interrupted", "<SrcDataSource>INNER<!-- --></SrcDataSource>", "is a VRT that cannot be read")
_layer_vrt("labels at an address", "<SrcDataSource>/vsicurl/http://127.0.0.1:9/x.gpkg</SrcDataSource>", FAR)
_layer_vrt("labels on a server", "<SrcDataSource>http://127.0.0.1:9/x.geojson</SrcDataSource>", FAR)
_layer_vrt(
    "labels with a query before they are read",
    "<SrcDataSource>GOOD</SrcDataSource><OpenOptions><OOI key='PRELUDE_STATEMENTS'>ATTACH 'x' AS x</OOI></OpenOptions>",
    "with the option PRELUDE_STATEMENTS",
)
_layer_vrt("labels in a view of a database", "<SrcDataSource>SLOW</SrcDataSource><SrcLayer>v</SrcLayer>", _SLOW)
_layer_vrt("labels of a document type", "<!DOCTYPE a><SrcDataSource>GOOD</SrcDataSource>", "is a VRT that cannot be read")


for _what, _view, _said in (
    ("calls a function that GDAL alone has", f"{ENDLESS} SELECT i AS fid, geom FROM n, labels WHERE ST_MinX(geom) < 0",
        _UNTRIED),
    ("asks a server", "SELECT fid, geom, ogr_geocode('Berlin') AS cover FROM labels", _UNTRIED),
    ("is another one every time", "SELECT fid, geom, cover FROM labels WHERE random() > 0", _UNTRIED),
    ("looks at who reads it", "SELECT fid, geom, sqlite_version() AS cover FROM labels", _UNTRIED),
    ("looks at what there is", "SELECT fid, geom, cover FROM labels, pragma_function_list", _UNTRIED),
    ("reads what is not there", "SELECT fid, geom, cover FROM labels, nowhere", _UNTRIED),
    ("makes much of little", "SELECT fid, geom, printf('%199000000s', cover) AS cover FROM labels", "gives more than 1 GB"),
    ("makes one thing too large", "SELECT fid, geom, printf('%900000000s', cover) AS cover FROM labels", "more than 200 MB"),
    ("never ends in a column", f"SELECT fid, geom, ({ENDLESS} SELECT sum(i) FROM n) AS cover FROM labels", _SLOW),
    ("never ends in a condition", f"SELECT fid, geom, cover FROM labels WHERE fid IN ({ENDLESS} SELECT -i FROM n)", _SLOW),
):  # fmt: skip
    ZOO.append(
        Animal(
            f"a view that {_what}",
            LABELS,
            lambda folder, good, view=_view: _with_view(folder / "hostile.gpkg", good, view) + "|layername=v",
            _said,
        )
    )


@animal("a table with a column that is computed", LABELS, _UNTRIED)
def _(folder: Path, good: Good) -> str:
    shutil.copy(good.labels, folder / "hostile.gpkg")
    with closing(sqlite3.connect(folder / "hostile.gpkg")) as database, database:
        # What stands for all others: a function that GDAL has and this does not.
        database.create_function("st_minx", 1, len, deterministic=True)
        database.execute("ALTER TABLE labels ADD COLUMN more TEXT GENERATED ALWAYS AS (ST_MinX(geom)) VIRTUAL")
    return str(folder / "hostile.gpkg")


for _what, _made in (
    ("text", "CREATE VIRTUAL TABLE v USING VirtualText('/etc/passwd', 'UTF-8', 0)"),
    ("shapes", "CREATE /* USING rtree */ VIRTUAL TABLE v USING VirtualShape('/etc/x', 'UTF-8', 4326)"),
    ("cells", 'CREATE VIRTUAL TABLE "v"USING"virtualXL"(x)'),
):

    def _virtual(folder: Path, good: Good, made: str = _made) -> str:
        path = _with_view(folder / "hostile.gpkg", good, "SELECT fid, geom, cover FROM labels")
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA writable_schema = ON")
            database.execute("UPDATE sqlite_master SET type = 'table', rootpage = 0, sql = ? WHERE name = 'v'", (made,))
        return path

    ZOO.append(Animal(f"a table of the {_what} of another file", LABELS, _virtual, "may show other files"))


@animal("a database that only a newer program reads", LABELS, "is a database that cannot be read")
def _(folder: Path, good: Good) -> str:
    shutil.copy(good.labels, folder / "hostile.gpkg")
    with closing(sqlite3.connect(folder / "hostile.gpkg")) as database, database:
        database.execute("CREATE TABLE more (a TEXT)")
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE more (a TEXT) NEWER' WHERE name = 'more'")
    return str(folder / "hostile.gpkg")


@animal("a view in place of what says which layers there are", LABELS, _SLOW)
def _(folder: Path, good: Good) -> str:
    path = folder / "hostile.gpkg"
    shutil.copy(good.labels, path)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(
            f"""ALTER TABLE gpkg_extensions RENAME TO kept;
               CREATE VIEW GPKG_EXTENSIONS AS {ENDLESS} SELECT kept.* FROM n, kept WHERE n.i > 1;"""
        )
    return str(path)


def _zipped(folder: Path, good: Good) -> str:
    view = _with_view(folder / "inside.gpkg", good, f"{ENDLESS} SELECT n.i AS fid, geom, cover FROM n, labels WHERE n.i < 0")
    with zipfile.ZipFile(folder / "hostile.gpkg.zip", "w") as archive:
        archive.write(view, "hostile.gpkg")
    return str(folder / "hostile.gpkg.zip")


ZOO.append(Animal("a view in an archive", LABELS, lambda folder, good: _zipped(folder, good) + "|layername=v", _SLOW))
ZOO.append(
    Animal(
        "a view in an archive that is named as one",
        LABELS,
        lambda folder, good: f"/vsizip/{_zipped(folder, good)}/hostile.gpkg|layername=v",
        _SLOW,
    )
)


@animal("labels whose CRS is at an address", LABELS, FAR)
def _(folder: Path, good: Good) -> str:
    return _with_crs(folder, good, '"crs": {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}}')


@animal("labels whose CRS is at an address, in numbers", LABELS, FAR)
def _(folder: Path, good: Good) -> str:
    return _with_crs(folder, good, r'"\u0063rs": {"type": "\u006cink", "properties": {"href": "http://127.0.0.1:9/crs"}}')


def _with_crs(folder: Path, good: Good, crs: str) -> str:
    path = Path(_geojson(folder, ("a", {"type": "Point", "coordinates": [1, 2]})))
    path.write_text("{" + crs + ", " + path.read_text().replace('"crs"', '"no"').lstrip("{"))
    return str(path)


ZOO.append(
    Animal("labels that are XML instead of a name", LABELS, lambda folder, good: "<OGRVRTDataSource/>", "does not exist")
)


# Legends.

for _what, _text in {
    "a value named twice": '[{"value": 1, "value": 2, "name": "a", "color": "#000000"}]',
    "a colour with a program in it": '[{"value": 1, "name": "a", "color": "url(javascript:alert(1))"}]',
    "a number where a list should be": "1e999",
    "a list a hundred levels deep": "[" * 100 + "]" * 100,
}.items():
    ZOO.append(
        Animal(
            _what,
            LEGEND,
            lambda folder, good, text=_text: str((folder / "hostile.json").write_text(text) and folder / "hostile.json"),
            "is not a legend",
        )
    )
