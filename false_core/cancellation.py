"""The end of a job before it is done: the wish for it, the signals that express it, and a time limit for heeding it.

torchrun sends SIGTERM when another rank has failed, Slurm when the time is up, and people press Ctrl-C more than once.
Standard library only.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from false_core.errors import Cancelled, FalseError
from false_core.events import CANCEL_DEADLINE_S
from false_core.outputs.publish import discard_unfinished

TIDYING_S = 0.3
"""Seconds for the last words of a process, and for removing what it was writing. A full pipe or a disk that does not answer
takes longer."""


class Stop(threading.Event):
    """The wish to end a job, with what it is to end with. A plain event, where the user is the only one to have that wish.

    Attributes:
        reason: Error that the job ends with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason: FalseError = Cancelled()

    def set_because(self, reason: FalseError) -> None:
        """Set it for another reason than that the user cancelled. The first such reason counts."""
        if isinstance(self.reason, Cancelled):
            self.reason = reason
        self.set()


def stop_because(cancel: threading.Event, reason: FalseError) -> None:
    """Set ``cancel``, and where it can tell, what the job is to end with."""
    if isinstance(cancel, Stop):
        cancel.set_because(reason)
    cancel.set()


def raise_if_set(cancel: threading.Event) -> None:
    """Raise what a job ends with, if it is to end."""
    if cancel.is_set():
        raise cancel.reason if isinstance(cancel, Stop) else Cancelled()


@contextmanager
def cancelled_by_signals(cancel: threading.Event) -> Iterator[None]:
    """Set ``cancel`` at SIGTERM and SIGINT. Once it is set they are taken for good, as what is left to do is to end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in its main thread only.
        return
    # What Python does at a signal waits until the main thread comes back from the computation it is in, and may itself be
    # interrupted by the next signal, where setting an event would wait for itself. A byte in a socket does neither.
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    fd_before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}

    def wait() -> None:
        with ours:
            while came := ours.recv(1):
                if came[0] in before:
                    cancel.set()

    threading.Thread(target=wait, daemon=True, name="signals").start()
    try:
        yield
    finally:
        if not cancel.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)
        signal.set_wakeup_fd(fd_before)
        theirs.close()  # Which ends the thread.


def end_at_deadline(cancel: Stop, tell: Callable[[FalseError], None]) -> None:
    """Have this process end ``CANCEL_DEADLINE_S`` after ``cancel`` is set at the latest, without what it was writing.

    Args:
        cancel: The wish to end the job.
        tell: Called with the reason before the process ends, if there is time.
    """
    # A daemon, which dies with a process that ends in time.
    threading.Thread(target=_wait, args=(cancel, tell), daemon=True, name="cancel deadline").start()


def _wait(cancel: Stop, tell: Callable[[FalseError], None]) -> None:
    cancel.wait()
    threading.Event().wait(CANCEL_DEADLINE_S)
    # Still here: the job is deep in a long computation or a slow read.
    last = [
        threading.Thread(target=tell, args=(cancel.reason,), daemon=True),
        threading.Thread(target=discard_unfinished, daemon=True),
    ]
    for thread in last:
        thread.start()
    for thread in last:
        thread.join(TIDYING_S)
    os._exit(cancel.reason.exit_code)
