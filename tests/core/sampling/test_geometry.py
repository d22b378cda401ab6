"""A crop is one affine map of its source window, and the two views of a patch know which of their pixels are the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from false_core.sampling.geometry import (
    Placement,
    matched_points,
    random_placement,
    resample,
    resized_crops,
    window_side,
)

each_number_of_bands = pytest.mark.parametrize("bands", [1, 2, 4, 11])


def placed(matrix: list[list[float]], shift: tuple[float, float] = (0.0, 0.0)) -> Placement:
    return Placement(np.array([matrix], np.float32), np.array([shift], np.float32))


def numbered(bands: int, side: int) -> Tensor:
    """Return a window (1, bands, side, side) in which every pixel of every band is different."""
    return torch.arange(bands * side * side, dtype=torch.float32).reshape(1, bands, side, side)


def slopes(bands: int, batch: int, side: int) -> tuple[Tensor, Tensor]:
    """Return windows whose bands are planes, each sloping its own way, and their slopes (bands, 2), x first."""
    slope = torch.randn(bands, 2, generator=torch.Generator().manual_seed(bands))
    along = torch.arange(side) + 0.5 - side / 2
    planes = slope[:, 0, None, None] * along[None, None, :] + slope[:, 1, None, None] * along[None, :, None]
    return planes.expand(batch, bands, side, side), slope


def at_points(crops: Tensor, points: Tensor) -> Tensor:
    """Return the values (batch, bands, points) that crops have at points (batch, points, 2)."""
    return torch.nn.functional.grid_sample(crops, points[:, :, None], align_corners=False)[..., 0]


class TestACrop:
    @each_number_of_bands
    def test_without_a_turn_is_the_middle_of_the_window(self, bands: int) -> None:
        window = numbered(bands, 12)
        torch.testing.assert_close(resample(window, placed([[1, 0], [0, 1]]), 6), window[:, :, 3:9, 3:9])

    @each_number_of_bands
    def test_shifted_is_another_part_of_it(self, bands: int) -> None:
        window = numbered(bands, 12)
        torch.testing.assert_close(resample(window, placed([[1, 0], [0, 1]], (2, -1)), 6), window[:, :, 2:8, 5:11])

    @each_number_of_bands
    def test_turned_or_flipped_is_the_array_turned_or_flipped(self, bands: int) -> None:
        window = numbered(bands, 6)
        crop = resample(window, placed([[0, -1], [1, 0]]), 6)
        torch.testing.assert_close(crop, window.rot90(1, dims=(2, 3)), atol=1e-3, rtol=0)
        torch.testing.assert_close(resample(window, placed([[-1, 0], [0, 1]]), 6), window.flip(3), atol=1e-3, rtol=0)

    @each_number_of_bands
    def test_shows_what_lies_where_its_placement_says(self, bands: int) -> None:
        generator = np.random.default_rng(0)
        side = window_side(16, 1.6, 4.0)
        placement = random_placement(5, (0.6, 1.6), 4.0, generator)
        windows, slope = slopes(bands, 5, side)
        crops = resample(windows, placement, 16)
        assert crops.shape == (5, bands, 16, 16)
        along = np.arange(16) + 0.5 - 8
        xy = np.stack(np.meshgrid(along, along), axis=-1)
        on_ground = np.einsum("bij,hwj->bhwi", placement.matrix, xy) + placement.shift[:, None, None]
        wanted = np.einsum("ci,bhwi->bchw", slope.numpy(), on_ground)
        np.testing.assert_allclose(crops.numpy(), wanted, atol=1e-3)

    def test_outside_the_window_is_0(self) -> None:
        crop = resample(torch.ones(1, 2, 6, 6), placed([[1, 0], [0, 1]], (10, 0)), 6)
        assert (crop == 0).all()

    def test_lies_in_raster_coordinates_where_labels_are_burned_in(self) -> None:
        # A point of the raster, followed into the crop, is where resample shows it.
        placement = random_placement(3, (0.5, 2.0), 5.0, np.random.default_rng(1))
        for index in range(3):
            to_crop = placement.to_crop(index, (100.0, 200.0), 32)
            for x, y in [(-7.0, 3.0), (0.0, 0.0), (15.5, -15.5)]:
                dx, dy = placement.matrix[index].astype(float) @ (x, y) + placement.shift[index].astype(float)
                assert to_crop @ (100.0 + dx, 200.0 + dy) == pytest.approx((x + 16, y + 16), abs=1e-4)


class TestRandomPlacements:
    def test_take_every_direction_and_both_sides(self) -> None:
        placement = random_placement(2000, (0.5, 2.0), 3.0, np.random.default_rng(0))
        determinant = np.linalg.det(placement.matrix.astype(float))
        assert (determinant > 0).mean() == pytest.approx(0.5, abs=0.05)
        angle = np.degrees(np.arctan2(placement.matrix[:, 1, 1], -placement.matrix[:, 0, 1])) % 360
        assert np.histogram(angle, bins=8, range=(0, 360))[0].min() > 180
        scale = np.sqrt(np.abs(determinant))
        assert 0.5 <= scale.min() < 0.52
        assert 1.9 < scale.max() <= 2.0001
        assert (scale < 1).mean() == pytest.approx(0.5, abs=0.05), "halving is as likely as doubling"
        for row in placement.matrix[:50]:
            np.testing.assert_allclose(row @ row.T, np.eye(2) * abs(np.linalg.det(row)), atol=1e-5)
        assert 2.9 < np.abs(placement.shift).max() <= 3.0

    @pytest.mark.parametrize("scale", [0.6, 1.0, 1.6])
    def test_never_reach_beyond_their_window(self, scale: float) -> None:
        side = window_side(16, scale, 4.0)
        placement = random_placement(500, (scale, scale), 4.0, np.random.default_rng(0))
        crops = resample(torch.ones(500, 1, side, side), placement, 16)
        torch.testing.assert_close(crops, torch.ones_like(crops))
        assert side < 16 * scale * math.sqrt(2) + 8 + 4, "and the window is no larger than it must be"


class TestMatchedPoints:
    @each_number_of_bands
    def test_are_the_same_place_in_both_views(self, bands: int) -> None:
        generator = np.random.default_rng(bands)
        side = window_side(32, 1.6, 8.0)
        first, second = (random_placement(6, (0.6, 1.6), 8.0, generator) for _ in range(2))
        one, two, seen = matched_points(first, second, 32, 20, 2.0, generator)
        assert one.shape == two.shape == (6, 20, 2)
        assert seen.shape == (6, 20)
        assert seen.mean() > 0.9
        windows, _ = slopes(bands, 6, side)
        values = [
            at_points(resample(windows, placement, 32), torch.from_numpy(points))
            for placement, points in ((first, one), (second, two))
        ]
        both = torch.from_numpy(seen)[:, None].expand(6, bands, 20)
        torch.testing.assert_close(values[0][both], values[1][both], atol=2e-3, rtol=0)
        assert values[0][both].std() > 1, "they are many places, not one"

    def test_keep_away_from_the_edges(self) -> None:
        generator = np.random.default_rng(0)
        first, second = (random_placement(40, (0.6, 1.6), 8.0, generator) for _ in range(2))
        one, two, seen = matched_points(first, second, 32, 20, 2.0, generator)
        for points in (one[seen], two[seen]):
            assert np.abs(points).max() <= (16 - 2) / 16 + 1e-6

    def test_that_one_view_does_not_see_are_marked(self) -> None:
        apart = placed([[1, 0], [0, 1]], (100, 0))
        _, two, seen = matched_points(placed([[1, 0], [0, 1]]), apart, 32, 5, 2.0, np.random.default_rng(0))
        assert not seen.any()
        assert (np.abs(two).max(axis=-1) > 1).all()


class TestResizedCrops:
    """Against torchvision's own draws: 20,000 of them, for a patch of 256 pixels and crops of 224."""

    COUNT = 20_000

    def boxes(self) -> np.ndarray:
        """Return left, top, width and height of our crops, in pixels of the patch."""
        placed = resized_crops(self.COUNT, 256, 224, np.random.default_rng(0))
        sides = 224 * np.abs(placed.matrix[:, [0, 1], [0, 1]])
        return np.concatenate([placed.shift + 128 - sides / 2, sides], axis=1)

    def theirs(self) -> np.ndarray:
        torch.manual_seed(0)
        patch = torch.empty(1, 256, 256)
        draws = [RandomResizedCrop.get_params(patch, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(self.COUNT)]
        return np.array([(left, top, width, height) for top, left, height, width in draws], float)

    @pytest.mark.thorough
    def test_have_the_areas_the_shapes_and_the_places_of_torchvision_s(self) -> None:
        ours, theirs = self.boxes(), self.theirs()
        for what in (
            lambda box: box[:, 2] * box[:, 3],
            lambda box: box[:, 2] / box[:, 3],
            lambda box: box[:, 0] / (257 - box[:, 2]),
            lambda box: box[:, 1] / (257 - box[:, 3]),
        ):
            one, other = np.sort(what(ours)), np.sort(what(theirs))
            # The largest distance of the two distributions (Kolmogorov and Smirnov): 1.95 stands for one in a thousand.
            both = np.concatenate([one, other])
            apart = np.abs(np.searchsorted(one, both, "right") - np.searchsorted(other, both, "right")).max() / self.COUNT
            assert apart < 1.95 * math.sqrt(2 / self.COUNT)

    def test_lie_within_the_patch_at_whole_pixels(self) -> None:
        boxes = self.boxes()
        assert np.abs(boxes - boxes.round()).max() < 1e-3
        assert boxes.min() > -1e-3
        assert (boxes[:, :2] + boxes[:, 2:]).max() < 256 + 1e-3

    def test_are_flipped_half_of_the_time_and_never_turned(self) -> None:
        matrix = resized_crops(self.COUNT, 256, 224, np.random.default_rng(1)).matrix
        assert (matrix[:, 0, 1] == 0).all()
        assert (matrix[:, 1, 0] == 0).all()
        assert (matrix[:, 1, 1] > 0).all()
        assert (matrix[:, 0, 0] < 0).mean() == pytest.approx(0.5, abs=0.02)

    def test_show_what_torchvision_would_show(self) -> None:
        patch = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        placed = resized_crops(1, 64, 48, np.random.default_rng(3))
        width, height = (48 * np.abs(placed.matrix[0, [0, 1], [0, 1]])).round().astype(int)
        left, top = (placed.shift[0] + 32 - np.array([width, height]) / 2).round().astype(int)
        wanted = resized_crop(patch, top, left, height, width, [48, 48], antialias=False)
        wanted = wanted.flip(-1) if placed.matrix[0, 0, 0] < 0 else wanted
        ours = resample(patch, placed, 48)
        # At the edges torchvision repeats the last pixel of the crop, where ours sees on into the patch.
        torch.testing.assert_close(ours[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2], atol=1e-4, rtol=0)
