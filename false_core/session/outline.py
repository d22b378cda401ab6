"""Outlines of what is like the pixel at a click: a region that grows over like features until they differ too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio.features
import scipy.ndimage
import shapely
import torch
from affine import Affine
from torch import Tensor
from torch.nn.functional import interpolate

from false_core.inference.tiles import TilePlan
from false_core.raster.grid import moved
from false_core.session.kept_tiles import KeptTiles, TileWindow
from false_core.session.session_labels import tiles_of
from false_core.session.session_raster import SessionRaster
from false_core.session.superseded import Interrupted

MAX_OUTLINE_PX = 192
"""Working pixels from the click to the farthest side of the square that is looked at."""
CLICK_PX = 1
"""Working pixels around the click whose mean features are compared with."""
COLOUR_SHARE = 0.5
"""Share of the bands themselves in the unlikeness: features of an encoder are coarser than pixels."""
UNLIKE_AT_FULL_REACH = 1.5
"""The distance that counts as like at a reach of 1, where two random pixels of the raster are 1 apart on average."""
COMPONENTS_AT_A_TIME = 16
RANDOM_PAIRS = 2000


@dataclass(frozen=True)
class Likeness:
    """The unlikeness of the pixels around a click to it.

    Attributes:
        click: The pixel of the click in the square, x first.
        corner: The upper left corner of the square in working pixels, x first.
        unlikeness: Unlikeness of each pixel, of shape (height, width); infinite where the raster is nodata.
    """

    click: tuple[int, int]
    corner: tuple[int, int]
    unlikeness: npt.NDArray[np.float32]

    def outline(self, reach: float) -> shapely.Geometry:
        """Return the polygon around the click of what is no more unlike than ``reach``, 0 to 1, in working pixels."""
        like = np.asarray(self.unlikeness <= reach * UNLIKE_AT_FULL_REACH)
        x, y = self.click
        like[y, x] = np.isfinite(self.unlikeness[y, x])
        # A single pixel in between is noise, and a bridge of one pixel leads elsewhere.
        opened = np.asarray(scipy.ndimage.binary_opening(like, iterations=1))
        regions: npt.NDArray[np.int32] = scipy.ndimage.label(opened | _around(like, self.click))[0]
        if not regions[y, x]:
            return shapely.Polygon()
        region = np.asarray(scipy.ndimage.binary_fill_holes(regions == regions[y, x]))
        shapes = rasterio.features.shapes(region.astype(np.uint8), mask=region, transform=Affine.translation(*self.corner))
        outline = max((shapely.geometry.shape(shape) for shape, _ in shapes), key=lambda one: one.area)
        simple = outline.simplify(0.75)
        return simple if simple.is_valid and not simple.is_empty else outline


class Outliner:
    """Answers clicks. The last one is remembered, so that another reach is answered at once."""

    def __init__(self, raster: SessionRaster, tiles: KeptTiles) -> None:
        self._raster, self._tiles = raster, tiles
        self._last: tuple[tuple[int, int, TilePlan], Likeness] | None = None
        self._typical = _typical_distances(raster)

    def outline(self, x: float, y: float, reach: float, plan: TilePlan, interrupted: Interrupted) -> shapely.Geometry:
        """Return what is like the pixel at a place, in the CRS of the raster; empty where that is beyond the raster."""
        source = self._raster.source
        place = moved(~source.transform, np.array([[x, y]]))[0]
        if not ((place >= 0) & (place < (source.width, source.height))).all():
            return shapely.Polygon()
        column, row = int(place[0]), int(place[1])
        key = column, row, plan
        if self._last is None or self._last[0] != key:
            found = self._likeness(column, row, plan, interrupted)
            if found is None:
                return shapely.Polygon()
            self._last = key, found
        shape = self._last[1].outline(reach)
        return shapely.transform(shape, lambda xy: moved(source.transform, xy))

    def _likeness(self, column: int, row: int, plan: TilePlan, interrupted: Interrupted) -> Likeness | None:
        raster, f = self._raster, self._raster.source.factor
        tile = plan.tile(*tiles_of(plan, np.array([[column + 0.5, row + 0.5]]))[0].tolist())
        looked = self._tiles.of(tile, interrupted)
        if looked.valid is None:
            return None
        x, y, side = column - tile.window.column, row - tile.window.row, plan.side
        left, top = max(0, x - MAX_OUTLINE_PX), max(0, y - MAX_OUTLINE_PX)
        right, bottom = min(side, x + MAX_OUTLINE_PX + 1), min(side, y + MAX_OUTLINE_PX + 1)
        seen = self._tiles.window(looked, left, top, right, bottom, smoothed=False)
        at = x - left, y - top
        unlike = scipy.ndimage.uniform_filter(self._distances(seen, at).numpy(), 3)
        valid = np.asarray(looked.valid_pixels(f).reshape(side, f, side, f).any(axis=(1, 3)))[top:bottom, left:right]
        rows, columns = np.mgrid[top:bottom, left:right]
        valid &= (columns + tile.window.column < raster.source.width) & (rows + tile.window.row < raster.source.height)
        corner = left + tile.window.column, top + tile.window.row
        return Likeness(at, corner, np.where(valid, unlike, np.inf).astype(np.float32))

    def _distances(self, seen: TileWindow, at: tuple[int, int]) -> Tensor:
        """Return how far the features of all wanted pixels of a window are from those at one of them."""
        total: Tensor | None = None
        with torch.inference_mode():
            for name, typical in self._typical.items():
                share = COLOUR_SHARE if name == OWN_COLOURS else (1 - COLOUR_SHARE) / max(1, len(self._typical) - 1)
                layers = [seen.pixels.float().cpu()] if name == OWN_COLOURS else self._projected(seen, name)
                squared = torch.stack([_squared_distances(layer[(0, slice(None), *seen.wanted)], at) for layer in layers])
                distance = share / typical * squared.sum(dim=0).sqrt()
                total = distance if total is None else total + distance
        assert total is not None
        return total

    def _projected(self, seen: TileWindow, name: str) -> Iterator[Tensor]:
        """Yield the components of a part at all pixels of a window, some at a time, as all of them take much memory."""
        levels, axes = seen.features[name], torch.from_numpy(self._raster.spaces[name].axes)
        for some in torch.split(axes, COMPONENTS_AT_A_TIME, dim=1):
            own = zip(levels, torch.split(some, [level.shape[1] for level in levels]))
            parts = [torch.einsum("bchw,ck->bkhw", level.float().cpu(), of_level) for level, of_level in own]
            size = seen.pixels.shape[-2:]
            yield torch.stack([interpolate(part, size, mode="bilinear", align_corners=False) for part in parts]).sum(dim=0)


def _squared_distances(values: Tensor, at: tuple[int, int]) -> Tensor:
    """Return the squared distances of values (channels, height, width) from the mean of those around a pixel, x first."""
    x, y = at
    around = values[:, max(0, y - CLICK_PX) : y + CLICK_PX + 1, max(0, x - CLICK_PX) : x + CLICK_PX + 1]
    return (values - around.mean(dim=(1, 2))[:, None, None]).square().sum(dim=0)


OWN_COLOURS = "bands"
"""The name of the pixels themselves beside the parts of the encoders."""


def _typical_distances(raster: SessionRaster) -> dict[str, float]:
    """Return the mean distance of two random pixels, by part of the finest zoom of each encoder, and of the bands."""
    chance = np.random.default_rng(raster.start.job.seed)
    found = {}
    finest: dict[int, str] = {}
    for name in raster.names:
        number = raster.parts.encoder_of(name)
        if number is not None and (
            number not in finest or raster.parts.zoom_of(name) < raster.parts.zoom_of(finest[number])
        ):
            finest[number] = name
    for name in finest.values():
        values = raster.sample[name]
        one, other = chance.integers(0, len(values), (2, RANDOM_PAIRS))
        found[name] = float(np.sqrt(np.square(values[one] - values[other]).sum(axis=1)).mean()) or 1.0
    # Bands are brought to a variance of 1 before anything looks at them.
    found[OWN_COLOURS] = float(np.sqrt(2 * len(raster.source.bands)))
    return found


def _around(like: npt.NDArray[np.bool_], click: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return what is like in the 3 x 3 pixels around the click, which opening must not take away."""
    near = np.zeros_like(like)
    x, y = click
    near[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
    return np.asarray(like & near)
