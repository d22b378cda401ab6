"""The files that were made last and their sources, remembered in QGIS's settings: the next dialog offers it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import List, Optional, Sequence

from qgis.core import QgsSettings

MADE_ENCODER, MADE_SEGMENTER, MADE_MAP = "encoder", "segmenter", "map"
_KEY = "false/made"
_MOST = 60


@dataclass(frozen=True)
class MadeFile:
    """One file that a run made.

    Attributes:
        kind: ``MADE_ENCODER``, ``MADE_SEGMENTER`` or ``MADE_MAP``.
        rasters: Rasters that it was made from.
    """

    kind: str
    path: str
    rasters: List[str]


def remember_file(kind: str, path: str, rasters: Sequence[str]) -> None:
    """Note that a file was made."""
    kept = [one for one in _made() if one.path != path]
    made = [MadeFile(kind, path, list(rasters)), *kept][:_MOST]
    QgsSettings().setValue(_KEY, json.dumps([asdict(one) for one in made]))


def last_made(kind: str, raster: str = "") -> Optional[str]:
    """Return the file of a kind that was made last and is still there; with ``raster``, of those made from it."""
    for one in _made():
        if one.kind == kind and (not raster or raster in one.rasters) and os.path.isfile(one.path):
            return one.path
    return None


def is_map(path: str) -> bool:
    """Return whether a file is a map that was made here."""
    return any(one.kind == MADE_MAP and one.path == path for one in _made())


def _made() -> List[MadeFile]:
    try:
        return [MadeFile(**one) for one in json.loads(QgsSettings().value(_KEY, "[]"))]
    except (ValueError, TypeError):  # Of another version, or written by hand.
        return []
