"""A cell of an experiment: its encoder, its models, and how right they are."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core import __version__, jobs
from false_core.dispatch import run
from false_core.experiments.baselines import classifier_in_words
from false_core.experiments.cell_encoder import encoder_of_cell
from false_core.experiments.cell_progress import CellProgress
from false_core.experiments.cells import Cell, Variant, cell_key, scored_on_map, spec_of
from false_core.experiments.config import BASELINES, PATCHES, SCENE, SUPERVISED, Experiment
from false_core.experiments.dataset import Dataset
from false_core.experiments.labelling import RunLabels
from false_core.experiments.materials import Materials
from false_core.experiments.results import ChosenHead, RunResult
from false_core.experiments.sampled import Answered, Asked, SampledRun, in_part
from false_core.experiments.scoring import Tally, score_map
from false_core.feedback import Feedback
from false_core.models.model_file import read_card
from false_core.vector.polygon_file import CODE_FIELD


def run_cell(
    cell: Cell,
    experiment: Experiment,
    materials: Materials,
    inputs: dict[str, Any],
    progress: CellProgress,
    cancel: threading.Event,
) -> RunResult:
    """Make what a cell asks for, and score it.

    Args:
        cell: The cell.
        experiment: Its experiment.
        materials: The datasets and labels of the experiment.
        inputs: The fingerprint of the files of the dataset of the cell.
        progress: Hears how far it is.
        cancel: Ends it when set.
    """
    feedback = Feedback(progress.pass_on, cancel)
    dataset = materials.dataset(spec_of(cell, experiment), feedback)
    encoder, pretraining = encoder_of_cell(cell, experiment, dataset, inputs, progress, cancel)
    seconds = {"pretrain": pretraining, "finetune": 0.0, "classify": 0.0}
    cell_run = _CellRun(cell, experiment, materials, dataset, encoder, seconds, progress, cancel)
    make = cell_run.from_map if scored_on_map(cell, experiment) else cell_run.from_pixels
    labels_by_name = materials.labels_of(dataset, cell.protocol, cell.fraction, cell.seed, feedback)
    tallies: dict[str, Tally] = {}
    choices: dict[str, ChosenHead] = {}
    estimate: dict[str, float] = {}
    facts: dict[str, Any] = {}
    for number, (name, labels) in enumerate(labels_by_name.items()):
        made = make(_Part(number, len(labels_by_name), name, labels))
        tallies |= made.tallies
        choices |= made.choices
        # What the labels of a part promise is meant for a map of the whole scene.
        estimate = made.estimate if cell.protocol in (SCENE, PATCHES) else {}
        facts = made.facts
    facts |= {"version": __version__, "device": experiment.device, "encoder": Path(encoder).name if encoder else None}
    if cell.variant.method in BASELINES:
        facts["classifier"] = classifier_in_words()
    return RunResult(cell, dataset.classes, tallies, seconds, estimate, facts, inputs, choices)


@dataclass(frozen=True)
class _CellRun:
    """A cell, with what is there before its models: the dataset and the encoder. ``seconds`` adds up its stages."""

    cell: Cell
    experiment: Experiment
    materials: Materials
    dataset: Dataset
    encoder: str | None
    seconds: dict[str, float]
    progress: CellProgress
    cancel: threading.Event

    def _job(self, labels: RunLabels, model: str) -> jobs.Finetune:
        """Return the job that makes the model of the cell. A baseline takes its features from that of the texture."""
        variant = self.cell.variant
        head = "texture" if variant.method in BASELINES else variant.head
        return jobs.Finetune(
            raster=labels.raster,
            labels=labels.path,
            field=CODE_FIELD,
            model=model,
            encoder=self.encoder,
            head=head,
            backbone=variant.backbone,
            weights=_beside(variant, self.encoder),
            preset=self.experiment.preset,
            seed=self.cell.seed,
            device=self.experiment.device,
            # Without an encoder there is nothing to preserve, whatever the preset says.
            freeze=self.cell.frozen if head == jobs.NETWORK_HEAD else None,
            legend=self.dataset.legend,
            **(self.experiment.finetune or {}),
        )

    def from_map(self, part: _Part) -> Answered:
        """Make a model and whole maps, and score them."""
        labels = part.labels
        with self._workplace() as folder:
            model = str(folder / part.file("model.safetensors"))
            began = time.monotonic()
            self.progress.enter("finetune", part.number, part.of)
            told = run(self._job(labels, model), self.progress, self.cancel)
            self.seconds["finetune"] += time.monotonic() - began
            tallies = {}
            scored = self.dataset.train if labels.inside else self.materials.scored_images(self.dataset)
            for number, pair in enumerate(scored):
                output = str(folder / part.file(f"{pair.name}.tif"))
                began = time.monotonic()
                self.progress.enter("classify", part.number * len(scored) + number, part.of * len(scored))
                run(jobs.Classify(pair.image, model, output, device=self.experiment.device), self.progress, self.cancel)
                self.seconds["classify"] += time.monotonic() - began
                excluded = labels.excluded.get(pair.name)
                name = part.name or pair.name
                tally = score_map(output, pair.truth, self.dataset.classes, excluded, labels.inside)
                scored_rows = tally.confusion * _are_scored(self.dataset, labels)[:, None]
                tallies[name] = replace(tally, confusion=scored_rows)
            card = read_card(model)
        facts = {
            "preset": card.method.get("preset"),
            "pixel_size": card.pixel_size,
            "labels": card.provenance.get("labels", {}),
            "chosen": card.method.get("head"),
        }
        return Answered(tallies, {}, {name: value for name, value in told.items() if isinstance(value, float)}, facts)

    def from_pixels(self, part: _Part) -> Answered:
        """Fit a head to kept features, and ask it about random pixels."""
        labels, dataset, materials = part.labels, self.dataset, self.materials
        if labels.inside is None:
            images = materials.scored_images(dataset)
            asked = [Asked(pair.name, pair, materials.pixels_of(dataset, pair, labels)) for pair in images]
        else:
            (shape,), scene = labels.inside.shapes, dataset.train[0]
            pixels = in_part(materials.pixels_of(dataset, scene, labels), shape)
            asked = [Asked(part.name, scene, pixels.subset(_are_scored(dataset, labels)[pixels.targets]))]
        began = time.monotonic()
        self.progress.enter("finetune", part.number, part.of)
        fitted = SampledRun(
            self._job(labels, ""),
            self.dataset.classes,
            self.materials.wanted_features(self.dataset, self.cell.seed, labels),
            Feedback(self.progress, self.cancel),
        )
        self.seconds["finetune"] += time.monotonic() - began
        began = time.monotonic()
        self.progress.enter("classify", part.number, part.of)
        method = self.cell.variant.method
        answered = fitted.answers_of_baseline(method, asked) if method in BASELINES else fitted.answers(asked)
        self.seconds["classify"] += time.monotonic() - began
        return answered

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        """Give a folder for the model and the maps of the cell; it is removed afterwards, or kept if the config says so."""
        if self.experiment.keep:
            folder = self.experiment.output / "kept" / cell_key(self.cell, self.experiment)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
            return
        folder = Path(tempfile.mkdtemp(prefix=".running-", dir=self.experiment.output))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Part:
    """The part of a scene that a cell makes a model for, the ``number``-th; without a name, all of it."""

    number: int
    of: int
    name: str
    labels: RunLabels

    def file(self, name: str) -> str:
        """Return the name of a file that belongs to the part."""
        return f"{self.name} {name}".strip()


def _are_scored(dataset: Dataset, labels: RunLabels) -> npt.NDArray[np.bool_]:
    """Return which classes are scored, of shape (classes,)."""
    return np.array([labels.codes is None or c.code in labels.codes for c in dataset.classes])


def _beside(variant: Variant, encoder: str | None) -> str:
    """Return the general encoder where it is looked at: without an encoder file, or beside one that started from it."""
    if encoder is None:
        return variant.weights or jobs.GENERAL_WEIGHTS
    starts_from_it = variant.method != SUPERVISED and variant.weights in (None, jobs.GENERAL_WEIGHTS)
    return jobs.GENERAL_WEIGHTS if starts_from_it else jobs.NO_WEIGHTS
