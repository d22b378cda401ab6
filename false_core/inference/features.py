"""Features of an encoder all over a raster, tile by tile, as they are or as a few principal components."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.tiled import TiledNetwork
from false_core.inference.tiles import Tile, TilePlan
from false_core.models.encoder import STRIDE
from false_core.raster.coarsening import block_mean
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window
from false_core.raster.statistics import Normalisation

FEATURE_STRIDE = 4
"""Working pixels per feature pixel along each axis: the stride of the finest features used."""
FINEST_LEVEL = 2
"""The finest level used of the encoder's pyramid. The input and finer features mirror the colours of single pixels."""
SAMPLE, PER_TILE = 4096, 256
"""Feature pixels the components are computed from, in all and from one of many tiles."""
LEAST_HALO_PX, MOST_HALO_PX = 192, 448
"""Working pixels of surroundings: the least, which networks take that do not look by convolutions alone, and the most."""
STRETCH = (2.0, 98.0)
"""Percentiles of a component that are shown as dark and bright."""

TileResult = TypeVar("TileResult")


def halo_of(encoder: nn.Module, bands: int, device: torch.device) -> int:
    """Return how many working pixels of surroundings make the features of a tile those of the whole raster.

    Every convolution, and every pooling, looks half a kernel further than the one before, on its own grid.
    """
    side, reach = 2 * STRIDE, 0.0

    def add(module: Any, given: tuple[Tensor, ...]) -> None:
        nonlocal reach
        kernel, dilation = (_longest(getattr(module, name, 1)) for name in ("kernel_size", "dilation"))
        reach += (kernel - 1) / 2 * dilation * side / given[0].shape[-1]

    looking = [module for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)]
    hooks = [module.register_forward_pre_hook(add) for module in looking]
    with torch.inference_mode():
        encoder(torch.zeros(1, bands, side, side, device=device))
    for hook in hooks:
        hook.remove()
    return int(min(max(LEAST_HALO_PX, math.ceil(reach / STRIDE) * STRIDE), MOST_HALO_PX))


def _longest(sides: int | tuple[int, ...]) -> int:
    return sides if isinstance(sides, int) else max(sides)


@dataclass(frozen=True)
class Projection:
    """A linear map of features, after each feature was brought to mean 0 and its weight.

    Attributes:
        mean: The mean of each feature, of shape (channels,).
        scale: Factors of the features, of shape (channels,).
        axes: The axes, of shape (channels, components).
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor

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


@dataclass(frozen=True)
class Components(Projection):
    """Principal components of features. The axes are 0 where there are fewer components than were asked for.

    Attributes:
        explained: Share of the weighted variance of the sample that lies in each component.
        low, high: Percentiles of each component in the sample.
    """

    explained: tuple[float, ...]
    low: FloatArray
    high: FloatArray

    def stretched(self, values: FloatArray) -> FloatArray:
        """Return components (components, ...) as 0 to 1 between dark and bright; what lies beyond is clipped."""
        column = (slice(None), *[None] * (values.ndim - 1))
        spread = np.maximum(self.high - self.low, 1e-6)
        return np.asarray(((values - self.low[column]) / spread[column]).clip(0, 1), np.float32)


@dataclass(frozen=True)
class TileFeatures(Generic[TileResult]):
    """One tile with what was made of its features.

    Attributes:
        valid: Mask of its feature pixels that are valid, at least half of each, of shape (tile / 4, tile / 4).
        result: Result for its features; None where they were not wanted.
    """

    tile: Tile
    valid: BoolArray
    result: TileResult | None


@dataclass(frozen=True)
class TiledEncoder:
    """An encoder and the raster that it runs over.

    Attributes:
        encoder: The encoder on ``device``, in evaluation mode.
        side, halo: Working pixels of a tile, and those the network sees around it; multiples of 32.
    """

    encoder: nn.Module
    source: RasterSource
    normalisation: Normalisation
    device: torch.device
    side: int
    halo: int
    feedback: Feedback

    def plan(self, area: Window) -> TilePlan:
        """Return the tiles that cover an area of the raster; their cores are what is kept of them."""
        return TilePlan(area, self.side, 2 * self.halo, ramp=0)

    def over(
        self,
        tiles: Iterable[Tile],
        make: Callable[[list[Tensor]], TileResult],
        wanted: Callable[[Tile, BoolArray], bool] = lambda tile, valid: bool(valid.any()),
    ) -> Generator[TileFeatures[TileResult]]:
        """Yield what ``make`` makes of each tile's features.

        Args:
            make: Called with the features of each level at its own stride, each (channels, height, width), halo included.
            wanted: Says by its valid feature pixels whether a tile is computed.
        """

        def forward(pixels: Tensor) -> list[TileResult]:
            with torch.no_grad():
                levels = self.encoder(pixels.contiguous(memory_format=torch.channels_last))[FINEST_LEVEL:]
            return [make([level[0].float() for level in levels])]

        network = BatchedNetwork(forward, self.device, self.feedback)
        tiled = TiledNetwork(network, self.source, self.normalisation)
        none = np.zeros((self.side // FEATURE_STRIDE,) * 2, bool)
        with closing(tiled.over(tiles, lambda tile, valid: wanted(tile, self._valid(valid)))) as computed:
            for item, result in computed:
                yield TileFeatures(item.tile, none if item.valid is None else self._valid(item.valid), result)

    def features(self, levels: Sequence[Tensor]) -> Tensor:
        """Return the features of a tile without its halo, of shape (channels, side / 4, side / 4)."""
        # Enlarged one by one and cut to the tile, as all of them with their surroundings take much memory.
        return torch.cat([self.inside(_at_size_of(levels[0][None], level[None])[0]) for level in levels])

    def inside(self, values: Tensor) -> Tensor:
        """Return values (channels, height, width) at the stride of the finest features without the halo."""
        margin = self.halo // FEATURE_STRIDE
        return values[:, margin:-margin, margin:-margin]

    def _valid(self, valid: BoolArray) -> BoolArray:
        """Return which feature pixels are valid, given the valid pixels of the file of a tile and its halo."""
        f, size = self.source.factor, self.side + 2 * self.halo
        working: BoolArray = np.asarray(valid.reshape(size, f, size, f).any(axis=(1, 3)))
        inner = working[self.halo : -self.halo, self.halo : -self.halo]
        half: BoolArray = block_mean(inner[None].astype(np.float32), FEATURE_STRIDE)[0] >= 0.5
        return half


def feature_size(area: Window) -> tuple[int, int]:
    """Return the height and width of an area in feature pixels, rounded up."""
    return -(-area.height // FEATURE_STRIDE), -(-area.width // FEATURE_STRIDE)


def fit_components(encoder: TiledEncoder, area: Window, number: int, seed: int, feedback: Feedback) -> Components | None:
    """Return ``number`` principal components of a random sample of the features in an area, or None where none is valid."""
    generator = np.random.default_rng(seed)
    plan = encoder.plan(area)
    per_tile = max(PER_TILE, -(-SAMPLE // len(plan)))
    tiles = (plan.tile(int(n) % plan.columns, int(n) // plan.columns) for n in generator.permutation(len(plan)))
    sample: list[Tensor] = []
    widths: list[int] = []

    def keep(levels: list[Tensor]) -> list[Tensor]:
        return levels

    def wanted(tile: Tile, valid: BoolArray) -> bool:
        return bool(_within(valid, tile, area).any())

    with closing(encoder.over(tiles, keep, wanted)) as computed:
        for item in computed:
            feedback.stop_if_cancelled()
            levels = item.result
            if levels is None:
                continue
            widths = [len(level) for level in levels]
            within = np.flatnonzero(_within(item.valid, item.tile, area))
            chosen = torch.from_numpy(generator.permutation(within)[:per_tile]).to(encoder.device)
            enlarged = (encoder.inside(_at_size_of(levels[0][None], level[None])[0]) for level in levels)
            sample.append(torch.cat([level.flatten(1)[:, chosen] for level in enlarged]).T.cpu())
            if sum(map(len, sample)) >= SAMPLE:
                break
    return _principal_components(torch.cat(sample), widths, number, seed, encoder.device) if sample else None


def _principal_components(sample: Tensor, widths: Sequence[int], number: int, seed: int, device: torch.device) -> Components:
    """Return components of a sample (n, channels) of features, whose levels have ``widths`` channels each.

    Coarse levels have far more channels than fine ones. The weights make all levels count the same, so that the map shows
    objects and not only their wider surroundings.
    """
    std, mean = torch.std_mean(sample, dim=0, correction=0)
    share = torch.cat([torch.full((width,), width**-0.5) for width in widths])
    scale = share / std.clamp(min=1e-6)
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


def _within(valid: BoolArray, tile: Tile, area: Window) -> BoolArray:
    """Return which feature pixels of a tile are valid and not beyond the area."""
    height, width = feature_size(area)
    rows, columns = valid.shape
    within = valid.copy()
    within[height - tile.row * rows :] = within[:, width - tile.column * columns :] = False
    return within


def _at_size_of(finest: Tensor, level: Tensor) -> Tensor:
    """Return features (batch, channels, height, width) enlarged to the size of the finest ones."""
    if level.shape[-2:] == finest.shape[-2:]:
        return level
    return torch.nn.functional.interpolate(level, finest.shape[-2:], mode="bilinear", align_corners=False)
