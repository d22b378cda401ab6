"""The features of two dates, tile by tile: each date seen by an encoder that is used to it, at the same places.

Two rasters, brought onto one grid, are read as a pair, and a network of its own looks at each. So this is no use of
``inference.tiled``, which goes over one raster with one network.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from false_core.change.date_pair import DatePair, PairedPixels
from false_core.computing.threads import prefetch
from false_core.feedback import Feedback
from false_core.inference.features import FEATURE_STRIDE, FINEST_LEVEL
from false_core.inference.tiles import Tile, TilePlan
from false_core.models.encoder import STRIDE, channels_of
from false_core.raster.coarsening import block_mean
from false_core.raster.source import BoolArray, Window
from false_core.training.heads.samples import MIN_VALID_SHARE, adapt_batch_norms

CHANGE_TILE_PX, CHANGE_HALO_PX = 768, 192
"""Working pixels of the largest tile, and those that the encoders see around it."""
LOOKS_AT_A_DATE, LOOK_AT_A_DATE_PX = 12, 384
"""Places that the batch norms of an encoder get used to a date at, and working pixels of the side of each."""
MOST_FILE_PIXELS_ALONG = 6_000
"""Pixels of a file along a tile with its halo, where working pixels are so much larger that a whole tile would be more."""
MOST_TILES_TRIED = 400
"""Tiles that are looked at for those, where much of the area has no data."""
LEVELS_COMPARED = slice(FINEST_LEVEL, 5)
"""Levels of an encoder that are compared, to a stride of 16. Coarser ones see whole parcels at once, and too few of them."""
READ_AHEAD = 2
"""Tiles that are read while one is computed."""

TileResult = TypeVar("TileResult")


class SideBySide(nn.Module):
    """Encoders as one: the levels of each joined to those of the others at the same stride."""

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)
        every = [channels_of(encoder) for encoder in encoders]
        self.out_channels = [every[0][0], *(sum(level) for level in list(zip(*every))[1:])]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the input, then the features of each level."""
        levels = [encoder(pixels) for encoder in self.encoders]
        return [pixels, *(torch.cat(level, dim=1) for level in list(zip(*levels))[1:])]


@dataclass(frozen=True)
class PairedTile(Generic[TileResult]):
    """A tile with what was made of both dates.

    Attributes:
        pixels: Pixels of both dates, halo included.
        result: Result for both dates; None where no pixel without its halo is valid at both.
    """

    tile: Tile
    pixels: PairedPixels
    result: TileResult | None


@dataclass(frozen=True)
class PairedEncoder:
    """Encoders of the two dates, and the rasters that they run over.

    Attributes:
        encoders: Networks on ``device``, in evaluation mode, each used to its date.
        side, halo: Working pixels of a tile, and those the encoders see around it; multiples of 32.
    """

    encoders: tuple[nn.Module, nn.Module]
    pair: DatePair
    device: torch.device
    side: int
    halo: int

    @classmethod
    def adapted_to(
        cls, pair: DatePair, encoder: nn.Module, looks: Sequence[PairedPixels], device: torch.device
    ) -> PairedEncoder:
        """Return an encoder for each date, whose batch norms have measured that date and nothing else.

        Args:
            encoder: The encoder as it was trained.
            looks: Places at both dates, as ``looks_at_dates`` gives them.
        """
        found = []
        for date in (0, 1):
            own = deepcopy(encoder).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            adapt_batch_norms(own, [look.dates[date][None].to(device) for look in looks], 1)
            found.append(own.eval())
        factor = max(pair.before.factor, pair.after.source.factor)
        return cls((found[0], found[1]), pair, device, side_of_tiles(pair.area, factor), CHANGE_HALO_PX)

    @property
    def widths(self) -> list[int]:
        """The channels of the levels that are used: those of the encoder, and the bands themselves."""
        return [*channels_of(self.encoders[0])[LEVELS_COMPARED], len(self.pair.before.bands)]

    def plan(self) -> TilePlan:
        """Return the tiles that cover the area; their cores are what is kept of them."""
        return TilePlan(self.pair.area, self.side, 2 * self.halo, ramp=0)

    def over(
        self, tiles: Iterable[Tile], make: Callable[[list[Tensor], list[Tensor], PairedPixels], TileResult]
    ) -> Generator[PairedTile[TileResult]]:
        """Yield what ``make`` makes of each tile.

        Args:
            make: Called with the features of each level at its own stride, each (channels, height, width), before and after,
                halo included, and with the pixels.
        """
        with closing(read_ahead(self.pair, tiles)) as ahead:
            for tile, pixels in ahead:
                inner = pixels.valid[self.halo : -self.halo, self.halo : -self.halo]
                yield PairedTile(tile, pixels, make(*self._levels(pixels), pixels) if inner.any() else None)

    def _levels(self, pixels: PairedPixels) -> tuple[list[Tensor], list[Tensor]]:
        found = []
        for encoder, date in zip(self.encoders, pixels.dates):
            with torch.inference_mode():
                seen = date[None].to(self.device).contiguous(memory_format=torch.channels_last)
                levels = [*encoder(seen)[LEVELS_COMPARED], avg_pool2d(seen, FEATURE_STRIDE)]
                found.append([level[0].float() for level in levels])
        return found[0], found[1]


def read_ahead(pair: DatePair, tiles: Iterable[Tile]) -> Generator[tuple[Tile, PairedPixels]]:
    """Yield tiles with their pixels at both dates, read while others are computed."""
    yield from prefetch(lambda tile: (tile, pair.read(tile.window)), tiles, READ_AHEAD, READ_AHEAD)


def side_of_tiles(area: Window, factor: int) -> int:
    """Return the side of tiles that cover an area with little waste, given the pixels of a file along a working pixel."""
    longer = max(area.width, area.height)
    most = max(STRIDE, min(CHANGE_TILE_PX, MOST_FILE_PIXELS_ALONG // factor - 2 * CHANGE_HALO_PX))
    along = -(-longer // most)
    return int(-(-longer // (along * STRIDE)) * STRIDE)


def valid_features(valid: BoolArray) -> BoolArray:
    """Return which feature pixels are valid, at least half of each, given working pixels (height, width)."""
    half: BoolArray = block_mean(valid[None].astype(np.float32), FEATURE_STRIDE)[0] >= 0.5
    return half


def looks_at_dates(pair: DatePair, seed: int, feedback: Feedback) -> Iterator[PairedPixels]:
    """Yield random places of the area with enough that is valid at both dates, or the fullest where none has that much."""
    plan = TilePlan(pair.area, LOOK_AT_A_DATE_PX, 0, ramp=0)
    order = np.random.default_rng(seed).permutation(len(plan))[:MOST_TILES_TRIED]
    found = 0
    fullest: list[PairedPixels] = []
    with closing(read_ahead(pair, (plan.tile(int(n) % plan.columns, int(n) // plan.columns) for n in order))) as ahead:
        for done, (_, pixels) in enumerate(ahead):
            feedback.advance(done, len(order))
            few = len(plan) <= LOOKS_AT_A_DATE and bool(pixels.valid.any())
            if few or pixels.valid.mean() > MIN_VALID_SHARE:
                found += 1
                yield pixels
            elif not found and pixels.valid.any():
                fullest = sorted([*fullest, pixels], key=lambda one: -one.valid.mean())[:LOOKS_AT_A_DATE]
            if found == LOOKS_AT_A_DATE:
                return
    if not found:
        yield from fullest
