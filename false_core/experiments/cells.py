"""The grid of an experiment: one cell per run, with a name that stays the same as long as its result does."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from false_core import jobs
from false_core.experiments.config import PATCHES, SUPERVISED, WITH_FNCC, DatasetSpec, Experiment


@dataclass(frozen=True)
class Cell:
    """One run: pretrain, fine-tune, classify, score.

    Attributes:
        dataset: Name of the dataset.
        method: One of ``config.RUN_METHODS``.
        confidence: Confidence weight of FALSE; None for the other methods.
        seed: The seed of everything that is random in it.
        fraction: Share of the labels it learns from.
        frozen: Whether its encoder stays as pretrained. False without pretraining: there is nothing to preserve.
    """

    dataset: str
    method: str
    confidence: float | str | None
    seed: int
    fraction: float
    frozen: bool

    @property
    def title(self) -> str:
        """A few words that tell it from the other cells."""
        how = ", frozen" if self.frozen else ""
        what = f"{self.dataset}, {method_title(self.method, self.confidence)}"
        return f"{what}, {100 * self.fraction:.3g} % of labels{how}, seed {self.seed}"


def method_title(method: str, confidence: float | str | None) -> str:
    """Return what a method is called in tables, with its confidence weight where it has one."""
    plain = method.removesuffix(WITH_FNCC)
    title = {**jobs.METHODS, SUPERVISED: "labels alone"}[plain] + (" + FNCC" if plain != method else "")
    return title if confidence is None else f"{title} (α {confidence_title(confidence)})"


def confidence_title(confidence: float | str) -> str:
    """Return a confidence weight as the paper writes it."""
    return confidence if isinstance(confidence, str) else f"{confidence:g}"


def expand(experiment: Experiment) -> list[Cell]:
    """Return every cell of the grid once. All methods come before the next seed, so that half a run compares them too."""
    cells: dict[Cell, None] = {}
    grid = itertools.product(
        experiment.seeds, experiment.datasets, experiment.fractions, experiment.frozen, experiment.methods
    )
    for seed, dataset, fraction, frozen, method in grid:
        for confidence in experiment.confidences if method == "false" else (None,):
            cells[Cell(dataset.name, method, confidence, seed, fraction, frozen and method != SUPERVISED)] = None
    return [cell for cell in cells if not _is_labels_alone_again(cell, experiment)]


def _is_labels_alone_again(cell: Cell, experiment: Experiment) -> bool:
    """Whether a cell trains through an encoder that was random, where the grid has that already under another name."""
    return cell.method == jobs.UNTRAINED and not cell.frozen and SUPERVISED in experiment.methods


def cell_key(cell: Cell, experiment: Experiment) -> str:
    """Return the name of a cell's result: readable, and different where anything in the config makes the result differ."""
    decisive: dict[str, Any] = {**_pretraining(cell, experiment), "protocol": experiment.protocol, "fraction": cell.fraction}
    decisive |= {"frozen": cell.frozen, "finetune": dict(experiment.finetune or {})}
    if experiment.protocol == PATCHES:
        decisive["patch_size"] = experiment.patch_size
    how = "frozen" if cell.frozen else "trained"
    return "-".join([*_stem(cell), f"{cell.fraction:g}", how, _mark(decisive)])


def encoder_key(cell: Cell, experiment: Experiment, inputs: dict[str, Any]) -> str:
    """Return the name of the encoder a cell uses. Cells that differ only in what comes after pretraining share it.

    Args:
        cell, experiment: The cell and the experiment that the encoder is a part of.
        inputs: What tells the dataset from others of its name.
    """
    return "-".join([*_stem(cell), _mark({**_pretraining(cell, experiment), "files": inputs["files"]})])


def spec_of(cell: Cell, experiment: Experiment) -> DatasetSpec:
    """Return the dataset of a cell."""
    return next(spec for spec in experiment.datasets if spec.name == cell.dataset)


def _pretraining(cell: Cell, experiment: Experiment) -> dict[str, Any]:
    overrides = {} if cell.method == SUPERVISED else dict(experiment.pretrain or {})
    return {
        "dataset": spec_of(cell, experiment).as_written,
        "method": cell.method,
        "confidence": cell.confidence,
        "seed": cell.seed,
        "preset": experiment.preset,
        "pretrain": overrides,
    }


def _stem(cell: Cell) -> Iterator[str]:
    yield cell.dataset
    yield cell.method
    if cell.confidence is not None:
        yield confidence_title(cell.confidence)
    yield f"seed{cell.seed}"


def _mark(decisive: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:8]
