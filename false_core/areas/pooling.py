"""Pooled features: what an encoder sees within each area, as means and standard deviations, tile by tile.

Of an area with a share m of each feature pixel, W = sum m, mean = sum m F / W, std = sqrt(sum m F^2 / W - mean^2).
The sums are additive, so an area may lie in many tiles: it is open until the last of them was seen, and then a row of
numbers. No pixels are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely
import torch
from torch import Tensor

from false_core.areas.coverage import coarser, coverage
from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.tiled import TiledNetwork
from false_core.inference.tiles import Tile, TilePlan
from false_core.models.area_classifier import FINEST_POOLED_STRIDE, POOLED_STATISTICS, AreaEncoder
from false_core.models.feature_identity import identity_of_features
from false_core.raster.source import BoolArray, RasterSource, Window
from false_core.raster.statistics import Normalisation

FloatArray = npt.NDArray[np.float32]

AREA_TILE_PX, AREA_HALO_PX = 768, 128
"""Working pixels of a tile, and those that the encoders see around it."""
AREA_FEATURES_FORMAT = 1
"""The number that changes whenever features come out otherwise than those that were kept before."""
TILES_OF_A_GPU = 4
"""Tiles that a GPU computes together."""
AREAS_AT_ONCE = 4_096
"""Areas of a tile that are summed up together: as many as lie in it may be small ones."""


@dataclass(frozen=True)
class PooledAreas:
    """Areas that are complete.

    Attributes:
        numbers: Numbers of the areas, of shape (n,).
        features: Means, then standard deviations, of all levels, of shape (n, 2 * channels); NaN where no pixel is valid.
        pixels: Number of valid working pixels of each, of shape (n,).
    """

    numbers: npt.NDArray[np.int64]
    features: FloatArray
    pixels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pooling:
    """An encoder, and the raster on which areas lie.

    Attributes:
        encoder: Network on ``device``, in evaluation mode.
        source: The raster on its working grid.
    """

    encoder: AreaEncoder
    source: RasterSource
    normalisation: Normalisation
    device: torch.device
    feedback: Feedback

    @property
    def width(self) -> int:
        """The number of features of an area."""
        return POOLED_STATISTICS * sum(self.encoder.channels)

    @cached_property
    def identity(self) -> bytes | None:
        """Digest of everything but the areas that decides their features; None where the raster has no identity."""
        encoder, tiles = self.encoder, (AREA_TILE_PX, AREA_HALO_PX)
        how = ("areas", AREA_FEATURES_FORMAT, tiles, encoder.photographs, encoder.zooms)
        return identity_of_features(self.source, self.normalisation, encoder, self.device, *how)

    def over(self, shapes: npt.NDArray[np.object_], start: int = 0, of: int = 0) -> Iterator[PooledAreas]:
        """Yield areas with their pooled features, in groups, each as soon as its last tile was seen.

        Args:
            shapes: Areas in working pixels, of shape (n,). Those that do not lie on the raster are left out.
            start, of: Areas that were looked at before these, and those of the whole stage; 0: these.
        """
        plan = TilePlan(self.source.window_of(None), AREA_TILE_PX, 2 * AREA_HALO_PX, ramp=0)
        tiles = _tiles_of(shapes, plan)
        open_areas: dict[int, _Sums] = {}
        waiting = np.zeros(len(shapes), np.int64)
        for members in tiles.values():
            waiting[members] += 1
        numbers = sorted(tiles)
        wanted = [plan.tile(number % plan.columns, number // plan.columns) for number in numbers]
        batch = TILES_OF_A_GPU if self.device.type != "cpu" else 1
        network = BatchedNetwork(self._forward, self.device, self.feedback, batch)
        with closing(TiledNetwork(network, self.source, self.normalisation).over(wanted)) as computed:
            for done, (item, levels) in enumerate(computed):
                self.feedback.advance(start + done / len(numbers) * len(shapes), of or len(shapes), "areas")
                members = tiles[numbers[done]]
                seen = (
                    _TileFeatures.of(item.tile, self._valid(item.valid), levels)
                    if levels and item.valid is not None
                    else None
                )
                for some in range(0, len(members), AREAS_AT_ONCE):
                    own = members[some : some + AREAS_AT_ONCE]
                    for number, sums in zip(own.tolist(), self._sums(shapes[own], seen) if seen else ()):
                        before = open_areas.get(number)
                        open_areas[number] = before + sums if before else sums
                    waiting[own] -= 1
                    complete = own[waiting[own] == 0]
                    if len(complete):
                        yield self._complete(complete, open_areas)

    def _forward(self, pixels: Tensor) -> list[list[Tensor]]:
        """Return the levels of each tile of a batch without its halo, each of shape (channels, height, width)."""
        with torch.inference_mode():
            levels = self.encoder.levels(pixels)
        found = []
        for stride, level in zip(self.encoder.strides, levels):
            margin = AREA_HALO_PX // stride
            found.append(level[..., margin:-margin, margin:-margin].float())
        found = _on_the_host(found)
        return [[level[number] for level in found] for number in range(len(pixels))]

    def _valid(self, valid: BoolArray) -> BoolArray:
        """Return the valid working pixels of a tile without its halo, given those of the file with it."""
        f, size = self.source.factor, AREA_TILE_PX + 2 * AREA_HALO_PX
        working: BoolArray = np.asarray(valid.reshape(size, f, size, f).any(axis=(1, 3)))
        return working[AREA_HALO_PX:-AREA_HALO_PX, AREA_HALO_PX:-AREA_HALO_PX]

    def _sums(self, shapes: npt.NDArray[np.object_], seen: _TileFeatures) -> Iterator[_Sums]:
        counts = coverage(shapes, seen.window, seen.valid, FINEST_POOLED_STRIDE)
        pixels = np.asarray(counts.sum(axis=1)).ravel()
        sums, squares = [], []
        for stride, values, squared in zip(self.encoder.strides, seen.values, seen.squares):
            own = coarser(counts, AREA_TILE_PX // FINEST_POOLED_STRIDE, stride // FINEST_POOLED_STRIDE)
            sums.append(own @ values)
            squares.append(own @ squared)
        both = np.concatenate([*sums, *squares], axis=1)
        for number, count in enumerate(pixels):
            yield _Sums(both[number].astype(np.float64), int(count))

    def _complete(self, numbers: npt.NDArray[np.int64], open_areas: dict[int, _Sums]) -> PooledAreas:
        empty = _Sums(np.full(self.width, np.nan), 0)
        found = [open_areas.pop(number, empty) for number in numbers.tolist()]
        pixels = np.array([sums.pixels for sums in found], np.int64)
        with np.errstate(invalid="ignore"):
            averages = np.stack([sums.sums for sums in found]) / np.where(pixels > 0, pixels, np.nan)[:, None]
        mean, square = np.split(averages, 2, axis=1)
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return PooledAreas(numbers, np.concatenate([mean, std], axis=1).astype(np.float32), pixels)


@dataclass(frozen=True)
class _TileFeatures:
    """The features of a tile without its halo.

    Attributes:
        valid: The valid working pixels of ``window``.
        values, squares: Features of each level and their squares, of shape (feature pixels, channels).
    """

    window: Window
    valid: BoolArray
    values: list[FloatArray]
    squares: list[FloatArray]

    @classmethod
    def of(cls, tile: Tile, valid: BoolArray, levels: list[Tensor]) -> _TileFeatures:
        window = Window(tile.window.column + AREA_HALO_PX, tile.window.row + AREA_HALO_PX, AREA_TILE_PX, AREA_TILE_PX)
        values = [np.ascontiguousarray(level.flatten(1).T.numpy()) for level in levels]
        return cls(window, valid, values, [np.square(one) for one in values])


@dataclass(frozen=True)
class _Sums:
    """Sums over an area so far: of features, then of their squares, over so many pixels."""

    sums: npt.NDArray[np.float64]
    pixels: int

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.sums + other.sums, self.pixels + other.pixels)


def _on_the_host(levels: Sequence[Tensor]) -> list[Tensor]:
    """Return levels (batch, channels, height, width) in the memory of the computer, by one copy."""
    if levels[0].device.type == "cpu":
        return list(levels)
    sizes = [level[0].numel() for level in levels]
    parts = torch.split(torch.cat([level.flatten(1) for level in levels], dim=1).cpu(), sizes, dim=1)
    return [part.reshape(level.shape) for part, level in zip(parts, levels)]


def _tiles_of(shapes: npt.NDArray[np.object_], plan: TilePlan) -> dict[int, npt.NDArray[np.int64]]:
    """Return the numbers of the shapes whose bounds meet each tile, by the number of the tile."""
    bounds = shapely.bounds(shapes)
    area = plan.area
    on_raster = (
        np.isfinite(bounds).all(axis=1)
        & (bounds[:, 2] > 0)
        & (bounds[:, 3] > 0)
        & (bounds[:, 0] < area.width)
        & (bounds[:, 1] < area.height)
    )
    found: dict[int, list[npt.NDArray[np.int64]]] = {}
    numbers = np.flatnonzero(on_raster)
    last = [plan.columns - 1, plan.rows - 1]
    low = (bounds[numbers, :2] // plan.stride).astype(np.int64).clip(0, last)
    high = (np.ceil(bounds[numbers, 2:] / plan.stride) - 1).astype(np.int64).clip(low, last)
    for right in range(int((high[:, 0] - low[:, 0]).max(initial=-1)) + 1):
        for down in range(int((high[:, 1] - low[:, 1]).max(initial=-1)) + 1):
            column, row = low[:, 0] + right, low[:, 1] + down
            there = (column <= high[:, 0]) & (row <= high[:, 1])
            tile = (row * plan.columns + column)[there]
            order = np.argsort(tile, kind="stable")
            which, starts = np.unique(tile[order], return_index=True)
            for number, members in zip(which.tolist(), np.split(numbers[there][order], starts[1:])):
                found.setdefault(number, []).append(members)
    return {number: np.sort(np.concatenate(members)) for number, members in found.items()}
