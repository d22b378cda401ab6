"""The settings of a user for every job, in environment variables. The plugin sets them from its options page.

``FALSE_DEVICE``, ``FALSE_PRECISION``: what a job takes whose device, or precision, is ``auto``. ``FALSE_MEMORY_GB``: memory
for pixels. ``FALSE_CACHE``: the folder for files that can be made again. ``FALSE_DISK_GB``, ``FALSE_DISK_FOLDER``,
``FALSE_DISK_FOR``: how much of rasters that are remote is kept on the disk, where, and of which rasters.
``FALSE_PATIENCE_S``: how long a process of several may be silent. ``FALSE_DRIVERS``: which drivers of GDAL may open a file
beside those of our list. ``FALSE_LANGUAGE``: the language of messages and reports. ``FALSE_AUTHOR``: who reports say has
made them. ``FALSE_SCHEDULER``: what computes the parts of maps with Dask.
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path

from false_core.errors import RequestError

MEMORY_GB = 1.0
"""Memory for chunks of rasters that training has read, where the user set no other."""
DISK_GB = 10.0
"""Disk space for chunks of remote rasters, where the user set no other."""
REMOTE, ALL = "remote", "all"
_FAR = "far"
"""The name of ``REMOTE`` in earlier versions, which scripts may still say."""
ENGLISH, OF_THE_SYSTEM = "en", "system"
PREFERRED_PRECISIONS = ("auto", "float32")
"""Precisions that all jobs may be given. Not int8: a map that loses so much is asked for by itself."""
PATIENCE_S = 60.0
"""Seconds without a sign of life after which one of several processes is taken for lost, where the user set no other."""
_IN_QGIS = " QGIS has it under Settings > Options > FALSE."
MAX_PATIENCE_S = 1e7
"""The most that counts: with more, no clock of the system can wait for it."""


def cache_folder() -> Path:
    """Return the folder for files that can be made again: ``FALSE_CACHE``, or the user's cache folder.

    Where the system knows no folder of the user, one that cannot be made: jobs then keep nothing. One in the folder for
    temporary files would have a name that others can foresee.
    """
    chosen = os.environ.get("FALSE_CACHE", "").strip()
    if chosen:
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or _home()) / "false" / "cache"
    caches = os.environ.get("XDG_CACHE_HOME", "")
    # One that is relative does not count, as the specification of that variable says.
    return (Path(caches) if os.path.isabs(caches) else _home() / ".cache") / "false"


def _home() -> Path:
    if os.name != "nt" and not os.environ.get("HOME"):
        import pwd

        try:
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
        except KeyError:  # A user without a name, such as in a container.
            return Path(os.devnull)
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


def memory_for_pixels() -> int:
    """Return how many bytes training may keep of the rasters it reads: ``FALSE_MEMORY_GB``, or 1 GB.

    Raises:
        RequestError: The variable holds no positive number.
    """
    return _bytes(_positive("FALSE_MEMORY_GB", MEMORY_GB, "the memory for pixels in GB"))


def patience_s() -> float:
    """Return after how many seconds without a sign of life a process is taken for lost: ``FALSE_PATIENCE_S``, or 60.

    Raises:
        RequestError: The variable holds no positive number.
    """
    meaning = "the seconds without a sign of life from a process"
    return min(MAX_PATIENCE_S, _positive("FALSE_PATIENCE_S", PATIENCE_S, meaning, place=""))


def disk_cache_bytes() -> int:
    """Return how many bytes of rasters may be kept on the disk: ``FALSE_DISK_GB``, or 10 GB; 0 for none.

    Raises:
        RequestError: The variable holds no number, or a negative one.
    """
    text = os.environ.get("FALSE_DISK_GB", "").strip()
    if text and _number(text) == 0:
        return 0
    return _bytes(_positive("FALSE_DISK_GB", DISK_GB, "0, or the disk space for remote rasters in GB"))


def disk_cache_folder() -> Path:
    """Return the folder for chunks of rasters: ``FALSE_DISK_FOLDER``, or one in the cache folder."""
    chosen = os.environ.get("FALSE_DISK_FOLDER", "").strip()
    return Path(chosen) if chosen else cache_folder() / "rasters"


def disk_cache_takes_all() -> bool:
    """Return whether chunks of all rasters are kept on the disk: ``FALSE_DISK_FOR``, ``remote`` or ``all``.

    Raises:
        RequestError: The variable holds another word.
    """
    which = os.environ.get("FALSE_DISK_FOR", "").strip() or REMOTE
    if which not in (REMOTE, _FAR, ALL):
        raise RequestError(
            f"FALSE_DISK_FOR is {which!r}.",
            f"It must be remote, for rasters that are read over the network, or all.{_IN_QGIS}",
        )
    return which == ALL


def allowed_drivers() -> tuple[str, ...]:
    """Return what the user allows beside our list: ``FALSE_DRIVERS``, names of GDAL's drivers with commas.

    A name such as ``/vsicurl/`` is no driver: it allows a file on the disk to lead to that part of the network.
    """
    names = (name.strip() for name in os.environ.get("FALSE_DRIVERS", "").replace(";", ",").split(","))
    return tuple(name for name in names if name)


def preferred_device() -> str:
    """Return what ``auto`` stands for: ``FALSE_DEVICE``, or ``auto`` itself, the best device that works."""
    return os.environ.get("FALSE_DEVICE", "").strip() or "auto"


def preferred_precision() -> str:
    """Return what ``auto`` stands for: ``FALSE_PRECISION``, or ``auto`` itself, what the device was built for.

    Raises:
        RequestError: The variable holds another word than those.
    """
    named = os.environ.get("FALSE_PRECISION", "").strip() or "auto"
    if named not in PREFERRED_PRECISIONS:
        raise RequestError(f"FALSE_PRECISION is {named!r}.", "It must be auto or float32.")
    return named


def scheduler_name() -> str:
    """Return what computes the parts of maps with Dask: ``FALSE_SCHEDULER``, or nothing where this process does."""
    return os.environ.get("FALSE_SCHEDULER", "").strip()


def author() -> str:
    """Return who makes reports: ``FALSE_AUTHOR``, or nothing."""
    return os.environ.get("FALSE_AUTHOR", "").strip()


def users_language() -> str:
    """Return the code of the language of messages and reports, such as ``de``: ``FALSE_LANGUAGE``, or English.

    ``system`` stands for the language of the terminal, as ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` say it.
    """
    chosen = os.environ.get("FALSE_LANGUAGE", "").strip()
    if chosen.lower() == OF_THE_SYSTEM:
        chosen = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "") or ""
    return re.split(r"[_.@-]", chosen, maxsplit=1)[0].lower() or ENGLISH


def _bytes(gigabytes: float) -> int:
    return int(min(1e9 * gigabytes, sys.maxsize))


def _positive(variable: str, default: float, meaning: str, place: str = _IN_QGIS) -> float:
    text = os.environ.get(variable, "").strip()
    number = _number(text) if text else default
    if not 0 < number < math.inf:
        raise RequestError(
            f"{variable} is {text!r}.", f"It must be {meaning}, a number greater than 0, such as {default:g}.{place}"
        )
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
