"""Input that is not trusted: text, JSON and files from any source, read within bounds.

Standard library only, Python 3.9: the jobs are read with it, also in QGIS.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from functools import lru_cache
from typing import Any, Dict, List, NoReturn, Tuple

from false_core.errors import InputError

LONGEST_TEXT = 16_000_000
"""Bytes of a text that is read as a whole, such as a legend."""
LARGEST_UNPACKED = 4_000_000_000
"""Bytes that an archive may unpack to where it is read as a whole, as labels and weights are."""
MAX_JSON_LEVELS = 32
"""Levels of lists and objects. Nothing of ours has more than ten."""
# A text that is never closed is taken to the end, so that looking stays linear in the length whatever comes.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{\]}]', re.DOTALL)


def on_one_line(name: str) -> str:
    """Return ``name`` without the control characters that break lists, XML files and terminals, nor half characters."""
    return "".join(character if character.isprintable() else " " for character in name)


def parse_json(text: str, finite: bool = False) -> Any:
    """Return what ``text`` holds.

    Args:
        finite: True where NaN and Infinity are refused too, which Python writes and JSON does not know.

    Raises:
        ValueError: It is not JSON, is nested deeper than ``MAX_JSON_LEVELS``, or an object holds a key twice: what one
            reader takes for its value another one does not.
    """
    _check_depth(text)
    if finite:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    return json.loads(text, object_pairs_hook=_once)


def _check_depth(text: str) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "[{":
            depth += 1
            if depth > MAX_JSON_LEVELS:
                raise ValueError(f"it is nested more than {MAX_JSON_LEVELS} levels deep")
        elif token in "]}":
            depth -= 1


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:100]!r} is given twice")
        found[name] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def check_is_file(path: str, what: str) -> None:
    """Raise InputError where ``path`` is there, but is neither a file nor a folder; ``what`` says what it should be."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # Not there, or no name for a file: the function that opens it says so.
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{what} {path} is a pipe or a device, not a file.", "Copy what it gives into a file.")


def check_files_beside(path: str, what: str) -> None:
    """Raise InputError where a pipe or a device lies beside ``path`` under its name, which GDAL would wait for.

    Args:
        path: Path that is opened. GDAL looks beside it for files of the same name with other endings.
        what: Name of what ``path`` should be.
    """
    folder, name = os.path.split(os.path.abspath(path))
    stems = tuple(f"{stem}{mark}".lower() for stem in {name, os.path.splitext(name)[0]} for mark in "._-")
    try:
        odd = _pipes_and_devices(folder, os.stat(folder).st_mtime_ns)
    except (OSError, ValueError):
        return
    for one in odd:
        if one.lower().startswith(stems):
            raise InputError(
                f"{what} {path} has a pipe or a device beside it, {one}, for which it would wait.", "Move that elsewhere."
            )


@lru_cache(maxsize=256)
def _pipes_and_devices(folder: str, changed: int) -> Tuple[str, ...]:
    """Return what is neither a file nor a folder in a folder as it was at a time: thousands of rasters may lie in one."""
    with os.scandir(folder) as found:
        return tuple(entry.name for entry in found if not (entry.is_file() or entry.is_dir() or _is_gone(entry)))


def _is_gone(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a link to nothing, or was removed meanwhile."""
    return not os.path.exists(entry.path)


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

    What is no archive is left to its reader.
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
