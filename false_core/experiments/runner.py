"""Runs what is missing of an experiment, cell by cell, and writes its tables."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core import __version__, jobs
from false_core.computing.device import choose_device
from false_core.dispatch import run
from false_core.errors import Cancelled, FalseError, OutputError
from false_core.events import INFO, WARNING, Event, Message, Progress
from false_core.experiments.baselines import classifier_in_words
from false_core.experiments.cells import Cell, Variant, cell_key, cell_title, encoder_key, expand, scored_on_map, spec_of
from false_core.experiments.config import (
    BASELINES,
    NETWORK_HEAD,
    PATCHES,
    SCENE,
    SUPERVISED,
    WITH_FNCC,
    DatasetSpec,
    Experiment,
)
from false_core.experiments.dataset import Dataset, LabelledImage, dataset_fingerprint, prepare
from false_core.experiments.labelling import CODE_FIELD, RunLabels, labels_of_parts, patch_labels, scene_labels
from false_core.experiments.page import write_page
from false_core.experiments.results import ChosenHead, RunResult, read_result, write_result
from false_core.experiments.sampled import Answered, Asked, SampledRun, WantedFeatures, in_part
from false_core.experiments.scoring import ScoredPixels, Tally, draw_pixels, score_map
from false_core.experiments.tables import group_results, scored_of, write_csv
from false_core.feedback import Feedback
from false_core.models.model_file import read_card

OPEN_FILES = 8192
"""A dataset of hundreds of tiles has each of them open in several threads; some systems allow 1024 files."""
_SHARES = {"pretrain": 0.5, "finetune": 0.35, "classify": 0.15}
"""Shares of a cell's time, for the progress shown."""
PRECISION_VARIABLE = "FALSE_PRECISION"
LEAST_TO_JUDGE_BY = 0.02
"""Share of the experiment after which the time left is told."""


@dataclass(frozen=True)
class Summary:
    """The outcome of an experiment.

    Attributes:
        table: Path of the CSV.
        page: Path of the HTML.
        cells: Cells of the grid.
        run: Number of them that were run now.
        failed: Errors, by the title of the cell.
    """

    table: Path
    page: Path
    cells: int
    run: int
    failed: dict[str, str]


def run_experiment(
    experiment: Experiment,
    on_event: Callable[[Event], None] = lambda event: None,
    cancel: threading.Event | None = None,
) -> Summary:
    """Run the cells of an experiment that have no result yet, then write ``results.csv`` and ``results.html``.

    A cell that fails does not keep the others from running. The tables are written in any case, of what there is.

    Args:
        experiment: Experiment to run.
        on_event: Called with ``Progress`` and ``Message`` events.
        cancel: Set it from another thread to stop at the next step. What is done stays done.

    Raises:
        InputError: A dataset is missing or cannot be used, and not all of its cells have results.
        OutputError: The output folder cannot be written.
        Cancelled: It was stopped.
    """
    return _Runner(experiment, on_event, cancel or threading.Event()).run()


class _Runner:
    def __init__(self, experiment: Experiment, on_event: Callable[[Event], None], cancel: threading.Event) -> None:
        self._experiment, self._on_event, self._cancel = experiment, on_event, cancel
        self._output, self._encoders = experiment.output, experiment.encoders
        self._inputs: dict[str, dict[str, Any]] = {}
        self._datasets: dict[str, Dataset] = {}
        self._said: set[str] = set()
        self._pixels: dict[tuple[str, str], ScoredPixels] = {}

    def run(self) -> Summary:
        cells = expand(self._experiment)
        self._make_folders()
        _allow_open_files()
        results = {cell: read_result(self._path_of(cell)) for cell in cells}
        self._look_at_inputs(results)
        missing = [cell for cell, result in results.items() if result is None]
        self._say(f"{len(cells)} cells, {len(missing)} of them to run.")
        failed: dict[str, str] = {}
        began = time.monotonic()
        try:
            for number, cell in enumerate(missing):
                self._stop_if_cancelled()
                title = cell_title(cell, self._experiment)
                progress = _CellProgress(self._on_event, number, len(missing), title, began, self._said)
                try:
                    with _alike_on_cpus(self._experiment.device):
                        results[cell] = result = self._run_cell(cell, progress)
                    self._say(f"{title}: {_in_short(self._experiment, result)}")
                except Cancelled:
                    raise
                except FalseError as error:
                    failed[title] = str(error)
                    self._on_event(Message(WARNING, f"{title} failed: {error}"))
        finally:
            table, page = self._write_tables([result for result in results.values() if result], len(cells), failed)
        return Summary(table, page, len(cells), len(missing) - len(failed), failed)

    def _make_folders(self) -> None:
        try:
            for folder in (self._output / "cells", self._encoders):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written to: {error.strerror}.", "Choose another output.") from error

    def _look_at_inputs(self, results: dict[Cell, RunResult | None]) -> None:
        """Find the datasets; forget results of other data. A dataset that is not here is no harm where nothing is to run."""
        for spec in self._experiment.datasets:
            own = [cell for cell in results if cell.dataset == spec.name]
            try:
                self._inputs[spec.name] = dataset_fingerprint(spec)
            except FalseError as error:
                if any(results[cell] is None for cell in own):
                    raise
                self._say(f"{error} Its results are complete and are shown as they are.")
                continue
            for cell in own:
                result = results[cell]
                if result and result.inputs != self._inputs[spec.name]:
                    self._say(f"The files of {spec.name} have changed: {cell_title(cell, self._experiment)} is run again.")
                    results[cell] = None

    def _run_cell(self, cell: Cell, progress: _CellProgress) -> RunResult:
        dataset = self._dataset(spec_of(cell, self._experiment), progress)
        encoder, seconds = self._encoder(cell, dataset, progress)
        seconds |= {"finetune": 0.0, "classify": 0.0}
        tallies: dict[str, Tally] = {}
        choices: dict[str, ChosenHead] = {}
        estimate: dict[str, float] = {}
        facts: dict[str, Any] = {}
        labels_by_name = self._labels(dataset, cell, progress)
        for number, (name, labels) in enumerate(labels_by_name.items()):
            part = _Part(number, len(labels_by_name), name, labels)
            made = (self._from_map if scored_on_map(cell, self._experiment) else self._from_pixels)(
                cell, dataset, encoder, part, seconds, progress
            )
            tallies |= made.tallies
            choices |= made.choices
            # What the labels of a part promise is meant for a map of the whole scene.
            estimate = made.estimate if cell.protocol in (SCENE, PATCHES) else {}
            facts = made.facts
        facts |= {
            "version": __version__,
            "device": self._experiment.device,
            "encoder": Path(encoder).name if encoder else None,
        }
        if cell.variant.method in BASELINES:
            facts["classifier"] = classifier_in_words()
        inputs = self._inputs[cell.dataset]
        result = RunResult(cell, dataset.classes, tallies, seconds, estimate, facts, inputs, choices)
        write_result(self._path_of(cell), result)
        return result

    def _job(self, cell: Cell, dataset: Dataset, encoder: str | None, labels: RunLabels, model: str) -> jobs.Finetune:
        """Return the job that makes the model of a cell. A baseline takes its features from that of the texture."""
        variant = cell.variant
        head = "texture" if variant.method in BASELINES else variant.head
        return jobs.Finetune(
            raster=labels.raster,
            labels=labels.path,
            field=CODE_FIELD,
            model=model,
            encoder=encoder,
            head=head,
            backbone=variant.backbone,
            weights=_beside(variant, encoder),
            preset=self._experiment.preset,
            seed=cell.seed,
            device=self._experiment.device,
            # Without an encoder there is nothing to preserve, whatever the preset says.
            freeze=cell.frozen if head == NETWORK_HEAD else None,
            legend=dataset.legend,
            **(self._experiment.finetune or {}),
        )

    def _from_map(
        self,
        cell: Cell,
        dataset: Dataset,
        encoder: str | None,
        part: _Part,
        seconds: dict[str, float],
        progress: _CellProgress,
    ) -> Answered:
        """Make a model and whole maps, and score them."""
        labels = part.labels
        with self._workplace(cell) as folder:
            model = str(folder / part.file("model.safetensors"))
            began = time.monotonic()
            progress.enter("finetune", part.number, part.of)
            told = run(self._job(cell, dataset, encoder, labels, model), progress, self._cancel)
            seconds["finetune"] += time.monotonic() - began
            tallies = {}
            scored = dataset.train if labels.inside else self._scored(dataset)
            for number, pair in enumerate(scored):
                output = str(folder / part.file(f"{pair.name}.tif"))
                began = time.monotonic()
                progress.enter("classify", part.number * len(scored) + number, part.of * len(scored))
                run(jobs.Classify(pair.image, model, output, device=self._experiment.device), progress, self._cancel)
                seconds["classify"] += time.monotonic() - began
                excluded = labels.excluded.get(pair.name)
                name = part.name or pair.name
                tally = score_map(output, pair.truth, dataset.classes, excluded, labels.inside)
                scored_rows = tally.confusion * _are_scored(dataset, labels)[:, None]
                tallies[name] = replace(tally, confusion=scored_rows)
            card = read_card(model)
        facts = {
            "preset": card.method.get("preset"),
            "pixel_size": card.pixel_size,
            "labels": card.provenance.get("labels", {}),
            "chosen": card.method.get("head"),
        }
        return Answered(tallies, {}, {name: value for name, value in told.items() if isinstance(value, float)}, facts)

    def _from_pixels(
        self,
        cell: Cell,
        dataset: Dataset,
        encoder: str | None,
        part: _Part,
        seconds: dict[str, float],
        progress: _CellProgress,
    ) -> Answered:
        """Fit a head to kept features, and ask it about random pixels."""
        labels, scene = part.labels, dataset.train[0]
        if part.labels.inside is None:
            asked = [Asked(pair.name, pair, self._pixels_of(dataset, pair, labels)) for pair in self._scored(dataset)]
        else:
            (shape,) = part.labels.inside.shapes
            pixels = in_part(self._pixels_of(dataset, scene, labels), shape)
            asked = [Asked(part.name, scene, pixels.subset(_are_scored(dataset, labels)[pixels.targets]))]
        began = time.monotonic()
        progress.enter("finetune", part.number, part.of)
        fitted = SampledRun(
            self._job(cell, dataset, encoder, labels, ""),
            dataset.classes,
            self._wanted(cell, dataset, labels),
            Feedback(progress, self._cancel),
        )
        seconds["finetune"] += time.monotonic() - began
        began = time.monotonic()
        progress.enter("classify", part.number, part.of)
        method = cell.variant.method
        answered = fitted.answers_of_baseline(method, asked) if method in BASELINES else fitted.answers(asked)
        seconds["classify"] += time.monotonic() - began
        return answered

    def _pixels_of(self, dataset: Dataset, pair: LabelledImage, labels: RunLabels) -> ScoredPixels:
        """Return the pixels of an image that are scored, the same ones for all cells."""
        key = dataset.spec.name, pair.name
        if key not in self._pixels:
            excluded = labels.excluded.get(pair.name)
            self._pixels[key] = draw_pixels(pair.truth, dataset.classes, excluded, self._experiment.scored_pixels)
        return self._pixels[key]

    def _wanted(self, cell: Cell, dataset: Dataset, labels: RunLabels) -> WantedFeatures:
        """Return what all cells of this one's dataset and seed ask of the features."""
        files = [
            own.path
            for protocol in self._experiment.protocols
            for fraction in self._experiment.fractions
            for own in self._labels_of(dataset, protocol, fraction, cell.seed, Feedback()).values()
        ]
        looks_at_encoders = any(head not in (NETWORK_HEAD, "texture") for head in self._experiment.heads)
        pixels = self._pixels_of(dataset, dataset.train[0], labels)
        return WantedFeatures(self._output / "features", looks_at_encoders, files, CODE_FIELD, pixels)

    def _encoder(self, cell: Cell, dataset: Dataset, progress: _CellProgress) -> tuple[str | None, dict[str, float]]:
        """Return the encoder file of a cell, made now unless it is there, and the seconds that took."""
        variant = cell.variant
        method = variant.method.removesuffix(WITH_FNCC)
        if variant.method in BASELINES or (variant.method == SUPERVISED and not _takes_a_file(cell)):
            return None, {"pretrain": 0.0}
        if method == SUPERVISED:
            method = jobs.UNTRAINED
        path = self._encoders / f"{encoder_key(cell, self._experiment, self._inputs[cell.dataset])}.safetensors"
        clock = path.with_suffix(".seconds")
        if not (path.is_file() and clock.is_file()):
            began = time.monotonic()
            progress.enter("pretrain")
            values = {} if method == jobs.UNTRAINED and variant.method == SUPERVISED else self._experiment.pretrain or {}
            run(
                jobs.Pretrain(
                    rasters=tuple(pair.image for pair in dataset.train),
                    encoder=str(path),
                    preset=self._experiment.preset,
                    method=method,
                    confidence=variant.confidence,
                    false_negatives=variant.method.endswith(WITH_FNCC) or None,
                    backbone=variant.backbone,
                    weights=variant.weights,
                    seed=cell.seed,
                    device=self._experiment.device,
                    **{**values, **dict(variant.settings)},
                ),
                progress,
                self._cancel,
            )
            clock.write_text(f"{time.monotonic() - began:.2f}", encoding="utf-8")
        return str(path), {"pretrain": float(clock.read_text(encoding="utf-8"))}

    def _dataset(self, spec: DatasetSpec, progress: _CellProgress) -> Dataset:
        if spec.name not in self._datasets:
            self._datasets[spec.name] = prepare(spec, self._output, Feedback(progress.pass_on, self._cancel))
        return self._datasets[spec.name]

    def _labels(self, dataset: Dataset, cell: Cell, progress: _CellProgress) -> dict[str, RunLabels]:
        feedback = Feedback(progress.pass_on, self._cancel)
        return self._labels_of(dataset, cell.protocol, cell.fraction, cell.seed, feedback)

    def _labels_of(
        self, dataset: Dataset, protocol: str, fraction: float, seed: int, feedback: Feedback
    ) -> dict[str, RunLabels]:
        """Return what models learn from, by the name of the part that each of them is for."""
        if protocol == PATCHES:
            return {"": patch_labels(dataset, self._experiment.patch_size, fraction, seed)}
        if protocol == SCENE:
            return {"": scene_labels(dataset, fraction, seed, feedback)}
        return dict(labels_of_parts(dataset, protocol, fraction, seed, feedback))

    def _scored(self, dataset: Dataset) -> Sequence[LabelledImage]:
        """Return what is mapped and scored. Of patches, the images they come from only where there are no others."""
        if self._experiment.on_patches:
            return dataset.test or dataset.train
        return (*dataset.train, *dataset.test)

    @contextmanager
    def _workplace(self, cell: Cell) -> Iterator[Path]:
        """Give a folder for the model and the maps of a cell; it is removed afterwards, or kept if the config says so."""
        if self._experiment.keep:
            folder = self._output / "kept" / cell_key(cell, self._experiment)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
            return
        folder = Path(tempfile.mkdtemp(prefix=".running-", dir=self._output))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _path_of(self, cell: Cell) -> Path:
        return self._output / "cells" / f"{cell_key(cell, self._experiment)}.json"

    def _write_tables(self, results: Sequence[RunResult], cells: int, failed: dict[str, str]) -> tuple[Path, Path]:
        table, page = self._output / "results.csv", self._output / "results.html"
        write_csv(table, self._experiment, results)
        write_page(page, self._experiment, group_results(self._experiment, results), results, cells, failed)
        return table, page

    def _stop_if_cancelled(self) -> None:
        if self._cancel.is_set():
            raise Cancelled()

    def _say(self, text: str) -> None:
        self._on_event(Message(INFO, text))


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


def _takes_a_file(cell: Cell) -> bool:
    """Return whether labels alone need an encoder file, as fine-tuning takes such weights from nothing else."""
    variant = cell.variant
    if variant.head == NETWORK_HEAD:
        return variant.weights not in (None, jobs.GENERAL_WEIGHTS, jobs.NO_WEIGHTS)
    return variant.backbone is not None or variant.weights not in (None, jobs.GENERAL_WEIGHTS)


class _CellProgress:
    """Turns the progress of the jobs of one cell into progress of the whole experiment. Warnings are passed on once."""

    def __init__(
        self, on_event: Callable[[Event], None], number: int, cells: int, title: str, began: float, said: set[str]
    ) -> None:
        self._on_event, self._number, self._cells, self._title = on_event, number, cells, title
        self._began, self._said = began, said
        self._from = self._share = 0.0

    def enter(self, stage: str, number: int = 0, jobs_of_stage: int = 1) -> None:
        """Say that the ``number``-th of some jobs of a stage begins, counted from 0."""
        names = list(_SHARES)
        self._share = _SHARES[stage] / jobs_of_stage
        self._from = sum(_SHARES[name] for name in names[: names.index(stage)]) + number * self._share

    def __call__(self, event: Event) -> None:
        """Take an event of a job."""
        if isinstance(event, Progress):
            done = (self._number + self._from + event.fraction * self._share) / self._cells
            seconds = time.monotonic() - self._began
            left = seconds * (1 - done) / done if done > LEAST_TO_JUDGE_BY else None
            stage = f"{self._number + 1} of {self._cells}: {self._title}: {event.stage}"
            # Rounded, as progress must not fall by the last digit of a sum either.
            self._on_event(Progress(min(1.0, round(done, 6)), stage, left, event.rate))
        elif isinstance(event, Message) and event.level == WARNING:
            self.pass_on(event)

    def pass_on(self, event: Event) -> None:
        """Pass on a message unless it was said before."""
        if isinstance(event, Message) and event.text not in self._said:
            self._said.add(event.text)
            self._on_event(event)


def _in_short(experiment: Experiment, result: RunResult) -> str:
    scored = scored_of(experiment, result)
    return "; ".join(f"{name} OA {s.whole['oa']:.3f}, mIoU {s.whole['miou']:.3f}" for name, s in scored.items())


@contextmanager
def _alike_on_cpus(device: str) -> Iterator[None]:
    """Have the jobs of a cell compute in float32 where they run on a CPU.

    Else a processor, or a test of its speed, would decide which cells of a table compute in short numbers.
    """
    if choose_device(device, Feedback()).type != "cpu":
        yield
        return
    before = os.environ.get(PRECISION_VARIABLE)
    # For threads and processes of the jobs too.
    os.environ[PRECISION_VARIABLE] = jobs.FLOAT32
    try:
        yield
    finally:
        del os.environ[PRECISION_VARIABLE]
        if before is not None:
            os.environ[PRECISION_VARIABLE] = before


def _allow_open_files() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
