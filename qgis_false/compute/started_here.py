"""A job that the compute Python of this computer does."""

from __future__ import annotations

import os
import subprocess
from typing import Callable, Dict, Optional, Sequence

from qgis.core import QgsProcessingFeedback

from false_core import events, jobs
from false_core.events import Event
from qgis_false.compute.how_it_ended import how_it_ended
from qgis_false.environment import versions
from qgis_false.translation import tr

CANCEL_EXIT_S = 2.0
"""Seconds that the process may take to go after it said its last word."""


class StartedHere:
    """The compute Python of this computer, as a ``WayToStart``. It is told the job, and says nothing but events."""

    repeats_first_line = False
    exit_s = CANCEL_EXIT_S

    def __init__(self, job: jobs.Job, command: Sequence[str], variables: Dict[str, str]) -> None:
        self.command, self.variables, self.first_line = command, variables, jobs.to_json(job)

    def event_in(self, line: bytes) -> Event:
        """Return the event in a line of stdout. Every line holds one."""
        return events.decode(line.decode("utf-8"))

    def log(self, text: str, feedback: QgsProcessingFeedback) -> None:
        """Pass on a line that is no event, as it is for who looks for a fault."""
        feedback.pushDebugInfo(f"[child] {text}")

    def problem_of_library(self, version: str) -> str:
        """Return what is wrong with the library that does the job: it is another one than that of the plugin."""
        return versions.problem_of_library(version)

    def tell_to_stop(self, child: subprocess.Popen[bytes]) -> None:
        """Do nothing: the process hears the word ``cancel``."""

    def result_without_event(self, code: Optional[int], is_cancelled: Callable[[], bool]) -> str:
        """Return that there is none."""
        return ended_without_result(code)

    def is_there(self, path: str, is_cancelled: Callable[[], bool]) -> bool:
        """Return whether an output was written."""
        return is_written(path)


def ended_without_result(code: Optional[int]) -> str:
    """Return in words that a process ended, with ``code``, before its last event."""
    return tr("The compute process ended without a result: {how}.", how=how_it_ended(code))


def is_written(path: str) -> bool:
    """Return whether there is an output, and something in it."""
    return os.path.isdir(path) or (os.path.isfile(path) and os.path.getsize(path) > 0)
