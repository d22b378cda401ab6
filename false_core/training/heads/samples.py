"""The samples for fitting heads: features at labelled pixels, and at random pixels of the raster for its statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
import numpy.typing as npt
import shapely
import torch
from affine import Affine
from torch import Tensor, nn

from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.tiled import TiledNetwork
from false_core.inference.tiles import TilePlan
from false_core.labels.annotation import Annotation
from false_core.models.encoder import sampled_at
from false_core.models.fused import FeatureParts, reduced
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.training.heads.spaces import principal_axes

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

MAX_POINTS = 4_000
"""Labelled pixels that heads are fitted to."""
MIN_POINTS_PER_SHAPE = 8
MAX_CUT_SIDE_PX = 256
"""Working pixels. Larger polygons are looked at in squares of this side."""
SMALL_SIDE_PX, SQUARE_SIDE_PX = 8, 128
"""Working pixels. Points and what else is small are looked at square by square: there may be a hundred thousand of them."""
STATISTICS_WINDOWS, LOOK_SIDE_PX = 32, 512
"""Windows of the raster that its statistics are measured in, and working pixels of the side of each."""
SAMPLED_PIXELS = 8_192
"""Pixels of these windows whose features are kept."""
MAX_LOOK_BYTES = 400_000_000
"""Largest sum of the pixels of these windows in memory."""


@dataclass(frozen=True)
class LabelledPoints:
    """Labelled working pixels.

    Attributes:
        positions: Their middles in working pixels, x first, of shape (n, 2).
        owners: Number of the shape of each, of shape (n,).
        targets: Class of each, of shape (n,).
    """

    positions: npt.NDArray[np.float64]
    owners: IntArray
    targets: IntArray

    def subset(self, chosen: npt.NDArray[np.bool_] | IntArray) -> LabelledPoints:
        """Return some of the points."""
        return LabelledPoints(self.positions[chosen], self.owners[chosen], self.targets[chosen])


def labelled_points(annotation: Annotation, seed: int) -> LabelledPoints:
    """Draw pixels under the labels, about as many from each shape.

    Args:
        annotation: The labels in working pixels.
        seed: Seed of the draw.
    """
    chance = np.random.default_rng(seed)
    shapes = len(annotation.shapes)
    each = max(MIN_POINTS_PER_SHAPE, MAX_POINTS // shapes)
    small = _pixels_of_small_shapes(annotation)
    positions, owners = [], []
    for number in range(shapes):
        found = small[number] if number in small else pixels_of_shape(annotation, number)
        positions.append(found[np.sort(chance.permutation(len(found))[:each])])
        owners += [number] * len(positions[-1])
    owner = np.array(owners, np.int64)
    points = LabelledPoints(np.concatenate(positions) if positions else np.zeros((0, 2)), owner, annotation.targets[owner])
    if len(owner) <= MAX_POINTS:
        return points
    kept = np.zeros(len(owner), bool)
    kept[chance.permutation(len(owner))[:MAX_POINTS]] = True
    return points.subset(kept)


def _pixels_of_small_shapes(annotation: Annotation) -> dict[int, npt.NDArray[np.float64]]:
    """Return what ``pixels_of_shape`` does of small shapes within a square of a regular grid, burned square by square."""
    bounds = shapely.bounds(annotation.shapes)
    squares = bounds // SQUARE_SIDE_PX
    is_small = (bounds[:, 2:] - bounds[:, :2]).max(axis=1) <= SMALL_SIDE_PX
    small = np.flatnonzero(is_small & (squares[:, :2] == squares[:, 2:]).all(axis=1))
    _, square = np.unique(squares[small, :2], axis=0, return_inverse=True)
    order = np.argsort(square.reshape(-1), kind="stable")
    found: dict[int, npt.NDArray[np.float64]] = {}
    for members in np.split(small[order], np.flatnonzero(np.diff(square.reshape(-1)[order])) + 1) if len(small) else []:
        own = bounds[members]
        numbers, positions = _burned_numbers(annotation, (*own[:, :2].min(axis=0), *own[:, 2:].max(axis=0)))
        by_number = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[by_number], members)
        ends = np.searchsorted(numbers[by_number], members, side="right")
        found |= {int(n): positions[by_number[start:end]] for n, start, end in zip(members, starts, ends)}
    return found


def pixels_of_shape(annotation: Annotation, number: int) -> npt.NDArray[np.float64]:
    """Return the middles of the pixels that one shape labels, where no later one covers it, of shape (n, 2)."""
    found = []
    for shape in annotation.subset(np.array([number])).cut(MAX_CUT_SIDE_PX).shapes:
        numbers, positions = _burned_numbers(annotation, shape.bounds)
        found.append(positions[numbers == number])
    return np.concatenate(found)


def _burned_numbers(
    annotation: Annotation, bounds: Sequence[float]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the labelled pixels within bounds, row by row: the number of the shape of each, and its middle (n, 2)."""
    left, top, right, bottom = bounds
    column, row = int(left), int(top)
    # Up to its far edges, where the next square begins.
    width, height = max(1, ceil(right) - column), max(1, ceil(bottom) - row)
    burned = annotation.burn_numbers(Affine.translation(-column, -row), height, width)
    rows, columns = np.nonzero(burned >= 0)
    return burned[rows, columns], np.stack([column + columns + 0.5, row + rows + 0.5], axis=1)


class FeatureSource(Protocol):
    """The source of the features that heads are fitted to."""

    def adapt_to_raster(self, seed: int) -> dict[str, FloatArray]:
        """Show the batch norms of the encoders the raster, and return features of random pixels by part."""

    def at(self, points: LabelledPoints) -> tuple[dict[str, FloatArray], LabelledPoints]:
        """Return the features of points by part, and those of the points that are valid."""


@dataclass(frozen=True)
class FeatureSampler:
    """Takes features of pixels of a raster.

    Attributes:
        parts: The features, on ``device``.
        names: The names of the parts wanted.
        source: The raster on its working grid.
        normalisation: The normalisation of its bands.
        device: Device to compute on.
        feedback: It is told how far the work is.
        windows: The number of windows that the statistics of the raster are measured in.
    """

    parts: FeatureParts
    names: tuple[str, ...]
    source: RasterSource
    normalisation: Normalisation
    device: torch.device
    feedback: Feedback
    windows: int = STATISTICS_WINDOWS

    def adapt_to_raster(self, seed: int) -> dict[str, FloatArray]:
        """Show the batch norms of the encoders the raster, and return features of random pixels by part."""
        chance = np.random.default_rng(seed)
        looks = list(self._looks(chance))
        for encoder, zooms in zip(self.parts.encoders, self.parts.zooms):
            adapt_batch_norms(encoder, [pixels for pixels, _ in looks], min(zooms))
        self._mix_bands([pixels for pixels, _ in looks])
        return self._sampled(looks, chance)

    def sample(self, seed: int) -> dict[str, FloatArray]:
        """Return features of random pixels by part, of encoders that are used to the raster already."""
        chance = np.random.default_rng(seed)
        return self._sampled(list(self._looks(chance)), chance)

    def _sampled(
        self, looks: Sequence[tuple[Tensor, npt.NDArray[np.bool_]]], chance: np.random.Generator
    ) -> dict[str, FloatArray]:
        each = -(-SAMPLED_PIXELS // max(1, len(looks)))
        sample: dict[str, list[FloatArray]] = {name: [] for name in self.names}
        for pixels, valid in looks:
            self.feedback.stop_if_cancelled()
            rows, columns = np.nonzero(valid)
            chosen = chance.permutation(len(rows))[:each]
            positions = np.stack([columns[chosen], rows[chosen]], axis=1).astype(np.float64) + 0.5
            for name, values in features_at(self.parts, self.names, pixels, positions).items():
                sample[name].append(values)
        return {name: np.concatenate(values) for name, values in sample.items()}

    def at(self, points: LabelledPoints) -> tuple[dict[str, FloatArray], LabelledPoints]:
        """Return the features of points by part, and those of the points that are valid."""
        side = LOOK_SIDE_PX // 2
        plan = TilePlan(self.source.window_of(None), side, side, ramp=0)
        columns, rows = (points.positions[:, axis].astype(np.int64) // side for axis in (0, 1))
        tile_of = rows * plan.columns + columns
        values: dict[str, list[FloatArray]] = {name: [] for name in self.names}
        kept: list[IntArray] = []
        wanted = np.unique(tile_of)
        tiles = [plan.tile(int(number % plan.columns), int(number // plan.columns)) for number in wanted]
        network = BatchedNetwork(lambda pixels: list(pixels[:, None]), self.device, self.feedback)
        tiled = TiledNetwork(network, self.source, self.normalisation)
        with closing(tiled.over(tiles)) as read:
            for done, (item, pixels) in enumerate(read):
                self.feedback.advance(done, len(tiles), "tiles")
                if pixels is None or item.valid is None:
                    continue
                inside = np.flatnonzero(tile_of == wanted[done])
                positions = points.positions[inside] - [item.tile.window.column, item.tile.window.row]
                f = self.source.factor
                seen = item.valid[(positions[:, 1] * f).astype(np.int64), (positions[:, 0] * f).astype(np.int64)]
                kept.append(inside[seen])
                for name, own in features_at(self.parts, self.names, pixels, positions[seen]).items():
                    values[name].append(own)
        order = np.concatenate(kept) if kept else np.zeros(0, np.int64)
        back = np.argsort(order, kind="stable")
        chosen = np.zeros(len(points.owners), bool)
        chosen[order] = True
        return {name: np.concatenate(own)[back] for name, own in values.items() if own}, points.subset(chosen)

    def _looks(self, chance: np.random.Generator) -> Iterator[tuple[Tensor, npt.NDArray[np.bool_]]]:
        """Yield the normalised pixels (1, bands, side, side) of random squares, and which of them are valid."""
        area = self.source.window_of(None)
        step = LOOK_STEP_PX
        side = max(step, min(LOOK_SIDE_PX, -(-max(area.width, area.height) // step) * step))
        number = max(1, min(self.windows, MAX_LOOK_BYTES // (4 * len(self.source.bands) * side * side)))
        plan = TilePlan(area, side, 0, ramp=0)
        found = 0
        for tile in chance.permutation(len(plan))[: 4 * number]:
            window = plan.tile(int(tile) % plan.columns, int(tile) // plan.columns).window
            # Moved inwards, where the raster is large enough, instead of looking beyond its edge.
            column = max(0, min(window.column, area.width - side))
            row = max(0, min(window.row, area.height - side))
            raw, valid = self.source.read_with_validity(Window(column, row, side, side))
            f = self.source.factor
            working: npt.NDArray[np.bool_] = np.asarray(valid.reshape(side, f, side, f).any(axis=(1, 3)))
            if working.mean() > MIN_VALID_SHARE or (len(plan) <= number and working.any()):
                yield torch.from_numpy(self.normalisation.apply(raw))[None].to(self.device), working
                found += 1
            if found == number:
                return

    def _mix_bands(self, images: Sequence[Tensor]) -> None:
        """Have the texture look at the principal components of the bands, where there are many."""
        statistics = self.parts.statistics
        if self.parts.bands > statistics.components and images:
            values = torch.cat([image[0, :, ::8, ::8].flatten(1) for image in images], dim=1).T.cpu().numpy()
            axes = principal_axes(values, statistics.components)
            axes /= (values @ axes.T).std(axis=0).clip(min=1e-6)[:, None]
            statistics.mixing.copy_(torch.from_numpy(axes))


def features_at(
    parts: FeatureParts, names: Sequence[str], pixels: Tensor, positions: npt.NDArray[np.float64]
) -> dict[str, FloatArray]:
    """Return the features at positions in a tile by part: (n, channels).

    Args:
        parts: The features.
        names: The names of the parts wanted.
        pixels: Normalised pixels of the tile, of shape (1, bands, side, side).
        positions: Positions in pixels of the tile, x first, of shape (n, 2).
    """
    with torch.inference_mode():
        return {name: sampled_levels(parts.levels(pixels, name), pixels.shape[-2:], positions) for name in names}


def sampled_levels(levels: Sequence[Tensor], size: Sequence[int], positions: npt.NDArray[np.float64]) -> FloatArray:
    """Return features at positions, of shape (n, channels of all levels).

    Args:
        levels: Each of shape (1, channels, height, width), of the same rectangle at its own stride.
        size: Height and width of the rectangle in pixels.
        positions: Positions in these pixels, x first, of shape (n, 2).
    """
    height, width = size
    across = torch.from_numpy(2 * positions / [width, height] - 1).float().to(levels[0].device)[None, :, None]
    with torch.inference_mode():
        found = [sampled_at(level.float(), across) for level in levels]
        return torch.cat([level[0, :, :, 0] for level in found]).T.cpu().numpy()


LOOK_STEP_PX = 128
"""Sides of these squares are multiples of it, and with it of the stride of the coarsest features of any pass."""
MIN_VALID_SHARE = 0.2
"""Share of a square that must be valid, unless all are needed."""


def adapt_batch_norms(encoder: nn.Module, images: Sequence[Tensor], zoom: int) -> None:
    """Have the batch norms of an encoder measure images (1, bands, side, side) at one zoom, and nothing else.

    Weights trained on photographs meet other colours, other contrasts and another scale here. What they learned stays as it
    is; only the means and variances between the layers become those of the raster (Li et al. 2018, AdaBN). Those of its
    finest pixels serve all passes: statistics over several zooms did no better on the DeepGlobe scene.
    """
    norms = [module for module in encoder.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms or not images:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # All images count alike.
    encoder.train()
    with torch.no_grad():
        for image in images:
            encoder(reduced(image, zoom).contiguous(memory_format=torch.channels_last))
    encoder.eval()
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
