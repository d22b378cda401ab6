"""The next work of a session: the most urgent of what its raster, labels, view and requests make necessary.

Nothing is queued. Requests change what is known, and then the most urgent piece of work that this leaves is done; a request
that makes it useless ends it at once. So an answer never waits for work that nobody wants any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from false_core.errors import FalseError, RequestError
from false_core.feedback import Feedback
from false_core.session.inbox import CHANGES, Inbox
from false_core.session.session_raster import SessionRaster, open_session_raster
from false_core.session.session_work import SessionWork, Work
from false_core.session.superseded import Superseded
from false_core.session_protocol import (
    SESSION_VERSION,
    Answer,
    ClassEntry,
    Close,
    Open,
    Opened,
    Outline,
    Refused,
    Save,
    Score,
    SessionRequest,
    Suggest,
    View,
    Withdraw,
    Withdrawn,
    is_usable,
)

ANSWERED_ONCE = (Suggest, Outline, Save, Score)
"""Requests that can be taken back."""


class Session:
    """Serves one person who labels one raster.

    Args:
        inbox: Inbox that requests come in by.
        say: Called with every answer.
    """

    def __init__(self, inbox: Inbox, say: Callable[[Answer], None]) -> None:
        self._inbox, self._say = inbox, say
        self._work: SessionWork | None = None
        self._pending: dict[type[Any], Any] = {}
        """The latest request of each kind that is to be answered once."""
        self._is_closed = False
        self.is_idle = False
        """True where nothing was left to do at the last look."""

    def serve(self) -> None:
        """Answer requests until the session is closed."""
        while not self._is_closed:
            work = self._next_work()
            self.is_idle = work is None
            for request in self._inbox.take(wait=work is None):
                self.is_idle = False
                self._take(request)
                work = None  # Another one may be more urgent now.
            if work is None:
                work = self._next_work()
            if work is not None and not self._is_closed:
                number, do = work
                error = self._guarded(number, do)
                if error is not None and self._work is not None:
                    self._work.rest(error)

    def _guarded(self, number: int, do: Callable[[], None]) -> FalseError | None:
        """Do something, and say where it is refused. Return why it was, or None."""
        try:
            do()
        except Superseded:
            pass
        except FalseError as error:
            self._refuse(number, error)
            return error
        return None

    def _refuse(self, number: int, error: FalseError) -> None:
        self._say(Refused(number, error.what, error.remedy, error.code))

    def _take(self, request: SessionRequest) -> None:
        if isinstance(request, Close):
            self._is_closed = True
        elif isinstance(request, Open):
            self._pending = {Open: request}
            self._work = None
        elif isinstance(request, Withdraw):
            waiting = [kind for kind, one in self._pending.items() if one.number == request.asked and kind in ANSWERED_ONCE]
            for kind in waiting:
                del self._pending[kind]
            self._say(Withdrawn(request.number, bool(waiting)))
        elif self._work is None and Open not in self._pending:
            self._say(Refused(request.number, "No raster is open.", "Open one first.", RequestError.code))
        elif isinstance(request, CHANGES):
            if self._work is None:
                # Opening comes first, whatever else came in with it.
                self._open()
            if self._work is not None:
                current = self._work
                self._guarded(request.number, lambda: current.change(request))
        elif isinstance(request, View) and not is_usable(request):
            self._say(Refused(request.number, "The view has no size.", "Give an extent and a size.", RequestError.code))
        else:
            if isinstance(request, Save) and self._work is not None:
                self._work.go_on()
            self._pending[type(request)] = request

    def _next_work(self) -> Work | None:
        """Return the most urgent piece of work, with the number of the request that it is for."""
        if Open in self._pending:
            return self._pending[Open].number, self._open
        current = self._work
        if current is None:
            return None
        if Outline in self._pending:
            return self._once(Outline, current.answer_outline)
        if View in self._pending:
            current.show(self._pending.pop(View))
        # A view of a large raster takes minutes. Nobody who has pressed a button waits for it.
        return (
            current.learn()
            or self._asked(Suggest, current.answer_suggest)
            or (current.far_labels() if Save in self._pending else None)
            or self._asked(Save, current.answer_save)
            or current.draw()
            or current.far_labels()
            or self._asked(Score, current.answer_score)
            or current.idle_work()
        )

    def _asked(self, kind: type[Any], do: Callable[[Any], None]) -> Work | None:
        return self._once(kind, do) if kind in self._pending else None

    def _once(self, kind: type[Any], do: Callable[[Any], None]) -> Work:
        request = self._pending[kind]

        def answer() -> None:
            try:
                do(request)
            except Superseded:
                return  # It stays, to be done later.
            except FalseError as error:  # It is over with that, and keeps nothing else from being done.
                self._refuse(request.number, error)
            if self._pending.get(kind) is request:
                del self._pending[kind]

        return request.number, answer

    def _open(self) -> None:
        request = self._pending.pop(Open)

        def do() -> None:
            raster = open_session_raster(request, Feedback(self._say_event))
            self._work = SessionWork(raster, self._inbox, self._say)
            self._say(_opened(request, raster))

        self._guarded(request.number, do)

    def _say_event(self, event: Any) -> None:
        self._say(event)


def _opened(request: Open, raster: SessionRaster) -> Opened:
    source = raster.source
    classes = raster.model[0].classes if raster.model else ()
    return Opened(
        request.number,
        SESSION_VERSION,
        source.crs.to_wkt() if source.crs else "",
        tuple(map(float, source.bounds)),
        source.pixel_size,
        source.working_pixel_size,
        source.source_width,
        source.source_height,
        tuple(ClassEntry(c.code, c.name, c.color) for c in classes),
        str(raster.device),
    )
