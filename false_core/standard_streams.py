"""Standard input, output and error of a process: there, and never the reason why work that is done counts as failed.

Warnings are told there, also where the user has Python raise them. Names of files are read in UTF-8, as GDAL reads them,
whatever the encoding of the terminal is. And the folder that a process was started in may be gone.

Standard library only.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any

_has_left_folder = False


def prepare_process() -> None:
    """Make this process fit for jobs, whatever it was started with: its encoding, its folder, its warnings, its streams."""
    _start_in_utf8()
    _leave_removed_folder()
    raise_no_warnings()
    _open_streams()


def _start_in_utf8() -> None:
    """Start this process anew where Python takes the names of files for text of another encoding than GDAL does."""
    if sys.getfilesystemencoding().lower() != "utf-8":
        os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})  # nosec B606


def _leave_removed_folder() -> None:
    """Work in the root folder where the one that this process was started in is gone: torch cannot be loaded there.

    Names that begin in the folder that is gone lead nowhere then, or by chance to something else. ``has_left_folder`` tells.
    """
    global _has_left_folder
    try:
        os.getcwd()
    except OSError:
        os.chdir(os.sep)
        _has_left_folder = True


def raise_no_warnings() -> None:
    """Have warnings of libraries told, not raised, here and in processes that are started from here.

    ``PYTHONWARNINGS=error``, which a developer may have set for programs of their own, would end each job with the first.
    """
    told = [one for one in warnings.filters if one[0] != "error"]
    warnings.resetwarnings()
    warnings.filters.extend(told)  # type: ignore[attr-defined]
    sys.warnoptions[:] = [one for one in sys.warnoptions if not _is_error(one)]
    if "PYTHONWARNINGS" in os.environ:
        options = os.environ["PYTHONWARNINGS"].split(",")
        os.environ["PYTHONWARNINGS"] = ",".join(one for one in options if not _is_error(one))


def _is_error(option: str) -> bool:
    action = option.partition(":")[0].strip().lower()
    return bool(action) and "error".startswith(action)


def has_left_folder() -> bool:
    """Return whether the folder that this process was started in is gone."""
    return _has_left_folder


def _open_streams() -> None:
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
