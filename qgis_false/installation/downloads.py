"""The progress of an installation, from what pip or uv print."""

from __future__ import annotations

import re
from typing import ClassVar, Dict

from qgis_false.installation import plan


class Downloads:
    """Follows what pip or uv print while they install, to tell how far they are."""

    _UNITS: ClassVar[Dict[str, float]] = {"k": 1e3, "m": 1e6, "g": 1e9}

    def __init__(self) -> None:
        self._sizes: Dict[str, float] = {}
        self._done: Dict[str, float] = {}
        self._installed = 0

    def take(self, line: str) -> bool:
        """Look at a line. Return whether it told anything."""
        line = line.strip()
        announced = re.match(r"Downloading (\S+) \(([\d.]+)\s*([kKMG])i?B\)", line)
        if announced:
            # pip tells one at a time, when it begins; uv all at first, and each when it is done.
            self._sizes[announced[1]] = float(announced[2]) * self._UNITS[announced[3].lower()]
            return True
        done = re.match(r"Downloaded (\S+)", line)
        if done and done[1] in self._sizes:
            self._done[done[1]] = self._sizes[done[1]]
            return True
        if re.match(r"(\+ \S+==|Installing collected packages|Installed \d+ package)", line):
            self._installed += 1
            return True
        return False

    @property
    def share(self) -> float:
        """The progress of the installation, 0 to 1."""
        return plan.share_done(sum(self._done.values()), sum(self._sizes.values()), self._installed)
