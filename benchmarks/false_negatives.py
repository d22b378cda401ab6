"""The finds of FNSD, and whether the gradient of FALSE is another one than SimCLR's: configurations side by side.

    python benchmarks/false_negatives.py --raster scene.tif --truth scene_truth.tif
    python benchmarks/false_negatives.py ... --try "apart=1 neighbours=0.02 benchmark=0.25"     another configuration instead
    python benchmarks/false_negatives.py ... --weights none                                     from nothing
    python benchmarks/false_negatives.py ... --share         purity against distance and the share of the negatives

Each configuration pretrains the preset quick for some steps. Before the first, after 50 and after the last it is looked at,
on batches that train nothing: how far the gradients that the encoder gets of FALSE and of SimCLR agree there (cosine, and
ratio of their lengths), which share of the anchors are benchmark anchors, where their false negatives lie, how many of them
are of the anchor's true class (purity) and how many would be by chance, and which share of the denominator they carry.

The gate for long runs: a cosine below 0.97 and a purity above 0.8 after 250 steps.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from false_core.feedback import Feedback
from false_core.methods.geolocated import GroundPositions, distances, positions_of
from false_core.methods.method import Outcome
from false_core.methods.pairs import directions
from false_core.methods.simclr import nt_xent
from false_core.models.encoder import build_encoder
from false_core.models.weights import start_from
from false_core.presets import PRETRAIN, PretrainSettings
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.raster.working_grid import on_working_grid, open_all
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.views import PatchDraw, PatchSampler, ViewPairs
from false_core.training.purity import Truth
from false_core.training.trainer import LocalBatch, Trainer

QUIET = Feedback(lambda event: None)
CPU = torch.device("cpu")
NOT_TRAINED_ON = 1_000_000
"""The number of the first batch that is looked at."""
PUBLISHED: dict[str, Any] = {
    "neighbours": 1, "threshold": 0.9, "benchmark": 0.0, "closest_to": "positive", "surest_by": "positive", "apart": 0.0,
}  # fmt: skip
ELSEWHERE: dict[str, Any] = {
    **PUBLISHED, "apart": 1.0, "neighbours": 0.02, "benchmark": 0.25, "closest_to": "anchor", "near_negatives": False,
}  # fmt: skip
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "published": PUBLISHED,
    "elsewhere, surest by positives": ELSEWHERE,
    "elsewhere, surest by found": {**ELSEWHERE, "surest_by": "found"},
    "the same, half the anchors": {**ELSEWHERE, "surest_by": "found", "benchmark": 0.5},
    "the same, near ones negative": {**ELSEWHERE, "surest_by": "found", "near_negatives": True},
    "the same, patches and points": {**ELSEWHERE, "surest_by": "found", "level": "both"},
}
SHARES = (1, 4, 0.005, 0.01, 0.02, 0.05, 0.1)
APART = (0.0, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Seen:
    """The means of a configuration over some batches.

    Attributes:
        cosine, length: Cosine of the gradients of FALSE and SimCLR at the encoder, and the ratio of their lengths.
        benchmark: Share of the anchors that are benchmark anchors.
        own_patch, near: Share of the false negatives in the anchor's own patch, and nearer than the width of a patch.
        purity, elsewhere: Share of them that are of the anchor's class; of those in other patches.
        chance, chance_elsewhere: Shares to be expected of negatives taken at random.
        mass: Share of NT-Xent's denominator that the false negatives of a benchmark anchor carry.
    """

    cosine: float
    length: float
    benchmark: float
    own_patch: float
    near: float
    purity: float
    elsewhere: float
    chance: float
    chance_elsewhere: float
    mass: float


class Scene:
    """A raster with its truth, and a trainer of some settings on it."""

    def __init__(self, raster: str, truth: str, settings: PretrainSettings, steps: int, seed: int) -> None:
        sources = on_working_grid(open_all((raster,), ()), None, settings.most_pixels, QUIET)
        areas = [source.window_of(None) for source in sources]
        bands = len(sources[0].bands)
        torch.manual_seed(seed)
        encoder = build_encoder(settings.encoder, bands)
        origin = start_from(settings.weights, encoder, settings.encoder, raster, sources[0].colours, QUIET)
        if not origin and settings.rate_from_nothing:
            settings = replace(settings, learning_rate=settings.rate_from_nothing)
        self.settings = settings
        self.truth = Truth(truth, sources, QUIET)
        self.trainer = Trainer(settings, steps, encoder, seed, CPU, bands, QUIET)
        self.sampler = PatchSampler(
            MeasuredRasters(sources, areas, measure(sources, areas, QUIET)),
            PatchDraw(settings.batch_size, settings.crop_size, settings.scales, settings.points, seed),
            10**9,
            CPU,
        )
        self._batches = loaded_ahead(self._make, count(), CPU)

    def _make(self, step: int) -> LocalBatch:
        pairs = self.sampler.batch(step)
        return LocalBatch(pairs, self.trainer.prepare(pairs, step))

    def close(self) -> None:
        """End the thread that makes batches."""
        self._batches.close()

    def train_until(self, step: int) -> None:
        """Go on training until so many steps are done."""
        while self.trainer.step < step:
            self.trainer.train_on(next(self._batches).views)

    def looked_at(self, batches: int) -> list[Seen]:
        """Return what the loss of the settings comes to on some batches that train nothing, level by level."""
        method = self.trainer.method
        kept = [buffer.clone() for buffer in method.buffers()]
        seen = []
        for number in range(NOT_TRAINED_ON, NOT_TRAINED_ON + batches):
            batch = self._make(number)
            made = method.represent(self.trainer.views_of(batch.views))
            outcome = method.compare_all(made)
            plain = torch.stack([nt_xent(made[level], self.settings.temperature).loss for level in outcome.levels]).mean()
            gradients = [self._gradient(loss) for loss in (outcome.loss, plain)]
            for level, own in outcome.levels.items():
                seen.append(self._seen(batch.pairs, level, made[level].detach(), own, *gradients))
        with torch.no_grad():
            for buffer, before in zip(method.buffers(), kept):
                buffer.copy_(before)
        return seen

    def _gradient(self, loss: Tensor) -> Tensor:
        weights = [w for w in self.trainer.encoder.parameters() if w.requires_grad]
        parts = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        return torch.cat([part.flatten() for part in parts if part is not None])

    def _seen(
        self, pairs: ViewPairs, level: str, embeddings: Tensor, outcome: Outcome, ours: Tensor, theirs: Tensor
    ) -> Seen:
        assert outcome.found is not None
        taken, indices = outcome.found.pairs(), outcome.found.indices
        positions = positions_of(level, pairs.ground, pairs.kept)
        classes = torch.from_numpy(self.truth.classes_at(pairs.positions(level)))
        z = directions(embeddings)
        similarity = z @ z.T / self.settings.temperature
        similarity.fill_diagonal_(-torch.inf)
        mass = similarity.softmax(dim=1).gather(1, indices)
        own_patch = _in_own_patch(positions)
        far = distances(positions.ground, positions.ground)
        negatives = ~torch.eye(len(z), dtype=torch.bool) & ~torch.eye(len(z), dtype=torch.bool).roll(len(z) // 2, dims=0)
        alike, known = classes[:, None] == classes, (classes.isfinite()[:, None] & classes.isfinite()) & negatives
        of_benchmark = known & outcome.found.benchmark[:, None]
        found_known, found_alike = known.gather(1, indices) & taken, alike.gather(1, indices)
        found_own = own_patch.gather(1, indices)
        return Seen(
            cosine=float(torch.nn.functional.cosine_similarity(ours, theirs, dim=0)),
            length=float(ours.norm() / theirs.norm()),
            benchmark=float(outcome.found.benchmark.float().mean()),
            own_patch=_share(found_own, taken),
            near=_share(far.gather(1, indices) < 1, taken),
            purity=_share(found_alike, found_known),
            elsewhere=_share(found_alike, found_known & ~found_own),
            chance=_share(alike, of_benchmark),
            chance_elsewhere=_share(alike, of_benchmark & ~own_patch),
            mass=float((mass * taken).sum() / outcome.found.benchmark.sum()),
        )


def _in_own_patch(positions: GroundPositions) -> Tensor:
    return distances(positions.patches, positions.patches) == 0


def _share(which: Tensor, among: Tensor) -> float:
    return float((which & among).sum() / among.sum())


def mean(seen: Sequence[Seen]) -> Seen:
    """Return the means over batches, of what is known in each."""
    values = {field.name: np.array([getattr(one, field.name) for one in seen]) for field in dataclasses.fields(Seen)}
    return Seen(**{name: float(np.nanmean(v)) if np.isfinite(v).any() else math.nan for name, v in values.items()})


def settings_of(configuration: Mapping[str, Any], weights: str) -> PretrainSettings:
    """Return the preset quick with the values of a configuration. From nothing it trains its network of before."""
    quick = PRETRAIN["quick"]
    if weights == "none":
        quick = replace(quick, encoder="resnet10t")
    return replace(quick, **{"weights": weights, "method": "false", **configuration})


def purity_by_share(scene: Scene, batches: int) -> Table:
    """Return the purity by share of the negatives, for each distance and each way to choose; and by chance."""
    table = Table("Apart", "Closest to", "Surest by", *map(str, SHARES), "By chance")
    settings = scene.settings
    for apart in APART:
        for closest_to, surest_by in (("positive", "positive"), ("anchor", "positive"), ("anchor", "found")):
            purities = []
            for neighbours in SHARES:
                scene.trainer.method.settings = replace(
                    settings, apart=apart, neighbours=neighbours, closest_to=closest_to, surest_by=surest_by,
                    benchmark=settings.benchmark or 0.25,
                )  # fmt: skip
                purities.append(mean(scene.looked_at(batches)))
            chance = purities[-1].chance_elsewhere if apart else purities[-1].chance
            row = [f"{one.purity:.2f}" for one in purities]
            table.add_row(f"{apart:g}", closest_to, surest_by, *row, f"{chance:.2f}")
    scene.trainer.method.settings = settings
    return table


def parsed(text: str) -> dict[str, Any]:
    """Return the values of ``name=value name=value``."""
    out: dict[str, Any] = {}
    for part in text.split():
        name, _, value = part.partition("=")
        try:
            out[name] = json.loads(value)
        except json.JSONDecodeError:
            out[name] = value
    return out


def main() -> None:
    """Print a table with a row for each configuration and step."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--raster", required=True)
    parser.add_argument("--truth", required=True)
    parser.add_argument("--weights", default="general")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--batches", type=int, default=3, help="looked at each time")
    parser.add_argument("--only", action="append", choices=CONFIGURATIONS, help="one of the configurations")
    parser.add_argument("--try", dest="tried", action="append", default=[], help="settings of another configuration")
    parser.add_argument("--share", action="store_true", help="purity against the share of the negatives instead")
    parser.add_argument("--seed", type=int, default=0)
    choice = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=170)
    names = choice.only or ([] if choice.tried else list(CONFIGURATIONS))
    wanted = {**{name: CONFIGURATIONS[name] for name in names}, **{text: parsed(text) for text in choice.tried}}
    table = Table(
        "Configuration", "Step", "Cosine", "Length", "Benchmark", "In own patch", "Nearer than a patch", "Purity",
        "Elsewhere", "By chance", "Elsewhere", "Mass",
    )  # fmt: skip
    for name, configuration in wanted.items():
        settings = settings_of(configuration, choice.weights)
        with closing(Scene(choice.raster, choice.truth, settings, choice.steps, choice.seed)) as scene:
            for step in sorted({0, min(50, choice.steps), choice.steps}):
                scene.train_until(step)
                if choice.share:
                    console.print(name, f"after {step} steps", purity_by_share(scene, choice.batches))
                    continue
                one = mean(scene.looked_at(choice.batches))
                values = [f"{getattr(one, field.name):.3f}" for field in dataclasses.fields(Seen)]
                table.add_row(name, str(step), *values)
                console.print(f"{name}, after {step} steps: cosine {one.cosine:.3f}, purity {one.purity:.3f}")
    if not choice.share:
        console.print(table)


if __name__ == "__main__":
    main()
