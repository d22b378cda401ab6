"""The compute process of a labelling session: requests to it, its answers as signals, and its end."""

from __future__ import annotations

import collections
import queue
import subprocess
import threading
from dataclasses import fields
from typing import IO, Any, Deque, Optional, Sequence

from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from false_core.errors import presentable
from false_core.events import LONGEST_MESSAGE, Finished
from false_core.line_protocol import ProtocolError
from false_core.session_protocol import ANSWERS, LONGEST_SESSION_LINE, REQUESTS, Close
from qgis_false.compute.how_it_ended import how_it_ended
from qgis_false.compute.worker import child_variables, worker_command
from qgis_false.environment.interpreters import find_interpreter
from qgis_false.environment.processes import MOST_OUTPUT_BYTES, TERMINATE_S, end, start
from qgis_false.translation import tr

SESSION_MODULE = "false_core.session"
CLOSING_S = 2.0
"""Seconds that a session that is closed may take to end itself."""
FETCH_MS = 15
"""Milliseconds between two looks at what it said."""
MOST_WAITING = 200
QUEUE_PATIENCE_S = 0.2
LAST_LINES = 15
"""Lines of its own output that are shown when it dies."""


def session_command() -> Sequence[str]:
    """Return the command line of a session in the compute environment.

    Raises:
        NoEnvironment: There is none.
    """
    return worker_command(str(find_interpreter().path), SESSION_MODULE)


class SessionProcess(QObject):
    """A session that runs, in a group of processes of its own. What it says arrives in the thread that made this object.

    Args:
        command: Command line to start.

    Raises:
        QgsProcessingException: It cannot be started.
    """

    answered = pyqtSignal(object)
    """An answer of ``session_protocol``."""
    ended = pyqtSignal(str)
    """It ended without having been asked to; the text says how."""

    def __init__(self, command: Sequence[str], parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._closed = False
        self._last_lines: Deque[str] = collections.deque(maxlen=LAST_LINES)
        self._waiting: queue.Queue[Any] = queue.Queue()
        # What a thread has heard is fetched: it must not touch an object that QGIS may be taking down at that moment.
        self._heard: queue.Queue[Any] = queue.Queue(maxsize=MOST_WAITING)
        self._fetch = QTimer(self)
        self._fetch.timeout.connect(self._take)
        self._fetch.start(FETCH_MS)
        self._child = start(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=child_variables())
        # Threads, because neither a session that is slow to read nor one that is slow to answer may hold QGIS up.
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._listen, self._read_log, self._write)]
        for thread in self._threads:
            thread.start()

    @property
    def process_id(self) -> int:
        """The number that the system gave the process."""
        return int(self._child.pid)

    def ask(self, kind: Any, **values: Any) -> int:
        """Send a request of ``session_protocol`` and return its number."""
        self._number += 1
        assert "number" in {field.name for field in fields(kind)}
        self._waiting.put(kind(number=self._number, **values))
        return self._number

    def close(self) -> None:
        """End the session: politely in the background."""
        if not self._closed:
            self._closed = True
            self._waiting.put(Close(number=self._number + 1))
            self._waiting.put(None)
            threading.Thread(target=self._end_after_closing, daemon=True).start()

    def kill(self) -> None:
        """End the session at once, with all it started."""
        self._closed = True
        self._waiting.put(None)
        end(self._child)

    def _end_after_closing(self) -> None:
        try:
            self._child.wait(CLOSING_S)
        except subprocess.TimeoutExpired:
            pass  # It is ended below.
        end(self._child)

    def _on_end(self, problem: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        if not problem:
            try:
                code: Optional[int] = self._child.wait(TERMINATE_S)
            except subprocess.TimeoutExpired:
                code = None
            problem = tr("The computing process of the session is gone: {how}.", how=how_it_ended(code))
        end(self._child)
        words = "\n".join(self._last_lines).strip()
        self.ended.emit(f"{problem}\n{words}" if words else problem)

    def _listen(self) -> None:
        problem = ""
        with open(self._child.stdout.fileno(), "rb", closefd=False) as stream:  # type: ignore[union-attr]
            for line in iter(lambda: stream.readline(LONGEST_SESSION_LINE + 2), b""):
                try:
                    answer = ANSWERS.decode(line.decode("utf-8"))
                except (ProtocolError, UnicodeDecodeError) as error:
                    problem = tr("The computing process said something that is no answer: {error}.", error=error)
                    break
                if not self._put(answer) or isinstance(answer, Finished):
                    break
        self._put(problem)

    def _put(self, what: Any) -> bool:
        """Leave something for the thread of this object. Return whether it is still wanted."""
        while not self._closed:
            try:
                self._heard.put(what, timeout=QUEUE_PATIENCE_S)
                return True
            except queue.Full:
                continue  # QGIS is busy. The session has to wait, too.
        return False

    def _take(self) -> None:
        for _ in range(MOST_WAITING):
            if self._closed:
                return
            try:
                what = self._heard.get_nowait()
            except queue.Empty:
                return
            if isinstance(what, str):
                self._on_end(what)
            else:
                self.answered.emit(what)

    def _read_log(self) -> None:
        with open(self._child.stderr.fileno(), "rb", closefd=False) as stream:  # type: ignore[union-attr]
            for line in iter(lambda: stream.readline(MOST_OUTPUT_BYTES), b""):
                self._last_lines.append(presentable(line.decode("utf-8", "replace").rstrip(), LONGEST_MESSAGE))

    def _write(self) -> None:
        stdin: IO[bytes] = self._child.stdin  # type: ignore[assignment]
        try:
            for request in iter(self._waiting.get, None):
                data = REQUESTS.encode(request).encode() + b"\n"
                while data:
                    data = data[stdin.write(data) or 0 :]
            stdin.close()
        except (OSError, ValueError):
            return  # The process is gone, which its end says.
