"""Runs what is missing of an experiment, cell by cell, and writes its tables."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from false_core import __version__, jobs
from false_core.dispatch import run
from false_core.errors import Cancelled, FalseError, OutputError
from false_core.events import INFO, WARNING, Event, Message, Progress
from false_core.experiments.cells import Cell, cell_key, encoder_key, expand, spec_of
from false_core.experiments.config import SCENE, SUPERVISED, WITH_FNCC, DatasetSpec, Experiment
from false_core.experiments.dataset import Dataset, Sheet, dataset_fingerprint, prepare
from false_core.experiments.labelling import CODE_FIELD, RunLabels, patch_labels, scene_labels
from false_core.experiments.page import write_page
from false_core.experiments.results import RunResult, read_result, write_result
from false_core.experiments.scoring import score_map
from false_core.experiments.tables import confusions, group_results, scores_of, write_csv
from false_core.feedback import Feedback
from false_core.models.model_file import read_card

OPEN_FILES = 8192
"""A dataset of hundreds of tiles has each of them open in several threads; some systems allow 1024 files."""
_SHARES = {"pretrain": 0.5, "finetune": 0.35, "classify": 0.15}
"""Of a cell's time, for the progress shown."""
LEAST_TO_JUDGE_BY = 0.02
"""Share of the experiment after which the time left is told."""


@dataclass(frozen=True)
class Summary:
    """What became of an experiment.

    Attributes:
        table: Path of the CSV.
        page: Path of the HTML.
        cells: Cells of the grid.
        run: How many of them were run now.
        failed: What went wrong, by the title of the cell.
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
        experiment: What to run.
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
                progress = _CellProgress(self._on_event, number, len(missing), cell.title, began, self._said)
                try:
                    results[cell] = result = self._run_cell(cell, progress)
                    self._say(f"{cell.title}: {_in_short(self._experiment, result)}")
                except Cancelled:
                    raise
                except FalseError as error:
                    failed[cell.title] = str(error)
                    self._on_event(Message(WARNING, f"{cell.title} failed: {error}"))
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
                    self._say(f"The files of {spec.name} have changed: {cell.title} is run again.")
                    results[cell] = None

    def _run_cell(self, cell: Cell, progress: _CellProgress) -> RunResult:
        dataset = self._dataset(spec_of(cell, self._experiment), progress)
        encoder, seconds = self._encoder(cell, dataset, progress)
        labels = self._labels(dataset, cell, progress)
        with self._workplace(cell) as folder:
            model = str(folder / "model.safetensors")
            began = time.monotonic()
            progress.enter("finetune")
            held_back = run(
                jobs.Finetune(
                    raster=labels.raster,
                    labels=labels.path,
                    field=CODE_FIELD,
                    model=model,
                    encoder=encoder,
                    preset=self._experiment.preset,
                    seed=cell.seed,
                    device=self._experiment.device,
                    # Without an encoder there is nothing to preserve, whatever the preset says.
                    freeze=cell.frozen,
                    legend=dataset.legend,
                    **(self._experiment.finetune or {}),
                ),
                progress,
                self._cancel,
            )
            seconds["finetune"] = time.monotonic() - began
            tallies = {}
            seconds["classify"] = 0.0
            scored = self._scored(dataset)
            for number, sheet in enumerate(scored):
                output = str(folder / f"{sheet.name}.tif")
                began = time.monotonic()
                progress.enter("classify", number, len(scored))
                run(jobs.Classify(sheet.image, model, output, device=self._experiment.device), progress, self._cancel)
                seconds["classify"] += time.monotonic() - began
                tallies[sheet.name] = score_map(output, sheet.truth, dataset.classes, labels.excluded.get(sheet.name))
            card = read_card(model)
        facts = {
            "version": __version__,
            "preset": card.method.get("preset"),
            "device": self._experiment.device,
            "pixel_size": card.pixel_size,
            "labels": card.provenance.get("labels", {}),
            "encoder": Path(encoder).name if encoder else None,
        }
        scores = {name: value for name, value in held_back.items() if isinstance(value, float)}
        result = RunResult(cell, dataset.classes, tallies, seconds, scores, facts, self._inputs[cell.dataset])
        write_result(self._path_of(cell), result)
        return result

    def _encoder(self, cell: Cell, dataset: Dataset, progress: _CellProgress) -> tuple[str | None, dict[str, float]]:
        """Return the encoder file of a cell, trained now unless it is there, and the seconds that took."""
        if cell.method == SUPERVISED:
            return None, {"pretrain": 0.0}
        path = self._encoders / f"{encoder_key(cell, self._experiment, self._inputs[cell.dataset])}.safetensors"
        clock = path.with_suffix(".seconds")
        if not (path.is_file() and clock.is_file()):
            began = time.monotonic()
            progress.enter("pretrain")
            run(
                jobs.Pretrain(
                    rasters=tuple(sheet.image for sheet in dataset.train),
                    encoder=str(path),
                    preset=self._experiment.preset,
                    method=cell.method.removesuffix(WITH_FNCC),
                    confidence=cell.confidence,
                    false_negatives=cell.method.endswith(WITH_FNCC) or None,
                    seed=cell.seed,
                    device=self._experiment.device,
                    **(self._experiment.pretrain or {}),
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

    def _labels(self, dataset: Dataset, cell: Cell, progress: _CellProgress) -> RunLabels:
        if self._experiment.protocol == SCENE:
            return scene_labels(dataset, cell.fraction, cell.seed, Feedback(progress.pass_on, self._cancel))
        return patch_labels(dataset, self._experiment.patch_size, cell.fraction, cell.seed)

    def _scored(self, dataset: Dataset) -> Sequence[Sheet]:
        """Return what is mapped and scored. Of patches, the sheets they come from only where there are no others."""
        if self._experiment.protocol == SCENE:
            return (*dataset.train, *dataset.test)
        return dataset.test or dataset.train

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
    scores = {name: scores_of(confusion)[0] for name, confusion in confusions(experiment, result).items()}
    return "; ".join(f"{name} OA {s['oa']:.3f}, mIoU {s['miou']:.3f}" for name, s in scores.items())


def _allow_open_files() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
