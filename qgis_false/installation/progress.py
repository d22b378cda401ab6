"""The progress of the set-up: its stages, how far it is, and what the programs that it runs say."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from typing import Callable, Deque, Mapping, Optional, Sequence

from qgis.core import QgsProcessingFeedback

from false_core.redaction import without_secrets
from qgis_false.environment.processes import run_program
from qgis_false.installation.downloads import Downloads
from qgis_false.translation import in_time, tr

HEARTBEAT_S = 10.0
"""Seconds between two texts while a program says nothing."""
MAX_SETUP_LINES = 400
"""Lines of a program that are kept to find out why it failed."""


class SetUpProgress:
    """The progress of one run of the set-up.

    Args:
        feedback: Feedback that shows it.
        variables: The environment variables of programs.
        home: The folder that programs run in.

    Attributes:
        last_words: Last lines of the last program, where it failed.
    """

    def __init__(self, feedback: QgsProcessingFeedback, variables: Mapping[str, str], home: str) -> None:
        self.feedback, self._variables, self._home = feedback, variables, home
        self._text, self._since, self._spoke, self._share = "", 0.0, 0.0, 0.0
        self.last_words: Deque[str] = deque(maxlen=MAX_SETUP_LINES)

    def run(
        self,
        command: Sequence[str],
        variables: Optional[Mapping[str, str]] = None,
        on_line: Optional[Callable[[str], None]] = None,
    ) -> bool:
        """Run a program and show what it says. Return whether it ended well."""
        self.feedback.pushCommandInfo(without_secrets(subprocess.list2cmdline(command)))

        self.last_words.clear()

        def show(line: str) -> None:
            self.last_words.append(line)
            self.feedback.pushConsoleInfo(line)
            if on_line is not None:
                on_line(line)

        used = variables or self._variables
        ended_well = run_program(command, used, self.feedback, show, self.heartbeat, self._home) == 0
        if ended_well:
            self.last_words.clear()
        return ended_well

    def stage(self, text: str, share: float) -> None:
        """Begin a stage, at a share of the whole from 0 to 1."""
        self._text, self._since = text, time.monotonic()
        self._spoke = self._since
        self._share = max(self._share, share)  # A bar that goes back looks broken itself.
        self.feedback.setProgress(100.0 * self._share)
        self.feedback.setProgressText(text)

    def heartbeat(self) -> None:
        """Say that a stage goes on, where nothing was said for long."""
        now = time.monotonic()
        if now - self._spoke >= HEARTBEAT_S:
            self._spoke = now
            self.feedback.setProgressText(tr("{stage} ({time} so far)", stage=self._text, time=in_time(now - self._since)))

    def follow_downloads(self) -> Callable[[str], None]:
        """Return what turns the lines of pip and uv into progress from 0.1 to 0.85."""
        followed = Downloads()

        def follow(line: str) -> None:
            if followed.take(line):
                self._share = max(self._share, 0.1 + 0.75 * followed.share)
                self.feedback.setProgress(100.0 * self._share)

        return follow
