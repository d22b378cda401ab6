"""Statistics of rasters that are kept on the disk, so that the next search of the same rasters does not read them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from false_core.feedback import Feedback
from false_core.raster.disk_cache import DiskCache
from false_core.raster.file_state import raster_signature
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredBands, Normalisation, measure_any_bands, measure_filled_bands
from false_core.settings import disk_cache_bytes, disk_cache_folder

STATISTICS_FORMAT = 1


def facts_of_pixels(source: RasterSource) -> list[Any] | None:
    """Return all that decides which numbers are read of a raster, to be written as JSON.

    None where it cannot be told whether it is the same again later: nothing is to be kept of it then.
    """
    signature = raster_signature(source.files)
    if not source.files or len(signature) < len(source.files):
        return None
    return [
        signature,
        source.path,
        source.bands,
        source.factor,
        source.dtype,
        source.name_in_jobs,
        [asdict(description) for description in source.descriptions],
    ]


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
