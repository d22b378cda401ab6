"""What a user has set for every job, in environment variables. The plugin sets them from its options page.

``FALSE_DEVICE``: what a job takes whose device is ``auto``. ``FALSE_MEMORY_GB``: memory for pixels. ``FALSE_CACHE``: the
folder for files that can be made again.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from false_core.errors import RequestError

MEMORY_GB = 1.0
"""Memory for pieces of rasters that training has read, where nobody set another."""


def cache_folder() -> Path:
    """Return the folder for files that can be made again: ``FALSE_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("FALSE_CACHE")
    if chosen:
        return Path(chosen)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "false" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "false"


def memory_for_pixels() -> int:
    """Return how many bytes training may keep of the rasters it reads: ``FALSE_MEMORY_GB``, or 1 GB.

    Raises:
        RequestError: The variable holds no positive number.
    """
    text = os.environ.get("FALSE_MEMORY_GB", "").strip()
    try:
        gigabytes = float(text) if text else MEMORY_GB
    except ValueError:
        gigabytes = math.nan
    if not 0 < gigabytes < math.inf:
        raise RequestError(
            f"FALSE_MEMORY_GB is {text!r}.", "It must be the memory for pixels in GB, a number greater than 0, such as 4."
        )
    return int(gigabytes * 1e9)


def preferred_device() -> str:
    """Return what ``auto`` stands for: ``FALSE_DEVICE``, or ``auto`` itself, the best device that works."""
    return os.environ.get("FALSE_DEVICE", "").strip() or "auto"
