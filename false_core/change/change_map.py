"""The map of change: codes of all places, without changes that are too small, and the probability of change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from false_core.change.change_probability import probability_of_change
from false_core.feedback import Feedback
from false_core.jobs import Change
from false_core.language.catalogue import localised
from false_core.mapping.regions import Regions, find_regions, labelled
from false_core.publish import published
from false_core.raster.areas import GroundAreas
from false_core.raster.class_map import ClassMap
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.map_file import RasterFile, build_overviews
from false_core.raster.new_map import new_map
from false_core.raster.source import FloatArray, RasterSource, Window

NO_CHANGE_CODE, CHANGED_CODE = 1, 2
"""Codes. Those from ``CHANGED_CODE`` on are all changes."""
NO_CHANGE_COLOUR, CHANGED_COLOUR = "#e6e6e6", "#d7301f"
NO_PERCENT = 255
"""The value that stands for no probability."""
BLOCK_OF_CHANGE_PX = 1024
"""Side of the blocks in which regions are found."""
LEAST_PIXELS_OF_CHANGE = 256
"""Pixels of the smallest change, where the job does not say how large that is."""


def classes_of_change() -> ClassTable:
    """Return the classes of a map that says where, but not from what to what."""
    return ClassTable(
        (
            LandCoverClass(NO_CHANGE_CODE, localised("no change"), NO_CHANGE_COLOUR),
            LandCoverClass(CHANGED_CODE, localised("change"), CHANGED_COLOUR),
        )
    )


@dataclass(frozen=True)
class ChangeMap:
    """A map of change that is not written yet.

    Attributes:
        scores: Kept scores of all pixels.
        share: The share of the ground that changed, by these.
        classes: What the codes mean.
        codes: The map with changes of any size.
        regions: Its regions without those that are too small.
    """

    scores: RasterSource
    share: float
    classes: ClassTable
    codes: ClassMap
    regions: Regions

    @classmethod
    def of(cls, scores: RasterSource, share: float, job: Change, scratch: Path, feedback: Feedback) -> ChangeMap:
        """Find the regions of a map of change.

        Args:
            scratch: A folder for the map with changes of any size.
        """
        classes = classes_of_change()
        path = scratch / "codes.tif"
        whole = Window(0, 0, scores.width, scores.height)
        with RasterFile(path, scores, whole, classes.nodata) as file:
            file.set_classes(classes)
            for window in _blocks(scores):
                feedback.stop_if_cancelled()
                probability = probability_of_change(scores.read(window)[0], share)
                codes = np.where(probability >= job.threshold, CHANGED_CODE, NO_CHANGE_CODE)
                file.write(window.column, window.row, np.where(np.isnan(probability), 0, codes).astype(np.uint8))
        found = ClassMap(str(path))
        areas = GroundAreas(found.source)
        least = LEAST_PIXELS_OF_CHANGE * areas.largest_pixel if job.minimum_area is None else job.minimum_area
        return cls(scores, share, classes, found, find_regions(found, areas, BLOCK_OF_CHANGE_PX, least, feedback))

    def windows(self) -> Iterator[tuple[Window, npt.NDArray[np.uint8], FloatArray]]:
        """Yield windows of whole blocks with their codes and probabilities, NaN where there is no data."""
        source = self.codes.source
        codes_of = np.concatenate([np.zeros(2, np.int64), self.regions.codes])
        for number, window in enumerate(self.regions.blocks):
            numbers = self.regions.numbered(number, labelled(*self.codes.read(window))[0])
            width, height = min(window.width, source.width - window.column), min(window.height, source.height - window.row)
            if width <= 0 or height <= 0:
                continue  # The blocks reach one row and one column beyond the raster.
            inside = Window(window.column, window.row, width, height)
            codes = codes_of[numbers[:height, :width]].astype(np.uint8)
            yield inside, codes, probability_of_change(self.scores.read(inside)[0], self.share)


def write_change_map(found: ChangeMap, job: Change, feedback: Feedback) -> int:
    """Write the map, and the probabilities where they are asked for. Return the number of pixels that changed."""
    source = found.codes.source
    changed = 0
    with ExitStack() as stack:
        target = stack.enter_context(new_map(job.output, source, found.classes, job.before))
        percent: RasterFile | None = None
        if job.confidence:
            (path,) = stack.enter_context(published(job.confidence))
            stack.callback(build_overviews, path)
            percent = stack.enter_context(RasterFile(path, source, Window(0, 0, source.width, source.height), NO_PERCENT))
        for done, (window, codes, probability) in enumerate(found.windows()):
            feedback.advance(done, len(found.regions.blocks))
            target.write(window.column, window.row, codes)
            changed += int((codes > NO_CHANGE_CODE).sum())
            if percent is not None:
                percent.write(window.column, window.row, _in_percent(probability))
    return changed


def _in_percent(probability: FloatArray) -> npt.NDArray[np.uint8]:
    known = np.rint(100 * np.nan_to_num(probability)).astype(np.uint8)
    return np.where(np.isnan(probability), np.uint8(NO_PERCENT), known)


def _blocks(source: RasterSource) -> Iterator[Window]:
    """Yield windows of whole blocks that cover a raster."""
    side = BLOCK_OF_CHANGE_PX
    for row in range(0, source.height, side):
        for column in range(0, source.width, side):
            yield Window(column, row, min(side, source.width - column), min(side, source.height - row))
