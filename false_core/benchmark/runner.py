"""Runs what is missing of a benchmark, an encoder on a task at a time, and writes its tables and its page."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

from false_core import __version__
from false_core.benchmark.area_classification import measure_areas
from false_core.benchmark.area_likeness import measure_likeness
from false_core.benchmark.change_detection import measure_change
from false_core.benchmark.encoders import ComparedEncoder, check_encoders
from false_core.benchmark.measurements import TaskRun, read_run, write_run
from false_core.benchmark.page import write_benchmark_page
from false_core.benchmark.segmentation import measure_segmentation
from false_core.benchmark.settings import BenchmarkSettings
from false_core.benchmark.tables import answer_in_words, ranking, tables_of, write_rows, write_summary
from false_core.benchmark.tasks import AREAS, CHANGE, LIKENESS, SEGMENTATION, BenchmarkTask, check_names
from false_core.errors import Cancelled, FalseError, OutputError
from false_core.events import INFO, WARNING, Event, Message
from false_core.experiments.kept_features import mark_of_code
from false_core.feedback import Feedback
from false_core.raster.file_state import signature_of


class _Measure(Protocol):
    def __call__(
        self, task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings, folder: Path, feedback: Feedback
    ) -> TaskRun: ...


MEASURES: dict[str, _Measure] = {
    SEGMENTATION: measure_segmentation,
    AREAS: measure_areas,
    LIKENESS: measure_likeness,
    CHANGE: measure_change,
}
"""The function that measures an encoder on a task, by the kind of the task."""


@dataclass(frozen=True)
class BenchmarkSummary:
    """The outcome of a benchmark.

    Attributes:
        page: Path of the HTML.
        table: Path of the CSV with every fit.
        body: Path of the JSON with the means, intervals and ranks.
        runs: Encoders on tasks, all together.
        done: Number of them that were done now.
        failed: Errors by task and encoder.
        answer: Recommended encoder to start from, in words.
    """

    page: Path
    table: Path
    body: Path
    runs: int
    done: int
    failed: dict[str, str]
    answer: str


def run_benchmark(
    tasks: Sequence[BenchmarkTask],
    encoders: Sequence[ComparedEncoder],
    settings: BenchmarkSettings,
    output: Path,
    on_event: Callable[[Event], None] = lambda event: None,
    cancel: threading.Event | None = None,
) -> BenchmarkSummary:
    """Measure each encoder on each task, unless that was done before, and write ``benchmark.html``, ``.csv`` and ``.json``.

    An encoder that cannot look at a raster, for example because its bands are others, leaves a hole in the tables.

    Args:
        output: Folder for everything that is written, kept features too.
        on_event: Called with ``Progress`` and ``Message`` events.
        cancel: Set it from another thread to stop at the next step. What is done stays done.

    Raises:
        RequestError: Tasks or encoders cannot be told apart by their names.
        OutputError: The output folder cannot be written to.
        Cancelled: It was stopped.
    """
    check_names(tasks)
    check_encoders(encoders)
    folder = _made(output / "runs")
    feedback = Feedback(on_event, cancel)
    pairs = [(task, encoder) for task in tasks for encoder in encoders]
    runs: list[TaskRun] = []
    failed: dict[str, str] = {}
    done = 0
    try:
        for number, (task, encoder) in enumerate(pairs):
            feedback.stop_if_cancelled()
            title = f"{task.name}, {encoder.name}"
            path = folder / f"{_file_name(title)}-{_mark(task, encoder, settings)}.json"
            run = read_run(path)
            if run is None:
                part = feedback.part(f"{number + 1} of {len(pairs)}: {title}", number / len(pairs), 1 / len(pairs))
                try:
                    run = MEASURES[task.kind](task, encoder, settings, output / "features", part)
                except Cancelled:
                    raise
                except FalseError as error:
                    failed[title] = str(error)
                    on_event(Message(WARNING, f"{title} failed: {error}"))
                    continue
                write_run(path, run)
                done += 1
                on_event(Message(INFO, f"{title}: {len(run.measurements)} fits."))
            runs.append(run)
    finally:
        page, table, body = (output / f"benchmark.{ending}" for ending in ("html", "csv", "json"))
        tables, names = tables_of(tasks, runs), [encoder.name for encoder in encoders]
        ranked, shared = ranking(tables, names)
        write_rows(table, runs)
        write_summary(body, tables, ranked, shared)
        write_benchmark_page(page, tables, ranked, shared, names, settings.draws, failed)
    return BenchmarkSummary(page, table, body, len(pairs), done, failed, answer_in_words(ranked, shared))


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}.", "Choose another output.") from error
    return folder


def _mark(task: BenchmarkTask, encoder: ComparedEncoder, settings: BenchmarkSettings) -> str:
    """Return what tells a run from others of its name."""
    files = [hashlib.sha256(Path(member.file).read_bytes()).hexdigest() for member in encoder.members if member.file]
    told = [astuple(task), signature_of(task.files), encoder.name, files, settings.mark, mark_of_code(), __version__]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:10]


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", title)
