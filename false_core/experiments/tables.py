"""From results to tables: means and standard deviations over seeds, and a CSV with every single run."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from false_core.accuracy.metrics import IntArray, score
from false_core.experiments.cells import PROTOCOL_TITLES, Variant, cells_of, variants
from false_core.experiments.config import PATCHES, SCENE, Experiment
from false_core.experiments.results import RunResult
from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable

METRICS = {"oa": "OA", "miou": "mIoU", "macc": "mAcc", "kappa": "kappa", "f1": "F1"}
"""The scores of a whole map. F1 is the mean over the classes present in the truth, as mIoU and mAcc are."""
_TOLD = {"oa_told": "oa", "oa_low": "oa_low", "oa_high": "oa_high"}
ALL_IMAGES, MEAN_OF_PARTS = "all images", "mean over the parts"


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of ``number`` values. NaN where there are too few of them."""

    mean: float
    std: float
    number: int

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.std / math.sqrt(self.number) if self.number else math.nan


@dataclass(frozen=True)
class Scored:
    """The scores of a map, or the means of those of several parts.

    Attributes:
        whole: Scores by name of ``METRICS``.
        iou: IoU of each class; NaN for a class that is neither in the truth nor on the map.
    """

    whole: dict[str, float]
    iou: list[float]


@dataclass(frozen=True)
class Row:
    """The results of the seeds of one variant on one raster.

    Attributes:
        variant: Variant that they are of.
        seeds: Seeds that have results, in the order of the config.
        scores: Value per seed by name of ``METRICS``.
        iou: Value per seed by class; NaN for a class that is neither in the truth nor on the map.
        results: Results of each seed.
    """

    variant: Variant
    seeds: list[int]
    scores: dict[str, list[float]]
    iou: list[list[float]]
    results: list[RunResult]


@dataclass(frozen=True)
class Group:
    """The results that one table compares: everything but the variant is the same.

    Attributes:
        dataset: Name of the dataset.
        raster: Name of the raster that was scored; or of all images together, or of the mean over the parts of a scene.
        protocol, fraction, frozen: Protocol, fraction and encoder as in ``Cell``.
        classes: The classes of the dataset.
        rows: Rows of the table, each of a variant that has results.
    """

    dataset: str
    raster: str
    protocol: str
    fraction: float
    frozen: bool
    classes: ClassTable
    rows: list[Row]

    @property
    def where(self) -> str:
        """The raster or part that was scored, in words."""
        if self.protocol in (SCENE, PATCHES):
            return self.dataset if self.raster in (self.dataset, ALL_IMAGES) else f"{self.dataset}: {self.raster}"
        return f"{self.dataset}: {PROTOCOL_TITLES[self.protocol]}"


def spread(values: Iterable[float]) -> Spread:
    """Return mean and standard deviation of the values that are numbers."""
    known = np.array([value for value in values if not math.isnan(value)])
    mean = float(known.mean()) if known.size else math.nan
    return Spread(mean, float(known.std(ddof=1)) if known.size > 1 else math.nan, int(known.size))


def difference(row: Row, other: Row, metric: str) -> Spread:
    """Return the spread of a score less that of another method with the same seed, over the seeds that both have."""
    theirs = dict(zip(other.seeds, other.scores[metric]))
    return spread(own - theirs[seed] for seed, own in zip(row.seeds, row.scores[metric]) if seed in theirs)


def scores_of(confusion: IntArray) -> tuple[dict[str, float], list[float]]:
    """Return the scores of a map by name of ``METRICS``, and the IoU of each class."""
    scores = score(confusion)
    whole = {"oa": scores.oa, "miou": scores.miou, "macc": scores.macc, "kappa": scores.kappa, "f1": scores.mf1}
    return whole, [float(value) for value in scores.iou]


def scored_of(experiment: Experiment, result: RunResult) -> dict[str, Scored]:
    """Return what the tables show of a result: each raster of a scene by itself, the images of patches put together, and of
    the parts of a scene the mean over them."""
    own = {name: tally.confusion for name, tally in result.tallies.items()}
    if experiment.on_patches:
        return {ALL_IMAGES: Scored(*scores_of(np.sum(list(own.values()), axis=0)))}
    scored = {name: Scored(*scores_of(confusion)) for name, confusion in own.items()}
    if result.cell.protocol == SCENE:
        return scored
    parts = list(scored.values())
    whole = {name: spread(part.whole[name] for part in parts).mean for name in METRICS}
    return {MEAN_OF_PARTS: Scored(whole, [spread(values).mean for values in zip(*(part.iou for part in parts))])}


def regret_of(result: RunResult, raster: str) -> float:
    """Return by how much the best candidate of *auto* beats the chosen one, in mIoU; NaN where that is not known."""
    if raster == MEAN_OF_PARTS:
        return spread(choice.regret for choice in result.choices.values()).mean
    return result.choices[raster].regret if raster in result.choices else math.nan


def chosen_of(result: RunResult, raster: str) -> str:
    """Return the names of the candidates that *auto* chose, each once; empty where there was no choice."""
    names = [choice.chosen for name, choice in result.choices.items() if raster in (name, MEAN_OF_PARTS)]
    if not names and result.cell.variant.head == "auto":
        return str(result.facts.get("chosen") or "")
    return "; ".join(dict.fromkeys(names))


def interval_holds(result: RunResult, raster: str) -> bool | None:
    """Return whether the interval told from the labels holds the accuracy of the map; None where there is none."""
    told = result.held_out
    learned_from = next(iter(result.tallies), "")
    if raster != learned_from or result.cell.protocol != SCENE or not {"oa_low", "oa_high"} <= told.keys():
        return None
    return bool(told["oa_low"] <= scores_of(result.tallies[raster].confusion)[0]["oa"] <= told["oa_high"])


def group_results(experiment: Experiment, results: Sequence[RunResult]) -> list[Group]:
    """Return a group per dataset, protocol, raster, fraction and way of fine-tuning, in the order of the config."""
    by_cell = {result.cell: result for result in results}
    groups = []
    for spec, protocol in itertools.product(experiment.datasets, experiment.protocols):
        first = next((r for r in results if (r.cell.dataset, r.cell.protocol) == (spec.name, protocol)), None)
        rasters = list(dict.fromkeys(n for r in results if r.cell.dataset == spec.name and r.cell.protocol == protocol
                                     for n in scored_of(experiment, r)))  # fmt: skip
        for raster, fraction, frozen in itertools.product(rasters, experiment.fractions, experiment.frozen):
            assert first is not None
            rows = []
            for variant in variants(experiment):
                cells = cells_of(variant, spec.name, protocol, fraction, frozen, experiment)
                found = [by_cell[cell] for cell in cells if cell in by_cell]
                found = [result for result in found if raster in scored_of(experiment, result)]
                if found:
                    rows.append(_row(experiment, raster, found))
            if rows:
                groups.append(Group(spec.name, raster, protocol, fraction, frozen, first.classes, rows))
    return groups


def _row(experiment: Experiment, raster: str, results: Sequence[RunResult]) -> Row:
    scored = [scored_of(experiment, result)[raster] for result in results]
    return Row(
        results[0].cell.variant,
        [result.cell.seed for result in results],
        {name: [one.whole[name] for one in scored] for name in METRICS},
        [list(values) for values in zip(*(one.iou for one in scored))],
        list(results),
    )


def write_csv(path: Path, experiment: Experiment, results: Sequence[RunResult]) -> None:
    """Write a row per run and scored raster. Scores run from 0 to 1; a score that does not exist is left empty."""
    names = list(dict.fromkeys(c.name for result in results for c in result.classes))
    stages = ("pretrain", "finetune", "classify")
    header = [
        *("experiment", "protocol", "dataset", "raster", "method", "confidence", "backbone", "weights", "head"),
        *(name for name, _ in experiment.varied),
        *("seed", "fraction", "frozen"),
        *METRICS,
        *(f"iou {name}" for name in names),
        *("chosen", "regret", "oa_told", "oa_low", "oa_high", "holds"),
        *("pixels", "pixels_without_data", "pixels_labelled"),
        *(f"seconds_{stage}" for stage in stages),
        *("preset", "pixel_size", "version"),
    ]
    with published(path) as (partial,), partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        for result in results:
            cell = result.cell
            variant = cell.variant
            shared: dict[str, Any] = {
                "experiment": experiment.name,
                "protocol": cell.protocol,
                "dataset": cell.dataset,
                "method": variant.method,
                "confidence": "" if variant.confidence is None else variant.confidence,
                "backbone": variant.backbone or "",
                "weights": variant.weights or "",
                "head": variant.head,
                **dict(variant.settings),
                "seed": cell.seed,
                "fraction": cell.fraction,
                "frozen": int(cell.frozen),
                **{f"seconds_{stage}": f"{result.seconds.get(stage, 0.0):.1f}" for stage in stages},
                **{name: result.facts.get(name, "") for name in ("preset", "pixel_size", "version")},
            }
            parts = {name: Scored(*scores_of(tally.confusion)) for name, tally in result.tallies.items()}
            for raster, scored in {**parts, **scored_of(experiment, result)}.items():
                tallies = [t for name, t in result.tallies.items() if raster in (name, ALL_IMAGES, MEAN_OF_PARTS)]
                values = {**scored.whole, **{f"iou {c.name}": value for c, value in zip(result.classes, scored.iou)}}
                holds = interval_holds(result, raster)
                told = {} if holds is None else {column: result.held_out[name] for column, name in _TOLD.items()}
                values |= {"regret": regret_of(result, raster), **told}
                writer.writerow(
                    {
                        **shared,
                        "raster": raster,
                        **{name: "" if math.isnan(value) else f"{value:.6f}" for name, value in values.items()},
                        "chosen": chosen_of(result, raster),
                        "holds": "" if holds is None else int(holds),
                        "pixels": sum(int(tally.confusion.sum()) for tally in tallies),
                        "pixels_without_data": sum(tally.without_data for tally in tallies),
                        "pixels_labelled": sum(tally.labelled for tally in tallies),
                    }
                )
