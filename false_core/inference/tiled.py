"""A network run over a raster, tile by tile: read ahead, normalised, computed in batches, given back in order.

Classifying, scoring, embedding and suggesting labels share this loop. What they make of the results is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from false_core.computing.threads import cores, prefetch
from false_core.inference.batches import BatchedNetwork, stacked_tiles
from false_core.inference.tiles import Blender, Tile, TilePlan
from false_core.raster.gpu_pixels import RawPixels, normalised_on, takes_stored_pixels
from false_core.raster.source import BoolArray, RasterSource
from false_core.raster.statistics import Normalisation

MOST_READERS = 16
"""Threads that read, as far as there are cores: a device that is faster than the CPU waits for tiles to be decoded."""
READERS_BESIDE_CPU = 4
"""The same where the CPU computes itself. Above 16 cores they are a quarter of them."""

TileResult = TypeVar("TileResult")
Wanted = Callable[[Tile, BoolArray], bool]
"""Says whether a tile is computed, given its valid pixels of the file."""


@dataclass(frozen=True)
class ReadTile:
    """A tile as it was read.

    Attributes:
        valid: Its valid pixels of the file; None where there are none.
        pixels: Its pixels, of shape (bands, side, side): normalised, or for a GPU as the file stores them; None where the
            network has nothing to compute.
    """

    tile: Tile
    valid: BoolArray | None
    pixels: Tensor | RawPixels | None


@dataclass(frozen=True)
class TiledNetwork(Generic[TileResult]):
    """A network and the raster that it runs over.

    Attributes:
        network: Network that computes the results of normalised pixels.
    """

    network: BatchedNetwork[TileResult]
    source: RasterSource
    normalisation: Normalisation

    def over(
        self, tiles: Iterable[Tile], wanted: Wanted = lambda tile, valid: True
    ) -> Generator[tuple[ReadTile, TileResult | None]]:
        """Yield each tile with its result, in order; without one where no pixel is valid, or it is not ``wanted``.

        Tiles are read ahead by several threads, which call ``wanted`` too.
        """
        readers = readers_for(self.network.device)
        depth = readers + self.network.batch
        with closing(prefetch(lambda tile: self._read(tile, wanted), tiles, depth, readers)) as ahead:
            for group in _groups(ahead, lambda: self.network.batch):
                results = self.network.compute([item.pixels for item in group if item.pixels is not None], self._together)
                for item in group:
                    yield item, None if item.pixels is None else results.pop(0)

    def _read(self, tile: Tile, wanted: Wanted) -> ReadTile:
        if self.source.is_hole(tile.window):
            return ReadTile(tile, None, None)
        raw = self.source.read_as_stored(tile.window)
        if not raw.valid.any():
            return ReadTile(tile, None, None)
        if not wanted(tile, raw.valid):
            return ReadTile(tile, raw.valid, None)
        if takes_stored_pixels(self.network.device):
            return ReadTile(tile, raw.valid, RawPixels.of(raw, self.network.device))
        return ReadTile(tile, raw.valid, torch.from_numpy(self.normalisation.apply(raw.with_nan())))

    def _together(self, tiles: Sequence[Tensor | RawPixels]) -> Tensor:
        """Return normalised tiles on the device."""
        raw = [tile for tile in tiles if isinstance(tile, RawPixels)]
        if raw:
            return normalised_on(self.network.device, raw, self.normalisation)
        return stacked_tiles([tile for tile in tiles if isinstance(tile, Tensor)], self.network.device)


def readers_for(device: torch.device) -> int:
    """Return how many threads read tiles for a device."""
    return min(MOST_READERS, cores(), MOST_READERS if device.type != "cpu" else max(READERS_BESIDE_CPU, cores() // 4))


def blended(
    network: TiledNetwork[Tensor], plan: TilePlan, classes: int, columns: range, tiles: Iterable[Tile]
) -> Iterator[tuple[ReadTile, Tensor]]:
    """Yield each tile with the blended probabilities of its core, as ``Blender.add`` returns them.

    Args:
        network: Gives probabilities of shape (classes, side, side).
        columns: Columns of the plan in which the tiles lie.
        tiles: Tiles to compute, row by row.
    """
    blender = Blender(plan, classes, network.network.device, columns)
    with closing(network.over(tiles)) as computed:
        for item, probabilities in computed:
            yield item, blender.add(item.tile, probabilities)


def _groups(items: Iterable[ReadTile], size: Callable[[], int]) -> Iterator[list[ReadTile]]:
    """Put tiles together, in order, so that as many with pixels come together as are computed at once.

    Not beyond the end of a row: what is computed together, and with it rounding, does not depend on the row before.
    """
    group: list[ReadTile] = []
    with_pixels = 0
    for item in items:
        if group and item.tile.row != group[0].tile.row:
            yield group
            group, with_pixels = [], 0
        group.append(item)
        with_pixels += item.pixels is not None
        if with_pixels >= size() or not with_pixels:
            yield group
            group, with_pixels = [], 0
    if group:
        yield group
