"""Digitised labels on the pixel grid of a raster: repaired, cut, and burned in window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio.features
import shapely
from affine import Affine

from false_core.feedback import Feedback
from false_core.raster.classes import ClassTable
from false_core.raster.grid import moved

IGNORE = 255
"""Target of a pixel without a label."""
SMALL_POLYGON = 4.0
"""Pixels. A smaller polygon labels every pixel it touches, as it may hold no pixel's centre."""


@dataclass(frozen=True)
class Annotation:
    """Labels in pixel coordinates of a raster's working grid.

    Attributes:
        shapes: Simple geometries (no multi-parts), x = column, y = row, of shape (n,). Larger polygons come first, so that
            a small one drawn inside a large one stays visible.
        targets: Index into ``classes`` of each shape, of shape (n,).
    """

    classes: ClassTable
    shapes: npt.NDArray[np.object_]
    targets: npt.NDArray[np.int64]
    tree: shapely.STRtree

    @property
    def pixels(self) -> npt.NDArray[np.float64]:
        """Pixels each shape labels, roughly: area, or length of a line, at least 1. Of shape (n,)."""
        lengths = np.where(shapely.get_dimensions(self.shapes) == 1, shapely.length(self.shapes), 0.0)
        size: npt.NDArray[np.float64] = np.maximum(shapely.area(self.shapes), lengths)
        return np.maximum(1.0, size)

    def subset(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Annotation:
        """Return the ``chosen`` shapes, a mask of shape (n,) or their numbers, with the same classes."""
        shapes = self.shapes[chosen]
        return replace(self, shapes=shapes, targets=self.targets[chosen], tree=shapely.STRtree(shapes))

    def cut(self, side: float) -> Annotation:
        """Return the same labels with every polygon larger than half a square of ``side`` pixels cut along such squares."""
        shapes, targets = [], []
        for shape, target in zip(self.shapes, self.targets):
            pieces = _squares(shape, side) if shape.area > side * side / 2 else [shape]
            shapes += pieces
            targets += [target] * len(pieces)
        array = np.array(shapes, dtype=object)
        return replace(self, shapes=array, targets=np.array(targets), tree=shapely.STRtree(array))

    def burn(self, to_pixels: Affine, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Burn the labels into a patch of (height, width): class indices, ``IGNORE`` where nothing is labelled.

        Args:
            to_pixels: Map from the raster's pixel coordinates to those of the patch. May rotate, flip and scale.
            height, width: Size of the patch in pixels.
        """
        return self._burned(self.targets, IGNORE, np.uint8, to_pixels, height, width)

    def burn_numbers(self, to_pixels: Affine, height: int, width: int) -> npt.NDArray[np.int32]:
        """Burn the number of the shape that labels each pixel, as ``burn`` does with its class; -1 where none does."""
        return self._burned(np.arange(len(self.shapes)), -1, np.int32, to_pixels, height, width)

    def _burned(
        self, values: npt.NDArray[np.integer], fill: int, dtype: Any, to_pixels: Affine, height: int, width: int
    ) -> npt.NDArray[Any]:
        target = np.full((height, width), fill, dtype)
        corners = np.array([~to_pixels * corner for corner in ((0, 0), (width, 0), (0, height), (width, height))])
        box = shapely.box(*corners.min(axis=0), *corners.max(axis=0))
        near = np.sort(self.tree.query(box))
        if not near.size:
            return target
        here = shapely.transform(self.shapes[near], lambda xy: moved(to_pixels, xy))
        thick = (shapely.get_dimensions(here) == 2) & (shapely.area(here) >= SMALL_POLYGON)
        for group, all_touched in ((thick, False), (~thick, True)):
            pairs = [(shape, int(value)) for shape, value in zip(here[group], values[near][group])]
            if pairs:
                # The identity is what rasterio assumes anyway; naming it avoids a warning about a missing georeference.
                rasterio.features.rasterize(pairs, out=target, transform=Affine.identity(), all_touched=all_touched)
        return target


def simple_shapes(
    geometries: npt.NDArray[np.object_], feedback: Feedback
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return the valid single parts of ``geometries``, and the index of the geometry each belongs to."""
    parts, owners = shapely.get_parts(geometries, return_index=True)
    broken = ~shapely.is_valid(parts)
    if not broken.any():
        return _of_same_dimension(parts, parts, owners)
    feedback.info(f"{int(broken.sum())} invalid label geometries were repaired.")
    repaired = parts.copy()
    repaired[broken] = shapely.make_valid(parts[broken])
    # A polygon that crosses itself keeps its area; lines and points that repairing may split off add nothing to it.
    return _of_same_dimension(repaired, parts, owners)


def clipped_to_raster(
    shapes: npt.NDArray[np.object_], width: int, height: int
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Return what of ``shapes`` lies over a raster of that size, as single parts, and the index of the shape of each.

    What lies beyond labels nothing, and a polygon as large as a country would be cut into millions of squares.
    """
    frame = shapely.box(0, 0, width, height)
    with np.errstate(over="ignore", invalid="ignore"):  # Corners may lie at the end of the numbers.
        met = np.flatnonzero(shapely.intersects(shapes, frame))
        over = shapes[met]
        crossing = ~shapely.covers(frame, over)
        over[crossing] = shapely.intersection(over[crossing], frame)
    return _of_same_dimension(over, shapes[met], met)


def _of_same_dimension(
    geometries: npt.NDArray[np.object_], originals: npt.NDArray[np.object_], owners: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """Take ``geometries`` apart, and leave out parts of a lower dimension than the original each was made from.

    Returns:
        The parts, and for each the one of ``owners`` that belongs to it.
    """
    # Twice, as a collection may hold multi-part geometries.
    parts, outer = shapely.get_parts(geometries, return_index=True)
    parts, inner = shapely.get_parts(parts, return_index=True)
    source = outer[inner]
    kept = (shapely.get_dimensions(parts) == shapely.get_dimensions(originals[source])) & ~shapely.is_empty(parts)
    return parts[kept], owners[source[kept]]


def _squares(shape: shapely.Geometry, side: float) -> list[shapely.Geometry]:
    xmin, ymin, xmax, ymax = shape.bounds
    columns = np.arange(np.floor(xmin / side), np.floor(xmax / side) + 1) * side
    rows = np.arange(np.floor(ymin / side), np.floor(ymax / side) + 1) * side
    x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
    parts = shapely.get_parts(shapely.intersection(shape, shapely.box(x, y, x + side, y + side)))
    return list(parts[shapely.area(parts) > 0])
