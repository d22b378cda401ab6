"""Folders that a process holds as long as it lives, so that what a killed one left behind can be told from what is in use.

Standard library only.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import fcntl

UNSURE_S = 86400.0
"""Where the system cannot tell whether a folder is held, one that nothing happened in for so long is not."""
YOUNG_S = 1.0
"""A folder this new may be about to be held by the process that made it."""


class Hold:
    """Holds a folder until it is let go or the process ends, in whatever way.

    Args:
        folder: Is there.

    Raises:
        BlockingIOError: Another process holds it, or this one does already.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = _lock(folder)

    def release(self) -> None:
        """Let it go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_abandoned(folder: Path) -> bool:
    """Return whether a folder that was held once is held no longer. What is gone is not abandoned."""
    try:
        age = time.time() - folder.stat().st_mtime
        descriptor = _lock(folder)
    except OSError:  # Held, or gone.
        return False
    if descriptor is None:
        return age > UNSURE_S
    os.close(descriptor)
    return age > YOUNG_S


def _lock(folder: Path) -> int | None:
    """Return a descriptor to close, or None where the system, or the file system, has no such locks."""
    if sys.platform == "win32":
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
