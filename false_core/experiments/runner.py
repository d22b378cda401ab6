"""Runs what is missing of an experiment, cell by cell, and writes its tables."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from false_core import jobs
from false_core.computing.device import choose_device
from false_core.errors import Cancelled, FalseError, OutputError
from false_core.events import INFO, WARNING, Event, Message
from false_core.experiments.cell_progress import CellProgress
from false_core.experiments.cell_run import run_cell
from false_core.experiments.cells import Cell, cell_key, cell_title, expand
from false_core.experiments.config import Experiment
from false_core.experiments.dataset import dataset_fingerprint
from false_core.experiments.materials import Materials
from false_core.experiments.page import write_page
from false_core.experiments.results import RunResult, read_result, write_result
from false_core.experiments.tables import group_results, scored_of, write_csv
from false_core.feedback import Feedback

OPEN_FILES = 8192
"""A dataset of hundreds of tiles has each of them open in several threads; some systems allow 1024 files."""
PRECISION_VARIABLE = "FALSE_PRECISION"


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
        self._output, self._materials = experiment.output, Materials(experiment)
        self._inputs: dict[str, dict[str, Any]] = {}
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
                title = cell_title(cell, self._experiment)
                progress = CellProgress(self._on_event, number, len(missing), title, began, self._said)
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
            for folder in (self._output / "cells", self._experiment.encoders):
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

    def _run_cell(self, cell: Cell, progress: CellProgress) -> RunResult:
        inputs = self._inputs[cell.dataset]
        result = run_cell(cell, self._experiment, self._materials, inputs, progress, self._cancel)
        write_result(self._path_of(cell), result)
        return result

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
