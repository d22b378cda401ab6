"""Random crops around labels, with their targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
import torch
from affine import Affine
from torch import Tensor

from false_core.computing.distributed import WHOLE_JOB, Share
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.annotation import IGNORE, Annotation
from false_core.raster.classes import ClassTable
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import CHUNK_PX, ChunkCache, SourceWindows
from false_core.sampling.crop_targets import CropTargets
from false_core.sampling.geometry import Placement, random_placement, resample, sampling_maps, window_side, zoomed_crops
from false_core.sampling.spectral import SpectralChanges, SpectralJitter, torch_generator

POINTS_TRIED = 16
"""Points drawn around a polygon to find one in it."""
LABEL_PIXELS_AT_A_TIME = 64
"""Pixels whose chunks are looked at together."""
PRIOR_BATCHES = 32
"""Batches looked at to see how often classes come up."""


@dataclass(frozen=True)
class LabelledCrops:
    """A batch of source windows, how the crops lie in them, and the crops' targets.

    Attributes:
        windows: Normalised source pixels, float16 of shape (batch, bands, side, side).
        targets: Class indices of the crops' pixels, uint8 of shape (batch, size, size); 255 without a label or on nodata.
        share: Share of a larger batch that these crops are.
        whole: Crops of that batch.
    """

    windows: Tensor
    placement: Placement
    targets: Tensor
    share: slice
    whole: int


@dataclass(frozen=True)
class RawCrops:
    """The source pixels of a batch of crops, before they are brought to the device. All that is random about them is in it.

    Attributes:
        windows, targets: See ``LabelledCrops``.
        maps: Affine maps from the crops to the windows, as ``resample_crops`` takes them, of shape (batch, 1, 2, 3).
    """

    windows: Tensor
    maps: Tensor
    changes: SpectralChanges
    targets: Tensor

    @classmethod
    def of(cls, crops: LabelledCrops, jitter: SpectralJitter, seed: int, step: int) -> RawCrops:
        """Return crops with changes that depend on the seed, the step and their place in the batch alone."""
        bands, side = crops.windows.shape[1:3]
        maps = sampling_maps(crops.placement, side=side, size=crops.targets.shape[-1])
        changes = jitter.draw(crops.whole, bands, torch_generator(seed, step))
        if len(crops.windows) < crops.whole:
            changes = changes.picked(lambda rows: rows[crops.share])
        return cls(crops.windows, maps, changes, crops.targets)


@dataclass(frozen=True)
class LabelledRaster:
    """The raster and the labels that a model learns from.

    Attributes:
        source: The raster on its working grid.
        normalisation: The normalisation of its bands.
        annotation: The labels in working pixels.
    """

    source: RasterSource
    normalisation: Normalisation
    annotation: Annotation


def on_valid_pixels(annotation: Annotation, cache: ChunkCache, feedback: Feedback) -> Annotation:
    """Return the labels without the shapes that have nothing but nodata under them.

    Raises:
        InputError: Fewer than two classes remain.
    """
    shows = np.zeros(len(annotation.shapes), bool)
    first = shapely.bounds(annotation.shapes).astype(np.int64)
    # Chunk by chunk, so that each is read once, and what lies within one pixel many at a time.
    order = np.lexsort((first[:, 0] // CHUNK_PX, first[:, 1] // CHUNK_PX))
    is_pixel = (first[order, :2] == first[order, 2:]).all(axis=1)
    for number in order[~is_pixel].tolist():
        shows[number] = _shows_something(annotation, number, cache)
    pixels = order[is_pixel]
    for some in np.array_split(pixels, -(-len(pixels) // LABEL_PIXELS_AT_A_TIME) or 1):
        corners = first[some, :2]
        shows[some] = cache.windows(np.zeros(len(some), np.int64), corners, 1, 1).valid_shares() > 0
    if shows.all():
        return annotation
    feedback.warn(f"{int((~shows).sum())} of {len(shows)} label shapes have only nodata under them and are left out.")
    present, targets = np.unique(annotation.targets[shows], return_inverse=True)
    names = [annotation.classes.classes[k].name for k in present]
    if len(present) < 2:
        raise InputError(
            f"Under the labels of all classes but {names[0]!r} the raster is nodata."
            if names
            else "Under all labels the raster is nodata.",
            "Digitise where the image shows something, or correct the nodata value of the raster.",
        )
    classes = ClassTable(tuple(annotation.classes.classes[k] for k in present))
    return replace(annotation.subset(shows), classes=classes, targets=targets)


def _shows_something(annotation: Annotation, number: int, cache: ChunkCache) -> bool:
    """Return whether a shape has a pixel with data under it. What has nothing but data around it need not be burned."""
    window = _around(annotation.shapes[number])
    if max(window.width, window.height) <= CHUNK_PX and cache.look_at(window).valid(0).all():
        return True
    alone = annotation.subset(np.array([number]))
    for shape in alone.cut(CHUNK_PX).shapes:
        window = _around(shape)
        labelled = alone.burn(Affine.translation(-window.column, -window.row), window.height, window.width) != IGNORE
        if (cache.look_at(window).valid(0) & labelled).any():
            return True
    return False


def _around(shape: shapely.Geometry) -> Window:
    """Return the window of the pixels that a shape lies in."""
    left, top, right, bottom = shapely.bounds(shape)
    column, row = int(left), int(top)
    return Window(column, row, int(right) - column + 1, int(bottom) - row + 1)


class LabelSampler:
    """Draws batches of crops that each hold labels. Batch n depends on the seed and n alone.

    Args:
        annotation: The labels, in pixel coordinates of the cache's raster.
        balanced: True where rare classes are drawn more often than their share: a class comes up in proportion to the square
            root of its labelled pixels, and so does a shape within its class. Otherwise all pixels have the same chance.
        turns: True where crops are turned by any angle; otherwise see ``zoomed_crops``.
    """

    def __init__(
        self,
        cache: ChunkCache,
        annotation: Annotation,
        batch_size: int,
        crop_size: int,
        scales: tuple[float, float],
        seed: int,
        balanced: bool = True,
        turns: bool = True,
    ) -> None:
        self._cache, self._annotation, self._turns = cache, annotation, turns
        self._batch_size, self._size, self._scales, self._seed = batch_size, crop_size, scales, seed
        self._side = window_side(crop_size, scales[1], 0.0)
        self._targets = CropTargets(annotation, cache.sources[0], scales[1])
        pixels, targets = annotation.pixels, annotation.targets
        if not balanced:
            self._chance = pixels / pixels.sum()
            return
        by_class = np.bincount(targets, pixels, len(annotation.classes))
        within = np.sqrt(pixels)
        # Probability of a shape: that of its class, shared out within the class.
        of_class = np.sqrt(by_class) / np.sqrt(by_class).sum()
        self._chance = of_class[targets] * within / np.bincount(targets, within, len(by_class))[targets]
        self._chance /= self._chance.sum()

    def batch(self, number: int, share: Share = WHOLE_JOB) -> LabelledCrops:
        """Return batch ``number``, counted from 0, or one process's share of it."""
        mine = share.of(self._batch_size)
        placement, targets, windows = self._draw(number, mine)
        return LabelledCrops(windows.pixels(), placement, targets, mine, self._batch_size)

    def _draw(self, number: int, mine: slice) -> tuple[Placement, Tensor, SourceWindows]:
        """Return how some crops of batch ``number`` lie, their targets, and the windows that they are cut out of."""
        generator = np.random.default_rng([self._seed, number])
        count, scales = self._batch_size, self._scales
        drawn = random_placement(count, scales, 0.0, generator) if self._turns else zoomed_crops(count, scales, generator)
        placement = drawn.subset(mine)
        shapes = generator.choice(len(self._chance), count, p=self._chance)[mine]
        chance = np.random.default_rng([self._seed, number, 1]).random((count, POINTS_TRIED + 1, 2))[mine]
        # The labelled point lies anywhere in the inner half of the crop, not always in its middle.
        middles = _points_in(self._annotation.shapes[shapes], chance[:, 1:]) + (chance[:, 0] - 0.5) * (self._size / 2)
        corners = np.rint(middles).astype(np.int64) - self._side // 2
        windows = self._cache.windows(np.zeros(len(corners), np.int64), corners, self._side, self._side)
        targets = torch.from_numpy(self._targets.of(placement, corners, self._side, self._size))
        partly = np.flatnonzero(~windows.are_valid())
        if partly.size:
            valid = torch.from_numpy(np.stack([windows.valid(window) for window in partly.tolist()])).float()[:, None]
            missing = resample(valid, placement.subset(partly), self._size)[:, 0] < 0.5
            targets[torch.from_numpy(partly)] = targets[torch.from_numpy(partly)].masked_fill(missing, IGNORE)
        return placement, targets, windows

    def prior_ratio(self) -> Tensor:
        """Return how often each class is labelled over how often it comes up in batches, of shape (classes,).

        Rare classes are drawn more often, and large polygons fill more of a crop than small ones. Both move what a network
        trained on the batches believes to be common; ``with_prior`` moves it back. Measured on a few batches.
        """
        labelled = np.bincount(self._annotation.targets, self._annotation.pixels, len(self._annotation.classes))
        labelled = labelled / labelled.sum()
        drawn = np.zeros(len(labelled))
        for number in range(PRIOR_BATCHES):
            _, targets, _ = self._draw(number, slice(0, self._batch_size))
            drawn += np.bincount(targets[targets != IGNORE].numpy(), minlength=len(labelled))
        # Mixed with a little of what it is compared with: a class that chance left out must not count without end.
        drawn = 0.95 * drawn / drawn.sum() + 0.05 * labelled
        return torch.from_numpy((labelled / drawn).astype(np.float32))


def _points_in(shapes: npt.NDArray[np.object_], chance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a point of each shape, of shape (n, 2).

    Args:
        chance: Numbers from 0 to 1, of shape (n, tries, 2). The first of them that fall into a polygon count.
    """
    bounds = shapely.bounds(shapes)
    tries = bounds[:, None, :2] + chance * (bounds[:, 2:] - bounds[:, :2])[:, None]
    inside = shapely.contains_xy(shapes[:, None], tries[..., 0], tries[..., 1])
    points: npt.NDArray[np.float64] = tries[np.arange(len(shapes)), inside.argmax(axis=1)]
    along = (shapely.get_dimensions(shapes) == 1) & (shapely.length(shapes) > 0)
    on_line = shapely.line_interpolate_point(shapes[along], chance[along, 0, 0], normalized=True)
    points[along] = shapely.get_coordinates(on_line)
    others = ~along & ~np.any(inside, axis=1)
    points[others] = shapely.get_coordinates(shapely.point_on_surface(shapes[others]))
    return points
