"""A map of what the encoder sees: its features at every place, brought down to three colours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from false_core.evaluation.figures import Colours, as_bytes, as_svg, in_colour, show_picture
from false_core.feedback import Feedback
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window, block_mean
from false_core.raster.statistics import Normalisation

TILE, HALO = 256, 64
"""Working pixels looked at at a time, and the surroundings the network sees around them."""
CELL = 4
"""Working pixels per pixel of the map: the stride of the finest features used."""
LONGEST = 10 * TILE
"""Longest side of the part that is mapped. Of a larger raster it is the middle."""
FINEST_LEVEL = 2
"""Of the encoder's pyramid: the input and the finest features, which mirror the colours of single pixels, are left out."""
SAMPLE, PER_TILE = 4096, 256
"""Cells the components are computed from, in all and from one tile."""
STRETCH = (2.0, 98.0)
"""Percentiles of a component that are shown as dark and bright."""


@dataclass(frozen=True)
class EmbeddingMap:
    """The features of an encoder over a part of a raster, in colour, and the raster beside it.

    Attributes:
        name: Of the raster.
        area: The part, in working pixels of the raster.
        share: Of what was learned from in that raster, the share that lies in the part.
        land: The raster, of shape (height, width, 3); a pixel of it is 1, 2 or 4 working pixels wide. White: nodata.
        embedding: The features, of shape (area.height / 4, area.width / 4, 3), both rounded up. White: nodata.
    """

    name: str
    area: Window
    share: float
    land: Colours
    embedding: Colours


@dataclass(frozen=True)
class Components:
    """The first three principal components of features, after each feature was brought to mean 0 and its weight.

    Attributes:
        mean: Of shape (channels,).
        scale: What a feature is multiplied with, of shape (channels,).
        axes: Of shape (channels, 3).
    """

    mean: Tensor
    scale: Tensor
    axes: Tensor

    def of(self, features: Tensor) -> Tensor:
        """Return the components (3, height, width) of features (channels, height, width)."""
        standardised = (features - self.mean[:, None, None]) * self.scale[:, None, None]
        return torch.einsum("chw,ck->khw", standardised, self.axes)


def dense_features(encoder: nn.Module, pixels: Tensor) -> list[Tensor]:
    """Return the features of each level from stride 4 on, all brought to that stride.

    Args:
        encoder: As ``build_encoder`` makes it.
        pixels: Normalised, of shape (batch, bands, height, width), with sides that are multiples of 32.

    Returns:
        Tensors of shape (batch, channels of the level, height / 4, width / 4).
    """
    levels = encoder(pixels)[FINEST_LEVEL:]
    size = levels[0].shape[-2:]
    return [torch.nn.functional.interpolate(level.float(), size, mode="bilinear", align_corners=False) for level in levels]


def map_embedding(
    encoder: nn.Module,
    source: RasterSource,
    area: Window,
    normalisation: Normalisation,
    device: torch.device,
    seed: int,
    feedback: Feedback,
) -> EmbeddingMap | None:
    """Map the features of ``encoder`` over ``area``, or over the middle of it where it is very large.

    Args:
        encoder: A trained encoder on ``device``.
        source: The raster on its working grid.
        area: The part that was learned from, in working pixels.
        normalisation: Of the raster's bands.
        device: Where to compute.
        seed: Of the sample the components are computed from.
        feedback: Asked whether to stop, told how far it is.

    Returns:
        The map, or None where nothing in that part is valid.
    """
    part = _middle(area)
    look = _Look(encoder.eval(), source, normalisation, device)
    components = _components(look, part, seed, feedback)
    if components is None:
        return None
    block = _block(part)
    values = np.zeros((3, *_cells(part)), np.float32)
    valid = np.zeros(values.shape[1:], bool)
    land = np.full((math.ceil(part.height / block), math.ceil(part.width / block), 3), 255, np.uint8)
    tiles = list(_tiles(part))
    for done, tile in enumerate(tiles):
        feedback.advance(done, len(tiles))
        seen = look.at(tile)
        picture = seen.picture(block)
        _paste(land, picture, tile, part, block)
        if seen.valid.any():
            _paste(
                values.transpose(1, 2, 0), components.of(seen.features()).cpu().numpy().transpose(1, 2, 0), tile, part, CELL
            )
            _paste(valid, seen.valid, tile, part, CELL)
    share = part.width * part.height / (area.width * area.height)
    return EmbeddingMap(source.name, part, share, land, _stretched(values, valid))


def draw_map(embedding: EmbeddingMap) -> str:
    """Return the raster and the map of its features side by side, as SVG."""
    height, width = embedding.embedding.shape[:2]
    figure = Figure(figsize=(9.2, min(9.2, 4.6 * height / width) + 0.4), layout="constrained")
    titles = ("Raster", "Features of the encoder")
    for axes, picture, title in zip(figure.subplots(1, 2), (embedding.land, embedding.embedding), titles):
        show_picture(axes, picture)
        axes.set_title(title, fontsize=10)
    return as_svg(figure)


@dataclass(frozen=True)
class _Seen:
    """One tile: its raw pixels, which of its cells are valid, and what the network makes of it."""

    raw: FloatArray
    valid: BoolArray
    look: _Look

    def picture(self, block: int) -> Colours:
        """Return the tile in colour, ``block`` working pixels in one; white where nothing is valid."""
        inner = self.raw[:, HALO:-HALO, HALO:-HALO]
        mean = block_mean(inner, block)
        colours = in_colour(self.look.normalisation.apply(mean))
        colours[~np.isfinite(mean).any(axis=0)] = 255
        return colours

    def features(self) -> Tensor:
        """Return the features of the tile's cells, of shape (channels, height, width)."""
        return torch.cat(self.levels(), dim=0)

    def levels(self) -> list[Tensor]:
        """Return the features of each level, of shape (channels of the level, height, width)."""
        pixels = torch.from_numpy(self.look.normalisation.apply(self.raw))[None].to(self.look.device)
        margin = HALO // CELL
        with torch.no_grad():
            levels = dense_features(self.look.encoder, pixels.contiguous(memory_format=torch.channels_last))
        return [level[0, :, margin:-margin, margin:-margin] for level in levels]


@dataclass(frozen=True)
class _Look:
    """What it takes to look at a tile."""

    encoder: nn.Module
    source: RasterSource
    normalisation: Normalisation
    device: torch.device

    def at(self, tile: Window) -> _Seen:
        """Read a tile with its surroundings."""
        side = TILE + 2 * HALO
        raw = self.source.read(Window(tile.column - HALO, tile.row - HALO, side, side))
        finite: BoolArray = np.any(np.isfinite(raw[:, HALO:-HALO, HALO:-HALO]), axis=0)
        # A cell counts when at least half of it does.
        share = block_mean(finite[None].astype(np.float32), CELL)[0]
        return _Seen(raw, share >= 0.5, self)


def _components(look: _Look, part: Window, seed: int, feedback: Feedback) -> Components | None:
    """Return the principal components of a random sample of cells, or None where none is valid."""
    generator = np.random.default_rng(seed)
    tiles = list(_tiles(part))
    sample: list[Tensor] = []
    widths: list[int] = []
    for number in generator.permutation(len(tiles)):
        feedback.stop_if_cancelled()
        seen = look.at(tiles[number])
        inside = _inside(seen.valid, tiles[number], part)
        if not inside.any():
            continue
        levels = seen.levels()
        widths = [len(level) for level in levels]
        chosen = generator.permutation(np.flatnonzero(inside))[:PER_TILE]
        features = torch.cat(levels).flatten(1)[:, torch.from_numpy(chosen).to(look.device)]
        sample.append(features.T.cpu())
        if sum(map(len, sample)) >= SAMPLE:
            break
    return _principal_components(torch.cat(sample), widths, seed, look.device) if sample else None


def _principal_components(sample: Tensor, widths: list[int], seed: int, device: torch.device) -> Components:
    """Return the components of a sample (n, channels) of features, whose levels have ``widths`` channels each.

    Coarse levels have far more channels than fine ones. The weights make all levels count the same, so that the map shows
    objects and not only their wider surroundings.
    """
    deviation, mean = torch.std_mean(sample, dim=0, correction=0)
    share = torch.cat([torch.full((width,), width**-0.5) for width in widths])
    scale = share / deviation.clamp(min=1e-6)
    standardised = (sample - mean) * scale
    wanted = min(3, *standardised.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        axes = torch.pca_lowrank(standardised, q=min(8, *standardised.shape), center=False, niter=4)[2][:, :wanted]
    # An axis may point either way: let its largest part be positive.
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    axes = torch.nn.functional.pad(axes, (0, 3 - wanted))
    return Components(mean.to(device), scale.to(device), axes.to(device))


def _stretched(values: FloatArray, valid: BoolArray) -> Colours:
    """Return components (3, height, width) as colours, white where invalid."""
    low, high = np.percentile(values[:, valid], STRETCH, axis=1)[:, :, None, None]
    colours = as_bytes((values - low) / np.maximum(high - low, 1e-6)).transpose(1, 2, 0).copy()
    colours[~valid] = 255
    return colours


def _middle(area: Window) -> Window:
    """Return ``area``, or its middle where it is longer than ``LONGEST``."""
    width, height = min(area.width, LONGEST), min(area.height, LONGEST)
    return Window(area.column + (area.width - width) // 2, area.row + (area.height - height) // 2, width, height)


def _block(part: Window) -> int:
    """Return how many working pixels of the raster are shown as one, so that its picture is as fine as a screen."""
    longest = max(part.width, part.height)
    return 1 if longest <= LONGEST // 4 else 2 if longest <= LONGEST // 2 else 4


def _tiles(part: Window) -> Iterator[Window]:
    for row in range(0, part.height, TILE):
        for column in range(0, part.width, TILE):
            yield Window(part.column + column, part.row + row, TILE, TILE)


def _cells(part: Window) -> tuple[int, int]:
    return math.ceil(part.height / CELL), math.ceil(part.width / CELL)


def _inside(valid: BoolArray, tile: Window, part: Window) -> BoolArray:
    """Return which cells of a tile are valid and not beyond the part."""
    height, width = _cells(part)
    row, column = (tile.row - part.row) // CELL, (tile.column - part.column) // CELL
    inside = valid.copy()
    inside[height - row :] = inside[:, width - column :] = False
    return inside


def _paste(target: np.ndarray, piece: np.ndarray, tile: Window, part: Window, step: int) -> None:
    """Put the picture of a tile, ``step`` working pixels per pixel, where it belongs in that of the part."""
    row, column = (tile.row - part.row) // step, (tile.column - part.column) // step
    place = target[row : row + len(piece), column : column + piece.shape[1]]
    place[:] = piece[: place.shape[0], : place.shape[1]]
