"""Standard input, output and error of a process: there, and never the reason why work that is done counts as failed.

Names of files too: read in UTF-8, as GDAL reads them, whatever the encoding of the terminal is. And the folder that it was
started in, which another program may have removed.

Standard library only.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

_has_left_folder = False


def start_in_utf8() -> None:
    """Start this process anew where Python takes the names of files for text of another encoding than GDAL does."""
    if sys.getfilesystemencoding().lower() != "utf-8":
        os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})  # nosec B606


def leave_removed_folder() -> None:
    """Work in the root folder where the one that this process was started in is gone: torch cannot be loaded there.

    Names that begin in the folder that is gone lead nowhere then, or by chance to something else. ``has_left_folder`` tells.
    """
    global _has_left_folder
    try:
        os.getcwd()
    except OSError:
        os.chdir(os.sep)
        _has_left_folder = True


def has_left_folder() -> bool:
    """Return whether the folder that this process was started in is gone."""
    return _has_left_folder


def open_streams() -> None:
    """Make sure that this process has all three, and that writing to them does not fail.

    One that is closed becomes /dev/null. Left closed, its number would go to the next file that is opened, and what a
    library prints would end up in that file.
    """
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            break
    sys.stdin = sys.stdin or open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = _TolerantStream(sys.stdout or open(1, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.stderr = _TolerantStream(sys.stderr or open(2, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


class _TolerantStream(io.TextIOBase):
    """A stream that goes on where its reader is gone, its disk is full, or its encoding lacks a letter."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """Write ``text`` if that can be done."""
        try:
            self._stream.write(text)
        except OSError:
            return 0
        return len(text)

    def flush(self) -> None:
        """Hand on what was written if that can be done."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def isatty(self) -> bool:
        """Return whether a person looks at it."""
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        """Return the number of the file behind it."""
        return int(self._stream.fileno())

    def writable(self) -> bool:
        """Return that it takes text."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind it."""
        return str(self._stream.encoding)

    @property
    def buffer(self) -> Any:
        """The bytes of the stream behind it."""
        return self._stream.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
