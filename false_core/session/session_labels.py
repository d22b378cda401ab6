"""The labels of a session as they are at the moment: pixels drawn from each, and the features of these pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely

from false_core.errors import RequestError
from false_core.feedback import Feedback
from false_core.inference.tiles import TilePlan
from false_core.labels.annotation import SMALL_POLYGON, Annotation, clipped_to_raster, simple_shapes
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.grid import moved
from false_core.raster.source import RasterSource
from false_core.session_protocol import MAX_CODE, Label
from false_core.training.heads.samples import MAX_POINTS, FloatArray, IntArray, LabelledPoints, pixels_of_shape

MAX_POSITIONS_PER_LABEL = MAX_POINTS
"""Pixels that are drawn from a label. How many of them count depends on how many labels there are."""
MAX_BURNED_PX = 400_000
"""Working pixels. Of a larger shape pixels are drawn at random, not all of them listed first."""
_ANYTHING = ClassTable((LandCoverClass(1, "labelled", "#000000"),))


@dataclass
class PlacedLabel:
    """A label on the working grid.

    Attributes:
        code: The code of its class.
        shape: Its geometry in working pixels, cut off at the edges of the raster; empty where it lies beyond.
        positions: Middles of pixels under it in random order, x first, of shape (n, 2).
        free: Mask of those that no smaller label covers, of shape (n,).
        taken: Numbers of the positions whose features are known, of shape (k,).
        seen: Their features as classifiers see them, by part, each of shape (k, dimensions).
        is_looked_at: True where the features of all positions that were asked for are known.
    """

    code: int
    shape: shapely.Geometry
    positions: npt.NDArray[np.float64]
    free: npt.NDArray[np.bool_]
    taken: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    seen: dict[str, FloatArray] = field(default_factory=dict)
    is_looked_at: bool = False

    def wanted(self, number: int) -> IntArray:
        """Return the numbers of up to ``number`` positions that count."""
        return np.flatnonzero(self.free)[:number]

    def keep_features(self, parts: Sequence[tuple[IntArray, dict[str, FloatArray]]]) -> None:
        """Keep the features of positions, given in several parts with the numbers of the positions."""
        self.is_looked_at = True
        if not parts:
            # It lies on nodata.
            self.free[:] = False
            self.taken, self.seen = np.zeros(0, np.int64), {}
            return
        taken = np.concatenate([numbers for numbers, _ in parts])
        order = np.argsort(taken, kind="stable")
        self.taken = taken[order]
        self.seen = {name: np.concatenate([seen[name] for _, seen in parts])[order] for name in parts[0][1]}

    def forget_features(self) -> None:
        """Have it looked at again."""
        self.taken, self.seen, self.is_looked_at = np.zeros(0, np.int64), {}, False


class SessionLabels:
    """All labels of a session by their ids.

    Args:
        source: The raster on its working grid.
        seed: Seed of the draw of pixels.
    """

    def __init__(self, source: RasterSource, seed: int) -> None:
        self._source, self._seed = source, seed
        self._labels: dict[int, PlacedLabel] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def change(self, changed: Iterable[Label], removed: Iterable[int]) -> None:
        """Add, change and remove labels.

        Raises:
            RequestError: A geometry cannot be read, or a code cannot stand on a map. Nothing is changed then.
        """
        placed = {label.id: self._placed(label) for label in changed}
        gone = [self._labels.pop(one) for one in {*removed, *placed} if one in self._labels]
        self._labels |= placed
        self._let_small_ones_cover([label.shape for label in (*gone, *placed.values())])

    def of_codes(self, codes: Iterable[int]) -> dict[int, PlacedLabel]:
        """Return the labels of some classes that lie on the raster, by id."""
        known = set(codes)
        return {one: label for one, label in self._labels.items() if label.code in known and label.free.any()}

    @property
    def outside(self) -> int:
        """The number of labels that do not lie on the raster."""
        return sum(not len(label.positions) for label in self._labels.values())

    def covers(self, boxes: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
        """Return which rectangles in working pixels touch a label."""
        touched = np.zeros(len(boxes), bool)
        shapes = [label.shape for label in self._labels.values() if len(label.positions)]
        if shapes:
            touched[np.unique(shapely.STRtree(shapes).query(boxes, predicate="intersects")[0])] = True
        return touched

    def _placed(self, label: Label) -> PlacedLabel:
        if not 1 <= label.code <= MAX_CODE:
            raise RequestError(
                f"Label {label.id} has the class code {label.code}.", f"Codes are whole numbers from 1 to {MAX_CODE}."
            )
        try:
            geometry = shapely.force_2d(shapely.from_wkb(bytes.fromhex(label.wkb)))
            if not np.isfinite(shapely.get_coordinates(geometry)).all():
                raise ValueError("a coordinate is no finite number")
            to_grid = ~self._source.transform
            shapes = np.array([shapely.transform(geometry, lambda xy: moved(to_grid, xy))])
            quiet = Feedback()
            parts, _ = clipped_to_raster(simple_shapes(shapes, quiet)[0], self._source.width, self._source.height)
        except (ValueError, TypeError, AttributeError, shapely.errors.ShapelyError) as error:
            raise RequestError(
                f"The geometry of label {label.id} cannot be read: {error}.", "Draw it again, or remove it."
            ) from error
        chance = np.random.default_rng([self._seed, abs(label.id)])
        positions = self._pixels(parts, chance)
        shape = shapely.union_all(parts) if len(parts) else shapely.Polygon()
        return PlacedLabel(label.code, shape, positions, np.ones(len(positions), bool))

    def _pixels(self, parts: npt.NDArray[np.object_], chance: np.random.Generator) -> npt.NDArray[np.float64]:
        """Return the middles of pixels under shapes in random order."""
        if not len(parts):
            return np.zeros((0, 2))
        annotation = Annotation(_ANYTHING, parts, np.zeros(len(parts), np.int64), shapely.STRtree(parts))
        found = []
        for number, part in enumerate(parts):
            if part.area <= MAX_BURNED_PX:
                found.append(pixels_of_shape(annotation, number))
                continue
            xmin, ymin, xmax, ymax = part.bounds
            share = part.area / ((xmax - xmin) * (ymax - ymin))
            tries = int(2 * MAX_POSITIONS_PER_LABEL / max(share, 0.01))
            drawn = np.floor(chance.uniform((xmin, ymin), (xmax, ymax), (tries, 2))) + 0.5
            found.append(np.unique(drawn[shapely.contains_xy(part, drawn[:, 0], drawn[:, 1])], axis=0))
        positions = np.concatenate(found)
        on_grid = (positions < (self._source.width, self._source.height)).all(axis=1) & (positions > 0).all(axis=1)
        positions = positions[on_grid]
        return positions[chance.permutation(len(positions))[:MAX_POSITIONS_PER_LABEL]]

    def _let_small_ones_cover(self, shapes: Sequence[shapely.Geometry]) -> None:
        """Find out anew which positions smaller labels cover, of all labels that meet some shapes."""
        ids = [one for one, label in self._labels.items() if len(label.positions)]
        if not ids or not shapes:
            return
        own = np.array([self._labels[one].shape for one in ids], dtype=object)
        area = shapely.area(own)
        tree = shapely.STRtree(own)
        for number in np.unique(tree.query(np.array(shapes, dtype=object), predicate="intersects")[1]).tolist():
            label = self._labels[ids[number]]
            free = np.ones(len(label.positions), bool)
            for other in tree.query(own[number], predicate="intersects").tolist():
                # Of two that are equally large the later one counts, as it is drawn on top.
                if other != number and (area[other], -other) < (area[number], -number) and area[other] >= SMALL_POLYGON:
                    free &= ~shapely.contains_xy(own[other], label.positions[:, 0], label.positions[:, 1])
            if not np.array_equal(free, label.free):
                label.free = free
                label.forget_features()


def positions_per_label(labels: int) -> int:
    """Return how many positions of each of so many labels count."""
    return max(1, MAX_POINTS // max(1, labels))


def take_positions(labels: Mapping[int, PlacedLabel], take: Callable[[PlacedLabel, IntArray], None]) -> None:
    """Have the positions of labels looked at that count and are not known yet.

    Args:
        labels: The labels by id.
        take: Function that is called with a label and the numbers of its positions.
    """
    number = positions_per_label(len(labels))
    for label in labels.values():
        # With more labels fewer positions of each count; with one label less, not at once more of all others.
        if not label.is_looked_at or (len(label.taken) < number // 2 and len(label.taken) < label.free.sum()):
            take(label, label.wanted(number))


def points_of(labels: Mapping[int, PlacedLabel], codes: Sequence[int]) -> tuple[LabelledPoints, dict[str, FloatArray]]:
    """Return the positions of labels that count, and their features as classifiers see them, by part.

    Args:
        labels: The labels that have been looked at, by id.
        codes: The codes of the classes, in order.
    """
    target = {code: number for number, code in enumerate(codes)}
    most = positions_per_label(len(labels))
    rows = [(number, label, min(most, len(label.taken))) for number, label in enumerate(labels.values())]
    owners = np.concatenate([np.full(count, number) for number, _, count in rows]).astype(np.int64)
    targets = np.concatenate([np.full(count, target[label.code]) for _, label, count in rows]).astype(np.int64)
    positions = np.concatenate([label.positions[label.taken[:count]] for _, label, count in rows])
    names = next(iter(labels.values())).seen
    seen = {name: np.concatenate([label.seen[name][:count] for _, label, count in rows]) for name in names}
    return LabelledPoints(positions, owners, targets), seen


def tiles_of(plan: TilePlan, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the column and the row of the tile in whose core each position lies, of shape (n, 2)."""
    inside = positions - [plan.area.column, plan.area.row]
    return np.asarray(inside // plan.stride, np.int64)
