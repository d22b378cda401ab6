"""Statistics of rasters that are kept on the disk, so that the next search of the same rasters does not read them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from false_core.feedback import Feedback
from false_core.raster.disk_cache import DiskCache
from false_core.raster.pixel_identity import facts_of_pixels
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredBands, Normalisation, measure_any_bands, measure_filled_bands
from false_core.settings import disk_cache_bytes, disk_cache_folder

STATISTICS_FORMAT = 2


def kept_or_measured_bands(sources: Sequence[RasterSource], windows: Sequence[Window], feedback: Feedback) -> MeasuredBands:
    """Return what ``measure_filled_bands`` finds, from the disk where it was found before.

    Raises:
        InputError: There is no valid pixel.
    """
    limit = disk_cache_bytes()
    facts = [facts_of_pixels(source) for source in sources] if limit else [None]
    if None in facts:
        return measure_filled_bands(sources, windows, feedback)
    text = json.dumps(["statistics", STATISTICS_FORMAT, facts, [asdict(one) for one in windows]], default=str)
    disk, key = DiskCache(disk_cache_folder(), limit), hashlib.sha256(text.encode()).hexdigest()
    content = disk.get(key)
    if content is None:
        measured = measure_any_bands(sources, windows, feedback)
        disk.put(key, json.dumps(asdict(measured)).encode())
        return measured.unless_empty(sources)
    kept = json.loads(content)
    normalisation = Normalisation(**{name: tuple(values) for name, values in kept["normalisation"].items()})
    return MeasuredBands(tuple(kept["filled"]), tuple(kept["constant"]), normalisation).unless_empty(sources)
