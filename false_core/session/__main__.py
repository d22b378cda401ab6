"""The door to a labelling session: ``python -u -m false_core.session``.

Requests come as lines on stdin, answers go as lines to stdout (``false_core.session_protocol``). The end of stdin, SIGTERM
and SIGINT end the session like ``close``. Exit codes are those of a job: 0 closed, 1 failed.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import warnings

from false_core import __version__, events
from false_core.cancellation import Stop, cancelled_by_signals
from false_core.computing.native_libraries import set_up_gdal
from false_core.events import CANCEL_DEADLINE_S, Finished, Message, Started
from false_core.language.localised_events import localised_event
from false_core.line_protocol import ProtocolError
from false_core.outputs.publish import discard_unfinished
from false_core.session.inbox import Inbox
from false_core.session_protocol import ANSWERS, LONGEST_SESSION_LINE, REQUESTS, Close, Refused
from false_core.speaker import Speaker, claim_stdout, exit_now
from false_core.standard_streams import prepare_process


def main() -> int:
    """Serve one session, and return the exit code."""
    speaker = Speaker(claim_stdout(), lambda event: ANSWERS.encode(localised_event(event)))
    say: Speaker = speaker
    warnings.showwarning = lambda message, category, *rest, **more: say.say(
        Message(events.INFO, f"{category.__name__}: {message}")
    )
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    inbox, stop = Inbox(), Stop()
    set_up_gdal()
    speaker.say(Started("session", __version__, os.getpid()))
    threading.Thread(target=_listen, args=(inbox, speaker), daemon=True).start()
    threading.Thread(target=_watch, args=(inbox, stop), daemon=True).start()
    with cancelled_by_signals(stop):
        try:
            _serve(inbox, speaker.say)
        except Exception as error:
            # The process boundary: whatever it is, the other side must hear of it.
            speaker.say_fault(error)
            return 1
    speaker.say(Finished())
    return 0


def _serve(inbox: Inbox, say: object) -> None:
    # Here, so that requests are read, and a process that is not wanted any more ends, while torch is loaded.
    from false_core.session.session import Session

    Session(inbox, say).serve()  # type: ignore[arg-type]


def _listen(inbox: Inbox, speaker: Speaker) -> None:
    """Put every request that comes on stdin into the inbox."""
    while True:
        line = sys.stdin.readline(LONGEST_SESSION_LINE + 1)
        if not line:
            break
        if not line.strip():
            continue
        try:
            inbox.put(REQUESTS.decode(line))
        except ProtocolError as error:
            speaker.say(Refused(0, f"This is no request: {error}.", "", "request"))
    _close(inbox)


def _watch(inbox: Inbox, stop: threading.Event) -> None:
    stop.wait()
    _close(inbox)


def _close(inbox: Inbox) -> None:
    """End the session, and the process where it does not get there in time."""
    inbox.put(Close(0))
    time.sleep(CANCEL_DEADLINE_S)
    discard_unfinished()
    exit_now(0)


if __name__ == "__main__":
    prepare_process()
    exit_now(main())
