"""Files that somebody made to do harm, or that a broken disk made by chance: each must be answered with one clear error."""

from __future__ import annotations

import json
import os
import pickle  # To write files with that must be refused. Nothing reads one.
import sqlite3
import struct
import zipfile
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

from false_core.device import memory_of
from false_core.jobs import Classify, Finetune, Job, Polygonise, Pretrain
from false_core.models.model_file import LONGEST_HEADER, MODEL_FORMAT

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
    return _weighted(
        folder, good.model, lambda name, tensor: tensor * float("nan") if name.endswith("conv1.weight") else tensor
    )


@animal("an infinite weight", ENCODER, "are no finite numbers")
def _(folder: Path, good: Good) -> str:
    return _weighted(folder, good.encoder, lambda name, tensor: tensor / 0 if name.endswith("conv1.weight") else tensor)


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
    """Write an archive of a few kilobytes for each megabyte that it unpacks to."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        piece = bytes(10_000_000)
        for _ in range(size // len(piece)):
            file.write(piece)
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
