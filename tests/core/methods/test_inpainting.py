"""Inpainting: the hole lies in the middle, and the loss is that of a plain loop."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from false_core.methods.inpainting import inpainting_loss, shown_around


def some(seed: int, side: int = 8) -> Tensor:
    return torch.randn(3, 2, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_plain_loop_gives_the_same() -> None:
    painted, pixels = some(0), some(1)
    found = inpainting_loss(painted, pixels, shown_around(pixels))
    for view in range(3):
        inside, around = [], []
        for band, row, column in itertools.product(range(2), range(8), range(8)):
            error = (painted[view, band, row, column] - pixels[view, band, row, column]).item() ** 2
            (inside if 2 <= row < 6 and 2 <= column < 6 else around).append(error)
        wanted = 0.99 * sum(inside) / len(inside) + 0.01 * sum(around) / len(around)
        assert found[view].item() == pytest.approx(wanted, rel=1e-12)


def test_of_a_constant_view_is_what_one_can_compute_by_hand() -> None:
    pixels = torch.full((1, 2, 8, 8), 3.0)
    shown = shown_around(pixels)
    assert inpainting_loss(torch.zeros_like(pixels), pixels, shown).item() == pytest.approx(9)
    assert inpainting_loss(pixels * shown, pixels, shown).item() == pytest.approx(0.99 * 9)
    assert inpainting_loss(pixels * (1 - shown), pixels, shown).item() == pytest.approx(0.01 * 9)


def test_half_and_half_is_the_mean_squared_error_where_the_hole_is_half_of_the_view() -> None:
    painted, pixels = some(0), some(1)
    shown = torch.ones(8, 8, dtype=torch.float64)
    shown[:4] = 0
    wanted = torch.nn.functional.mse_loss(painted, pixels, reduction="none").mean(dim=(1, 2, 3))
    torch.testing.assert_close(inpainting_loss(painted, pixels, shown, weight=0.5), wanted)


def test_moving_the_hole_and_the_picture_together_changes_nothing() -> None:
    painted, pixels = some(0), some(1)
    shown = shown_around(pixels)
    moved = inpainting_loss(painted.roll(2, dims=3), pixels.roll(2, dims=3), shown.roll(2, dims=1))
    torch.testing.assert_close(moved, inpainting_loss(painted, pixels, shown))


@pytest.mark.parametrize(("side", "share"), [(64, 0.25), (7, 16 / 49)])
def test_the_hole_is_half_as_wide_as_the_view(side: int, share: float) -> None:
    shown = shown_around(some(0, side))
    assert (1 - shown).mean().item() == pytest.approx(share)
    assert shown.equal(shown.T)
