"""Files before they are opened: what would never end, or wait for ever, is no file."""

from __future__ import annotations

import os
import stat
import zipfile

from false_core.errors import InputError

LONGEST_TEXT = 16_000_000
"""Bytes of a text that is read as a whole, such as a legend."""
LARGEST_UNPACKED = 4_000_000_000
"""Bytes that an archive may unpack to where it is read as a whole, as labels and weights are."""


def check_is_file(path: str, what: str) -> None:
    """Raise InputError where ``path`` is there, but is neither a file nor a folder; ``what`` says what it should be."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # Not there, or no name for a file: whoever opens it says so.
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{what} {path} is a pipe or a device, not a file.", "Copy what it gives into a file.")


def read_text(path: str, what: str) -> str:
    """Return a short text of UTF-8.

    Raises:
        InputError: It is no file, or too long.
        OSError, ValueError: It cannot be read.
    """
    check_is_file(path, what)
    with open(path, "rb") as stream:
        content = stream.read(LONGEST_TEXT + 1)
    if len(content) > LONGEST_TEXT:
        raise InputError(f"{what} {path} is longer than {LONGEST_TEXT // 10**6} MB.", "Is it another file?")
    return content.decode("utf-8")


def check_unpacked(path: str) -> None:
    """Raise InputError where ``path`` is a zip archive that unpacks to more than a computer can be asked to hold.

    What is no archive is left to whoever reads it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return
    if unpacked > LARGEST_UNPACKED:
        raise InputError(
            f"{path} unpacks to {unpacked / 1e9:,.1f} GB, and may unpack to {LARGEST_UNPACKED / 1e9:,.0f} GB.",
            "Unpack it yourself, and keep what is needed alone.",
        )
