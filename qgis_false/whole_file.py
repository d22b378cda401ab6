"""Small text files of the plugin: they appear whole or not at all, and never through a link that somebody has put there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Union


def write_whole(target: Union[str, Path], text: str) -> None:
    """Write ``text`` to the file ``target``. A link of that name is replaced, not followed.

    Raises:
        OSError: It cannot be written. What was there before stays.
    """
    path = Path(target)
    # A name that nobody can foresee, in a folder where others may write too.
    descriptor, partial = tempfile.mkstemp(prefix=".", suffix=".partial", dir=str(path.parent))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            os.remove(partial)
        raise


def _umask() -> int:
    """Return what is taken off the permissions of new files. The system tells it only to those who set it."""
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    return 0o022
