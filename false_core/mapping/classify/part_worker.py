"""Computes parts of maps in a worker of Dask."""

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
from false_core.cluster import DroppedTask, check_version, put_if_absent, take_own_card
from false_core.device import choose_device
from false_core.errors import FalseError, InputError, failure_of_code
from false_core.feedback import Feedback
from false_core.mapping.classify.compute import compute_strips, network_of
from false_core.mapping.classify.part import FinishedPart, MapPart
from false_core.mapping.classify.plan import plan_of
from false_core.mapping.classify.store import StripStore, digest_of_values
from false_core.models.header import SEGMENTER
from false_core.models.model_file import read_card
from false_core.native_libraries import set_up_gdal
from false_core.precision import digits_of
from false_core.untrusted.network import names_address, network_closed

_one_at_a_time = threading.Lock()
"""A part takes all that a process has. A worker of several threads would need several times the memory."""


def computed(part: MapPart) -> FinishedPart:
    """Compute a part.

    Raises:
        FalseError: What is wrong, and on which worker.
    """
    worker = get_worker()
    try:
        check_version(part.version, "The client")
        take_own_card()
        set_up_gdal()
        with _one_at_a_time:
            return _computed(part, Path(worker.local_directory))
    except FalseError as error:
        failure = failure_of_code(error.code, f"{error.what} (Worker {worker.address}.)", error.remedy)
    # Here, without what led to it: errors of GDAL do not survive the way to another process.
    raise failure


class _PartStore(StripStore):
    """Strips on their way to the map. Nobody goes on with them here."""

    def __init__(self, folder: str, part: MapPart) -> None:
        super().__init__(str(Path(folder) / "part"), [])
        self._run_id, self.tiles_at_a_time = part.run_id, part.tiles_at_a_time

    def put_if_absent(self, what: str, number: int) -> int:
        self.tiles_at_a_time = self.tiles_at_a_time or put_if_absent(f"{self._run_id} {what}", number)
        return self.tiles_at_a_time


def _computed(part: MapPart, folder: Path) -> FinishedPart:
    asked = jobs.from_json(part.job)
    assert isinstance(asked, jobs.Classify)
    job = replace(asked, model=str(folder / part.model))
    said: list[tuple[str, str]] = []

    def keep(event: Any) -> None:
        if isinstance(event, events.Message):
            said.append((event.level, event.text))

    feedback = Feedback(keep, DroppedTask())
    with network_closed(unless=names_address(job.raster)), tempfile.TemporaryDirectory(dir=folder) as scratch:
        plan = plan_of(job, feedback)
        if digest_of_values(plan.decisive) != part.plan_digest:
            raise InputError(f"{plan.source.name} is another raster for a worker.", "See that all read the same files.")
        device = choose_device(job.device, feedback)
        store = _PartStore(scratch, part)
        store.open()
        strips = [plan.strips[number] for number in part.strips]
        compute_strips(plan, _network(job.model, device), device, strips, store, feedback)
        files = {strip.number: store.files(strip) for strip in strips}
        return FinishedPart(files, store.tiles_at_a_time, digits_of(device), tuple(said))


@functools.lru_cache(maxsize=1)
def _network(model: str, device: torch.device) -> nn.Module:
    """Return the network of a model, which the next part is most likely to need too."""
    return network_of(model, read_card(model, SEGMENTER), device)
