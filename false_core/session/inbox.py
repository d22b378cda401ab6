"""The requests that have come in, as far as they are still of interest."""

from __future__ import annotations

import threading
from collections.abc import Callable

from false_core.session_protocol import ChangeLabels, Close, SessionRequest, SetClasses, Withdraw

CHANGES = (ChangeLabels, SetClasses)
"""Requests that change what is learned from."""
ADDING_UP = (*CHANGES, Withdraw)
"""Requests of which every one counts. Of all others the latest of its kind takes the place of those before it."""


class Inbox:
    """Requests on their way from the thread that reads them to the one that computes."""

    def __init__(self) -> None:
        self._there = threading.Condition()
        self._waiting: list[SessionRequest] = []

    def put(self, request: SessionRequest) -> None:
        """Add a request."""
        with self._there:
            if not isinstance(request, ADDING_UP):
                self._waiting = [one for one in self._waiting if type(one) is not type(request)]
            self._waiting.append(request)
            self._there.notify()

    def take(self, wait: bool) -> list[SessionRequest]:
        """Return what has come in since, in order; nothing where nothing has, unless it is to be waited for."""
        with self._there:
            while wait and not self._waiting:
                # With a time limit, as a signal is only seen between two waits.
                self._there.wait(1.0)
            taken, self._waiting = self._waiting, []
            return taken

    def holds(self, *kinds: type[SessionRequest]) -> bool:
        """Return whether a request of one of some kinds, or the end of the session, is waiting."""
        return any(isinstance(one, (*kinds, Close)) for one in self._waiting)

    def interruption_by(self, *kinds: type[SessionRequest]) -> Callable[[], bool]:
        """Return a function that says whether such a request is waiting."""
        return lambda: self.holds(*kinds)
