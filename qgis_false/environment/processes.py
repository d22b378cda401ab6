"""Starting and ending other programs from QGIS: no shell, no window, nothing left behind."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import threading
import time
from typing import IO, Any, Callable, List, Mapping, Optional, Sequence

from qgis.core import QgsProcessingException, QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread

from false_core.redaction import without_secrets
from qgis_false.environment import watchdog
from qgis_false.environment.supervisor import SUPERVISOR, own_process_group, quiet_start
from qgis_false.environment.watchdog import IS_WINDOWS
from qgis_false.translation import failure, tr

OUTPUT_POLL_S = 0.1
"""Longest time between two looks at the cancel button."""
TERMINATE_S = 0.2
"""Seconds that a process may take to react to the polite signal before it is killed."""
KILLED_S = 2.0
"""Seconds that the system may take to end a process that was killed. One that waits for a network disk may never end."""
TASKKILL_S = 10.0
"""Seconds that Windows may take to end one."""
QUERY_S = 20.0
"""Seconds that a program may take to answer a question about the computer."""
LONGEST_ANSWER = 1_000_000
"""Bytes that are read of what a program answers."""
MOST_OUTPUT_BYTES = 10_000
"""Bytes of a program's output that are passed on at once."""


class ProcessingCancelled(QgsProcessingException):
    """The user has stopped it."""


def signal_group(child: subprocess.Popen, kill: bool) -> None:
    """Ask the process and all it started to end, or end them."""
    if IS_WINDOWS:
        arguments = ["taskkill", "/T", "/PID", str(child.pid)] + (["/F"] if kill else [])
        try:
            subprocess.run(arguments, capture_output=True, check=False, timeout=TASKKILL_S, **quiet_start())
        except subprocess.TimeoutExpired:
            pass  # The caller looks whether the process has ended.
        return
    try:
        os.killpg(child.pid, signal.SIGKILL if kill else signal.SIGTERM)
    except ProcessLookupError:
        pass  # No process is left: what was wanted.
    except PermissionError:
        pass  # macOS says so of a group in which only the dead are left.


def start(command: Sequence[str], **options: Any) -> subprocess.Popen:
    """Start a program in a group of its own. It is ended, with all it starts, by ``end``, or when QGIS is gone.

    Raises:
        QgsProcessingException: It cannot be started.
    """
    try:
        child = subprocess.Popen(list(command), stdout=subprocess.PIPE, bufsize=0, **options, **own_process_group())
    except OSError as error:
        reason = error.strerror or error
        raise failure("{program} cannot be started: {reason}.", program=command[0], reason=reason) from error
    SUPERVISOR.watch(child.pid)
    return child


def end(child: subprocess.Popen) -> bool:
    """End the process and all it started, in whatever group. Return whether it is gone."""
    # While it lives: later it is unknown what it has started.
    others = watchdog.process_tree(child.pid) if child.poll() is None else set()
    if child.poll() is None:
        signal_group(child, kill=False)
        try:
            child.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            others |= watchdog.process_tree(child.pid)  # It had its chance.
    signal_group(child, kill=True)
    watchdog.kill_all(others)
    try:
        child.wait(KILLED_S)
    except subprocess.TimeoutExpired:
        return False  # The system keeps it. It ends when the disk answers that it waits for.
    SUPERVISOR.unwatch(child.pid)
    return True


def still_there(child: subprocess.Popen) -> str:
    """Return what to tell of a process that the system does not end."""
    return tr(
        "Process {number} was killed, but the system has not ended it yet. Most often it waits for a disk or a server that "
        "does not answer.",
        number=child.pid,
    )


class CancelWatch:
    """Tells whether the user wants to stop, also where the main thread waits here.

    In qgis_process, in batch and from the Python console the main thread does. Without its events neither Ctrl-C nor the
    cancel button would arrive, and the window would be frozen for as long as the program takes.
    """

    def __init__(self, feedback: Optional[QgsProcessingFeedback]) -> None:
        self._feedback, self._events_served = feedback, 0.0

    def is_cancelled(self) -> bool:
        """Return whether the user wants to stop. Without feedback, nothing tells."""
        if self._feedback is None:
            return False
        application = QCoreApplication.instance()
        if application is not None and QThread.currentThread() == application.thread():
            now = time.monotonic()
            if now - self._events_served >= OUTPUT_POLL_S:
                self._events_served = now
                QCoreApplication.processEvents()
        return bool(self._feedback.isCanceled())


class LineReader:
    """The lines of a pipe, read by a thread: a pipe that nobody fills must not keep this one from seeing the cancel button.

    Some wait. A program that talks faster than QGIS can listen has to wait too.
    """

    def __init__(self, pipe: Optional[IO[bytes]], longest: int) -> None:
        self._pipe, self._longest = pipe, longest
        self._waiting: queue.Queue[Optional[bytes]] = queue.Queue(maxsize=1000)
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def get(self, timeout: float) -> Optional[bytes]:
        """Return the next line, or None at the end of the pipe. Raises ``queue.Empty`` where none comes in time."""
        return self._waiting.get(timeout=timeout)

    def abandon(self) -> None:
        """Nobody listens any more."""
        self._abandoned.set()

    def close(self) -> None:
        """Close the pipe. One that is still read belongs to somebody who escaped the group, and is left to its thread."""
        self._thread.join(TERMINATE_S)
        if self._pipe is not None and not self._thread.is_alive():
            self._pipe.close()

    def _read(self) -> None:
        # Opened anew with a buffer: reading lines from an unbuffered pipe takes one system call per byte.
        with open(self._pipe.fileno(), "rb", closefd=False) as stream:  # type: ignore[union-attr]
            line: Optional[bytes] = b""
            while line is not None:
                line = stream.readline(self._longest) or None
                while not self._abandoned.is_set():
                    try:
                        self._waiting.put(line, timeout=OUTPUT_POLL_S)
                        break
                    except queue.Full:
                        continue


def run_program(
    command: Sequence[str],
    variables: Mapping[str, str],
    feedback: QgsProcessingFeedback,
    on_line: Callable[[str], None],
    on_wait: Callable[[], None],
    folder: str,
) -> int:
    """Run a program in ``folder`` to its end, or end it when the user cancels. Return its exit code.

    Each line it prints is passed on as it comes; ``on_wait`` is called while it says nothing.

    Raises:
        QgsProcessingException: It cannot be started, or was cancelled (``ProcessingCancelled``). Nothing it started is
            left then.
    """
    child = start(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, env=dict(variables), cwd=folder)
    lines, watch = LineReader(child.stdout, MOST_OUTPUT_BYTES), CancelWatch(feedback)
    try:
        while True:
            if watch.is_cancelled():
                raise ProcessingCancelled(tr("Cancelled."))
            try:
                raw = lines.get(OUTPUT_POLL_S)
            except queue.Empty:
                on_wait()
                if child.poll() is not None:
                    break  # The end of the pipe may never come: a process of its own can hold it open.
                continue
            if raw is None:
                break
            # A bar that is drawn over itself comes as one line with returns in it.
            for part in filter(str.strip, re.split(r"[\r\n]+", raw.decode("utf-8", "replace"))):
                on_line(without_secrets(part.rstrip()))
        while child.poll() is None:
            if watch.is_cancelled():
                raise ProcessingCancelled(tr("Cancelled."))
            on_wait()
            time.sleep(OUTPUT_POLL_S / 5)
        return child.returncode
    finally:
        lines.abandon()
        if not end(child):
            feedback.pushWarning(still_there(child))
        lines.close()


def ask(
    command: Sequence[str],
    variables: Mapping[str, str],
    feedback: Optional[QgsProcessingFeedback] = None,
    limit_s: float = QUERY_S,
) -> str:
    """Return what a program prints, or nothing where it cannot be started, fails, or has not ended after ``limit_s``.

    Raises:
        ProcessingCancelled: The user wants to stop.
    """
    try:
        child = start(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(variables))
    except QgsProcessingException:
        return ""
    said: List[bytes] = []
    stream: IO[bytes] = child.stdout  # type: ignore[assignment]
    reader = threading.Thread(target=_read_all, args=(stream, said), daemon=True)
    reader.start()
    watch, deadline = CancelWatch(feedback), time.monotonic() + limit_s
    try:
        while child.poll() is None and time.monotonic() < deadline:
            if watch.is_cancelled():
                raise ProcessingCancelled(tr("Cancelled."))
            time.sleep(OUTPUT_POLL_S / 5)
        code = child.poll()
        reader.join(TERMINATE_S)  # The end of the pipe may never come: a process of its own can hold it open.
    finally:
        end(child)
        reader.join(TERMINATE_S)
        if not reader.is_alive():
            stream.close()
    return b"".join(said).decode("utf-8", "replace") if code == 0 else ""


def _read_all(stream: IO[bytes], said: List[bytes]) -> None:
    left = LONGEST_ANSWER
    while left > 0:
        part = stream.read(min(left, 65_536))
        if not part:
            return
        said.append(part)
        left -= len(part)
