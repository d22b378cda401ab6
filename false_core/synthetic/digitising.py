"""Label polygons as a person would draw them: small blobs inside objects that look different, a few corners each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize, shapes
from scipy import ndimage
from shapely.affinity import affine_transform, translate
from shapely.geometry import Polygon, shape

from false_core.synthetic.canvas import Mask, turned
from false_core.synthetic.scene import Scene

_POLYGONS_PER_CLASS = 14
_SMALLEST_AREA, _LARGEST_AREA = 4, 900
"""Pixels of one polygon."""
_MOST_TRIES = 4000
_COMPARED = 5
"""Places a person looks at before drawing at the one that looks least like what is drawn already."""


@dataclass(frozen=True)
class _Drawing:
    """One polygon: its outline in pixel coordinates of the scene, and the pixels of a window that it covers."""

    outline: Polygon
    window: tuple[slice, slice]
    pixels: Mask


def digitise(scene: Scene, transform: Affine, share: float, rng: np.random.Generator) -> tuple[list[Polygon], list[int]]:
    """Draw polygons inside objects of every class until about ``share`` (0 to 1) of the known area is covered.

    Returns:
        Polygons in map coordinates, and the class code of each.
    """
    truth = scene.truth
    codes, pixels = np.unique(truth[truth > 0], return_counts=True)
    # People draw more of what there is more of, but do not forget what is rare.
    budgets = share * pixels.sum() * pixels**0.4 / (pixels**0.4).sum()
    look = ndimage.gaussian_filter(np.log1p(scene.image.astype(np.float32)), (0, 2, 2))
    to_map = (transform.a, transform.b, transform.d, transform.e, transform.c, transform.f)
    taken = np.zeros(truth.shape, bool)
    polygons: list[Polygon] = []
    drawn_codes: list[int] = []
    for code, budget in zip(codes, budgets):
        inside = truth == code
        places = _varied(_places(inside, rng), look)
        outlines = _digitise_class(inside, places, float(budget), taken, rng)
        polygons += [affine_transform(outline, to_map) for outline in outlines]
        drawn_codes += [int(code)] * len(outlines)
    return polygons, drawn_codes


def _places(inside: Mask, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return flat indices of pixels in ``inside`` (H, W), in the order in which a person might come upon them.

    A person picks objects rather than pixels, small ones too, and stays clear of their borders.
    """
    objects, _ = ndimage.label(inside)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    deepest = ndimage.maximum(depth, objects, np.arange(objects.max() + 1))
    places = np.flatnonzero(inside & (depth >= np.minimum(3.0, 0.7 * deepest)[objects]))
    object_of_place = objects.flat[places]
    chance = np.bincount(object_of_place)[object_of_place] ** -0.5
    order: NDArray[np.intp] = np.argsort(rng.exponential(size=len(places)) / chance)
    return places[order]


def _varied(places: NDArray[np.intp], look: NDArray[np.float32]) -> Iterator[int]:
    """Yield one in ``_COMPARED`` places: the one whose colours, ``look`` (4, H, W), have not been drawn yet."""
    colours = look.reshape(len(look), -1)[:, places[: _MOST_TRIES * _COMPARED]].T
    unlike = np.full(len(colours), np.inf)
    for start in range(0, len(colours), _COMPARED):
        choice = start + int(unlike[start : start + _COMPARED].argmax())
        unlike = np.minimum(unlike, np.square(colours - colours[choice]).sum(1))
        yield int(places[choice])


def _digitise_class(
    inside: Mask, places: Iterator[int], budget: float, taken: Mask, rng: np.random.Generator
) -> list[Polygon]:
    """Draw blobs of about ``budget`` pixels in total within ``inside`` (H, W); mark their ground in ``taken`` (H, W)."""
    size = np.clip(budget / _POLYGONS_PER_CLASS, _SMALLEST_AREA, _LARGEST_AREA)
    outlines: list[Polygon] = []
    for place in places:
        area = max(_SMALLEST_AREA, min(size * rng.uniform(0.5, 1.5), budget))
        drawing = _draw_blob(inside & ~taken, divmod(place, inside.shape[1]), area, rng)
        if drawing is None:
            continue
        taken[drawing.window] |= ndimage.binary_dilation(drawing.pixels, iterations=2)
        outlines.append(drawing.outline)
        budget -= int(drawing.pixels.sum())
        if budget < 0.3 * size:
            break
    return outlines


def _draw_blob(inside: Mask, at: tuple[int, int], area: float, rng: np.random.Generator) -> _Drawing | None:
    """Draw a wobbly ellipse of about ``area`` pixels around the pixel ``at``, cut back to the object it lies in."""
    reach = int(np.ceil(2.2 * np.sqrt(area))) + 2
    window = slice(max(0, at[0] - reach), at[0] + reach + 1), slice(max(0, at[1] - reach), at[1] + reach + 1)
    row, column = at[0] - window[0].start, at[1] - window[1].start
    objects, _ = ndimage.label(inside[window])
    if not objects[row, column]:
        return None
    whole = objects == objects[row, column]
    inner = ndimage.binary_erosion(whole, border_value=1)
    bearing = np.arange(24) / 24 * 2 * np.pi
    wobble = 1 + 0.1 * np.sin(2 * bearing + rng.uniform(0, 6)) + 0.07 * np.sin(3 * bearing + rng.uniform(0, 6))
    stretch, turn = np.sqrt(rng.uniform(1.0, 1.8)), rng.uniform(0, np.pi)
    radius = np.sqrt(area / np.pi) * wobble
    for _ in range(6):  # What the object's border cuts off, the blob gains elsewhere.
        u, v = turned(radius * np.cos(bearing) * stretch, radius * np.sin(bearing) / stretch, turn)
        ellipse = Polygon(np.stack([u + column + 0.5, v + row + 0.5], 1))
        blob = rasterize([ellipse], whole.shape, dtype="uint8").astype(bool)
        blob[row, column] = True
        pixels = blob & (inner if (blob & inner).sum() >= 0.3 * area else whole)
        if pixels.sum() >= 0.7 * area:
            break
        radius = radius * 1.25
    return _outline(pixels, (row, column), window)


def _outline(pixels: Mask, at: tuple[int, int], window: tuple[slice, slice]) -> _Drawing | None:
    """Outline the piece of ``pixels`` around ``at``, without holes and with as few corners as a person would set."""
    pieces, _ = ndimage.label(pixels)
    if not pieces[at]:
        return None
    piece = ndimage.binary_fill_holes(pieces == pieces[at])
    exact = max((shape(outline) for outline, _ in shapes(piece.astype(np.uint8), mask=piece)), key=lambda part: part.area)
    outline = exact.simplify(0.8)
    if outline.geom_type != "Polygon" or not outline.is_valid or outline.area < _SMALLEST_AREA - 1:
        outline = exact
    covered = rasterize([outline], piece.shape, dtype="uint8").astype(bool)
    return _Drawing(translate(outline, window[1].start, window[0].start), window, covered)
