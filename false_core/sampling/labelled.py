"""Random crops around labels, with their targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
import torch
from torch import Tensor

from false_core.labels.annotation import Annotation
from false_core.raster.source import FloatArray, Window
from false_core.sampling.cache import ChunkCache
from false_core.sampling.geometry import Placement, random_placement, window_side


@dataclass(frozen=True)
class LabelledCrops:
    """A batch of source windows, how the crops lie in them, and the crops' targets.

    Attributes:
        windows: Normalised source pixels, of shape (batch, bands, side, side).
        placement: Of the crops.
        targets: Class indices of the crops' pixels, int64 of shape (batch, size, size); 255 without a label.
    """

    windows: Tensor
    placement: Placement
    targets: Tensor


class LabelSampler:
    """Draws batches of crops that each hold labels. Batch n depends on the seed and n alone.

    Rare classes are drawn more often than their share: a class comes up in proportion to the square root of its labelled
    pixels, and so does a shape within its class.

    Args:
        cache: The raster.
        annotation: The labels, in pixel coordinates of the cache's raster.
        batch_size: Crops per batch.
        crop_size: Side of a crop.
        scales: Smallest and largest zoom of a crop.
        seed: Source of all chance.
    """

    def __init__(
        self,
        cache: ChunkCache,
        annotation: Annotation,
        batch_size: int,
        crop_size: int,
        scales: tuple[float, float],
        seed: int,
    ) -> None:
        self._cache, self._annotation = cache, annotation
        self._batch_size, self._size, self._scales, self._seed = batch_size, crop_size, scales, seed
        self._side = window_side(crop_size, scales[1], 0.0)
        pixels, targets = annotation.pixels, annotation.targets
        by_class = np.bincount(targets, pixels, len(annotation.classes))
        within = np.sqrt(pixels)
        # Probability of a shape: that of its class, shared out within the class.
        of_class = np.sqrt(by_class) / np.sqrt(by_class).sum()
        self._chance = of_class[targets] * within / np.bincount(targets, within, len(by_class))[targets]
        self._chance /= self._chance.sum()

    def batch(self, number: int) -> LabelledCrops:
        """Return batch ``number``, counted from 0."""
        generator = np.random.default_rng([self._seed, number])
        placement = random_placement(self._batch_size, self._scales, 0.0, generator)
        windows: list[FloatArray] = []
        targets: list[npt.NDArray[np.uint8]] = []
        for index, shape in enumerate(generator.choice(len(self._chance), self._batch_size, p=self._chance)):
            x, y = self._point_in(self._annotation.shapes[shape], generator)
            # The labelled point lies anywhere in the inner half of the crop, not always in its middle.
            jitter = generator.uniform(-self._size / 4, self._size / 4, 2)
            column, row = round(x + jitter[0]) - self._side // 2, round(y + jitter[1]) - self._side // 2
            pixels, _ = self._cache.read(Window(column, row, self._side, self._side))
            centre = (column + self._side / 2, row + self._side / 2)
            windows.append(pixels)
            targets.append(self._annotation.burn(placement.to_crop(index, centre, self._size), self._size, self._size))
        return LabelledCrops(torch.from_numpy(np.stack(windows)), placement, torch.from_numpy(np.stack(targets)).long())

    def _point_in(self, shape: shapely.Geometry, generator: np.random.Generator) -> tuple[float, float]:
        if shape.geom_type == "Polygon":
            xmin, ymin, xmax, ymax = shape.bounds
            tries = generator.uniform((xmin, ymin), (xmax, ymax), (16, 2))
            inside = shapely.contains_xy(shape, tries)
            point = tries[inside.argmax()] if inside.any() else shapely.get_coordinates(shape.representative_point())[0]
        elif shape.length > 0:
            point = shapely.get_coordinates(shape.interpolate(generator.uniform(), normalized=True))[0]
        else:
            point = shapely.get_coordinates(shape)[0]
        return float(point[0]), float(point[1])
