"""Starting and ending other programs from QGIS: no shell, no window, nothing left behind."""

from __future__ import annotations

import collections
import os
import queue
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Mapping, Optional, Sequence

from qgis.core import QgsProcessingException, QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread

from qgis_false.privacy import without_secrets
from qgis_false.translation import tr

WINDOWS = os.name == "nt"
# Python has these names on Windows only.
_NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0x08000000)
_NEW_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200)
POLL_S = 0.1
"""Longest time between two looks at the cancel button."""
TERMINATE_S = 0.2
"""How long a process may take to react to the polite signal before it is killed."""
LAST_WORDS = 40
"""Lines of a program's output that are kept for an error."""


class Cancelled(QgsProcessingException):
    """The user has stopped it."""


def quiet_start() -> Dict[str, Any]:
    """Return what keeps Windows from opening a console for a short call."""
    return {"creationflags": _NO_WINDOW} if WINDOWS else {}


def own_process_group() -> Dict[str, Any]:
    """Keep Ctrl-C in the terminal from reaching the process, and make it possible to end it with all it started."""
    if WINDOWS:
        return {"creationflags": _NO_WINDOW | _NEW_GROUP}
    return {"start_new_session": True}


def signal_group(child: subprocess.Popen, kill: bool) -> None:
    """Ask the process and all it started to end, or end them."""
    if WINDOWS:
        arguments = ["taskkill", "/T", "/PID", str(child.pid)] + (["/F"] if kill else [])
        subprocess.run(arguments, capture_output=True, check=False, **quiet_start())
        return
    try:
        os.killpg(child.pid, signal.SIGKILL if kill else signal.SIGTERM)
    except ProcessLookupError:
        pass  # Nobody is left: what was wanted.
    except PermissionError:
        pass  # macOS says so of a group in which only the dead are left.


def end(child: subprocess.Popen) -> None:
    """End the process and all it started."""
    if child.poll() is None:
        signal_group(child, kill=False)
        try:
            child.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            pass  # It had its chance.
    signal_group(child, kill=True)
    child.wait()


class CancelWatch:
    """Tells whether the user wants to stop, also where the main thread waits here.

    In qgis_process, in batch and from the Python console the main thread does. Without its events neither Ctrl-C nor the
    cancel button would arrive, and the window would be frozen for as long as the program takes.
    """

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback, self._events_served = feedback, 0.0

    def is_cancelled(self) -> bool:
        """Whether the user wants to stop."""
        application = QCoreApplication.instance()
        if application is not None and QThread.currentThread() == application.thread():
            now = time.monotonic()
            if now - self._events_served >= POLL_S:
                self._events_served = now
                QCoreApplication.processEvents()
        return bool(self._feedback.isCanceled())


@dataclass(frozen=True)
class Ran:
    """What a program left behind: its exit code and its last words, without passwords."""

    code: int
    last_words: str


def run_program(
    command: Sequence[str],
    variables: Mapping[str, str],
    feedback: QgsProcessingFeedback,
    on_line: Callable[[str], None],
    on_wait: Callable[[], None],
    folder: str,
) -> Ran:
    """Run a program in ``folder`` to its end and end it when the user cancels. Each line it prints is passed on as it comes;
    ``on_wait`` is called while it says nothing.

    Raises:
        QgsProcessingException: It cannot be started, or was cancelled (``Cancelled``). Nothing it started is left then.
    """
    try:
        child = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
            env=dict(variables), cwd=folder, **own_process_group(),
        )  # fmt: skip
    except OSError as error:
        raise QgsProcessingException(
            tr("{program} cannot be started: {reason}.", program=command[0], reason=error.strerror or error)
        ) from error
    lines: queue.Queue[Optional[str]] = queue.Queue(maxsize=1000)
    abandoned = threading.Event()
    reader = threading.Thread(target=_read, args=(child, lines, abandoned), daemon=True)
    reader.start()
    watch = CancelWatch(feedback)
    words: Deque[str] = collections.deque(maxlen=LAST_WORDS)
    try:
        while True:
            if watch.is_cancelled():
                raise Cancelled(tr("Cancelled."))
            try:
                line = lines.get(timeout=POLL_S)
            except queue.Empty:
                on_wait()
                if child.poll() is not None:
                    break  # The end of the pipe may never come: a process of its own can hold it open.
                continue
            if line is None:
                break
            line = without_secrets(line)
            words.append(line)
            on_line(line)
        while child.poll() is None:
            if watch.is_cancelled():
                raise Cancelled(tr("Cancelled."))
            time.sleep(POLL_S / 5)
        return Ran(child.returncode, "\n".join(words))
    finally:
        abandoned.set()
        end(child)
        reader.join(TERMINATE_S)
        if child.stdout is not None and not reader.is_alive():
            child.stdout.close()


def _read(child: subprocess.Popen, lines: queue.Queue[Optional[str]], abandoned: threading.Event) -> None:
    with open(child.stdout.fileno(), "rb", closefd=False) as stream:  # type: ignore[union-attr]
        while True:
            raw = stream.readline(10_000)
            # A bar that is drawn over itself comes as one line with returns in it.
            parts: List[str] = re.split(r"[\r\n]+", raw.decode("utf-8", "replace"))
            for line in [part.rstrip() for part in parts if part.strip()] if raw else [None]:
                while not abandoned.is_set():
                    try:
                        lines.put(line, timeout=POLL_S)
                        break
                    except queue.Full:
                        continue
            if not raw:
                return
