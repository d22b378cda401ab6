"""Names of hidden folders beside an output: where it grows until it is complete, and where finished strips of a map wait.

What writes them, and what cleans up after a process that was killed, ask here. Standard library only.
"""

from __future__ import annotations

import glob
import os
from typing import List

UNFINISHED_ENDING = ".partial"
"""Ending of folders in which an output grows."""
STRIPS_ENDING = ".strips"
"""Ending of folders with the finished strips of a map that is not complete."""
EARLIER_STRIPS_ENDING = ".parts"
"""The ending that these folders had in earlier versions. They are removed alone."""
FINISHED_STRIP = "strip-"
"""Start of the names of finished strips in such a folder."""


def start_of(name: str) -> str:
    """Return how the hidden names for the output ``name`` begin. Only the start of the name, as systems limit its length."""
    return f".{name[:40]}."


def unfinished_of(output: str) -> List[str]:
    """Return the hidden folders in which an output grows; of a folder those of all files in it."""
    folder, name = (output, "") if os.path.isdir(output) else os.path.split(output)
    start = glob.escape(start_of(name)) if name else "."
    return glob.glob(os.path.join(glob.escape(folder), f"{start}*{UNFINISHED_ENDING}"))
