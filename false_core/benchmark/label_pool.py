"""The labels that draws are made of: given polygons, or what squares of the truth show of a class.

What is scored never lies under what is learned from. With given labels it is the truth elsewhere, or where there is none,
labels in other blocks of space. With truth alone, learning and scoring alternate like the fields of a chessboard.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
import shapely
from affine import Affine
from rasterio.windows import Window

from false_core.benchmark.tasks import BenchmarkTask
from false_core.errors import InputError
from false_core.experiments.colour_truth import UNKNOWN_CODE
from false_core.experiments.dataset import read_codes
from false_core.experiments.partition import as_ground
from false_core.experiments.scoring import ScoredPixels, draw_pixels
from false_core.feedback import Feedback
from false_core.labels.annotation import IGNORE, Annotation
from false_core.labels.reading import read_annotation
from false_core.raster.classes import ClassTable, classes_from_values
from false_core.raster.opening import open_checked_raster
from false_core.raster.source import RasterSource
from false_core.training.heads.folds import folds_of

FIELDS_ALONG_SIDE = 8
"""Fields of the chessboard along each side of a raster."""
SQUARES_ALONG_SIDE = 100
SMALLEST_SQUARE_PX = 8
LEAST_SHOWN = 0.25
"""Part of a square that must be of a class to be a label of it."""
FOLDS_TO_SCORE = (3, 4)
"""Folds of blocks of space, of the five that there are, that are scored where there is no truth."""
_TRUTH, _LAND_COVER = "the truth", "the land cover"
"""Names that errors give a raster of class codes: the one to score on, and that of the earlier date of a task of change."""
_SCORING_SEED = 0
_COUNTED_ROWS = 1024

Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True)
class DrawableLabels:
    """Labels to draw from.

    Attributes:
        targets: Class of each label, of shape (n,).
        pixels: Pixels of the file that each covers, of shape (n,).
        known: Pixels of the raster whose class is known, of which shares are taken.
        outlines: Returns the shapes of some labels in pixels of the file, given their numbers.
    """

    classes: ClassTable
    targets: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.float64]
    known: float
    outlines: Callable[[npt.NDArray[np.intp]], Shapes]


@dataclass(frozen=True)
class LabelPool(DrawableLabels):
    """Labels to draw from, and pixels to score on.

    Attributes:
        scored: Pixels to score on, of the same raster or of another one.
        scored_raster: Name of that raster.
    """

    scored: ScoredPixels
    scored_raster: str


def pool_of(task: BenchmarkTask, scored_pixels: int, feedback: Feedback) -> LabelPool:
    """Return the labels of a task.

    Args:
        scored_pixels: Number of pixels that are scored; all where there are fewer.

    Raises:
        InputError: Truth or labels cannot be read, do not lie on the raster, or hold fewer than two classes.
    """
    source = RasterSource(task.raster)
    for truth, raster in ((task.truth, task.raster), (task.unseen_truth, task.unseen_raster)):
        if truth:
            _check_codes(task.name, _TRUTH, truth, RasterSource(raster))
    pool = _given(task, source, scored_pixels, feedback) if task.labels else _squares_and_pixels(task, source, scored_pixels)
    if not len(pool.scored.targets):
        raise InputError(f"{task.name}: no pixel of a known class is left to score on.", "Give more truth or labels.")
    return pool


def labels_before(task: BenchmarkTask, feedback: Feedback) -> DrawableLabels | None:
    """Return the labels of the earlier date of a task of change; None where it has none.

    Raises:
        InputError: They cannot be read, do not lie on the raster, or hold fewer than two classes.
    """
    source = RasterSource(task.raster)
    if task.labels:
        annotation = read_annotation(task.labels, task.field, source, [], feedback)
        known, shapes = float(source.width * source.height), annotation.shapes
        return DrawableLabels(
            annotation.classes, annotation.targets, annotation.pixels, known, lambda chosen: shapes[chosen]
        )
    if not task.land_cover:
        return None
    _check_codes(task.name, _LAND_COVER, task.land_cover, source)
    return _squares(task.name, _LAND_COVER, task.land_cover, source)


def _check_codes(task: str, what: str, path: str, source: RasterSource) -> None:
    try:
        with open_checked_raster(path) as file:
            size = file.width, file.height
    except InputError as error:
        raise InputError(f"{task}: {what} cannot be used. {error.what}", error.remedy) from error
    if size != (source.width, source.height):
        raise InputError(
            f"{task}: {what} is {size[0]} x {size[1]} pixels, its raster {source.width} x {source.height}.",
            f"Bring {what} onto the pixels of the raster.",
        )


# --- polygons that were given --------------------------------------------------------------------------------------------


def _given(task: BenchmarkTask, source: RasterSource, number: int, feedback: Feedback) -> LabelPool:
    annotation = read_annotation(task.labels, task.field, source, [], feedback)
    if task.truth:
        classes = _classes_of_both(task, annotation)
        index = {c.code: place for place, c in enumerate(classes)}
        codes = _codes_in_truth(task, annotation, classes)
        targets = np.array([index[code] for code in codes], np.int64)
        known = float(_counts_of_codes(task.truth)[[c.code for c in classes]].sum())
        learned, scored, raster = annotation, *_scored_on_truth(task, classes, annotation, number)
    else:
        folds = folds_of(annotation, source.width, source.height, _SCORING_SEED)
        to_score = np.isin(folds, FOLDS_TO_SCORE)
        learned = annotation.subset(~to_score)
        classes, targets, known = annotation.classes, learned.targets, float(source.width * source.height)
        scored = _pixels_under(annotation.subset(to_score), learned, source, number)
        raster = task.raster
    shapes = learned.shapes
    return LabelPool(classes, targets, learned.pixels, known, lambda chosen: shapes[chosen], scored, raster)


def _classes_of_both(task: BenchmarkTask, annotation: Annotation) -> ClassTable:
    """Return the classes of the truth, by the names of the labels where these are numbers of the truth."""
    found = _codes_found(task.name, _TRUTH, _counts_of_codes(task.truth))
    own = {c.code: c for c in annotation.classes}
    named = ClassTable(tuple(classes_from_values(found, [])[1]))
    return ClassTable(tuple(own.get(c.code, c) for c in named))


def _codes_in_truth(task: BenchmarkTask, annotation: Annotation, classes: ClassTable) -> list[int]:
    codes = [c.code for c in annotation.classes]
    strange = [c.name for c in annotation.classes if c.code not in {known.code for known in classes}]
    if strange:
        raise InputError(
            f"{task.name}: the truth does not have the classes {', '.join(strange)} of the labels; it has "
            f"{', '.join(str(c.code) for c in classes)}.",
            "Choose the field with the codes of the truth.",
        )
    return [codes[target] for target in annotation.targets]


def _scored_on_truth(task: BenchmarkTask, classes: ClassTable, learned: Annotation, number: int) -> tuple[ScoredPixels, str]:
    if task.unseen_raster:
        return draw_pixels(task.unseen_truth, classes, None, number), task.unseen_raster
    return draw_pixels(task.truth, classes, learned, number), task.raster


def _pixels_under(scored: Annotation, learned: Annotation, source: RasterSource, number: int) -> ScoredPixels:
    """Draw pixels under some labels that lie under none of the others."""
    columns, rows, targets = [], [], []
    for shape, target in zip(scored.shapes, scored.targets):
        left, top, right, bottom = shapely.bounds(shape)
        column, row = max(0, int(left)), max(0, int(top))
        size = min(source.height, int(bottom) + 1) - row, min(source.width, int(right) + 1) - column
        if min(size) < 1:
            continue
        place = Affine.translation(-column, -row)
        inside = Annotation(scored.classes, np.array([shape], object), np.array([target]), shapely.STRtree([shape]))
        under = (inside.burn(place, *size) != IGNORE) & (learned.burn(place, *size) == IGNORE)
        y, x = np.nonzero(under)
        columns.append(x + column)
        rows.append(y + row)
        targets.append(np.full(len(x), target))
    empty = [np.zeros(0, np.int64)]
    every = ScoredPixels(*(np.concatenate(part or empty).astype(np.int64) for part in (columns, rows, targets)))
    chosen = np.zeros(len(every.targets), bool)
    chosen[np.random.default_rng(_SCORING_SEED).permutation(len(chosen))[:number]] = True
    return every.subset(chosen)


# --- squares of the truth --------------------------------------------------------------------------------------------------


def _squares_and_pixels(task: BenchmarkTask, source: RasterSource, number: int) -> LabelPool:
    labels = _squares(task.name, _TRUTH, task.truth, source)
    if task.unseen_raster:
        scored, raster = draw_pixels(task.unseen_truth, labels.classes, None, number), task.unseen_raster
    else:
        ground = as_ground(np.array(_fields_to_learn(source.width, source.height), dtype=object))
        scored, raster = draw_pixels(task.truth, labels.classes, ground, number), task.raster
    return LabelPool(**vars(labels), scored=scored, scored_raster=raster)


def _codes_found(task: str, what: str, counts: npt.NDArray[np.int64]) -> list[int]:
    found: list[int] = np.flatnonzero(counts).tolist()
    if len(found) < 2:
        raise InputError(f"{task}: {what} holds fewer than two class codes from 1 to 254.", "Check which file it is.")
    return found


def _squares(name: str, what: str, path: str, source: RasterSource) -> DrawableLabels:
    by_code = _counts_of_codes(path)
    found = _codes_found(name, what, by_code)
    classes = ClassTable(tuple(classes_from_values(found, [])[1]))
    width, height = source.width, source.height
    widest = min(width, height) // FIELDS_ALONG_SIDE
    side = max(SMALLEST_SQUARE_PX, min(widest, round(max(width, height) / SQUARES_ALONG_SIDE)))
    to_learn = _chessboard(width, height)
    columns, rows = _squares_within(width, side), _squares_within(height, side)
    corners, targets, pixels = [], [], []
    with rasterio.open(path) as truth:
        for row in rows:
            codes = read_codes(truth, Window(0, row, width, side))
            for column in columns:
                if not to_learn(column, row):
                    continue
                counts = np.bincount(codes[:, column : column + side].ravel(), minlength=256)
                for target, c in enumerate(classes):
                    if counts[c.code] >= LEAST_SHOWN * side * side:
                        corners.append((column, row))
                        targets.append(target)
                        pixels.append(float(counts[c.code]))
    if len(set(targets)) < 2:
        raise InputError(f"{name}: {what} has too few places of two classes to draw labels from.", "Give label polygons.")
    target_of, corner_of = np.array(targets, np.int64), np.array(corners, np.int64)
    codes_of = np.array([c.code for c in classes])

    def outlines(chosen: npt.NDArray[np.intp]) -> Shapes:
        return _outlined(path, corner_of[chosen], side, codes_of[target_of[chosen]])

    return DrawableLabels(classes, target_of, np.array(pixels), float(by_code.sum()), outlines)


def _edges(side: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, side, FIELDS_ALONG_SIDE + 1).round().astype(np.int64)


def _squares_within(length: int, side: int) -> list[int]:
    """Return where squares begin along a side of the raster, none of which lies in two fields."""
    edges = _edges(length).tolist()
    return [start for low, high in itertools.pairwise(edges) for start in range(low, high - side + 1, side)]


def _chessboard(width: int, height: int) -> Callable[[int, int], bool]:
    across, down = _edges(width), _edges(height)

    def is_to_learn(column: int, row: int) -> bool:
        return bool((np.searchsorted(across, column, "right") + np.searchsorted(down, row, "right")) % 2 == 0)

    return is_to_learn


def _fields_to_learn(width: int, height: int) -> list[shapely.Polygon]:
    is_to_learn = _chessboard(width, height)
    grid = itertools.product(itertools.pairwise(_edges(height).tolist()), itertools.pairwise(_edges(width).tolist()))
    return [
        shapely.box(left, top, right, bottom) for (top, bottom), (left, right) in grid if is_to_learn(int(left), int(top))
    ]


def _outlined(truth: str, corners: npt.NDArray[np.int64], side: int, codes: npt.NDArray[np.int64]) -> Shapes:
    """Return the outline of the largest piece of a class in each of some squares."""
    found = []
    with rasterio.open(truth) as file:
        for (column, row), code in zip(corners.tolist(), codes.tolist()):
            shown = read_codes(file, Window(column, row, side, side)) == code
            pieces = rasterio.features.shapes(shown.astype(np.uint8), mask=shown, transform=Affine.translation(column, row))
            found.append(max((shapely.geometry.shape(piece) for piece, _ in pieces), key=lambda shape: float(shape.area)))
    return np.array(found, dtype=object)


def _counts_of_codes(truth: str) -> npt.NDArray[np.int64]:
    """Return the pixels of each code from 0 to 255; none for 0 and for what is unknown."""
    counts: npt.NDArray[np.int64] = np.zeros(256, np.int64)
    with rasterio.open(truth) as file:
        for row in range(0, file.height, _COUNTED_ROWS):
            strip = Window(0, row, file.width, min(_COUNTED_ROWS, file.height - row))
            codes: Any = read_codes(file, strip)
            counts += np.bincount(codes.ravel(), minlength=256)
    counts[[0, UNKNOWN_CODE]] = 0
    return counts
