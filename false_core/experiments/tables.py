"""From results to tables: means and standard deviations over seeds, and a CSV with every single run."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from false_core.accuracy.metrics import IntArray, score
from false_core.experiments.cells import Cell
from false_core.experiments.config import PATCHES, SUPERVISED, Experiment
from false_core.experiments.results import RunResult
from false_core.publish import published
from false_core.raster.classes import ClassTable

METRICS = {"oa": "OA", "miou": "mIoU", "macc": "mAcc", "kappa": "kappa", "f1": "F1"}
"""The scores of a whole map. F1 is the mean over the classes present in the truth, as mIoU and mAcc are."""
ALL_SHEETS = "all sheets"


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
class Row:
    """What the seeds of one method came to on one raster.

    Attributes:
        method, confidence: As in ``Cell``.
        seeds: Those that have results, in the order of the config.
        scores: By name of ``METRICS``, a value per seed.
        iou: By class, a value per seed; NaN for a class that is neither in the truth nor on the map.
    """

    method: str
    confidence: float | str | None
    seeds: list[int]
    scores: dict[str, list[float]]
    iou: list[list[float]]


@dataclass(frozen=True)
class Group:
    """What is compared in one table: everything but the method is the same.

    Attributes:
        dataset: Name of the dataset.
        raster: What was scored: a raster, or all sheets together.
        fraction, frozen: As in ``Cell``.
        classes: The classes of the dataset.
        rows: One per method and confidence weight that has results.
    """

    dataset: str
    raster: str
    fraction: float
    frozen: bool
    classes: ClassTable
    rows: list[Row]


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


def confusions(experiment: Experiment, result: RunResult) -> dict[str, IntArray]:
    """Return what the tables show of a result: each raster of a scene by itself, the sheets of patches put together."""
    own = {name: tally.confusion for name, tally in result.tallies.items()}
    return {ALL_SHEETS: np.sum(list(own.values()), axis=0)} if experiment.protocol == PATCHES else own


def group_results(experiment: Experiment, results: Sequence[RunResult]) -> list[Group]:
    """Return a group per dataset, raster, fraction and way of fine-tuning, in the order of the config."""
    by_cell = {result.cell: result for result in results}
    groups = []
    for spec in experiment.datasets:
        first = next((result for result in results if result.cell.dataset == spec.name), None)
        if first is None:
            continue
        for raster in confusions(experiment, first):
            for fraction in experiment.fractions:
                for frozen in experiment.frozen:
                    rows = []
                    for method in experiment.methods:
                        for confidence in experiment.confidences if method == "false" else (None,):
                            cells = [
                                Cell(spec.name, method, confidence, seed, fraction, frozen and method != SUPERVISED)
                                for seed in experiment.seeds
                            ]
                            found = [by_cell[cell] for cell in cells if cell in by_cell]
                            if found:
                                rows.append(_row(experiment, raster, found))
                    if rows:
                        groups.append(Group(spec.name, raster, fraction, frozen, first.classes, rows))
    return groups


def _row(experiment: Experiment, raster: str, results: Sequence[RunResult]) -> Row:
    scored = [scores_of(confusions(experiment, result)[raster]) for result in results]
    cell = results[0].cell
    return Row(
        cell.method,
        cell.confidence,
        [result.cell.seed for result in results],
        {name: [whole[name] for whole, _ in scored] for name in METRICS},
        [list(values) for values in zip(*(iou for _, iou in scored))],
    )


def write_csv(path: Path, experiment: Experiment, results: Sequence[RunResult]) -> None:
    """Write a row per run and scored raster. Scores run from 0 to 1; a score that does not exist is left empty."""
    names = list(dict.fromkeys(c.name for result in results for c in result.classes))
    stages = ("pretrain", "finetune", "classify")
    header = [
        *("experiment", "protocol", "dataset", "raster", "method", "confidence", "seed", "fraction", "frozen"),
        *METRICS,
        *(f"iou {name}" for name in names),
        *("pixels", "pixels_without_data", "pixels_labelled"),
        *(f"seconds_{stage}" for stage in stages),
        *("preset", "pixel_size", "version"),
    ]
    with published(path) as (partial,), partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        for result in results:
            cell = result.cell
            shared: dict[str, Any] = {
                "experiment": experiment.name,
                "protocol": experiment.protocol,
                "dataset": cell.dataset,
                "method": cell.method,
                "confidence": "" if cell.confidence is None else cell.confidence,
                "seed": cell.seed,
                "fraction": cell.fraction,
                "frozen": int(cell.frozen),
                **{f"seconds_{stage}": f"{result.seconds.get(stage, 0.0):.1f}" for stage in stages},
                **{name: result.facts.get(name, "") for name in ("preset", "pixel_size", "version")},
            }
            matrices = {name: tally.confusion for name, tally in result.tallies.items()}
            for raster, confusion in {**matrices, **confusions(experiment, result)}.items():
                whole, iou = scores_of(confusion)
                tallies = [t for name, t in result.tallies.items() if raster in (name, ALL_SHEETS)]
                values = {**whole, **{f"iou {c.name}": value for c, value in zip(result.classes, iou)}}
                writer.writerow(
                    {
                        **shared,
                        "raster": raster,
                        **{name: "" if math.isnan(value) else f"{value:.6f}" for name, value in values.items()},
                        "pixels": int(confusion.sum()),
                        "pixels_without_data": sum(tally.without_data for tally in tallies),
                        "pixels_labelled": sum(tally.labelled for tally in tallies),
                    }
                )
