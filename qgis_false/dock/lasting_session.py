"""A session that lasts over the end of its process: another one is started, unless that keeps happening."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

from qgis.core import QgsProcessingException
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from false_core.events import Failed
from false_core.session_protocol import Learned, Open, Refused, View
from qgis_false.dock.session_process import SessionProcess, session_command
from qgis_false.environment.interpreters import NoEnvironment
from qgis_false.translation import tr

RESTART_AFTER_MS = (500, 3000, 10_000)
"""Waits before each new try after the end of a session. A session that lasts begins the count anew."""
LASTING_S = 120.0
SILENCE_S = 60.0
"""Time after which a session that owes an answer is said to be stuck."""


class LastingSession(QObject):
    """The process of a session, from ``start`` to ``close``.

    Attributes:
        needs_restart: True where nothing goes on unless ``restart`` is called.
        last_words: The words said last of the session when none was open, and whether they need attention.

    Args:
        opening: Returns the values of the request that opens the raster.
        command: Returns what to start in place of a session in the compute environment.
    """

    begun = pyqtSignal()
    """Another process is about to start, which knows nothing yet."""
    answered = pyqtSignal(object)
    ended = pyqtSignal(str)
    """The process is gone, and why."""
    said = pyqtSignal(str, bool)
    """Words on the process, for a person; whether they need attention."""

    def __init__(
        self,
        opening: Callable[[], Dict[str, Any]],
        command: Callable[[], Sequence[str]] = session_command,
        parent: Any = None,
    ) -> None:
        super().__init__(parent)
        self._opening, self._command = opening, command
        self._process: Optional[SessionProcess] = None
        self._restarts, self._started_at, self._heard_at = 0, 0.0, 0.0
        self._opens = 0
        """Number of the request that opens the raster."""
        self._owed: Optional[Tuple[Any, int]] = None
        """Kind and number of the last request that is to be answered, until it is."""
        self._is_closed = False
        self.needs_restart = False
        self.last_words: Tuple[str, bool] = ("", False)
        self._restart_later = QTimer(self)
        self._restart_later.setSingleShot(True)
        self._restart_later.timeout.connect(self.start)
        self._silence = QTimer(self)
        self._silence.timeout.connect(self._look_for_silence)
        self._silence.start(5000)

    @property
    def process_id(self) -> int:
        """Number of the process, or 0."""
        return self._process.process_id if self._process is not None else 0

    def start(self) -> None:
        """Start a process in place of the one that runs, and open the raster in it."""
        self._end_process(at_once=True)
        self.needs_restart = False
        self.begun.emit()
        try:
            values = self._opening()
            self._process = SessionProcess(self._command(), self)
        except (NoEnvironment, QgsProcessingException) as error:
            self.needs_restart = True
            self.say(str(error), True)
            return
        self._process.answered.connect(self._hear)
        self._process.ended.connect(self.start_again)
        self._started_at = self._heard_at = time.monotonic()
        self._owed = None  # It begins to count anew.
        self.say(tr("The session starts..."), False)
        self._opens = self.ask(Open, **values)

    def restart(self) -> None:
        """Begin with a new process."""
        self._restarts = 0
        self.start()

    def ask(self, kind: Any, is_owed: bool = True, **values: Any) -> int:
        """Send a request. Return its number, or 0 where there is no process.

        Args:
            kind: The request.
            is_owed: True where an answer comes whatever is known by now, so that silence is odd.
            values: The fields of the request.
        """
        if self._process is None:
            return 0
        if is_owed and self._owed is None:
            self._heard_at = time.monotonic()
        number = self._process.ask(kind, **values)
        if is_owed:
            self._owed = kind, number
        return number

    def say(self, text: str, attention: bool) -> None:
        """Say something of a session that is not open."""
        self.last_words = (text, attention)
        self.said.emit(text, attention)

    def give_up(self, why: str) -> None:
        """End the process, and start no other: it would say the same."""
        self._end_process()
        self.ended.emit(why)
        self.needs_restart = True
        self.say(why, True)

    def start_again(self, why: str) -> None:
        """Start another process, as this one has ended or talks nonsense, unless that keeps happening."""
        self._end_process(at_once=True)
        if self._is_closed:
            return
        first_line = why.partition("\n")[0]
        self.ended.emit(first_line)
        if time.monotonic() - self._started_at > LASTING_S:
            self._restarts = 0
        if self._restarts >= len(RESTART_AFTER_MS):
            self.needs_restart = True
            self.say(tr("The session has ended several times. Press Start again.") + f"\n{why}", True)
            return
        self.say(tr("{how} No label is lost; it starts again.", how=first_line), True)
        self._restart_later.start(RESTART_AFTER_MS[self._restarts])
        self._restarts += 1

    def close(self) -> None:
        """End it for good."""
        self._is_closed = True
        self._silence.stop()
        self._end_process()

    def _end_process(self, at_once: bool = False) -> None:
        self._restart_later.stop()
        process, self._process = self._process, None
        if process is not None and at_once:
            process.kill()
        elif process is not None:
            process.close()

    def _hear(self, answer: Any) -> None:
        self._heard_at = time.monotonic()
        self.needs_restart = False
        if self._owed is not None and _settles(answer, *self._owed):
            self._owed = None
        if isinstance(answer, Failed) or (isinstance(answer, Refused) and answer.number == self._opens):
            # Such as a raster that cannot be read, or is on a drive that is not there now.
            self.give_up(f"{answer.what} {answer.remedy}".strip())
        else:
            self.answered.emit(answer)

    def _look_for_silence(self) -> None:
        if self._process is not None and self._owed is not None and time.monotonic() - self._heard_at > SILENCE_S:
            self.needs_restart = True
            self.said.emit(tr("The session has not answered for a minute. Wait, or press Start again."), True)


def _settles(answer: Any, kind: Any, number: int) -> bool:
    """Return whether after an answer none is owed to a request: it is answered, or one that came later."""
    if kind is View and isinstance(answer, Learned) and answer.problem:
        return True  # Without a map there is no picture.
    return int(getattr(answer, "number", -1)) >= number
