"""The extent of a job, as QGIS writes it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import List, Optional

from false_core.errors import RequestError


@dataclass(frozen=True)
class Extent:
    """A rectangle in map units. ``crs`` is an authority code such as ``EPSG:32633``, or None for the raster's own."""

    xmin: float
    xmax: float
    ymin: float
    ymax: float
    crs: Optional[str] = None


def parse_extent(text: str) -> Extent:
    """Read an extent as QGIS writes it: ``xmin,xmax,ymin,ymax`` and optionally ``[EPSG:code]``.

    Raises:
        RequestError: It is written differently, or is empty or upside down.
    """
    match = re.fullmatch(r"\s*([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?\s*", text)
    numbers: List[float] = []
    if match:
        try:
            numbers = [float(part) for part in match.group(1).split(",")]
        except ValueError:
            numbers = []
    if len(numbers) != 4 or not all(math.isfinite(n) for n in numbers):
        raise RequestError(f"The extent {text!r} cannot be read.", "Write it as xmin,xmax,ymin,ymax [EPSG:code].")
    xmin, xmax, ymin, ymax = numbers
    if not (xmin < xmax and ymin < ymax):
        raise RequestError(f"The extent {text!r} is empty.", "Write it as xmin,xmax,ymin,ymax [EPSG:code].")
    assert match is not None
    return Extent(xmin, xmax, ymin, ymax, (match.group(2) or "").strip() or None)
