"""The map of change: codes of all places, without changes that are too small, and the probability of change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from false_core.change.change_probability import probability_of_change
from false_core.change.change_summary import ChangeSummary
from false_core.change.class_tiles import SAME_STEPS, ClassesOfDates
from false_core.change.date_classes import DateClassifiers, FoundChange
from false_core.change.date_pair import DatePair
from false_core.change.from_to import NO_CHANGE_CODE, ChangeClasses, change_alone, changes_between
from false_core.feedback import Feedback
from false_core.jobs import Change
from false_core.mapping.borders import trace
from false_core.mapping.polygonise import polygons_of_regions
from false_core.mapping.regions import FIRST, Regions, find_regions, labelled
from false_core.outputs.publish import published
from false_core.raster.areas import GroundAreas
from false_core.raster.class_map import ClassMap
from false_core.raster.map_file import RasterFile, build_overviews
from false_core.raster.new_map import new_map
from false_core.raster.source import FloatArray, RasterSource, Window
from false_core.vector.polygon_file import polygon_file

NO_PROBABILITY = 255
"""Value of a pixel whose probability of change is not known."""
BLOCK_OF_CHANGE_PX = 1024
"""Side of the blocks in which regions are found."""
LEAST_PIXELS_OF_CHANGE = 256
"""Pixels of the smallest change, where the job does not say how large that is."""


@dataclass(frozen=True)
class ProbableChange:
    """The probability that each place changed, and what it changed from and to.

    Attributes:
        found: Change that was found without labels.
        threshold: The probability from which on a place counts as changed.
        dates: The classes of both dates, None where they are not known.
        classifiers: Classifiers of the classes at both dates, and how much they are to be believed.
    """

    found: FoundChange
    threshold: float
    dates: ClassesOfDates | None = None
    classifiers: DateClassifiers | None = None

    def probability(self, window: Window) -> FloatArray:
        """Return the probability of change in a window, NaN where there is no data.

        Where both dates are likelier of the same class than not, it is less: what changed its look alone has not changed.
        Classifiers have as much of a say as they were right on labels that they had not seen.
        """
        probability = probability_of_change(self.found.scores.read(window)[0], self.found.share)
        if self.dates is not None and self.classifiers is not None:
            same = self.dates.same.read(window)[0] / SAME_STEPS
            probability *= 1 - np.float32(self.classifiers.trust) * (2 * same - 1).clip(min=0)
        return probability

    def codes(self, window: Window, classes: ChangeClasses) -> npt.NDArray[np.uint8]:
        """Return the codes of a window, with changes of any size."""
        probability = self.probability(window)
        changes = classes.codes_of(self.pairs(window))
        codes = np.where(probability >= self.threshold, changes, np.uint8(NO_CHANGE_CODE))
        return np.where(np.isnan(probability), np.uint8(classes.table.nodata), codes)

    def pairs(self, window: Window) -> npt.NDArray[np.int64]:
        """Return the pair of classes that a change of each place of a window would be; 0 where none are known."""
        if self.dates is None:
            return np.zeros((window.height, window.width), np.int64)
        pairs: npt.NDArray[np.int64] = np.nan_to_num(self.dates.pairs.read(window)[0]).astype(np.int64)
        return pairs

    def classes(self, feedback: Feedback) -> ChangeClasses:
        """Return the codes of the map: those of the pairs of classes that occur."""
        if self.classifiers is None:
            return change_alone()
        ground = self.classifiers.classes
        counts = np.zeros(len(ground) ** 2, np.int64)
        for window in _blocks(self.found.scores):
            feedback.stop_if_cancelled()
            changed = self.probability(window) >= self.threshold
            counts += np.bincount(self.pairs(window)[changed], minlength=len(counts))
        return changes_between(ground, counts)


@dataclass(frozen=True)
class ChangeMap:
    """A map of change that is not written yet.

    Attributes:
        probable: The probability of change of all pixels.
        classes: Classes and changes that the codes stand for.
        codes: The map with changes of any size.
        regions: Its regions without those that are too small.
    """

    probable: ProbableChange
    classes: ChangeClasses
    codes: ClassMap
    regions: Regions

    @classmethod
    def of(cls, probable: ProbableChange, minimum_area: float | None, scratch: Path, feedback: Feedback) -> ChangeMap:
        """Find the regions of a map of change.

        Args:
            minimum_area: The least area of a change, in the unit of ``unit_of_areas``; None: that of a few pixels.
            scratch: A folder for the map with changes of any size.
        """
        classes = probable.classes(feedback)
        path, scores = scratch / "codes.tif", probable.found.scores
        whole = Window(0, 0, scores.width, scores.height)
        with RasterFile(path, scores, whole, classes.table.nodata) as file:
            file.set_classes(classes.table)
            for window in _blocks(scores):
                feedback.stop_if_cancelled()
                file.write(window.column, window.row, probable.codes(window, classes))
        found = ClassMap(str(path))
        areas = GroundAreas(found.source)
        least = LEAST_PIXELS_OF_CHANGE * areas.largest_pixel if minimum_area is None else minimum_area
        regions = find_regions(found, areas, BLOCK_OF_CHANGE_PX, least, feedback)
        return cls(probable, classes, found, _without_islands(regions, least))

    def windows(self) -> Iterator[MapWindow]:
        """Yield windows of whole blocks, row by row."""
        source = self.codes.source
        codes_of = np.concatenate([np.zeros(FIRST, np.int64), self.regions.codes])
        for number, window in enumerate(self.regions.blocks):
            numbers = self.regions.numbered(number, labelled(*self.codes.read(window))[0])
            width, height = min(window.width, source.width - window.column), min(window.height, source.height - window.row)
            if width <= 0 or height <= 0:
                continue  # The blocks reach one row and one column beyond the raster.
            inside, own = Window(window.column, window.row, width, height), numbers[:height, :width]
            yield MapWindow(inside, codes_of[own].astype(np.uint8), own - FIRST, self.probable.probability(inside))


@dataclass(frozen=True)
class MapWindow:
    """A window of a map of change.

    Attributes:
        window: Position of the window on the map.
        codes: Its codes, of shape (height, width).
        regions: The number of the region of each pixel, negative where there is no data.
        probability: The probability of change, NaN where there is no data.
    """

    window: Window
    codes: npt.NDArray[np.uint8]
    regions: npt.NDArray[np.int32]
    probability: FloatArray


def write_change_map(found: ChangeMap, job: Change, pair: DatePair, feedback: Feedback) -> ChangeSummary:
    """Write the map, and the probabilities where they are asked for. Return what was seen of it."""
    source = found.codes.source
    summary = ChangeSummary(found.classes, source, len(found.regions), pair if job.report else None)
    with ExitStack() as stack:
        target = stack.enter_context(new_map(job.output, source, found.classes.table, job.before))
        percent: RasterFile | None = None
        if job.confidence:
            (path,) = stack.enter_context(published(job.confidence))
            stack.callback(build_overviews, path)
            everywhere = Window(0, 0, source.width, source.height)
            percent = stack.enter_context(RasterFile(path, source, everywhere, NO_PROBABILITY))
        for done, part in enumerate(found.windows()):
            feedback.advance(done, len(found.regions.blocks))
            column, row = part.window.column, part.window.row
            target.write(column, row, part.codes)
            changes = found.classes.codes_of(found.probable.pairs(part.window))
            summary.add(part.window, part.codes, part.regions, part.probability, changes)
            if percent is not None:
                percent.write(column, row, _in_percent(part.probability))
    return summary


def write_change_polygons(path: str, found: ChangeMap, summary: ChangeSummary, raster: str, feedback: Feedback) -> int:
    """Write a polygon for each region that changed: code, name and colour, what it was and became, area and confidence.

    Return their number.
    """
    source, regions, classes = found.codes.source, found.regions, found.classes
    network = trace(found.codes, regions, feedback)
    names, areas, written = classes.names, GroundAreas(source), 0
    with polygon_file(path, raster, source.crs, classes.table.classes) as file:
        for some, polygons in polygons_of_regions(network, regions, source, 0.0, feedback):
            changed = regions.codes[some] > NO_CHANGE_CODE
            codes, own = regions.codes[some][changed], polygons[changed]
            if not len(codes):
                continue
            before, after = zip(*(names.get(int(code), ("", "")) for code in codes))
            more = {"before": np.array(before, object), "after": np.array(after, object)} if names else {}
            confidence = np.round(100 * summary.confidence_of_regions()[some][changed], 1)
            file.write(codes, own, areas.of_polygons(own), {**more, "confidence": confidence})
            written += len(codes)
        if not written:  # A layer without polygons is a layer all the same.
            nothing, text = np.zeros(0), np.zeros(0, object)
            dates = {"before": text, "after": text} if found.probable.classifiers else {}
            file.write(np.zeros(0, np.int64), text, nothing, {**dates, "confidence": nothing})
    return written


def _without_islands(regions: Regions, least: float) -> Regions:
    """Return regions without small changes that touch nodata alone: there is nothing that they could become part of."""
    small = (regions.codes > NO_CHANGE_CODE) & (regions.areas < least * (1 - 1e-6))
    return replace(regions, codes=np.where(small, NO_CHANGE_CODE, regions.codes))


def _in_percent(probability: FloatArray) -> npt.NDArray[np.uint8]:
    known = np.rint(100 * np.nan_to_num(probability)).astype(np.uint8)
    return np.where(np.isnan(probability), np.uint8(NO_PROBABILITY), known)


def _blocks(source: RasterSource) -> Iterator[Window]:
    """Yield windows of whole blocks that cover a raster."""
    side = BLOCK_OF_CHANGE_PX
    for row in range(0, source.height, side):
        for column in range(0, source.width, side):
            yield Window(column, row, min(side, source.width - column), min(side, source.height - row))
