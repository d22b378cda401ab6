"""Locks that a process holds as long as it lives. A folder that is locked is in use, one that is not was left behind by a
process that was killed. A name that is locked is written by one process.

The library filelock leaves a file behind for every name on Linux and macOS, and cannot lock folders. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

UNSURE_S = 86400.0
"""Seconds without a change after which a folder counts as abandoned where the system has no locks."""
YOUNG_S = 1.0
"""Seconds in which a new folder may not be locked yet by the process that made it."""


class FolderLock:
    """The lock of a folder, until it is released or the process ends, in whatever way.

    Raises:
        BlockingIOError: Another process holds the lock, or this one does already.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _lock(folder)

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class NameLock:
    """The lock of a name, until it is released or the process ends, in whatever way.

    Args:
        path: The file that stands for the name. It is empty, and is removed when the lock is released.

    Raises:
        BlockingIOError: Another process holds the lock, or this one does already.
        OSError: The file cannot be made, or the file system has no such locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                _lock_file(descriptor)
                held = os.fstat(descriptor).st_ino == os.stat(path).st_ino
            except FileNotFoundError:
                held = False
            except OSError:
                os.close(descriptor)
                raise
            if held:
                self._descriptor = descriptor
                return
            # The process that held it removed the file between the two lines that open and lock it.
            os.close(descriptor)

    def release(self) -> None:
        """Release the lock."""
        if sys.platform == "win32":  # Where what is open cannot be removed.
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._path.unlink()
        if sys.platform != "win32":
            os.close(self._descriptor)


def is_abandoned(folder: Path) -> bool:
    """Return whether a folder that was locked once is locked no longer. What is gone is not abandoned."""
    try:
        age = time.time() - folder.stat().st_mtime
        descriptor = _lock(folder)
    except OSError:  # Held, or gone.
        return False
    if descriptor is None:
        return age > UNSURE_S
    os.close(descriptor)
    # Also one from the future, where the clock was set back.
    return abs(age) > YOUNG_S


def _lock(folder: Path) -> int | None:
    """Return a descriptor to close, or None where the system, or the file system, has no such locks."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # A pipe of that name would be waited for.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _lock_file(descriptor: int) -> None:
    """Lock an open file, or raise BlockingIOError where it is locked, and OSError where that cannot be told."""
    if sys.platform == "win32":
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
