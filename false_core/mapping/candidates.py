"""Candidates for labelling: the squares of a raster, how sure a model is of each, and what its encoder sees there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
import torch
from affine import Affine
from torch import Tensor, nn

from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.features import FEATURE_STRIDE, FINEST_LEVEL
from false_core.inference.tiled import TiledNetwork
from false_core.inference.tiles import MOST_BYTES, Tile, TilePlan
from false_core.labels.annotation import IGNORE, Annotation
from false_core.models.fused import FusedSegmenter, reduced
from false_core.models.model_file import ModelCard
from false_core.models.segmenter import class_probabilities
from false_core.raster.source import BoolArray, FloatArray, RasterSource, Window

MAX_CANDIDATE_SIDE = 512
"""Working pixels of a square."""
LEAST_VALID = 0.9
"""Share of a square that must be valid."""
_LAYOUTS = ((512, 96), (256, 64), (128, 64), (64, 32), (32, 32))
"""Stride and overlap of the tiles looked at, in working pixels, the most economical first."""
MAX_CANDIDATES = 5000
"""Squares that are kept to choose from, and labelled ones that are kept to compare with. More are drawn from at random."""


@dataclass(frozen=True)
class Grid:
    """Squares side by side over an area, in working pixels; what is left over at its right and lower edge is not looked at.

    Attributes:
        side: The side of a square, a multiple of ``FEATURE_STRIDE``.
    """

    area: Window
    side: int

    @property
    def columns(self) -> int:
        """Squares from left to right."""
        return self.area.width // self.side

    @property
    def rows(self) -> int:
        """Squares from top to bottom."""
        return self.area.height // self.side

    def boxes(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
        """Return the squares at ``positions`` (n, 2), column and row in the grid, as polygons in working pixels."""
        x, y = self.area.column + positions[:, 0] * self.side, self.area.row + positions[:, 1] * self.side
        boxes: npt.NDArray[np.object_] = shapely.box(x, y, x + self.side, y + self.side)
        return boxes


@dataclass(frozen=True)
class Candidates:
    """Squares to choose from.

    Attributes:
        positions: Column and row of each in the grid, of shape (n, 2).
        uncertainty: Mean over the pixels of 1 - (p1 - p2), p1 and p2 the probabilities of the likeliest two classes (the
            margin of Scheffer et al. 2001), from 0, sure, to 1. Of shape (n,).
        probabilities: Mean probabilities of the classes, pixels weighted by their uncertainty, of shape (n, classes).
        features: Mean features of the encoder, of shape (n, channels), brought to a scale on which two squares drawn at
            random are about 1 apart.
        labelled: The same of the pixels labelled in each square that has any, of shape (m, channels).
        seen: Number of squares that could have been chosen; more than n where only a sample was kept.
    """

    positions: npt.NDArray[np.int64]
    uncertainty: FloatArray
    probabilities: FloatArray
    features: FloatArray
    labelled: FloatArray
    seen: int


def find_candidates(
    network: nn.Module,
    card: ModelCard,
    source: RasterSource,
    grid: Grid,
    labels: Annotation | None,
    device: torch.device,
    seed: int,
    feedback: Feedback,
) -> Candidates:
    """Look at every square of ``grid``, tile by tile. Memory grows with the number of squares kept, which is limited.

    Where there are more squares than ``MAX_CANDIDATES``, those kept are a random sample without replacement, in which a
    square is as likely as it is uncertain (Efraimidis & Spirakis 2006, algorithm A-Res).

    Args:
        network: A segmenter on ``device``, as ``build_segmenter`` makes it.
        card: Card of the model that it is.
        labels: Shapes that are labelled already, in working pixels.
    """
    normalisation, classes = card.normalisation, len(card.classes)
    whole = Window(grid.area.column, grid.area.row, grid.columns * grid.side, grid.rows * grid.side)
    stride, overlap = next((layout for layout in _LAYOUTS if 4 * classes * sum(layout) ** 2 <= MOST_BYTES), _LAYOUTS[-1])
    plan = TilePlan(whole, stride, overlap, ramp=0)
    # No square may lie in two tiles, and tiles need not be larger than what they cover.
    longest = min(plan.stride, max(whole.width, whole.height))
    plan = replace(plan, stride=max(grid.side, longest // grid.side * grid.side))
    generator = np.random.default_rng(seed)
    found, known = _Sample(generator), _Sample(generator)

    def squares_of(tile: Tile, valid: BoolArray) -> _Squares:
        return _Squares.of(grid, plan, tile, valid, source.factor, labels)

    with _WithEncoderFeatures(network) as watched:
        batched = BatchedNetwork(watched.forward, device, feedback)
        tiled = TiledNetwork(batched, source, normalisation)
        with closing(tiled.over(plan, lambda tile, valid: squares_of(tile, valid).are_wanted)) as computed:
            for done, (item, seen) in enumerate(computed):
                feedback.advance(done, len(plan), "tiles")
                if seen is None or item.valid is None:
                    continue
                squares = squares_of(item.tile, item.valid)
                if squares.free.any():
                    uncertainty, mean = squares.uncertainty(seen.probabilities)
                    features = seen.means(squares, squares.valid)
                    found.add(np.maximum(uncertainty, 1e-3), squares.free, squares.positions, uncertainty, mean, features)
                if squares.touched.any() and labels is not None:
                    to_tile = Affine.translation(-item.tile.window.column, -item.tile.window.row)
                    burnt = (labels.burn(to_tile, plan.side, plan.side) != IGNORE) & squares.valid
                    marked = squares.touched & (squares.sums(torch.from_numpy(burnt)).flatten() > 0).numpy()
                    if marked.any():
                        known.add(np.ones(len(marked)), marked, seen.means(squares, burnt))
    if not found.seen:
        nothing = np.zeros((0, 1), np.float32)
        return Candidates(np.zeros((0, 2), np.int64), nothing[:, 0], nothing, nothing, nothing, 0)
    positions, uncertainty, probabilities, features = found.columns()
    labelled = known.columns()[0] if known.seen else features[:0]
    return Candidates(positions, uncertainty, probabilities, *_standardised(features, labelled, watched.widths), found.seen)


@dataclass(frozen=True)
class _Squares:
    """The squares within the core of one tile, row by row; some can lie beyond the grid.

    Attributes:
        valid: Mask of the valid working pixels of the tile, of shape (side, side).
        positions: Column and row of each in the grid, of shape (n, 2).
        touched: Mask of those that touch a label, of shape (n,).
        free: Mask of those that could be suggested, of shape (n,).
    """

    grid: Grid
    plan: TilePlan
    valid: BoolArray
    positions: npt.NDArray[np.int64]
    touched: BoolArray
    free: BoolArray

    @classmethod
    def of(
        cls, grid: Grid, plan: TilePlan, tile: Tile, valid: BoolArray, factor: int, labels: Annotation | None
    ) -> _Squares:
        """Return the squares of a tile whose valid pixels of the file are ``valid``."""
        working: BoolArray = np.asarray(valid.reshape(plan.side, factor, plan.side, factor).any(axis=(1, 3)))
        across = plan.stride // grid.side
        row, column = np.mgrid[:across, :across]
        positions = np.stack([column.ravel(), row.ravel()], axis=1) + np.array([tile.column, tile.row]) * across
        inside = (positions < (grid.columns, grid.rows)).all(axis=1)
        touched = _touched(grid.boxes(positions), labels) & inside
        squares = cls(grid, plan, working, positions, touched, inside & ~touched)
        share = squares.sums(torch.from_numpy(working)).flatten() / grid.side**2
        return replace(squares, free=squares.free & (share.numpy() >= LEAST_VALID))

    @property
    def are_wanted(self) -> bool:
        """Return whether the network has something to compute here."""
        return bool(self.free.any() or self.touched.any())

    def sums(self, values: Tensor, step: int = 1) -> Tensor:
        """Return the sums over each square, of shape (..., rows, columns).

        Args:
            values: Values of the tile, of shape (..., side / step, side / step).
            step: Working pixels per value, along each axis.
        """
        across, side = self.plan.stride // self.grid.side, self.grid.side // step
        start, stop = self.plan.lead // step, (self.plan.lead + self.plan.stride) // step
        core = values[..., start:stop, start:stop].float()
        return core.reshape(*values.shape[:-2], across, side, across, side).sum(dim=(-3, -1))

    def uncertainty(self, probabilities: Tensor) -> tuple[FloatArray, FloatArray]:
        """Return the uncertainty (n,) and the mean probabilities (n, classes) of probabilities (classes, side, side)."""
        if len(probabilities) > 1:
            best, second = probabilities.topk(2, dim=0).values
            doubt = 1 - (best - second)
        else:
            doubt = torch.zeros_like(probabilities[0])
        valid = torch.from_numpy(self.valid).to(doubt.device)
        pixels = self.sums(valid).clamp(min=1)
        # A little more than 0, so that a square of which the model is sure has probabilities too.
        weight = (doubt + 1e-6) * valid
        mean = self.sums(probabilities * weight) / self.sums(weight).clamp(min=1e-12)
        uncertainty = self.sums(doubt * valid) / pixels
        return uncertainty.flatten().cpu().numpy(), mean.flatten(1).T.cpu().numpy()


@dataclass(frozen=True)
class _SegmentedTile:
    """The output of a segmenter for a tile.

    Attributes:
        probabilities: The probabilities of the classes, of shape (classes, side, side).
        levels: Features of its encoder by level, each of shape (1, channels, height, width).
    """

    probabilities: Tensor
    levels: Sequence[Tensor]

    def means(self, squares: _Squares, chosen: BoolArray) -> npt.NDArray[np.float16]:
        """Return the mean features of the ``chosen`` pixels (side, side) of each square, of shape (n, channels)."""
        side = squares.plan.side
        weight = torch.nn.functional.avg_pool2d(torch.from_numpy(chosen)[None].float(), FEATURE_STRIDE)[0]
        weight = weight.to(self.levels[0].device)
        total = squares.sums(weight, FEATURE_STRIDE).clamp(min=1e-6)
        size = self.levels[0].shape[-2:]
        means = []
        for level in self.levels:  # One at a time, as each takes its channels times the pixels of a tile.
            fine = torch.nn.functional.interpolate(level.float(), size, mode="bilinear", align_corners=False)[0]
            fine = fine[:, : side // FEATURE_STRIDE, : side // FEATURE_STRIDE]
            means.append(squares.sums(fine * weight, FEATURE_STRIDE) / total)
        return torch.cat(means).flatten(1).T.cpu().numpy().astype(np.float16)


class _WithEncoderFeatures:
    """A segmenter that also gives what the encoder within it gave, so that nothing is computed twice.

    Where it has none, the bands stand for what an encoder would see.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._levels: Sequence[Tensor] = ()
        self._side = 0
        self._encoder = None
        if not (isinstance(network, FusedSegmenter) and not network.spec.encoders):
            self._encoder = network.get_submodule("encoder")
        self._hook = self._encoder.register_forward_hook(self._keep) if self._encoder is not None else None
        self.widths: list[int] = []

    def forward(self, pixels: Tensor) -> list[_SegmentedTile]:
        """Return what the network gives for one tile, of shape (1, bands, side, side)."""
        self._levels, self._side = (), pixels.shape[-1]
        probabilities = class_probabilities(self._network, pixels)[0]
        if self._encoder is None:
            self._levels = [reduced(pixels, FEATURE_STRIDE)]
            self.widths = [pixels.shape[1]]
        elif not self._levels:
            # The head of this segmenter does not look at its encoder, or not at all levels of it.
            with torch.inference_mode():
                self._encoder(pixels)
        return [_SegmentedTile(probabilities, self._levels)]

    def _keep(self, module: nn.Module, given: Any, levels: Sequence[Tensor]) -> None:
        # An encoder may be shown several pixel sizes; wanted is what it sees of working pixels.
        if self._levels or given[0].shape[-1] < self._side:
            return
        self._levels = levels[FINEST_LEVEL:]
        self.widths = [level.shape[1] for level in self._levels]

    def __enter__(self) -> _WithEncoderFeatures:
        return self

    def __exit__(self, *error: object) -> None:
        if self._hook is not None:
            self._hook.remove()


class _Sample:
    """Rows of several arrays, of which at most ``MAX_CANDIDATES`` are kept: a weighted random sample without replacement."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._keys: npt.NDArray[np.float64] = np.zeros(0)
        self._columns: list[npt.NDArray[Any]] = []
        self.seen = 0

    def add(self, weights: npt.NDArray[np.floating], chosen: BoolArray, *columns: npt.NDArray[Any]) -> None:
        """Add the ``chosen`` rows of ``columns``, with the weights they are drawn by."""
        keys = np.log(self._generator.random(int(chosen.sum()))) / weights[chosen]
        columns = tuple(column[chosen] for column in columns)
        self.seen += len(keys)
        self._keys = np.concatenate([self._keys, keys])
        self._columns = [np.concatenate(pair) for pair in zip(self._columns, columns)] if self._columns else list(columns)
        if len(self._keys) > MAX_CANDIDATES:
            kept = np.sort(np.argpartition(self._keys, -MAX_CANDIDATES)[-MAX_CANDIDATES:])
            self._keys = self._keys[kept]
            self._columns = [column[kept] for column in self._columns]

    def columns(self) -> list[npt.NDArray[Any]]:
        """Return the arrays, with the rows that were kept in the order in which they came."""
        return self._columns


def _touched(boxes: npt.NDArray[np.object_], labels: Annotation | None) -> BoolArray:
    """Return which of the squares touch a label."""
    touched = np.zeros(len(boxes), bool)
    if labels is not None:
        touched[np.unique(labels.tree.query(boxes, predicate="intersects")[0])] = True
    return touched


def _standardised(
    features: npt.NDArray[np.float16], labelled: npt.NDArray[np.float16], widths: Sequence[int]
) -> tuple[FloatArray, FloatArray]:
    """Bring every channel to mean 0, and channels to weights with which each level of the encoder counts the same.

    Squares drawn at random are then sqrt(2) per level apart, on average over their squared distances; that is divided by.
    """
    one = features.astype(np.float32)
    mean, std = one.mean(axis=0), np.maximum(one.std(axis=0), 1e-6)
    share = np.concatenate([np.full(width, width**-0.5, np.float32) for width in widths])
    scale = (share / std / np.sqrt(2 * len(widths))).astype(np.float32)
    return (one - mean) * scale, (labelled.astype(np.float32) - mean) * scale
