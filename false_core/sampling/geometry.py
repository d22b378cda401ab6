"""The placement of a crop: rotation, scale, flip and shift as one affine map, applied in one resampling.

Nadir imagery has no up: any rotation and flip of a patch is an equally likely patch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from affine import Affine
from torch import Tensor

Generator = np.random.Generator


@dataclass(frozen=True)
class Placement:
    """The placement of a batch of square crops in its source windows.

    For crop i, a point at (x, y) pixels from the crop's centre lies at ``matrix[i] @ (x, y) + shift[i]`` pixels from the
    centre of source window i.

    Attributes:
        matrix: Rotation, flip and scale, of shape (batch, 2, 2).
        shift: A tensor of shape (batch, 2), in source pixels, x first.
    """

    matrix: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]

    def subset(self, crops: slice | npt.NDArray[np.integer]) -> Placement:
        """Return how some of the crops lie."""
        return Placement(self.matrix[crops], self.shift[crops])

    def to_window(self, points: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Return where points of the crops lie, in source pixels from the centres of the windows.

        Args:
            points: Tensor of shape (batch, points, 2), in pixels of the crop from its centre, x first.
        """
        on_ground: npt.NDArray[np.floating] = points @ self.matrix.transpose(0, 2, 1) + self.shift[:, None]
        return on_ground

    def to_crop(self, index: int, centre: tuple[float, float], size: int) -> Affine:
        """Return the map from raster pixel coordinates to those of crop ``index``, ``size`` pixels wide.

        ``centre`` is the centre of its source window in raster pixel coordinates.
        """
        (a, b), (d, e) = self.matrix[index].astype(float)
        dx, dy = self.shift[index].astype(float)
        placed = Affine(a, b, centre[0] + dx, d, e, centre[1] + dy) * Affine.translation(-size / 2, -size / 2)
        to_crop: Affine = ~placed
        return to_crop


def random_placement(count: int, scales: tuple[float, float], farthest: float, generator: Generator) -> Placement:
    """Draw placements: any flip, any rotation, a scale and a shift.

    Args:
        scales: Smallest and largest scale, source pixels per crop pixel, drawn log-uniformly.
        farthest: Largest shift of the crop's centre along each axis, in source pixels.
    """
    angle = generator.uniform(0, 2 * math.pi, count)
    scale = np.exp(generator.uniform(math.log(scales[0]), math.log(scales[1]), count))
    flip = generator.choice([-1.0, 1.0], count)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    matrix = np.stack([np.stack([cos * flip, -sin], -1), np.stack([sin * flip, cos], -1)], -2)
    shift = generator.uniform(-farthest, farthest, (count, 2))
    return Placement(matrix.astype(np.float32), shift.astype(np.float32))


def resized_crops(
    count: int, patch: int, size: int, generator: Generator, shares: tuple[float, float] = (0.08, 1.0)
) -> Placement:
    """Draw placements as torchvision's RandomResizedCrop and RandomHorizontalFlip do, as published: no rotation.

    The crop covers a share of a square patch, as published with SimCLR 0.08 to 1 of it, is 3/4 to 4/3 times as wide as it is
    high (log-uniform), and lies anywhere inside. Of ten that are drawn the first that fits counts, and where none does the
    whole patch.

    Args:
        patch: Side of the patch, which is the middle of the source window, in source pixels.
        size: Side of the crop in its own pixels.
        shares: The least and the largest share.
    """
    area = generator.uniform(*shares, (count, 10)) * patch**2
    aspect = np.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3), (count, 10)))
    sides = np.stack([np.round(np.sqrt(area * aspect)), np.round(np.sqrt(area / aspect))], axis=-1)
    fits: npt.NDArray[np.bool_] = np.all((sides > 0) & (sides <= patch), axis=-1)
    sides = np.where(np.any(fits, axis=1, keepdims=True), sides[np.arange(count), fits.argmax(axis=1)], patch)
    corner = generator.integers(0, patch - sides.astype(np.int64) + 1)
    return _upright(sides / size, corner + sides / 2 - patch / 2, generator)


def zoomed_crops(count: int, scales: tuple[float, float], generator: Generator) -> Placement:
    """Draw placements as published for fine-tuning: enlarged by a uniform factor, flipped or not, not turned, not shifted.

    Args:
        scales: Smallest and largest scale, source pixels per crop pixel.
    """
    enlarged = generator.uniform(1 / scales[1], 1 / scales[0], (count, 1))
    return _upright(np.repeat(1 / enlarged, 2, axis=1), np.zeros((count, 2)), generator)


def _upright(zoom: npt.NDArray[np.floating], shift: npt.NDArray[np.floating], generator: Generator) -> Placement:
    """Return placements with a zoom along x and y each, half of them flipped from left to right."""
    matrix = np.zeros((len(zoom), 2, 2), np.float32)
    matrix[:, 0, 0], matrix[:, 1, 1] = zoom[:, 0] * generator.choice([-1.0, 1.0], len(zoom)), zoom[:, 1]
    return Placement(matrix, shift.astype(np.float32))


def window_side(size: int, largest_scale: float, farthest: float) -> int:
    """Return the side of a source window that holds every crop of ``size`` pixels drawn with these limits."""
    return math.ceil(size * largest_scale * math.sqrt(2) + 2 * farthest) + 2


def resample(windows: Tensor, placement: Placement, size: int) -> Tensor:
    """Cut one crop out of each source window.

    Args:
        windows: A tensor of shape (batch, bands, side, side).

    Returns:
        Crops of shape (batch, bands, size, size), interpolated bilinearly; 0 outside the window.
    """
    return resample_crops(windows, sampling_maps(placement, side=windows.shape[-1], size=size).to(windows.device), size)


def sampling_maps(*placements: Placement, side: int, size: int) -> Tensor:
    """Return the maps from crops to their source windows for ``resample_crops``, of shape (batch, placements, 2, 3).

    Args:
        placements: Placements in the same source windows, at least one.
    """
    maps = [
        torch.cat([torch.from_numpy(p.matrix) * (size / side), torch.from_numpy(p.shift)[..., None] * (2.0 / side)], dim=-1)
        for p in placements
    ]
    return torch.stack(maps, dim=1)


def resample_crops(windows: Tensor, maps: Tensor, size: int) -> Tensor:
    """Cut several crops out of each source window, in one resampling.

    Args:
        windows: A tensor of shape (batch, bands, side, side), in any precision.
        maps: The maps of ``sampling_maps``, of shape (batch, crops, 2, 3).

    Returns:
        Crops of shape (crops * batch, bands, size, size): the first ones of all windows, then the second ones. Interpolated
        bilinearly in float32; 0 outside the window.
    """
    batch, crops = maps.shape[:2]
    grid = torch.nn.functional.affine_grid(maps.flatten(0, 1), [batch * crops, 1, size, size], align_corners=False)
    # One below the other they are one tall crop to the sampler, which need not see the window once for each.
    grid = grid.view(batch, crops * size, size, 2)
    tall = torch.nn.functional.grid_sample(windows.float(), grid, align_corners=False)
    return tall.view(batch, -1, crops, size, size).permute(2, 0, 1, 3, 4).flatten(0, 1)


def matched_points(
    first: Placement, second: Placement, size: int, count: int, margin: float, generator: Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Draw points that both crops of each pair see.

    Args:
        first, second: Placements of the two crops in the same source windows.
        count: Points wanted per pair.
        margin: Distance in pixels to keep from the crops' edges.

    Returns:
        Positions in the first and in the second crops, of shape (batch, count, 2), x first, from -1 to 1 as
        ``grid_sample`` wants them; and which of them both crops really see, of shape (batch, count).
    """
    batch, half = len(first.matrix), size / 2
    candidates = generator.uniform(-half + margin, half - margin, (batch, 8 * count, 2))
    on_ground = first.to_window(candidates)
    in_second = (on_ground - second.shift[:, None]) @ np.linalg.inv(second.matrix).transpose(0, 2, 1)
    seen: npt.NDArray[np.bool_] = np.logical_and.reduce(np.abs(in_second) <= half - margin, axis=-1)
    best = np.argsort(~seen, axis=1, kind="stable")[:, :count]
    rows = np.arange(batch)[:, None]
    scale = np.float32(1 / half)
    one, two = candidates[rows, best] * scale, in_second[rows, best] * scale
    return one.astype(np.float32), two.astype(np.float32), seen[rows, best]
