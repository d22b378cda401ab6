"""Runs one job for another process: ``python -u -m false_core.worker``.

One line of JSON on stdin is the job; one line of JSON per event on stdout is the answer (``false_core.events``). A line
``cancel`` on stdin, the end of stdin, SIGTERM or SIGINT ends the job at its next step; a job that does not get there in
time is ended all the same, and what it was writing is removed. Exit codes: 0 finished, 1 failed, 2 bad request, 3 cancelled.

``false-core run JOB.json --events`` is the same for a job in a file, which reaches it through torchrun, srun or ssh, and
each of several ranks. Stdin may have no process at its other end then, or be /dev/null: its end counts only after a line has
come. That the file is removed ends the job too, where neither stdin nor signals arrive.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import warnings
from typing import NoReturn

from false_core import __version__, events
from false_core.cancellation import Stop, cancelled_by_signals, end_at_deadline
from false_core.computing.distributed import is_started_again, share
from false_core.computing.memory import keep_memory
from false_core.dispatch import run
from false_core.errors import Cancelled, FalseError, RequestError
from false_core.events import Failed, Finished, Message, Started
from false_core.jobs import BY_LABEL, Job, from_file, from_json, parameters_named_by
from false_core.language.localised_events import localised_event
from false_core.speaker import Speaker, claim_stdout, exit_now
from false_core.standard_streams import prepare_process
from false_core.untrusted import LONGEST_TEXT

WATCH_S = 0.2
"""Seconds between two looks at whether the file of a job is still there."""


def serve_file(path: str) -> NoReturn:
    """Run the job in the file ``path``, tell of it on stdout, and exit."""
    exit_now(main(os.path.abspath(path)))


def main(path: str | None = None) -> int:
    """Serve one job, the one on stdin or the one in the file ``path``, and return the exit code."""
    speaker = Speaker(
        claim_stdout(), lambda event: events.encode(localised_event(event)), mute=path is not None and not share().is_main
    )
    warnings.showwarning = lambda message, category, *rest, **more: speaker.say(
        Message(events.INFO, f"{category.__name__}: {message}")
    )
    cancel = Stop()
    # Who asks through this door shows a dialog.
    with cancelled_by_signals(cancel), parameters_named_by(BY_LABEL):
        return _serve(path, speaker, cancel)


def _serve(path: str | None, speaker: Speaker, cancel: Stop) -> int:
    try:
        if isinstance(sys.stdin, io.TextIOWrapper):
            # Whatever the system's own encoding is. What is no UTF-8 must not end the thread that listens.
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        job = _received(cancel) if path is None else _read(path, cancel)
        end_at_deadline(cancel, lambda reason: _say_why(reason, speaker))
        speaker.say(Started(job.NAME, __version__, os.getpid()))
        outputs = run(job, speaker.say, cancel)
    except FalseError as error:
        _say_why(error, speaker)
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
        speaker.say_fault(error)
        return 1
    speaker.say(Finished(outputs))
    return 0


def _received(cancel: threading.Event) -> Job:
    """Return the job on stdin, and listen on."""
    line = sys.stdin.readline(LONGEST_TEXT + 1)
    if len(line) > LONGEST_TEXT:
        raise RequestError(
            f"The job has more than {LONGEST_TEXT:,} characters.",
            "Name a folder, a pattern, or a text file with a path per line instead of the rasters.",
        )
    job = from_json(line)
    threading.Thread(target=_listen, args=(cancel, True), daemon=True).start()
    return job


def _read(path: str, cancel: threading.Event) -> Job:
    """Return the job in a file, watch the file, and listen to the process that may be at the other end of stdin."""
    job = from_file(path)
    threading.Thread(target=_watch, args=(path, cancel), daemon=True).start()
    # The ranks of torchrun share one stdin. Only one of them can read it; torchrun ends the others.
    if share().is_main and sys.stdin is not None:
        threading.Thread(target=_listen, args=(cancel, False), daemon=True).start()
    return job


def _listen(cancel: threading.Event, somebody_there: bool) -> None:
    for line in sys.stdin:
        somebody_there = True
        if line.strip() == "cancel":
            break
    if somebody_there:
        cancel.set()


def _watch(path: str, cancel: threading.Event) -> None:
    missed = 0
    while missed < 2:
        time.sleep(WATCH_S)
        try:
            os.stat(path)
            missed = 0
        except FileNotFoundError:
            missed += 1
        except OSError:
            continue  # A file system that does not answer for a moment is no wish to stop.
    cancel.set()


def _say_why(error: FalseError, speaker: Speaker) -> None:
    if is_started_again(error):
        speaker.say(Message(events.WARNING, f"{error.what} The job is started again, from its last checkpoint."))
    else:
        speaker.say(Failed(error.what, error.remedy, error.code))


if __name__ == "__main__":
    prepare_process()
    keep_memory()
    exit_now(main())
