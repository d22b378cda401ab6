"""A labelling session in a thread of this process, spoken with as if it were one of its own."""

from __future__ import annotations

import threading
import time
from typing import Any, get_args

from session_client import Asking

from false_core.session.inbox import Inbox
from false_core.session.session import Session
from false_core.session_protocol import ANSWERS, REQUESTS, Close, SessionRequest


class SessionHere(Asking):
    """A session, and all that it has said. Every line goes through the protocol."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox()
        self.session = Session(self.inbox, self._hear)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> SessionHere:
        return self

    def __exit__(self, *error: object) -> None:
        self.ask(Close)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def send(self, request: SessionRequest) -> None:
        self.inbox.put(REQUESTS.decode(REQUESTS.encode(request)))

    def until_idle(self, seconds: float = 30.0) -> None:
        """Wait until nothing is left to be done."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.session.is_idle and not self.inbox.holds(*get_args(SessionRequest)):
                return
            time.sleep(0.02)
        raise TimeoutError("the session is still at work")

    def _serve(self) -> None:
        self.session.serve()
        self.lines.put((time.monotonic(), None))

    def _hear(self, answer: Any) -> None:
        self.lines.put((time.monotonic(), ANSWERS.decode(ANSWERS.encode(answer))))
