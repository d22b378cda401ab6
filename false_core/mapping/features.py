"""Features of an encoder all over a raster, tile by tile, as they are or as a few principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from false_core.feedback import Feedback
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window, block_mean
from false_core.raster.statistics import Normalisation

CELL = 4
"""Working pixels per cell along each axis: the stride of the finest features used."""
FINEST_LEVEL = 2
"""Of the encoder's pyramid: the input and the finest features, which mirror the colours of single pixels, are left out."""
SAMPLE, PER_TILE = 4096, 256
"""Cells the components are computed from, in all and from one of many tiles."""
STRETCH = (2.0, 98.0)
"""Percentiles of a component that are shown as dark and bright."""


def dense_features(encoder: nn.Module, pixels: Tensor) -> list[Tensor]:
    """Return the features of each level from stride 4 on, all brought to that stride.

    Args:
        encoder: As ``build_encoder`` makes it.
        pixels: Normalised, of shape (batch, bands, height, width), with sides that are multiples of 32.

    Returns:
        Tensors of shape (batch, channels of the level, height / 4, width / 4).
    """
    levels = encoder(pixels)[FINEST_LEVEL:]
    return [_at_size_of(levels[0], level.float()) for level in levels]


@dataclass(frozen=True)
class Components:
    """Principal components of features, after each feature was brought to mean 0 and its weight.

    Attributes:
        mean: Of shape (channels,).
        scale: What a feature is multiplied with, of shape (channels,).
        axes: Of shape (channels, components). 0 where there are fewer components than were asked for.
        explained: Share of the weighted variance of the sample that lies in each component.
        low, high: Percentiles of each component in the sample.
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor
    explained: tuple[float, ...]
    low: FloatArray
    high: FloatArray

    def of(self, levels: Sequence[Tensor]) -> Tensor:
        """Return the components (components, height, width) of features by level, each (channels of the level, h, w).

        Levels may be coarser than the first one. Each is projected before it is enlarged, which gives the same and takes
        far less memory.
        """
        widths = [len(level) for level in levels]
        parts = zip(levels, *(torch.split(table, widths) for table in (self.mean, self.scale, self.axes)))
        total: Tensor | None = None
        for level, mean, scale, axes in parts:
            projected = torch.einsum("chw,ck->khw", level, scale[:, None] * axes) - ((mean * scale) @ axes)[:, None, None]
            total = projected if total is None else total + _at_size_of(total[None], projected[None])[0]
        assert total is not None
        return total

    def stretched(self, values: FloatArray) -> FloatArray:
        """Return components (components, ...) as 0 to 1 between dark and bright; what lies beyond is clipped."""
        column = (slice(None), *[None] * (values.ndim - 1))
        spread = np.maximum(self.high - self.low, 1e-6)
        return np.asarray(((values - self.low[column]) / spread[column]).clip(0, 1), np.float32)


@dataclass(frozen=True)
class Seen:
    """One tile: its raw pixels with their surroundings, which of its cells are valid, and what the network makes of it.

    Attributes:
        raw: Of shape (bands, side + 2 * halo, side + 2 * halo), NaN where invalid.
        valid: Cells of the tile of which at least half is valid, of shape (side / 4, side / 4).
    """

    raw: FloatArray
    valid: BoolArray
    look: Look

    @property
    def inner(self) -> FloatArray:
        """The raw pixels of the tile alone."""
        halo = self.look.halo
        return self.raw[:, halo:-halo, halo:-halo]

    def levels(self) -> list[Tensor]:
        """Return the features of each level at its own stride, of the tile and its surroundings."""
        pixels = torch.from_numpy(self.look.normalisation.apply(self.raw))[None].to(self.look.device)
        with torch.no_grad():
            levels = self.look.encoder(pixels.contiguous(memory_format=torch.channels_last))[FINEST_LEVEL:]
        return [level[0].float() for level in levels]

    def features(self) -> Tensor:
        """Return the features of the tile's cells, of shape (channels, side / 4, side / 4)."""
        levels = self.levels()
        # Enlarged one by one and cut to the tile, as all of them with their surroundings take much memory.
        return torch.cat([self._inside(_at_size_of(levels[0][None], level[None])[0]) for level in levels])

    def components(self, components: Components) -> FloatArray:
        """Return the components of the tile's cells, of shape (components, side / 4, side / 4)."""
        return self._inside(components.of(self.levels())).cpu().numpy()

    def _inside(self, values: Tensor) -> Tensor:
        margin = self.look.halo // CELL
        return values[:, margin:-margin, margin:-margin]


@dataclass(frozen=True)
class Look:
    """What it takes to look at a tile.

    Attributes:
        encoder: On ``device``, in evaluation mode.
        source: The raster on its working grid.
        normalisation: Of its bands.
        tile, halo: Working pixels looked at at a time, and the surroundings the network sees around them; multiples of 32.
    """

    encoder: nn.Module
    source: RasterSource
    normalisation: Normalisation
    device: torch.device
    tile: int
    halo: int

    def at(self, tile: Window) -> Seen:
        """Read a tile with its surroundings."""
        side = self.tile + 2 * self.halo
        raw = self.source.read(Window(tile.column - self.halo, tile.row - self.halo, side, side))
        finite: BoolArray = np.any(np.isfinite(raw[:, self.halo : -self.halo, self.halo : -self.halo]), axis=0)
        # A cell counts when at least half of it does.
        share = block_mean(finite[None].astype(np.float32), CELL)[0]
        return Seen(raw, share >= 0.5, self)

    def tiles(self, part: Window) -> list[Window]:
        """Return the tiles that cover a part of the raster, row by row."""
        return [
            Window(part.column + column, part.row + row, self.tile, self.tile)
            for row in range(0, part.height, self.tile)
            for column in range(0, part.width, self.tile)
        ]


def cells(part: Window) -> tuple[int, int]:
    """Return the height and width of a part in cells, rounded up."""
    return -(-part.height // CELL), -(-part.width // CELL)


def fit_components(look: Look, part: Window, number: int, seed: int, feedback: Feedback) -> Components | None:
    """Return ``number`` principal components of a random sample of the cells of a part, or None where none is valid."""
    generator = np.random.default_rng(seed)
    tiles = look.tiles(part)
    per_tile = max(PER_TILE, -(-SAMPLE // len(tiles)))
    sample: list[Tensor] = []
    widths: list[int] = []
    for chosen_tile in generator.permutation(len(tiles)):
        feedback.stop_if_cancelled()
        seen = look.at(tiles[chosen_tile])
        inside = _inside(seen.valid, tiles[chosen_tile], part)
        if not inside.any():
            continue
        levels = seen.levels()
        widths = [len(level) for level in levels]
        chosen = torch.from_numpy(generator.permutation(np.flatnonzero(inside))[:per_tile]).to(look.device)
        enlarged = (seen._inside(_at_size_of(levels[0][None], level[None])[0]) for level in levels)
        sample.append(torch.cat([level.flatten(1)[:, chosen] for level in enlarged]).T.cpu())
        if sum(map(len, sample)) >= SAMPLE:
            break
    return _principal_components(torch.cat(sample), widths, number, seed, look.device) if sample else None


def _principal_components(sample: Tensor, widths: Sequence[int], number: int, seed: int, device: torch.device) -> Components:
    """Return components of a sample (n, channels) of features, whose levels have ``widths`` channels each.

    Coarse levels have far more channels than fine ones. The weights make all levels count the same, so that the map shows
    objects and not only their wider surroundings.
    """
    deviation, mean = torch.std_mean(sample, dim=0, correction=0)
    share = torch.cat([torch.full((width,), width**-0.5) for width in widths])
    scale = share / deviation.clamp(min=1e-6)
    standardised = (sample - mean) * scale
    wanted = min(number, *standardised.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # A few more than wanted make those wanted exact enough.
        _, values, axes = torch.pca_lowrank(
            standardised, q=min(wanted + 5, *standardised.shape), center=False, niter=4
        )  # fmt: skip
    axes = axes[:, :wanted]
    # An axis may point either way: let its largest part be positive.
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    explained = values[:wanted].square() / standardised.square().sum().clamp(min=1e-12)
    axes = torch.nn.functional.pad(axes, (0, number - wanted))
    low, high = np.percentile((standardised @ axes).numpy(), STRETCH, axis=0).astype(np.float32)
    return Components(mean.to(device), scale.to(device), axes.to(device), tuple(explained.tolist()), low, high)


def _inside(valid: BoolArray, tile: Window, part: Window) -> BoolArray:
    """Return which cells of a tile are valid and not beyond the part."""
    height, width = cells(part)
    row, column = (tile.row - part.row) // CELL, (tile.column - part.column) // CELL
    inside = valid.copy()
    inside[height - row :] = inside[:, width - column :] = False
    return inside


def _at_size_of(finest: Tensor, level: Tensor) -> Tensor:
    """Return features (batch, channels, height, width) enlarged to the size of the finest ones."""
    if level.shape[-2:] == finest.shape[-2:]:
        return level
    return torch.nn.functional.interpolate(level, finest.shape[-2:], mode="bilinear", align_corners=False)
