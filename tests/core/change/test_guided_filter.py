"""The guided filter averages within what the guide shows as one, and knows nothing of places without data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from false_core.change.guided_filter import averaged, guided_average

SIDE, SIGMA = 40, 3.0
EVERYWHERE = torch.ones(SIDE, SIDE)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def halves() -> Tensor:
    """Return a picture of two halves."""
    return torch.where(torch.arange(SIDE) < SIDE // 2, -0.7, 0.7).expand(SIDE, SIDE)


def test_an_average_is_that_of_another_library() -> None:
    values = noise(SIDE, SIDE)
    expected = gaussian_filter(values.double().numpy(), SIGMA, mode="constant", truncate=3.0)
    expected /= gaussian_filter(np.ones((SIDE, SIDE)), SIGMA, mode="constant", truncate=3.0)
    assert averaged(values[None], EVERYWHERE, SIGMA)[0].numpy() == pytest.approx(expected, abs=1e-5)


def test_a_line_is_that_of_the_equations() -> None:
    values, guide = noise(SIDE, SIDE), noise(2, SIDE, SIDE, seed=1)

    def mean(of: np.ndarray) -> np.ndarray:
        weights = gaussian_filter(np.ones((SIDE, SIDE)), SIGMA, mode="constant", truncate=3.0)
        return gaussian_filter(of, SIGMA, mode="constant", truncate=3.0) / weights

    p, g = values.double().numpy(), guide.double().numpy()
    slopes, offset = np.zeros((2, SIDE, SIDE)), np.zeros((SIDE, SIDE))
    means = np.stack([mean(one) for one in g])
    for row in range(SIDE):
        for column in range(SIDE):
            at = np.zeros((SIDE, SIDE))
            at[row, column] = 1
            window = gaussian_filter(at, SIGMA, mode="constant", truncate=3.0)
            window /= window.sum()
            middle, value = (g * window).sum(axis=(1, 2)), float((p * window).sum())
            apart = g - middle[:, None, None]
            covariance = np.einsum("ihw,jhw,hw->ij", apart, apart, window) + 0.05 * np.eye(2)
            slopes[:, row, column] = np.linalg.solve(covariance, np.einsum("ihw,hw->i", g * p, window) - middle * value)
            offset[row, column] = value - slopes[:, row, column] @ means[:, row, column]
    expected = sum(mean(slope) * one for slope, one in zip(slopes, g)) + mean(offset)
    assert guided_average(values, guide, EVERYWHERE, SIGMA, 0.05).numpy() == pytest.approx(expected, abs=1e-3)


def test_what_is_apart_in_the_guide_stays_apart() -> None:
    values = 5 * halves() + noise(SIDE, SIDE)
    found = guided_average(values, halves()[None], EVERYWHERE, SIGMA, 0.02)
    beside = found[:, SIDE // 2] - found[:, SIDE // 2 - 1]
    assert beside.mean() > 6
    assert found[:, SIDE // 2 + 6 :].std() < 0.5


def test_where_the_guide_shows_nothing_it_is_an_average() -> None:
    values = noise(SIDE, SIDE)
    found = guided_average(values, torch.zeros(3, SIDE, SIDE), EVERYWHERE, SIGMA, 0.02)
    twice = averaged(averaged(values[None], EVERYWHERE, SIGMA), EVERYWHERE, SIGMA)[0]
    assert torch.allclose(found, twice, atol=1e-5)


def test_what_lies_where_there_is_no_data_has_no_say() -> None:
    values, guide, valid = noise(SIDE, SIDE), noise(2, SIDE, SIDE, seed=1), EVERYWHERE.clone()
    valid[10:30, 15:25] = 0
    other, elsewhere = values.clone(), guide.clone()
    other[10:30, 15:25], elsewhere[:, 10:30, 15:25] = 1e3, -1e3
    one, two = (guided_average(a, b, valid, SIGMA, 0.02) for a, b in ((values, guide), (other, elsewhere)))
    assert torch.allclose(one[valid > 0], two[valid > 0], atol=1e-4)
    assert (guided_average(values, guide, torch.zeros(SIDE, SIDE), SIGMA, 0.02) == 0).all()
