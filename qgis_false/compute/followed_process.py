"""The process of one job, followed: its events become feedback, and it is ended when the user cancels."""

from __future__ import annotations

import collections
import queue
import subprocess
import sys
import threading
import time
from typing import IO, Any, Callable, Deque, Dict, Optional, Protocol, Sequence, Union

from qgis.core import QgsProcessingException, QgsProcessingFeedback

from false_core import events, jobs
from false_core.errors import presentable
from false_core.events import CANCEL_DEADLINE_S, Event, Failed, Finished, Message, Progress, Started
from false_core.line_protocol import ProtocolError
from qgis_false import settings
from qgis_false.compute.how_it_ended import how_it_ended
from qgis_false.environment.processes import (
    MOST_OUTPUT_BYTES,
    OUTPUT_POLL_S,
    TERMINATE_S,
    CancelWatch,
    LineReader,
    ProcessingCancelled,
    end,
    start,
    still_there,
)
from qgis_false.parameter_names import label_and_name, with_labels_and_names
from qgis_false.translation import in_time, tr

KILL_AFTER_S = CANCEL_DEADLINE_S + 0.4
"""Seconds that a cancelled job may take to end itself."""
TEXT_INTERVAL_S = 10.0
"""Seconds between two progress texts of the same stage: the dialog keeps each of them in its log."""
MAX_FAILURE_LINES = 30
"""Lines of the process's own output that are shown when it fails."""
LOG_LINES_KEPT = 200
"""Lines of it that go to the log while it runs."""
LONGEST_FOREIGN_LINE = 10_000
"""Characters of a line of stdout that are kept where it is no event."""


class WayToStart(Protocol):
    """A way to start the process of a job, and to talk with it.

    Attributes:
        command: Command line of the process.
        variables: Its environment variables.
        first_line: The line that it is told first.
        repeats_first_line: True where that is told again whenever the job begins.
        exit_s: Seconds that the process may take to go after it said its last word.
    """

    command: Sequence[str]
    variables: Dict[str, str]
    first_line: str
    repeats_first_line: bool
    exit_s: float

    def event_in(self, line: bytes) -> Optional[Event]:
        """Return the event in a line of stdout; None where there is none, and need not be one.

        Raises:
            ProtocolError, UnicodeDecodeError: There should be one.
        """

    def log(self, text: str, feedback: QgsProcessingFeedback) -> None:
        """Pass on a line that is no event."""

    def problem_of_library(self, version: str) -> str:
        """Return what is wrong with the version of the library that does the job, if anything is."""

    def tell_to_stop(self, child: subprocess.Popen[bytes]) -> None:
        """Do what there is to do beside the word ``cancel``."""

    def result_without_event(self, code: Optional[int], is_cancelled: Callable[[], bool]) -> Union[Finished, str]:
        """Return what the end without a last event stands for, or what is wrong with it.

        Args:
            code: Exit code of the process; None where it has not gone.
            is_cancelled: Says whether the user has cancelled the job meanwhile.
        """

    def is_there(self, path: str, is_cancelled: Callable[[], bool]) -> bool:
        """Return whether an output was written."""


class FollowedProcess:
    """The process of one job, from its start to its end.

    Args:
        job: The job.
        feedback: Gets progress and messages, and is asked ten times a second whether to stop.
        way: The way in which the process is started, and talked with.
    """

    def __init__(self, job: jobs.Job, feedback: QgsProcessingFeedback, way: WayToStart) -> None:
        self._job, self._feedback, self._way = job, feedback, way
        self._last_words: Deque[str] = collections.deque(maxlen=MAX_FAILURE_LINES)
        self._log_lines: Deque[str] = collections.deque(maxlen=LOG_LINES_KEPT)
        self._log_level = settings.log_level()
        # All of it where everything was asked for, none where only warnings were.
        self._log_left = {"warning": 0, "info": LOG_LINES_KEPT}.get(self._log_level, sys.maxsize)
        self._ended = False
        self._stage, self._text_sent = "", 0.0
        self._watch = CancelWatch(feedback)
        if self._log_level == "debug":
            feedback.pushDebugInfo(f"Starting {list(way.command)}")
        self._child = start(way.command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=way.variables)
        self._lines = LineReader(self._child.stdout, events.LONGEST_LINE + 2)
        self._log_reader = self._thread(self._read_log)
        # In a thread, because a pipe that is not emptied must not keep this one from seeing the cancel button.
        self._writer = self._thread(lambda: self._send(way.first_line))

    def outputs(self) -> Dict[str, Any]:
        """Follow the job to its end and return its outputs."""
        try:
            last = self._listen()
            return self._checked(last)
        finally:
            self._end()
            self._pass_on_log()  # What was said beside the last event, and read after it.

    def _thread(self, target: Any) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        return thread

    def _send(self, line: str) -> None:
        data = line.encode() + b"\n"
        stdin: IO[bytes] = self._child.stdin  # type: ignore[assignment]
        try:
            while data:
                data = data[stdin.write(data) or 0 :]
        except OSError:
            return  # The process is gone, or no longer listens. Its exit code says more than this.

    def _read_log(self) -> None:
        with open(self._child.stderr.fileno(), "rb", closefd=False) as stream:  # type: ignore[union-attr]
            for line in iter(lambda: stream.readline(MOST_OUTPUT_BYTES), b""):
                self._note(presentable(line.decode("utf-8", "replace").rstrip(), events.LONGEST_MESSAGE))

    def _note(self, text: str) -> None:
        """Keep a line that is no event, for the log and for the case of a failure."""
        self._last_words.append(text)
        self._log_lines.append(text)

    def _listen(self) -> Optional[Event]:
        """Pass events on until the last one. Return it, or None where the process ended without one."""
        silent_since: Optional[float] = None
        while True:
            self._stop_if_cancelled()
            self._pass_on_log()
            try:
                line = self._lines.get(OUTPUT_POLL_S)
            except queue.Empty:
                # The end of the process is not the end of the pipe: a process of its own may still hold it open.
                if self._child.poll() is None:
                    continue
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since > 3 * OUTPUT_POLL_S:
                    return None
                continue
            if line is None:
                return None
            event = self._decoded(line)
            if isinstance(event, (Finished, Failed)):
                return event
            if event is not None:
                self._pass_on(event)

    def _pass_on_log(self) -> None:
        while self._log_lines and self._log_left:
            self._log_left -= 1
            self._way.log(self._log_lines.popleft(), self._feedback)

    def _decoded(self, line: bytes) -> Optional[Event]:
        """Return the event in a line of stdout; None where it is no event, and need not be one."""
        try:
            event = self._way.event_in(line)
        except (ProtocolError, UnicodeDecodeError) as error:
            raise self._broken(
                tr("The compute process said something that is not an event: {error}.", error=error)
            ) from error
        if event is None:
            self._note(line.decode("utf-8", "replace").rstrip()[:LONGEST_FOREIGN_LINE])
        return event

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._feedback.setProgress(100.0 * event.fraction)
            now = time.monotonic()
            if event.stage != self._stage or now - self._text_sent >= TEXT_INTERVAL_S:
                self._stage, self._text_sent = event.stage, now
                self._feedback.setProgressText(progress_text(event))
        elif isinstance(event, Message):
            if event.level == events.WARNING:
                self._feedback.pushWarning(event.text)
            elif self._log_level != "warning":
                self._feedback.pushInfo(event.text)
        elif isinstance(event, Started):
            if self._way.repeats_first_line:
                self._send(self._way.first_line)
            different = self._way.problem_of_library(event.version)
            if different:
                self._feedback.pushWarning(different)

    def _stop_if_cancelled(self) -> None:
        if not self._watch.is_cancelled():
            return
        deadline = time.monotonic() + KILL_AFTER_S
        if self._writer.is_alive():
            deadline = 0.0  # It has not even read the job: more would only wait behind it.
        else:
            self._way.tell_to_stop(self._child)
            # In a thread: the pipe of a process that does not read may be full.
            self._writer = self._thread(lambda: self._send("cancel"))
        while self._child.poll() is None and time.monotonic() < deadline:
            # Emptied on, so that the last words of the process find room in the pipe.
            try:
                self._lines.get(OUTPUT_POLL_S / 2)
            except queue.Empty:
                continue
        raise ProcessingCancelled(tr("Cancelled."))

    def _checked(self, last: Optional[Event]) -> Dict[str, Any]:
        """Return the outputs of a job that ended with the event ``last``, or say why they cannot be trusted."""
        if isinstance(last, Failed):
            raise self._failed(last)
        code = self._exit_code()
        if last is None:
            result = self._way.result_without_event(code, self._watch.is_cancelled)
            if isinstance(result, str):
                raise self._broken(result)
            last = result
        if code not in (0, None):
            raise self._broken(tr("The compute process failed after its result: {how}.", how=how_it_ended(code)))
        assert isinstance(last, Finished)
        for name, path in jobs.outputs(self._job).items():
            if not self._way.is_there(path, self._watch.is_cancelled):
                raise self._broken(
                    tr(
                        "The compute process says it has finished, but {name} is not there: {path}.",
                        name=label_and_name(self._job, name),
                        path=path,
                    )
                )
        return last.outputs

    def _exit_code(self) -> Optional[int]:
        """Wait for the process to go. None where it stays although it has said its last word: then it is ended."""
        deadline = time.monotonic() + self._way.exit_s
        while self._child.poll() is None:
            if time.monotonic() > deadline:
                return None
            time.sleep(OUTPUT_POLL_S / 5)
        return self._child.returncode

    def _failed(self, failed: Failed) -> QgsProcessingException:
        if failed.details:
            self._feedback.pushConsoleInfo(failed.details)
        if failed.code == "cancelled":
            return self._broken(tr("The compute process was told to stop, but not by QGIS."))
        return QgsProcessingException(with_labels_and_names(self._job, f"{failed.what} {failed.remedy}".strip()))

    def _broken(self, what: str) -> QgsProcessingException:
        """Return an error with the last words of the process."""
        self._end()
        words = "\n".join(self._last_words).strip()
        left = tr("Its last lines:") + f"\n{words}" if words else tr("It left no message.")
        return QgsProcessingException(f"{what}\n{left}")

    def _end(self) -> None:
        """Leave nothing behind: no process, no process of that process, no thread that waits."""
        if self._ended:
            return
        self._ended = True
        self._lines.abandon()
        if not end(self._child):
            self._feedback.pushWarning(still_there(self._child))
        self._lines.close()
        self._log_reader.join(TERMINATE_S)
        if self._child.stderr is not None and not self._log_reader.is_alive():
            self._child.stderr.close()
        if self._child.stdin is not None and not self._writer.is_alive():
            self._child.stdin.close()


def progress_text(progress: Progress) -> str:
    """Return what to show under the bar: stage, rate and time left, as far as they are known."""
    parts = [
        progress.stage,
        progress.rate,
        tr("{time} left", time=in_time(progress.eta_s)) if progress.eta_s is not None else "",
    ]
    return ", ".join(part for part in parts if part)
