"""Computes strips of maps in a worker of Dask."""

from __future__ import annotations

import functools
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from distributed import get_worker
from torch import nn

from false_core import events, jobs
from false_core.cluster import DroppedTask, check_version, put_if_absent, take_own_gpu
from false_core.computing.device import choose_device, tell_precision
from false_core.computing.memory import keep_memory
from false_core.computing.native_libraries import set_up_gdal
from false_core.computing.precision import digits_of, in_words
from false_core.errors import FalseError, InputError, failure_of_code
from false_core.feedback import Feedback
from false_core.mapping.classify.compute import compute_strips, network_of
from false_core.mapping.classify.numbers import agreed_precision
from false_core.mapping.classify.plan import plan_of
from false_core.mapping.classify.store import DIGITS, INT8_NETWORK, TILES_AT_A_TIME, StripStore, digest_of_values
from false_core.mapping.classify.strip_task import FinishedStrips, StripTask
from false_core.models.header import SEGMENTER
from false_core.models.model_file import read_card
from false_core.untrusted.network import names_address, network_closed

_one_at_a_time = threading.Lock()
"""A task takes all that a process has. A worker of several threads would need several times the memory."""


def computed(task: StripTask) -> FinishedStrips:
    """Compute the strips of a task.

    Raises:
        FalseError: What is wrong, and on which worker.
    """
    worker = get_worker()
    try:
        check_version(task.version, "The client")
        take_own_gpu()
        # Dask has its workers give back what is freed at once, and maps of features come and go with every tile.
        keep_memory()
        set_up_gdal()
        with _one_at_a_time:
            return _computed(task, Path(worker.local_directory))
    except FalseError as error:
        failure = failure_of_code(error.code, f"{error.what} (Worker {worker.address}.)", error.remedy)
    # Here, without what led to it: errors of GDAL do not survive the way to another process.
    raise failure


class _TaskStore(StripStore):
    """Strips on their way to the map. Nobody goes on with them here."""

    def __init__(self, folder: str, task: StripTask) -> None:
        super().__init__(str(Path(folder) / "strips"), [])
        self._run_id = task.run_id
        self.agreed = {TILES_AT_A_TIME: task.tiles_at_a_time, DIGITS: task.digits, INT8_NETWORK: task.int8_network}

    def put_if_absent(self, what: str, number: int) -> int:
        self.agreed[what] = self.agreed[what] or put_if_absent(f"{self._run_id} {what}", number)
        return self.agreed[what]

    def number(self, what: str) -> int:
        return self.agreed[what]


def _computed(task: StripTask, folder: Path) -> FinishedStrips:
    asked = jobs.from_json(task.job)
    assert isinstance(asked, jobs.Classify)
    job = replace(asked, model=str(folder / task.model))
    said: list[tuple[str, str]] = []

    def keep(event: Any) -> None:
        if isinstance(event, events.Message):
            said.append((event.level, event.text))

    feedback = Feedback(keep, DroppedTask())
    with network_closed(unless=names_address(job.raster)), tempfile.TemporaryDirectory(dir=folder) as scratch:
        plan = plan_of(job, feedback)
        if digest_of_values(plan.decisive) != task.plan_digest:
            raise InputError(f"{plan.source.name} is another raster for a worker.", "See that all read the same files.")
        device = choose_device(job.device, feedback)
        store = _TaskStore(scratch, task)
        store.open()
        strips = [plan.strips[number] for number in task.strips]
        numbers = agreed_precision(store, job, plan, device, feedback)
        tell_precision(in_words(numbers), device, feedback)
        compute_strips(plan, _network(job.model, device, numbers), device, strips, store, feedback)
        files = {strip.number: store.files(strip) for strip in strips}
        agreed = store.agreed
        return FinishedStrips(files, agreed[TILES_AT_A_TIME], digits_of(numbers), tuple(said), agreed[INT8_NETWORK])


@functools.lru_cache(maxsize=1)
def _network(model: str, device: torch.device, numbers: torch.dtype) -> nn.Module:
    """Return the network of a model, which the next task is most likely to need too."""
    return network_of(model, read_card(model, SEGMENTER), device, numbers)
