"""The speed at which batches and tiles can be made for a device that takes no time: what a GPU would have to wait for.

    python benchmarks/loading.py                   patches, crops and tiles of the preset standard
    python benchmarks/loading.py --only crops

PyTorch's device ``meta`` stands in for the GPU: it has no memory and no arithmetic. So what is measured is what the
processor does to feed one. Measured is processor time, which other programs hardly move:

  made     of what is made, on one core, decoding and all
  held     of that, what remains where nothing has to be decoded, sent or looked up: Python, which one thread at a time runs

From these follows by arithmetic what 2 and 16 cores make: as many times as much, as far as there are threads for them, but
not more than one thread could do of what is held.

Patches come from a raster that is in the cache, and from one of 20,480 x 20,480 pixels that is not: there decoding is left
out and counted, and each chunk counts with the time that one of the first raster takes. Crops are of 120 polygons.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import shapely
import torch
from rich.console import Console
from rich.table import Table

from false_core.computing.memory import keep_memory
from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.tiled import MOST_READERS, TiledNetwork
from false_core.inference.tiles import TilePlan
from false_core.labels.annotation import Annotation
from false_core.presets import FINETUNE, PRETRAIN
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.gpu_pixels import TAKES_NO_TIME
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.cache import ChunkCache, ChunkSlices, SourceWindows, _Chunk
from false_core.sampling.crop_targets import CropTargets
from false_core.sampling.labelled import LabelSampler, RawCrops
from false_core.sampling.loading import MOST_LOADERS
from false_core.sampling.spectral import QUIET, SpectralJitter
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.synthetic import write_large

NO_TIME = torch.device(TAKES_NO_TIME)
BANDS, SIDE, LARGE = 4, 4096, 20_480
BUDGET = 10**9
PLAIN = Normalisation((0.0,) * BANDS, (10_000.0,) * BANDS, (2_000.0,) * BANDS, (900.0,) * BANDS)
# A GPU does that by itself once it is told to, and what stands in for it makes Python of every operation.
GATHERED = mock.patch.object(
    ChunkSlices, "gathered", lambda slices, chunks: torch.empty(len(slices.table), BANDS, 1, 1, device=NO_TIME)
)
CLASSES = ClassTable(tuple(LandCoverClass(code, str(code), "#808080") for code in range(1, 7)))


@dataclass(frozen=True)
class Cost:
    """Processor seconds of one patch, crop or million pixels of map: all of them, and those that Python holds.

    ``threads`` says how many make them at most.
    """

    made: float
    held: float
    threads: int

    def rate(self, cores: int) -> float:
        """Return how many a second so many cores make."""
        return min(min(cores, self.threads) / self.made, 1 / self.held)


def seconds(make: Callable[[int], object], first: int, count: int) -> float:
    """Return the processor time of one of ``count`` batches."""
    began = time.process_time()
    for number in range(first, first + count):
        make(number)
    return (time.process_time() - began) / count


def patches(source: RasterSource, large: bool) -> tuple[Cost, float, float]:
    """Return the cost of a patch, the chunks that are decoded for a batch, and the seconds that one takes."""
    s = PRETRAIN["standard"]
    jitter, draw = SpectralJitter().scaled(s.jitter), PatchDraw(s.batch_size, s.crop_size, s.scales, s.points, 0)
    if not large:
        area = [source.window_of(None)]
        sampler = PatchSampler(MeasuredRasters([source], area, PLAIN), draw, BUDGET, NO_TIME)

        def make(number: int) -> object:
            return RawViews.of(sampler.batch(number), jitter, 0, number)

        seconds(make, 0, 10)
        taken = seconds(make, 10, 40) / s.batch_size
        with GATHERED:
            held = seconds(make, 10, 40) / s.batch_size
        return Cost(taken, held, MOST_LOADERS), 0.0, 0.0
    with undecoded(source) as decoded:
        area = [Window(0, 0, LARGE, LARGE)]
        sampler = PatchSampler(MeasuredRasters([source], area, PLAIN), draw, BUDGET, NO_TIME)

        def make_large(number: int) -> object:
            return RawViews.of(sampler.batch(number), jitter, 0, number)

        seconds(make_large, 0, 60)
        decoded.clear()
        taken = seconds(make_large, 60, 40) / s.batch_size
        chunks = len(decoded) / 40
        with GATHERED:
            held = seconds(make_large, 100, 40) / s.batch_size
    each = chunk_seconds(source)
    # Chunks are decoded by threads of their own, one for each core.
    return Cost(taken + chunks * each / s.batch_size, held, MOST_READERS), chunks, each


@contextmanager
def undecoded(source: RasterSource) -> Iterator[list[int]]:
    """Have a raster be as large as it is not, and its chunks counted instead of decoded."""
    decoded: list[int] = []
    pixels = torch.empty(BANDS, 512, 512, dtype=torch.float16, device=NO_TIME)

    def count(cache: ChunkCache, number: int) -> Any:
        decoded.append(number)
        return _Chunk(pixels, None)

    width, height = source.width, source.height
    source.width = source.height = LARGE
    with mock.patch.object(ChunkCache, "_decoded", count):
        yield decoded
    source.width, source.height = width, height


def chunk_seconds(source: RasterSource) -> float:
    """Return the processor time in which a chunk is decoded for a GPU."""
    cache = ChunkCache([source], PLAIN, 0, NO_TIME)
    return seconds(cache._decoded, 0, 32)


def crops(source: RasterSource) -> Cost:
    """Return the cost of a crop, of polygons."""
    s, chance = FINETUNE["standard"], np.random.default_rng(0)
    shapes = np.array([_polygon(chance) for _ in range(120)], dtype=object)
    shapes = shapes[np.argsort(-shapely.area(shapes))]
    labels = Annotation(CLASSES, shapes, np.arange(120) % 6, shapely.STRtree(shapes))
    cache = ChunkCache([source], PLAIN, BUDGET, NO_TIME)
    sampler = LabelSampler(cache, labels, s.batch_size, s.crop_size, s.scales, 0)

    def make(number: int) -> object:
        return RawCrops.of(sampler.batch(number), QUIET, 0, number)

    seconds(make, 0, 30)
    made = seconds(make, 30, 40) / s.batch_size
    looked_up = mock.patch.object(CropTargets, "_cut_out", return_value=None)
    nodata = mock.patch.object(SourceWindows, "are_valid", lambda windows: np.ones(len(windows.slices.table), bool))
    with GATHERED, looked_up, nodata:
        held = seconds(make, 30, 40) / s.batch_size
    return Cost(made, held, MOST_LOADERS)


def _polygon(chance: np.random.Generator) -> shapely.Polygon:
    middle, angles = chance.uniform(100, SIDE - 100, 2), np.sort(chance.uniform(0, 2 * np.pi, 24))
    radius = chance.uniform(15, 70) * chance.uniform(0.7, 1.2, 24)
    return shapely.Polygon(np.stack([middle[0] + radius * np.cos(angles), middle[1] + radius * np.sin(angles)], axis=-1))


def tiles(source: RasterSource) -> Cost:
    """Return the cost of a million pixels of map that reach the device."""
    plan = TilePlan.for_area(source.window_of(None), len(CLASSES), 1)
    megapixels = source.width * source.height / 1e6

    def run(what: RasterSource) -> float:
        network = BatchedNetwork(lambda pixels: list(pixels[:, :1]), NO_TIME, Feedback(lambda event: None), 4)
        began = time.process_time()
        for _ in TiledNetwork(network, what, PLAIN).over(plan):
            pass
        return (time.process_time() - began) / megapixels

    run(source)
    made = run(source)
    read = source.read_as_stored(Window(0, 0, plan.side, plan.side))
    sent = torch.empty(4, BANDS, plan.side, plan.side, device=NO_TIME)
    on_gpu = mock.patch("false_core.inference.tiled.normalised_on", lambda device, raw, normalisation: sent[: len(raw)])
    with on_gpu, mock.patch.object(RasterSource, "read_as_stored", return_value=read):
        held = run(source)
    return Cost(made, held, MOST_READERS)


def main() -> None:
    """Print the table."""
    keep_memory()
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("patches", "crops", "tiles"))
    choice = parser.parse_args()
    table = Table(
        "What", "Made, ms", "Held, ms", "A second, 2 cores", "16 cores", "Goal", title="For a device that takes no time"
    )
    notes = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "raster.tif")
        write_large(path, SIDE, SIDE)
        source = RasterSource(path)
        rows: list[tuple[str, Cost, str]] = []
        if choice.only in (None, "patches"):
            rows.append(("patches of standard, raster in the cache", patches(source, large=False)[0], "6,000"))
            cost, chunks, each = patches(source, large=True)
            rows.append((f"patches of standard, raster of {LARGE:,} x {LARGE:,}", cost, "6,000"))
            notes.append(f"{chunks:.1f} chunks are decoded for a batch of the large raster, at {1e3 * each:.1f} ms each.")
        if choice.only in (None, "crops"):
            rows.append(("crops of standard", crops(source), "3,000"))
        if choice.only in (None, "tiles"):
            rows.append(("million pixels of map", tiles(source), "400"))
    for name, cost, goal in rows:
        table.add_row(
            name, f"{1e3 * cost.made:.3f}", f"{1e3 * cost.held:.3f}", *(f"{cost.rate(n):,.0f}" for n in (2, 16)), goal
        )
    console = Console(width=125)
    console.print(table, *notes, sep="\n")


if __name__ == "__main__":
    main()
