"""Wherever a crop lies, whatever its size and scale, it shows what plain arithmetic says lies there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from false_core.sampling.geometry import Placement, matched_points, random_placement, resample, window_side

thorough = settings(max_examples=40, deadline=None)

scales = st.tuples(st.floats(0.2, 1.0), st.floats(1.0, 4.0))
seeds = st.integers(0, 2**32 - 1)


class TestAnyCrop:
    @thorough
    @given(st.integers(2, 40), scales, st.floats(0, 30), seeds)
    def test_lies_in_its_window(self, size: int, between: tuple[float, float], farthest: float, seed: int) -> None:
        placement = random_placement(8, between, farthest, np.random.default_rng(seed))
        half, side = size / 2, window_side(size, between[1], farthest)
        corners = np.array([[[x, y] for x in (-half, half) for y in (-half, half)]] * 8)
        assert np.abs(placement.to_window(corners)).max() <= side / 2 + 1e-3

    @thorough
    @given(st.integers(2, 24), scales, st.floats(0, 10), seeds)
    def test_shows_what_lies_there(self, size: int, between: tuple[float, float], farthest: float, seed: int) -> None:
        generator = np.random.default_rng(seed)
        placement = random_placement(2, between, farthest, generator)
        side = window_side(size, between[1], farthest)
        # Two planes: bilinear interpolation gives them back exactly, wherever it is asked.
        along = torch.arange(side) + 0.5 - side / 2
        planes = torch.stack([along[None, :].expand(side, side), along[:, None].expand(side, side)])
        crops = resample(planes.expand(2, 2, side, side), placement, size).numpy()
        for i in range(2):
            for row in range(size):
                for column in range(size):
                    x, y = column + 0.5 - size / 2, row + 0.5 - size / 2
                    (a, b), (c, d) = placement.matrix[i].astype(float)
                    wanted = a * x + b * y + placement.shift[i, 0], c * x + d * y + placement.shift[i, 1]
                    assert crops[i, :, row, column] == pytest.approx(wanted, abs=2e-3 + 1e-5 * side)

    @thorough
    @given(st.integers(2, 64), scales, st.floats(0, 50), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), seeds)
    def test_is_found_again_from_the_raster(
        self, size: int, between: tuple[float, float], farthest: float, x: float, y: float, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        placement = random_placement(1, between, farthest, generator)
        point = generator.uniform(-size / 2, size / 2, 2)
        dx, dy = placement.to_window(point[None, None])[0, 0]
        there = placement.to_crop(0, (x, y), size) @ (x + dx, y + dy)
        assert there == pytest.approx(point + size / 2, abs=1e-2)

    @thorough
    @given(st.integers(8, 64), scales, st.floats(0, 20), st.integers(1, 30), st.floats(0, 3), seeds)
    def test_shares_with_another_the_points_that_are_said_to_be_in_both(
        self, size: int, between: tuple[float, float], farthest: float, count: int, margin: float, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        first, second = (random_placement(4, between, farthest, generator) for _ in range(2))
        one, two, seen = matched_points(first, second, size, count, margin, generator)
        assert one.shape == two.shape == (4, count, 2)
        ground = [placement.to_window(points * (size / 2)) for placement, points in ((first, one), (second, two))]
        np.testing.assert_allclose(ground[0], ground[1], atol=1e-2)
        limit = 1 - margin / (size / 2) + 1e-5
        assert (np.abs(one) <= limit).all()
        assert (np.abs(two[seen]) <= limit).all()
        assert (np.abs(two[~seen]).max(axis=-1, initial=1) > limit - 2e-5).all() or not (~seen).any()

    @thorough
    @given(scales, seeds)
    def test_can_be_turned_back(self, between: tuple[float, float], seed: int) -> None:
        placement = random_placement(16, between, 0.0, np.random.default_rng(seed))
        assert isinstance(placement, Placement)
        scale = np.sqrt(np.abs(np.linalg.det(placement.matrix.astype(float))))
        assert (scale >= between[0] * (1 - 1e-5)).all()
        assert (scale <= between[1] * (1 + 1e-5)).all()
        assert all(math.isfinite(v) for v in np.linalg.inv(placement.matrix.astype(float)).ravel())
