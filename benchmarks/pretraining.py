"""The share of pretraining that is the network: from a raw GeoTIFF against the same step on one batch that is there already.

    python benchmarks/pretraining.py                    the quick preset, and ResNet-50 at 224 pixels
    python benchmarks/pretraining.py --only quick       one of the two
    python benchmarks/pretraining.py --device cuda      on a GPU
    python benchmarks/pretraining.py --raster file.tif  on another raster than a generated one

Three variants take their turns, round after round, so that whatever else the machine does meets all of them:

  fixed       the step on one batch of views made beforehand
  end to end  the step on a new batch each time, read, cut, turned and changed in colour as in a job
  data alone  reading and making the views, without a network

The floor is the arithmetic of the step, as PyTorch counts it, at the speed of a large matrix product in the same rounds.
Wall clock is what a user waits for; processor time is what the step costs, and barely moves when other programs share the
cores. It counts the thread that reads ahead, which the wall clock does not where a core is free for it.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from false_core.computing.device import describe
from false_core.computing.memory import keep_memory
from false_core.feedback import Feedback
from false_core.methods.method import Views
from false_core.models.encoder import build_encoder
from false_core.presets import ANY_BANDS, IMAGE, PRETRAIN, PretrainSettings
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.synthetic import write_large
from false_core.training.trainer import LocalBatch, Trainer

QUIET = Feedback(lambda event: None)
CASES: dict[str, PretrainSettings] = {
    "quick": PRETRAIN["quick"],
    # The published network and size; the batch is small, so that a few steps do not take an hour on two cores.
    "resnet50": replace(
        PRETRAIN["paper"], level=IMAGE, batch_size=4, optimiser="adamw", learning_rate=1e-3, colour=ANY_BANDS
    ),
}


@dataclass(frozen=True)
class Taken:
    """The seconds that a step takes."""

    wall: float
    processor: float


class TrainerAtRest(Trainer):
    """A trainer that can be given the views of a batch, instead of making them.

    Attributes:
        given: Views to train on, or None to make them.
    """

    given: Views | None = None

    def views_of(self, views: RawViews) -> Views:
        """Return the views that were given, or make them."""
        return self.given or super().views_of(views)


class Case:
    """One preset on one raster: a trainer, its batches, and a batch that is there already."""

    def __init__(self, settings: PretrainSettings, raster: str, device: torch.device, seed: int = 0) -> None:
        sources = on_working_grid(open_all((raster,), ()), None, settings.most_pixels, QUIET)
        areas = [source.window_of(None) for source in sources]
        bands = len(sources[0].bands)
        torch.manual_seed(seed)
        encoder = build_encoder(settings.encoder, bands)
        self.settings, self.device = settings, device
        self.trainer = TrainerAtRest(settings, 10_000, encoder, seed, device, bands, QUIET)
        sampler = PatchSampler(
            MeasuredRasters(sources, areas, measure(sources, areas, QUIET)),
            PatchDraw(settings.batch_size, settings.crop_size, settings.scales, settings.points, seed, settings.patch_size),
            10**9,
            device,
        )

        def make(step: int) -> LocalBatch:
            pairs = sampler.batch(step)
            return LocalBatch(pairs, self.trainer.prepare(pairs, step))

        self._batches = loaded_ahead(make, count(), device)
        self._raw = next(self._batches).views
        self._fixed = self.trainer.views_of(self._raw)

    def close(self) -> None:
        """End the thread that makes batches."""
        self._batches.close()

    def fixed(self) -> None:
        """Do a step on the batch that is there already."""
        self.trainer.given = self._fixed
        self.trainer.train_on(self._raw)
        self.trainer.given = None

    def end_to_end(self) -> None:
        """Do a step as a job does."""
        self.trainer.train_on(next(self._batches).views)

    def data(self) -> Views:
        """Make the views of the next batch."""
        return self.trainer.views_of(next(self._batches).views)

    def flops(self) -> float:
        """Return the arithmetic of a step: multiplications and additions."""
        with FlopCounterMode(display=False) as counter:
            self.fixed()
        return float(counter.get_total_flops())


def taken(work: Callable[[], object], steps: int, device: torch.device) -> Taken:
    """Return what one of ``steps`` runs takes."""
    began, used = time.perf_counter(), time.process_time()
    for _ in range(steps):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return Taken((time.perf_counter() - began) / steps, (time.process_time() - used) / steps)


def matrix_product(device: torch.device) -> tuple[Callable[[], object], float]:
    """Return a large matrix product in the precision of the step, and its arithmetic."""
    side = 8192 if device.type == "cuda" else 1024
    one = torch.rand(side, side, device=device, dtype=torch.bfloat16 if device.type == "cuda" else torch.float32)
    return lambda: one @ one, 2.0 * side**3


def measured(case: Case, rounds: int, steps: int) -> tuple[dict[str, Taken], float, float]:
    """Return what each variant takes, as the median over the rounds, and the ratios of end to end to fixed.

    The ratios, of wall clocks and of processor times, are medians of those within a round.
    """
    product, _ = matrix_product(case.device)
    variants: dict[str, Callable[[], object]] = {
        "matrix product": product, "fixed": case.fixed, "end to end": case.end_to_end, "data alone": case.data,
    }  # fmt: skip
    for work in variants.values():
        work()
    found: dict[str, list[Taken]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, work in variants.items():
            found[name].append(taken(work, 3 if name == "matrix product" else steps, case.device))
    medians = {
        name: Taken(statistics.median(t.wall for t in all_), statistics.median(t.processor for t in all_))
        for name, all_ in found.items()
    }
    pairs = list(zip(found["fixed"], found["end to end"]))
    wall = statistics.median(fixed.wall / whole.wall for fixed, whole in pairs)
    return medians, wall, statistics.median(fixed.processor / whole.processor for fixed, whole in pairs)


def main() -> None:
    """Print one table for each case."""
    keep_memory()  # As a job does, here for all that is compared.
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--raster")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="of each variant in a round")
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU")
    choice = parser.parse_args()
    if choice.threads:
        torch.set_num_threads(choice.threads)
    device, console = torch.device(choice.device), Console()
    with tempfile.TemporaryDirectory() as folder:
        raster = choice.raster or str(Path(folder) / "raster.tif")
        if not choice.raster:
            write_large(raster, 4096, 4096)
        for name in [choice.only] if choice.only else list(CASES):
            settings = CASES[name]
            if choice.batch_size:
                settings = replace(settings, batch_size=choice.batch_size)
            with closing(Case(settings, raster, device)) as case:
                flops = case.flops()
                found, wall, processor = measured(case, choice.rounds, choice.steps)
            views = 2 * settings.batch_size
            _, of_product = matrix_product(device)
            floor = Taken(
                flops / of_product * found["matrix product"].wall, flops / of_product * found["matrix product"].processor
            )
            table = Table(
                "Variant", "Wall clock", "Views per second", "Processor time",
                title=f"{name}: {settings.encoder}, {settings.batch_size} patches of {settings.crop_size} pixels, "
                f"{flops / 1e9:.1f} GFLOP a step",
            )  # fmt: skip
            rows = {"floor": floor, **{variant: t for variant, t in found.items() if variant != "matrix product"}}
            for variant, t in rows.items():
                table.add_row(variant, f"{1e3 * t.wall:.0f} ms", f"{views / t.wall:.0f}", f"{1e3 * t.processor:.0f} ms")
            console.print(table)
            console.print(
                f"End to end runs at {wall:.3f} of the speed of the fixed batch by the wall clock, {processor:.3f} by "
                f"processor time. {describe(device)}, {choice.rounds} rounds of {choice.steps} steps.\n"
            )


if __name__ == "__main__":
    main()
