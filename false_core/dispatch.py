"""The one way in: ``run(job)``. The command line and the worker process call it too."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from false_core import jobs
from false_core.cancellation import Stop
from false_core.checks.inputs import check_inputs
from false_core.checks.protection import protect_inputs
from false_core.computing.distributed import ALONE, World, process_group, share
from false_core.computing.native_libraries import set_up_gdal
from false_core.errors import DeviceError, FalseError, OutOfMemoryError, RequestError
from false_core.events import Artifact, Event
from false_core.feedback import Feedback
from false_core.outputs.publish import check_destinations, locked_outputs
from false_core.outputs.sidecars import styles_kept
from false_core.raster.imagery import with_rasters_found
from false_core.standard_streams import has_left_folder
from false_core.untrusted.network import names_address, network_closed


def run(
    job: jobs.Job, on_event: Callable[[Event], None] = lambda event: None, cancel: threading.Event | None = None
) -> dict[str, Any]:
    """Run ``job`` to its end in this process, and in those that ``torchrun`` started with it.

    Args:
        on_event: Called with ``Progress``, ``Metric``, ``Message`` and ``Artifact`` events as the job goes on. Of several
            processes, only that of rank 0 calls it.
        cancel: Set it from another thread to end the job at its next step. Of several processes one may end because
            another one failed: a ``Stop`` knows why.

    Returns:
        The outputs by name: paths of the files written, and the numbers in the job's ``RESULTS``.

    Raises:
        FalseError: What is wrong and what to do. No output file is written in that case, unless the disk fills up between
            one output and the next: a model that took hours is kept then.
    """
    jobs.validate(job)
    if has_left_folder():
        _check_whole_paths(job)
    mine = share()
    if not mine.is_main and not job.IS_SHARED:
        return {}
    feedback = Feedback(on_event if mine.is_main else lambda event: None, cancel := cancel or Stop())
    set_up_gdal()
    with process_group(mine, cancel) if job.IS_SHARED else nullcontext(ALONE) as world:
        results = _done(job, feedback, world)
    written = jobs.outputs(job)
    for name, path in written.items():
        feedback.emit(Artifact(name, path))
    return {**written, **results}


def _check_whole_paths(job: jobs.Job) -> None:
    for name, parameter in jobs.parameters(job).items():
        for path in parameter.kind.paths(getattr(job, name)):
            if not os.path.isabs(path) and ":" not in path:
                name = jobs.name_for_user(job, name)
                raise RequestError(
                    f"The folder that this was started in is gone, and {name} would lie there: {path}.",
                    "Go to a folder that is there, or name the whole path.",
                )


def _done(job: jobs.Job, feedback: Feedback, world: World) -> dict[str, Any]:
    try:
        asked = job
        with network_closed(unless=_names_address(asked)):
            if world is ALONE:
                job = with_rasters_found(job, feedback)
            else:  # A folder may change while the processes start; all of them see it as the first one does.
                job = jobs.from_json(world.broadcast_object(lambda: jobs.to_json(with_rasters_found(job, feedback))))
        if world.share.is_main:
            check_destinations(job)
            protect_inputs(asked, job)
            for sentence in styles_kept(map(Path, jobs.outputs(job).values())):
                feedback.info(sentence)
        with locked_outputs(job) if world.share.is_main else nullcontext(), network_closed(unless=_names_address(job)):
            if world.share.is_main:
                check_inputs(job)
            return _do(job, feedback, world)
    except (ImportError, MemoryError, OSError, RuntimeError) as error:
        _check_limits(error)
        if isinstance(error, (ImportError, OSError)):
            raise
        from false_core.computing.device import is_failure_of_device, is_out_of_memory

        if is_out_of_memory(error):
            raise OutOfMemoryError(
                "The memory ran out.", "Close other programs, or choose a smaller batch size or the quick preset."
            ) from error
        if is_failure_of_device(error):
            raise DeviceError(
                f"The device does not work any more: {str(error).splitlines()[0]}.",
                "Run the job again: what it has finished is kept. If this comes again, restart the computer, or choose cpu.",
            ) from error
        raise


def _check_limits(error: Exception) -> None:
    """Raise the error of a process that may take too little, before anything more is loaded."""
    what = str(error).lower()
    if isinstance(error, ImportError) and ("failed to map segment" in what or "cannot allocate memory" in what):
        raise OutOfMemoryError(
            "The memory that this process may take is too little to load what the job needs.",
            "Raise the limit of the shell or of the queue that starts it (ulimit -v).",
        ) from error
    if "too many open files" in what:
        raise FalseError(
            "This process may have too few files open at once.",
            "Raise the limit of the shell or of the queue that starts it (ulimit -n).",
        ) from error


def _names_address(job: jobs.Job) -> bool:
    return any(names_address(getattr(job, name)) for name in jobs.parameters(job))


def _do(job: jobs.Job, feedback: Feedback, world: World) -> dict[str, Any]:
    module, name = job.DONE_BY.split(":")
    # What a job needs is imported when it runs, so that a check or a bad request does not wait for everything.
    do = getattr(importlib.import_module(module), name)
    results: dict[str, Any] = do(job, feedback, world) if job.IS_SHARED else do(job, feedback)
    return results
