"""The features of the tiles of a raster: computed once, kept in memory and on the disk, cut to what is wanted of them.

One tile is computed at a time, the one that is wanted now, and what is computed may be given up. So this is no use of
``inference.tiled``, which goes over a whole window.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.computing.precision import Use, autocast, in_words, precision_of
from false_core.inference.tiles import Tile
from false_core.models.feature_identity import identity_of_features
from false_core.models.fused import TEXTURE, WITHOUT_ENCODER, FeatureParts, in_half, places_around
from false_core.models.texture import MOST_STEP, SCALES, reach_of
from false_core.raster.disk_cache import DiskCache
from false_core.raster.source import BoolArray, Window
from false_core.session.session_raster import SessionRaster
from false_core.session.superseded import Interrupted, interruptible
from false_core.settings import disk_cache_bytes, disk_cache_folder
from false_core.training.heads.samples import FloatArray, sampled_levels

FEATURES_FORMAT = 1
MEMORY_FOR_TILES = 80_000_000
"""Bytes of tiles that are kept in memory."""

BAND_PX = 192
"""Working pixels. Features of positions are taken from so many rows of a tile at a time."""


@dataclass(frozen=True)
class EncodedTile:
    """A tile with all that can be known of it before there are labels.

    Attributes:
        valid: Its valid pixels of the file, eight to a byte; none where there is none.
        pixels: Its normalised pixels (1, bands, side, side), on the device.
        levels: The features of the encoders by part, each level in half precision.
    """

    tile: Tile
    valid: npt.NDArray[np.uint8] | None
    pixels: Tensor
    levels: Mapping[str, list[Tensor]]

    @property
    def size(self) -> int:
        """Bytes in memory."""
        tensors = [self.pixels, *(level for levels in self.levels.values() for level in levels)]
        return sum(tensor.nbytes for tensor in tensors) + (0 if self.valid is None else self.valid.nbytes)

    def valid_pixels(self, factor: int) -> BoolArray:
        """Return the valid pixels of the file, of shape (side * factor, side * factor)."""
        side = self.tile.window.width * factor
        if self.valid is None:
            return np.zeros((side, side), bool)
        return np.unpackbits(self.valid, count=side * side).reshape(side, side).astype(bool)


@dataclass(frozen=True)
class TileWindow:
    """A window of a tile.

    Attributes:
        column, row: Its upper left corner in pixels of the tile.
        pixels: Its normalised pixels, of shape (1, bands, height, width).
        features: Its features by part, levels of encoders and statistics of the texture.
        wanted: The rows and columns of it that are wanted.
    """

    column: int
    row: int
    pixels: Tensor
    features: Mapping[str, list[Tensor]]
    wanted: tuple[slice, slice]

    def at(self, name: str, positions: npt.NDArray[np.float64]) -> FloatArray:
        """Return the features of a part at positions in pixels of the tile, x first, of shape (n, channels)."""
        within = positions - [self.column, self.row]
        if name != TEXTURE:
            return sampled_levels(self.features.get(name, [self.pixels]), self.pixels.shape[-2:], within)
        rows, columns = places_around(self.wanted, self.pixels.shape[-2:])
        statistics = self.features[TEXTURE]
        return sampled_levels(statistics, statistics[0].shape[-2:], within - [columns.start, rows.start])


class KeptTiles:
    """Looks at tiles of a raster.

    Args:
        raster: The raster, and how it is looked at.
    """

    def __init__(self, raster: SessionRaster) -> None:
        self._raster = raster
        self._tiles: OrderedDict[Window, EncodedTile] = OrderedDict()
        limit = disk_cache_bytes()
        self._identity = _identity(raster)
        self._disk = DiskCache(disk_cache_folder(), limit) if limit and self._identity else None
        self._parts = [name for name in raster.names if name not in WITHOUT_ENCODER]

    def is_at_hand(self, tile: Tile) -> bool:
        """Return whether a tile is in memory."""
        return tile.window in self._tiles

    def of(self, tile: Tile, interrupted: Interrupted) -> EncodedTile:
        """Return a tile with its features.

        Raises:
            Superseded: It is not wanted any more.
            InputError: The raster cannot be read.
        """
        if tile.window in self._tiles:
            self._tiles.move_to_end(tile.window)
            return self._tiles[tile.window]
        looked = self._look(tile, interrupted)
        self._tiles[tile.window] = looked
        while len(self._tiles) > 1 and sum(one.size for one in self._tiles.values()) > MEMORY_FOR_TILES:
            self._tiles.popitem(last=False)
        return looked

    def window(self, looked: EncodedTile, left: int, top: int, right: int, bottom: int, smoothed: bool) -> TileWindow:
        """Return a rectangle of a tile, and as much around it as a map of it depends on.

        Args:
            left, top, right, bottom: The rectangle in pixels of the tile.
            smoothed: True where a map is made of it, whose probabilities may be averaged.
        """
        spec, parts = self._raster.spec, self._raster.quick
        step, side = spec.stride, looked.tile.window.width
        if smoothed and spec.smoothing:
            # On the grid on which probabilities are averaged.
            reach = reach_of(spec.smoothing)
            left, top = (max(0, (low - reach) // MOST_STEP * MOST_STEP) for low in (left, top))
            right, bottom = (min(side, -(-(high + reach) // MOST_STEP) * MOST_STEP) for high in (right, bottom))
        reach = max(step // 2, reach_of(SCALES[-1]))
        x0, y0 = (max(0, (low - reach) // step * step) for low in (left, top))
        x1, y1 = (min(side, -(-(high + reach) // step) * step) for high in (right, bottom))
        wanted = slice(top - y0, bottom - y0), slice(left - x0, right - x0)
        pixels = looked.pixels[..., y0:y1, x0:x1]
        features: dict[str, list[Tensor]] = {}
        for name, levels in looked.levels.items():
            features[name] = []
            for number, level in enumerate(levels):
                stride = parts.zoom_of(name) << (number + 1)
                features[name].append(level[..., y0 // stride : y1 // stride, x0 // stride : x1 // stride])
        if TEXTURE in self._raster.names:
            around = places_around(wanted, pixels.shape[-2:])
            with torch.inference_mode():
                features[TEXTURE] = [level[(..., *around)].clone() for level in parts.levels(pixels, TEXTURE)]
        return TileWindow(x0, y0, pixels, features, wanted)

    def seen_at(self, looked: EncodedTile, positions: npt.NDArray[np.float64]) -> dict[str, FloatArray]:
        """Return the features of positions in a tile as classifiers see them, by part, each of shape (n, dimensions).

        Args:
            looked: A tile with valid pixels.
            positions: Positions in working pixels of the raster, x first, of shape (n, 2), n > 0.
        """
        window = looked.tile.window
        within = positions - [window.column, window.row]
        found: list[tuple[npt.NDArray[np.int64], dict[str, FloatArray]]] = []
        # Band by band, as the statistics of a whole tile take much memory.
        bands = within[:, 1] // BAND_PX
        for band in np.unique(bands):
            own = np.flatnonzero(bands == band)
            (left, top), (right, bottom) = (np.floor(edge(within[own], axis=0)).astype(int) for edge in (np.min, np.max))
            inside = self.window(looked, left, top, right + 1, bottom + 1, smoothed=False)
            names = self._raster.names
            found.append((own, {name: self._raster.seen(name, inside.at(name, within[own])) for name in names}))
        order = np.argsort(np.concatenate([own for own, _ in found]), kind="stable")
        return {name: np.concatenate([seen[name] for _, seen in found])[order] for name in found[0][1]}

    def _look(self, tile: Tile, interrupted: Interrupted) -> EncodedTile:
        raster, side = self._raster, tile.window.width
        bands = len(raster.source.bands)
        nothing = EncodedTile(tile, None, torch.zeros(1, bands, 0, 0), {})
        if raster.source.is_hole(tile.window):
            return nothing
        raw, valid = raster.source.read_with_validity(tile.window)
        if not valid.any():
            return nothing
        pixels = torch.from_numpy(raster.normalisation.apply(raw))[None].to(raster.device)
        key = hashlib.sha256(f"{self._identity!r} {asdict(tile.window)}".encode()).hexdigest()
        kept = self._disk.get(key) if self._disk else None
        levels = _unpacked(kept, raster.quick, self._parts, side, raster.device) if kept else None
        if levels is None:
            levels = {}
            given = pixels.contiguous(memory_format=torch.channels_last)
            with torch.inference_mode(), interruptible(raster.quick, interrupted):
                for name in self._parts:
                    levels[name] = [in_half(level) for level in _at_precision(raster.quick, given, name)]
            if self._disk:
                self._disk.put(key, _packed_levels(levels))
        return EncodedTile(tile, np.packbits(valid), pixels, levels)


def _at_precision(parts: FeatureParts, pixels: Tensor, name: str) -> list[Tensor]:
    """Return the levels of a part as a map is computed with them."""
    with autocast(pixels.device, precision_of(pixels.device, Use.FEATURES)):
        return parts.levels(pixels, name)


def _identity(raster: SessionRaster) -> bytes | None:
    """Return a digest of everything that decides the features of a window; None where the raster has no identity."""
    how = (FEATURES_FORMAT, in_words(precision_of(raster.device, Use.FEATURES)), raster.parts.zooms)
    return identity_of_features(raster.source, raster.normalisation, raster.parts.encoders, raster.device, *how)


def _packed_levels(levels: Mapping[str, list[Tensor]]) -> bytes:
    flat = [level.cpu().contiguous().numpy().tobytes() for own in levels.values() for level in own]
    return b"".join(flat)


def _unpacked(
    content: bytes, parts: FeatureParts, names: list[str], side: int, device: torch.device
) -> dict[str, list[Tensor]] | None:
    """Return what ``_packed_levels`` made of the levels of a tile, or None where it is not of that size."""
    found: dict[str, list[Tensor]] = {}
    start = 0
    for name in names:
        found[name] = []
        for number, channels in enumerate(parts.channels(name)):
            across = side // (parts.zoom_of(name) << (number + 1))
            count = channels * across * across
            if start + 2 * count > len(content):
                return None
            values = np.frombuffer(content, np.float16, count, start).reshape(1, channels, across, across)
            found[name].append(torch.from_numpy(values.copy()).to(device, memory_format=torch.channels_last))
            start += 2 * count
    return found if start == len(content) else None
