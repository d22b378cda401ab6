"""The channel from a process to the one that started it: messages on the real stdout, one per line, and nothing else."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, Any, NoReturn

from false_core.events import Failed, Finished


class Speaker:
    """Writes messages to the real stdout, one at a time, and no longer once the last word is said.

    Args:
        stream: The real stdout, from ``claim_stdout``.
        encode: Returns a message as one line.
        mute: True where nothing is to be said.
    """

    def __init__(self, stream: IO[str], encode: Callable[[Any], str], mute: bool = False) -> None:
        self._stream, self._encode, self._lock, self._closed = stream, encode, threading.Lock(), mute

    def say(self, message: Any) -> None:
        """Write a message."""
        with self._lock:
            if self._closed:
                return
            self._closed = isinstance(message, (Finished, Failed))
            try:
                self._stream.write(self._encode(message) + "\n")
                self._stream.flush()
            except OSError:  # The reader is gone. Its closed stdin ends what is done; there is no reader left to tell.
                self._closed = True

    def say_fault(self, error: Exception) -> None:
        """Write that an error has come up that should not, as the last word. To be called where it is handled."""
        what = f"Something went wrong that should not: {type(error).__name__}: {error}"
        self.say(Failed(what, "Please report it with the details below.", "bug", traceback.format_exc()))


def claim_stdout() -> IO[str]:
    """Return the real stdout and point everything else that writes to stdout, native code too, at stderr."""
    real = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", newline="\n")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return real


def exit_now(code: int) -> NoReturn:
    """End this process.

    That skips the teardown of torch, GDAL and their threads, which costs time and has been seen to crash after the result
    was already delivered.
    """
    with contextlib.suppress(OSError):  # On a full disk.
        sys.stderr.flush()
    os._exit(code)
