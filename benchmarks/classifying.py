"""Time of classifying a raster: the floor, the network alone, ours from file to file, and what others take.

    python benchmarks/classifying.py                      2,048 x 2,048 pixels, the quick network on the raster's pixels
    python benchmarks/classifying.py --factor 4           on pixels four times as large, as the quick preset may choose
    python benchmarks/classifying.py --encoder resnet50   the network of the standard preset
    python benchmarks/classifying.py --linear             1, 4, 16 and 64 million pixels against a straight line

All variants run in turn on one raster, with one network and one number of threads, each in a process of its own, as their
users run them; ours and the network alone get memory as our jobs do (``false_core.computing.memory``). A process does it
twice, so that what is loaded and chosen once does not count; the best of several rounds is shown. Beside wall clock it
gives processor time of all threads, which other programs on the same machine disturb less. The ratio is what to look at.

Peers that are not installed are left out. torchgeo and geoai go into an environment of their own, on top of these packages:

    uv venv --python .venv/bin/python build/peers
    readlink -f .venv/lib/python3.*/site-packages > build/peers/lib/python3.11/site-packages/ours.pth
    uv pip install --python build/peers/bin/python --no-deps -r benchmarks/classifying-peers.txt
    PYTHONPATH=. build/peers/bin/python benchmarks/classifying.py

Deepness runs inside QGIS only. What it does is repeated here as its code has it (false_core/models/onnx_file.py): square
tiles of the network's size one at a time through onnxruntime, of which the middle is kept in an array for the whole raster.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Before torch: threads that wait for each other sleep, as in the library's own jobs. Spinning would count as processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("GDAL_CACHEMAX", "160")

import numpy as np
import rasterio
import torch
from rasterio.windows import Window as RasterioWindow
from torch import nn

from false_core.computing.memory import TRIM_THRESHOLD_BYTES
from false_core.dispatch import run
from false_core.inference.folding import for_inference
from false_core.inference.tiles import TilePlan
from false_core.jobs import Classify, ExportOnnx
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard, load_weights, read_card, save_model
from false_core.models.segmenter import build_segmenter
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window
from false_core.synthetic import write_large

CLASSES, BANDS, PIXEL_SIZE = 6, 4, 0.5
DEEPNESS_TILE, DEEPNESS_OVERLAP = 512, 0.2
TORCHGEO_TILE = 512
OURS = "ours"
KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD_BYTES), "MALLOC_ARENA_MAX": "1"}
"""Environment variables that ask for the same as ``keep_memory``, before a process starts."""
OVERLAP = 96
"""Pixels that tiles of a torchgeo loop share: as many as ours do."""


@dataclass(frozen=True)
class Case:
    """A raster and the model that classifies it, whose network is on ``device``."""

    raster: Path
    model: Path
    folder: Path
    card: ModelCard
    network: nn.Module
    factor: int
    device: torch.device

    @property
    def source(self) -> RasterSource:
        """The raster on its working grid."""
        return RasterSource(str(self.raster), factor=self.factor)


def make(folder: Path, side: int, encoder: str, decoder: str, factor: int) -> Case:
    """Write a raster and an untrained model, whose weights change nothing about its time."""
    raster, model = folder / "raster.tif", folder / "model.safetensors"
    write_large(raster, side, side)
    from false_core.feedback import Feedback
    from false_core.raster.statistics import measure

    source = RasterSource(str(raster))
    normal = measure([source], [Window(0, 0, side, side)], Feedback())
    classes = ClassTable(tuple(LandCoverClass(n + 1, f"class {n}", f"#{40 * n:02x}8040") for n in range(CLASSES)))
    torch.manual_seed(0)
    network = build_segmenter(encoder, decoder, BANDS, CLASSES).eval()
    card = ModelCard(
        SEGMENTER, encoder, source.band_names, source.bands, source.dtype, normal, PIXEL_SIZE * factor,
        PIXEL_SIZE * factor, 64, decoder=decoder, classes=classes,
    )  # fmt: skip
    save_model(str(model), card, network)
    return made(folder, factor)


def made(folder: Path, factor: int, device: str = "cpu") -> Case:
    """Return what ``make`` wrote."""
    raster, model = folder / "raster.tif", folder / "model.safetensors"
    card = read_card(str(model), SEGMENTER)
    network = build_segmenter(card.encoder, card.decoder, BANDS, CLASSES).eval()
    load_weights(str(model), network)
    network = network.to(device, memory_format=torch.channels_last)
    return Case(raster, model, folder, card, network, factor, torch.device(device))


def forward_only(case: Case, network: nn.Module) -> Callable[[], None]:
    """Return the scores of all tiles of our plan, of one tile that lies in memory: what the network alone takes."""
    source = case.source
    plan = TilePlan.for_area(Window(0, 0, source.width, source.height), CLASSES, case.factor)
    raw = source.read(next(iter(plan)).window)
    pixels = (
        torch.from_numpy(case.card.normalisation.apply(raw))[None]
        .to(case.device)
        .contiguous(memory_format=torch.channels_last)
    )

    def compute() -> None:
        with torch.inference_mode():
            for _ in range(len(plan)):
                network(pixels)

    return compute


def read_all(case: Case) -> Callable[[], None]:
    """Return reading every pixel once, as the file has it, and nothing else."""

    def read() -> None:
        with rasterio.open(case.raster) as file:
            for row in range(0, file.height, 512):
                file.read(window=RasterioWindow(0, row, file.width, min(512, file.height - row)))

    return read


def ours(case: Case) -> Callable[[], None]:
    """Return the whole job: raster and model in, map with overviews out."""

    def classify() -> None:
        run(Classify(str(case.raster), str(case.model), str(case.folder / "ours.tif"), device=str(case.device)))

    return classify


def _write(case: Case, codes: Any, name: str) -> None:
    with rasterio.open(case.raster) as file:
        profile = {**file.profile, "count": 1, "dtype": "uint8", "compress": "deflate", "nodata": 0, "predictor": 1}
    with rasterio.open(case.folder / name, "w", **profile) as out:
        out.write(codes, 1)


def deepness(case: Case) -> Callable[[], None] | None:
    """Return what Deepness does, or None where onnxruntime is missing."""
    if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None or case.factor > 1:
        return None
    import onnxruntime

    provider = f"{case.device.type.upper()}ExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        return None
    path = case.folder / "model.onnx"
    run(ExportOnnx(str(case.model), str(path), tile=DEEPNESS_TILE))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    name = session.get_inputs()[0].name
    shared = int(DEEPNESS_TILE * DEEPNESS_OVERLAP)
    stride, half = DEEPNESS_TILE - shared, shared // 2

    def classify() -> None:
        with rasterio.open(case.raster) as file:
            result = np.zeros((file.height, file.width), np.uint8)
            for top in range(-half, file.height, stride):
                for left in range(-half, file.width, stride):
                    if top + half >= file.height or left + half >= file.width:
                        continue
                    window = RasterioWindow(left, top, DEEPNESS_TILE, DEEPNESS_TILE)
                    tile = file.read(window=window, boundless=True, fill_value=0).astype(np.float32) / 255
                    codes = session.run(None, {name: tile[None]})[0][0].argmax(axis=0) + 1
                    kept = codes[half : half + stride, half : half + stride]
                    place = result[top + half : top + half + stride, left + half : left + half + stride]
                    place[:] = kept[: place.shape[0], : place.shape[1]]
            _write(case, result, "deepness.tif")

    return classify


def geoai(case: Case) -> Callable[[], None] | None:
    """Return geoai's ``predict_geotiff`` with its own defaults, or None where it is missing."""
    found = next((Path(p, "geoai/inference.py") for p in sys.path if Path(p, "geoai/inference.py").exists()), None)
    if found is None or case.factor > 1:
        return None
    # The module by itself: the package imports what has nothing to do with this.
    sys.modules["geoai.utils"] = types.ModuleType("geoai.utils")
    sys.modules["geoai.utils"].get_device = lambda: case.device  # type: ignore[attr-defined]
    specification = importlib.util.spec_from_file_location("geoai_inference", found)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["geoai_inference"] = module
    specification.loader.exec_module(module)

    def classify() -> None:
        module.predict_geotiff(
            case.network, str(case.raster), str(case.folder / "geoai.tif"), num_classes=CLASSES, device=str(case.device),
            preprocess_fn=case.card.normalisation.apply, output_dtype="uint8", output_nodata=0, compress="deflate",
            postprocess_fn=lambda scores: (scores.argmax(axis=0) + 1).astype(np.uint8), verbose=False,
        )  # fmt: skip

    return classify


def torchgeo(case: Case, overlap: int) -> Callable[[], None] | None:
    """Return a loop over torchgeo's ``GridGeoSampler``, or None where it is missing."""
    if importlib.util.find_spec("torchgeo") is None or case.factor > 1:
        return None
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    class Images(RasterDataset):  # type: ignore[misc]
        filename_glob = case.raster.name

    def classify() -> None:
        images = Images(str(case.folder))
        sampler = GridGeoSampler(images, size=TORCHGEO_TILE, stride=TORCHGEO_TILE - overlap)
        half = overlap // 2
        with rasterio.open(case.raster) as file:
            result, inverse = np.zeros((file.height, file.width), np.uint8), ~file.transform
        with torch.inference_mode():
            for batch in DataLoader(images, batch_size=4, sampler=sampler, collate_fn=stack_samples):
                pixels = [torch.from_numpy(case.card.normalisation.apply(image.numpy())) for image in batch["image"]]
                codes = (case.network(torch.stack(pixels).to(case.device)).argmax(dim=1) + 1).to(torch.uint8).cpu().numpy()
                for bounds, tile in zip(batch["bounds"], codes):
                    x, y = _corner(bounds)
                    column, row = (round(v) for v in inverse * (x, y))
                    # The middle, and at the raster's edges all there is.
                    left, top = (0 if start <= 0 else half for start in (column, row))
                    part = result[max(0, row + top) : row + len(tile), max(0, column + left) : column + len(tile)]
                    part[:] = tile[top:, left:][: part.shape[0], : part.shape[1]]
        _write(case, result, "torchgeo.tif")

    return classify


def _corner(bounds: Any) -> tuple[float, float]:
    """Return the upper left corner of a sample: of slices, of a bounding box, or of numbers."""
    if hasattr(bounds, "minx"):
        return bounds.minx, bounds.maxy
    if isinstance(bounds[0], slice):
        return bounds[0].start, bounds[1].stop
    return float(bounds[0]), float(bounds[4])


@dataclass(frozen=True)
class Taken:
    """Wall clock and processor time of a variant, in seconds."""

    wall: float
    cpu: float

    def better(self, other: Taken) -> Taken:
        """Return the best of both."""
        return Taken(min(self.wall, other.wall), min(self.cpu, other.cpu))


def timed(do: Callable[[], None]) -> Taken:
    """Do it and return what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    do()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


@dataclass(frozen=True)
class Variant:
    """One way to classify.

    Attributes:
        title: Name in the table.
        prepare: Gives what is timed, or None where something for it is missing.
        keeps_memory: True where its process gets memory as those of our jobs do.
    """

    title: str
    prepare: Callable[[Case], Callable[[], None] | None]
    keeps_memory: bool = False


def variants() -> dict[str, Variant]:
    """Return all of them by name."""
    return {
        "read": Variant("read every pixel once (floor of reading)", read_all, True),
        "saved": Variant("network as saved, forward, our tiles", lambda case: forward_only(case, case.network), True),
        "rewritten": Variant(
            "network rewritten, forward, our tiles",
            lambda case: forward_only(case, for_inference(case.network, BANDS)),
            True,
        ),
        OURS: Variant("ours, file to file", ours, True),
        "torchgeo": Variant(
            f"torchgeo {_version('torchgeo')}, {TORCHGEO_TILE} px, overlap {OVERLAP}", lambda case: torchgeo(case, OVERLAP)
        ),
        "seams": Variant(f"torchgeo {_version('torchgeo')}, {TORCHGEO_TILE} px, no overlap", lambda case: torchgeo(case, 0)),
        "geoai": Variant(f"geoai {_version('geoai-py')} predict_geotiff, its defaults", geoai),
        "deepness": Variant(f"Deepness' tiling, onnxruntime {_version('onnxruntime')}", deepness),
    }


def time_here(name: str, folder: Path, factor: int) -> None:
    """Time one variant in this process and print what it took, or nothing where something for it is missing."""
    do = variants()[name].prepare(made(folder, factor))
    if do is not None:
        do()
        print(json.dumps(dataclasses.astuple(timed(do))))


def timed_alone(name: str, case: Case) -> Taken | None:
    """Time one variant in a process of its own; None where something for it is missing."""
    command = [sys.executable, __file__, "--here", name, "--folder", str(case.folder), "--factor", str(case.factor)]
    environment = {**os.environ, **(KEEPING if variants()[name].keeps_memory else {})}
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return Taken(*json.loads(said.splitlines()[-1])) if said else None


def compare(case: Case, rounds: int) -> None:
    """Print the table."""
    with rasterio.open(case.raster) as file:
        megapixels = file.width * file.height / 1e6
        side = file.width
    taken: dict[str, Taken] = {}
    for number in range(rounds):
        for name in variants():
            now = timed_alone(name, case)
            if now is None:
                continue
            taken[name] = now.better(taken.get(name, now))
            print(f"  round {number + 1}: {name}: {now.wall:.2f} s", file=sys.stderr, flush=True)
    own = taken[OURS]
    print(
        f"{side:,} x {side:,} pixels, {case.card.encoder} with {case.card.decoder}, working pixels of {case.factor} x "
        f"{case.factor}, {torch.get_num_threads()} threads, best of {rounds}"
    )
    print(f"{'':52s} {'wall s':>8s} {'CPU s':>8s} {'CPU ns/px':>10s} {'wall/ours':>10s} {'CPU/ours':>9s}")
    for name, t in taken.items():
        rate, title = 1e3 * t.cpu / megapixels, variants()[name].title
        print(f"{title:52s} {t.wall:8.2f} {t.cpu:8.2f} {rate:10.0f} {t.wall / own.wall:10.2f} {t.cpu / own.cpu:9.2f}")


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:  # What importlib raises where it is not installed.
        return "(not installed)"


def linear(folder: Path, encoder: str, decoder: str, factor: int, sides: tuple[int, ...]) -> None:
    """Print the time of rasters of different sizes against a straight line."""
    points = []
    for side in sides:
        case = make(folder, side, encoder, decoder, factor)
        taken = timed_alone(OURS, case)
        assert taken is not None
        points.append((side * side / 1e6, taken.cpu, taken.wall))
        case.raster.unlink()
        print(f"  {side} x {side}: {taken.wall:.1f} s", file=sys.stderr, flush=True)
    size, cpu, wall = (np.array(values) for values in zip(*points))
    # Least squares of the relative errors: each size counts the same.
    weight = 1 / cpu
    slope, start = np.linalg.lstsq(np.stack([size * weight, weight], axis=1), np.ones(len(size)), rcond=None)[0]
    print(
        f"{encoder} with {decoder}, working pixels of {factor} x {factor}: {start:.2f} s + {slope:.3f} s per million pixels"
    )
    print(f"{'million pixels':>15s} {'wall s':>8s} {'CPU s':>8s} {'from the line':>14s}")
    for megapixels, seconds, clock in zip(size, cpu, wall):
        print(f"{megapixels:15.1f} {clock:8.1f} {seconds:8.1f} {100 * (seconds / (start + slope * megapixels) - 1):13.1f} %")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Time of classifying a raster.")
    parser.add_argument("--side", type=int, default=2048, help="pixels along each side of the raster")
    parser.add_argument("--encoder", default="resnet10t")
    parser.add_argument("--decoder", default="segformer")
    parser.add_argument("--factor", type=int, default=1, help="pixels of the raster per working pixel, along each axis")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--linear", action="store_true", help="time against size instead")
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 2048, 4096, 8192], help="for --linear")
    parser.add_argument("--here", choices=list(variants()), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    choice = parser.parse_args()
    if choice.here:
        time_here(choice.here, choice.folder, choice.factor)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if choice.linear:
            linear(folder, choice.encoder, choice.decoder, choice.factor, tuple(choice.sides))
        else:
            compare(make(folder, choice.side, choice.encoder, choice.decoder, choice.factor), choice.rounds)


if __name__ == "__main__":
    main()
