"""Two rasters of one place as one: the same bands on the same grid, each normalised by itself, and valid where both are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from false_core.computing.distributed import ALONE
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.jobs import Change, Extent, parse_extent
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.model_file import ModelCard
from false_core.raster.image_on_grid import ImageOnGrid
from false_core.raster.in_words import length_in_words
from false_core.raster.measured_bands import measured_bands
from false_core.raster.same_bands import BandReference, Remarks, ordered_as
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import Normalisation, measure, number_ranges
from false_core.raster.working_grid import LARGEST_FACTOR, open_all


@dataclass(frozen=True)
class PairedPixels:
    """The pixels of a window at both dates.

    Attributes:
        valid: Mask of the pixels that are valid at both, of shape (height, width).
        dates: Normalised pixels of each date, float32 of shape (bands, height, width); 0 where one of both is invalid.
    """

    valid: BoolArray
    dates: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class DatePair:
    """A place at two dates.

    What a sensor, the light and the season do to all pixels of a date alike is taken away by the normalisation, which is
    that of each date. Where one date has no data, as under a cloud, both have none, so that no border shows at one alone.

    Attributes:
        before: The raster of the first date on its working grid, which is the grid of all.
        after: Raster of the second date, on the same grid.
        area: Window that both cover, in working pixels.
        normalisations: Normalisations of the two.
        shift: Columns and rows, in working pixels, by which what is at a place before is found further on after.
    """

    before: RasterSource
    after: ImageOnGrid
    area: Window
    normalisations: tuple[Normalisation, Normalisation]
    shift: tuple[int, int] = (0, 0)

    def raw(self, window: Window) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return the pixels of both dates as the files hold them, NaN where invalid, and which are valid at both."""
        columns, rows = self.shift
        there = Window(window.column + columns, window.row + rows, window.width, window.height)
        first, second = self.before.read(window), self.after.read(there)
        valid: BoolArray = np.logical_and(np.isfinite(first).any(axis=0), np.isfinite(second).any(axis=0))
        return first, second, valid

    def read(self, window: Window) -> PairedPixels:
        """Return the normalised pixels of a window at both dates. It may reach beyond the rasters."""
        first, second, valid = self.raw(window)
        dates = []
        for pixels, normalisation in zip((first, second), self.normalisations):
            shown = normalisation.apply(pixels)
            shown[:, ~valid] = 0
            dates.append(torch.from_numpy(shown))
        return PairedPixels(valid, (dates[0], dates[1]))


def open_pair(job: Change, card: ModelCard | None, feedback: Feedback) -> DatePair:
    """Open the rasters of a job, and measure what is normal at each date.

    Args:
        card: Card of the encoder file or of the model, whose bands and pixel size are taken; None without either.

    Raises:
        InputError: One cannot be opened, or they do not overlap or have no bands in common.
    """
    file = job.encoder or job.model
    if card and file:
        before = open_for_model(job.before, file, card, feedback, job.bands)
    else:
        before = open_all((job.before,), job.bands, feedback)[0]
    if job.pixel_size:
        before = before.at_factor(int(min(LARGEST_FACTOR, max(1, round(job.pixel_size / before.pixel_size)))))
    if before.factor > 1:
        working = length_in_words(before.working_pixel_size, before.crs)
        feedback.info(f"{before.name}: working on pixels of {working}.")
    after = _with_its_bands(job, before, feedback)
    area = _common_area(before, ImageOnGrid(after, before, feedback), job.extent)
    # All bands stay that an encoder file or a model was made for, empty ones too.
    kept, first = measured_bands([before], [area], bool(job.bands or file), feedback, ALONE)
    if len(kept[0].bands) < len(before.bands):
        after = after.with_bands([after.bands[before.bands.index(band)] for band in kept[0].bands])
    before = kept[0]
    aligned = ImageOnGrid(after, before, Feedback())
    second = measure([aligned.source], [_of_area(aligned.source, before, area)], feedback)
    return DatePair(before, aligned, area, (first, second))


def _with_its_bands(job: Change, before: RasterSource, feedback: Feedback) -> RasterSource:
    """Return the raster of the second date with the bands of the first."""
    every = RasterSource(job.after, job.bands)
    remarks = Remarks()
    remarks.warn_of_peculiarities(every)
    in_order = every.bands if len(every.bands) == len(before.bands) else None
    if not job.bands and max(before.bands) <= len(every.bands):
        in_order = before.bands
    after = ordered_as(BandReference.of(before), every, in_order, remarks, bool(job.bands))
    if after is None:
        raise InputError(
            f"{before.name} has {len(before.bands)} band(s), {every.name} has {len(every.bands)}.",
            "Both dates need the same bands; name the common ones.",
        )
    remarks.tell(feedback)
    if after.files == before.files and after.path == before.path:
        feedback.warn(f"{before.name} is given for both dates, so nothing changed. Choose the raster of the later date.")
    if len(after.bands) < len(every.bands) and not job.bands:
        feedback.info(f"{every.name}: of its {len(every.bands)} bands, {number_ranges(after.bands)} are compared.")
    return after


def _common_area(before: RasterSource, after: ImageOnGrid, extent: str | None) -> Window:
    """Return what both rasters cover, within an extent where there is one."""
    asked, theirs = before.window_of(parse_extent(extent) if extent else None), after.extent_on_grid()
    left, top = max(asked.column, theirs.column), max(asked.row, theirs.row)
    right = min(asked.column + asked.width, theirs.column + theirs.width)
    bottom = min(asked.row + asked.height, theirs.row + theirs.height)
    if right <= left or bottom <= top:
        raise InputError(
            f"{before.name} and {after.source.name} do not overlap.",
            "Check that both rasters are of the same place, and that their CRSs are right.",
        )
    return Window(left, top, right - left, bottom - top)


def _of_area(after: RasterSource, before: RasterSource, area: Window) -> Window:
    """Return the window of the raster of the second date that covers an area of the first."""
    corners = [before.transform * (area.column + x, area.row + y) for x in (0, area.width) for y in (0, area.height)]
    xs, ys = zip(*corners)
    crs = before.crs.to_wkt() if before.crs and after.crs and before.crs != after.crs else None
    return after.window_of(Extent(min(xs), max(xs), min(ys), max(ys), crs))
