"""Takes SIGTERM and Ctrl-C for the wish to end a job. Standard library only.

torchrun sends SIGTERM when another rank has failed, Slurm when the time is up, and people press Ctrl-C more than once.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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

    threading.Thread(target=wait, daemon=True, name="interrupts").start()
    try:
        yield
    finally:
        if not cancel.is_set():
            for number, handler in before.items():
                signal.signal(number, handler)
        signal.set_wakeup_fd(fd_before)
        theirs.close()  # Which ends the thread.
