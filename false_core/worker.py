"""Runs one job for another process: ``python -u -m false_core.worker``.

One line of JSON on stdin is the job; one line of JSON per event on stdout is the answer (``false_core.events``). A line
``cancel`` on stdin, the end of stdin, SIGTERM or SIGINT ends the job at its next step; a job that does not get there in
time is ended all the same, and what it was writing is removed. Exit codes: 0 finished, 1 failed, 2 bad request, 3 cancelled.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
import warnings
from typing import IO, Any

from false_core import __version__, events
from false_core.errors import Cancelled, FalseError
from false_core.events import Event, Failed, Finished, Message, Started
from false_core.jobs import from_json
from false_core.publish import discard_unfinished
from false_core.run import run

GRACE_S = 1.2
"""Seconds a cancelled job has to reach its next step before the process ends itself."""
LONGEST_JOB = 1_000_000
"""Characters. A longer first line is not a job of ours."""


class _Speaker:
    """Writes events to the real stdout, one at a time, and no longer once the last word is said."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lock, self._closed = stream, threading.Lock(), False

    def say(self, event: Event) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = isinstance(event, (Finished, Failed))
            try:
                self._stream.write(events.encode(event) + "\n")
                self._stream.flush()
            except OSError:  # The reader is gone. Its closed stdin ends this job; there is nobody left to tell.
                self._closed = True


def main() -> int:
    """Serve one job and return the exit code."""
    speaker = _Speaker(_claim_stdout())
    warnings.showwarning = lambda message, category, *rest, **more: speaker.say(
        Message(events.INFO, f"{category.__name__}: {message}")
    )
    cancel = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancel.set())
    try:
        if isinstance(sys.stdin, io.TextIOWrapper):
            # Whatever the system's own encoding is. What is no UTF-8 must not end the thread that listens.
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        line = sys.stdin.readline(LONGEST_JOB)
        job = from_json(line)
        threading.Thread(target=_listen, args=(cancel,), daemon=True).start()
        threading.Thread(target=_enforce, args=(cancel, speaker), daemon=True).start()
        speaker.say(Started(type(job).__name__.lower(), __version__, os.getpid()))
        outputs = run(job, speaker.say, cancel)
    except FalseError as error:
        speaker.say(Failed(error.what, error.remedy, error.code))
        return error.exit_code
    except ImportError as error:
        speaker.say(
            Failed(f"The compute environment is broken: {error}.", "Set it up again, or name another one.", "environment")
        )
        return 1
    except Exception as error:
        # The process boundary: whatever it is, the other side must hear of it.
        if cancel.is_set():
            speaker.say(Failed("Cancelled.", "", Cancelled.code))
            return Cancelled.exit_code
        speaker.say(
            Failed(
                f"Something went wrong that should not: {type(error).__name__}: {error}",
                "Please report it with the details below.",
                "bug",
                traceback.format_exc(),
            )
        )
        return 1
    speaker.say(Finished(outputs))
    return 0


def _claim_stdout() -> IO[str]:
    """Return the real stdout and point everything else that writes to stdout, native code too, at stderr."""
    real = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return real


def _listen(cancel: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "cancel":
            break
    cancel.set()


def _enforce(cancel: threading.Event, speaker: _Speaker) -> None:
    cancel.wait()
    threading.Event().wait(GRACE_S)
    # Still here: the job is deep in a long computation or a slow read. A daemon thread dies with a process that ended
    # in time, so reaching this line means it did not.
    speaker.say(Failed("Cancelled.", "", Cancelled.code))
    discard_unfinished()
    os._exit(Cancelled.exit_code)


def _exit(code: int) -> Any:
    sys.stderr.flush()
    # Skips the teardown of torch, GDAL and their threads, which costs time and has been seen to crash after the result
    # was already delivered.
    os._exit(code)


if __name__ == "__main__":
    _exit(main())
