"""A job that a launcher starts, perhaps on another computer."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Callable, Optional, Tuple, Union

from qgis.core import QgsProcessingFeedback

import false_core
from false_core import events, jobs
from false_core.events import Event, Finished
from false_core.line_protocol import ProtocolError
from false_core.redaction import without_secrets
from qgis_false import LIBRARY_FOLDER
from qgis_false.compute.how_it_ended import how_it_ended
from qgis_false.compute.launcher import Launcher
from qgis_false.compute.started_here import CANCEL_EXIT_S, ended_without_result, is_written
from qgis_false.environment.processes import OUTPUT_POLL_S, signal_group
from qgis_false.translation import tr

SHARED_S = 10.0
"""Seconds that an output of another computer may take to be seen here."""


class StartedByLauncher:
    """A launcher such as ssh, as a ``WayToStart``. It may have more to say than the job, which may run elsewhere.

    Args:
        job: The job.
        feedback: It is told the command line, and what the path mapping leaves out.
        launcher: The launcher.
        file: File that the job is in.
    """

    first_line = "here"  # From now on the end of stdin means that QGIS is gone.
    repeats_first_line = True  # Torchrun may have started the job again, with a new process to read it.
    exit_s = 5 * CANCEL_EXIT_S

    def __init__(self, job: jobs.Job, feedback: QgsProcessingFeedback, launcher: Launcher, file: Path) -> None:
        self._launcher, self._file, self._feedback, self._started = launcher, file, feedback, False
        self._outputs = jobs.outputs(job)
        self._before = {path: _signature(path) for path in self._outputs.values()}
        command = launcher.command(job, str(file), feedback)
        self._name = command[0] if command else launcher.template
        shown = " ".join(map(shlex.quote, command))
        feedback.pushInfo(tr("Starting with the launcher: {command}", command=without_secrets(shown)))
        unknown = launcher.mapping.left_out(job) if launcher.mapping.pairs else []
        if unknown:
            feedback.pushWarning(
                tr(
                    "The path mapping says nothing about {paths}. The launcher is to find them under the same path.",
                    paths=", ".join(unknown),
                )
            )
        self.command, self.variables = command, launcher.variables()

    def event_in(self, line: bytes) -> Optional[Event]:
        """Return the event in a line of stdout. Before the job has started there need not be one."""
        try:
            event = events.decode(line.decode("utf-8", "replace").rstrip())
        except ProtocolError:
            if self._started:
                raise
            return None
        self._started = True
        return self._launcher.mapping.event_here(event)

    def log(self, text: str, feedback: QgsProcessingFeedback) -> None:
        """Pass on a line that is no event. Before the job has started, a person may wait for what it says."""
        if self._started:
            feedback.pushDebugInfo(f"[child] {text}")
        else:
            feedback.pushInfo(f"[launcher] {text}")  # Such as that the job waits in a queue.

    def problem_of_library(self, version: str) -> str:
        """Return what is wrong with the library that does the job, and how to put it right there."""
        if version == false_core.__version__:
            return ""
        return tr(
            "The launcher started version {library} of the library, and the plugin is of {plugin}. Install the same one "
            "there: {command}",
            library=version,
            plugin=false_core.__version__,
            command=f'python -m pip install "{LIBRARY_FOLDER}"',
        )

    def tell_to_stop(self, child: subprocess.Popen[bytes]) -> None:
        """Remove the file of the job, and give up what has not started."""
        self._file.unlink(missing_ok=True)  # Tells those as well that stdin does not reach.
        if not self._started:
            # There is no job yet that would listen, and perhaps a place in a queue to give up.
            signal_group(child, kill=False)

    def result_without_event(self, code: Optional[int], is_cancelled: Callable[[], bool]) -> Union[Finished, str]:
        """Return what the outputs say of a job of which nothing was heard."""
        if self._started:
            return ended_without_result(code)
        if code == 0 and not self._outputs:
            return tr(
                "{program}, the launcher, passed on nothing, and this job writes no file to judge by.", program=self._name
            )
        if code == 0 and all(
            self.is_there(path, is_cancelled) and _signature(path) != before for path, before in self._before.items()
        ):
            self._feedback.pushInfo(tr("The launcher passed on no events, but the outputs are there."))
            return Finished(dict(self._outputs))
        return tr(
            "{program}, the launcher, ended before anything was heard of the job: {how}.",
            program=self._name,
            how=how_it_ended(code),
        )

    def is_there(self, path: str, is_cancelled: Callable[[], bool]) -> bool:
        """Return whether an output was written, once it has had time to be seen here."""
        # A folder that computers share may show a new file a little later here.
        deadline = time.monotonic() + SHARED_S
        while not is_written(path):
            if time.monotonic() > deadline or is_cancelled():
                return False
            time.sleep(OUTPUT_POLL_S)
        return True


def _signature(path: str) -> Optional[Tuple[int, int]]:
    """Return what changes when a file is written anew, or None where there is none."""
    try:
        known = os.stat(path)
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size
