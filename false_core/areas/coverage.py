"""The coverage of areas by the pixels of a tile: any shapes, overlapping, smaller than a pixel, as one sparse matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import rasterio.features
import scipy.sparse
import shapely
from affine import Affine

from false_core.raster.source import BoolArray, Window

SMALL_AREA = 4.0
"""Pixels. A smaller area is made of every pixel it touches, as it may hold no pixel's centre; so is one that is thinner
than a pixel."""


def coverage(shapes: npt.NDArray[np.object_], window: Window, valid: BoolArray, stride: int) -> scipy.sparse.csr_array:
    """Return how many valid pixels of each area lie in each feature pixel of a window.

    Args:
        shapes: The areas in pixel coordinates, of shape (n,).
        window: The window, whose sides are multiples of ``stride``.
        valid: Its valid pixels, of shape (height, width).
        stride: Pixels per feature pixel along each axis.

    Returns:
        Numbers of valid pixels, of shape (n, height / stride * width / stride).
    """
    columns = window.width // stride
    feature_pixels = columns * (window.height // stride)
    areas: list[npt.NDArray[np.int64]] = []
    places: list[npt.NDArray[np.int64]] = []
    small = _is_small(shapes)
    for layer in _apart(_boxes(shapes, small)):
        # Those of a layer cannot touch the same pixel.
        burned = np.zeros((window.height, window.width), np.int32)
        for group, all_touched in ((layer[~small[layer]], False), (layer[small[layer]], True)):
            if len(group):
                pairs = zip(shapes[group], (group + 1).tolist())
                to_window = Affine.translation(window.column, window.row)
                rasterio.features.rasterize(pairs, out=burned, transform=to_window, all_touched=all_touched)
        rows, across = np.nonzero((burned > 0) & valid)
        areas.append(burned[rows, across].astype(np.int64) - 1)
        places.append(rows // stride * columns + across // stride)
    if not areas:
        return scipy.sparse.csr_array((len(shapes), feature_pixels), dtype=np.float32)
    area, place = np.concatenate(areas), np.concatenate(places)
    counts = np.ones(len(area), np.float32)
    return scipy.sparse.coo_array((counts, (area, place)), (len(shapes), feature_pixels)).tocsr()


def coarser(counts: scipy.sparse.csr_array, columns: int, factor: int) -> scipy.sparse.csr_array:
    """Return the same on feature pixels ``factor`` times as large.

    Args:
        counts: Numbers of pixels that ``coverage`` returned.
        columns: The feature pixels along its window.
    """
    if factor == 1:
        return counts
    rows, across = np.divmod(counts.indices, columns)
    fewer = columns // factor
    indices = rows // factor * fewer + across // factor
    shape = counts.shape[0], counts.shape[1] // factor**2
    return scipy.sparse.csr_array((counts.data, indices, counts.indptr), shape)


def _is_small(shapes: npt.NDArray[np.object_]) -> BoolArray:
    size, length = shapely.area(shapes), shapely.length(shapes)
    small: BoolArray = (size < SMALL_AREA) | (2 * size < length)
    return small


def _boxes(shapes: npt.NDArray[np.object_], small: BoolArray) -> npt.NDArray[np.float64]:
    """Return the bounds of what each shape may burn, a little smaller so that neighbours do not meet."""
    bounds: npt.NDArray[np.float64] = shapely.bounds(shapes)
    bounds[small, :2] = np.floor(bounds[small, :2])
    bounds[small, 2:] = np.floor(bounds[small, 2:]) + 1
    bounds += [1e-6, 1e-6, -1e-6, -1e-6]
    return bounds


def _apart(bounds: npt.NDArray[np.float64]) -> list[npt.NDArray[np.int64]]:
    """Return the numbers of boxes in layers, within which none overlaps another."""
    boxes = shapely.box(*bounds.T)
    first, second = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    earlier = second < first
    first, second = first[earlier], second[earlier]
    order = np.argsort(first, kind="stable")
    layer = np.zeros(len(bounds), np.int64)
    edges = np.searchsorted(first[order], np.arange(len(bounds) + 1))
    neighbours = second[order]
    for number in np.flatnonzero(np.diff(edges)):
        taken = set(layer[neighbours[edges[number] : edges[number + 1]]].tolist())
        layer[number] = next(free for free in range(len(taken) + 1) if free not in taken)
    return [np.flatnonzero(layer == number) for number in range(int(layer.max(initial=-1)) + 1)]
