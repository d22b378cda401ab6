"""Removes a compute environment, from the bottom up, so that what is left of it can still be told to be ours."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any, Callable

from qgis_false.environment.processes import CancelWatch, ProcessingCancelled
from qgis_false.environment.state import STATE_FILE
from qgis_false.installation.progress import SetUpProgress
from qgis_false.translation import failure, tr


def remove_environment(folder: Path, progress: SetUpProgress) -> None:
    """Remove the environment, if it is one of ours."""
    if not folder.exists():
        return
    ours = any((folder / name).exists() for name in (STATE_FILE, "pyvenv.cfg"))
    if not ours and any(folder.iterdir()):
        raise failure(
            "{folder} is in the way, and was not made by the set-up. Move it somewhere else and run this again.",
            folder=folder,
        )
    progress.stage(tr("Removing the old environment"), 0.04)
    # A state that says it works must not outlive what it speaks of.
    if (folder / STATE_FILE).exists():
        (folder / STATE_FILE).unlink()
    watch = CancelWatch(progress.feedback)
    try:
        if folder.is_symlink():
            raise OSError(errno.EPERM, "it is a link to a folder elsewhere", str(folder))
        # From the bottom up, as there are tens of thousands of files. What tells that it is ours goes last.
        for inside, _, _ in os.walk(folder, topdown=False):
            if watch.is_cancelled():
                raise ProcessingCancelled(tr("Cancelled."))
            # Newer versions of Python have another name for it.
            shutil.rmtree(inside, **{"onexc" if sys.version_info >= (3, 12) else "onerror": _make_writable})
    except OSError as error:
        raise failure(
            "{path} cannot be removed: {reason}. It may be in use: close other QGIS windows and runs, then run this again.",
            path=error.filename or folder,
            reason=error.strerror or error,
        ) from error


def _make_writable(retry: Callable[[str], Any], path: str, _: Any) -> None:
    """Try again to remove what Windows keeps because it is marked as read-only."""
    os.chmod(path, stat.S_IWRITE | stat.S_IREAD)
    retry(path)
