"""The encoder of a cell of an experiment: cells that ask for the same pretraining share its file."""

from __future__ import annotations

import threading
import time
from typing import Any

from false_core import jobs
from false_core.dispatch import run
from false_core.experiments.cell_progress import CellProgress
from false_core.experiments.cells import Cell, encoder_key
from false_core.experiments.config import BASELINES, SUPERVISED, WITH_FNCC, Experiment
from false_core.experiments.dataset import Dataset


def encoder_of_cell(
    cell: Cell,
    experiment: Experiment,
    dataset: Dataset,
    inputs: dict[str, Any],
    progress: CellProgress,
    cancel: threading.Event,
) -> tuple[str | None, float]:
    """Return the encoder file of a cell, made now unless it is there, and the seconds that took.

    Args:
        cell: The cell.
        experiment: Its experiment.
        dataset: Its dataset, prepared.
        inputs: The fingerprint of the files of the dataset.
        progress: Hears how far it is.
        cancel: Ends it when set.
    """
    variant = cell.variant
    method = variant.method.removesuffix(WITH_FNCC)
    if variant.method in BASELINES or (variant.method == SUPERVISED and not _takes_a_file(cell)):
        return None, 0.0
    if method == SUPERVISED:
        method = jobs.UNTRAINED
    path = experiment.encoders / f"{encoder_key(cell, experiment, inputs)}.safetensors"
    clock = path.with_suffix(".seconds")
    if not (path.is_file() and clock.is_file()):
        began = time.monotonic()
        progress.enter("pretrain")
        values = {} if method == jobs.UNTRAINED and variant.method == SUPERVISED else experiment.pretrain or {}
        run(
            jobs.Pretrain(
                rasters=tuple(pair.image for pair in dataset.train),
                encoder=str(path),
                preset=experiment.preset,
                method=method,
                confidence=variant.confidence,
                false_negatives=variant.method.endswith(WITH_FNCC) or None,
                backbone=variant.backbone,
                weights=variant.weights,
                seed=cell.seed,
                device=experiment.device,
                **{**values, **dict(variant.settings)},
            ),
            progress,
            cancel,
        )
        clock.write_text(f"{time.monotonic() - began:.2f}", encoding="utf-8")
    return str(path), float(clock.read_text(encoding="utf-8"))


def _takes_a_file(cell: Cell) -> bool:
    """Return whether a run without pretraining needs an encoder file: fine-tuning takes such weights from nothing else."""
    variant = cell.variant
    if variant.head == jobs.NETWORK_HEAD:
        return variant.weights not in (None, jobs.GENERAL_WEIGHTS, jobs.NO_WEIGHTS)
    return variant.backbone is not None or variant.weights not in (None, jobs.GENERAL_WEIGHTS)
