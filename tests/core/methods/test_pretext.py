"""What painters paint is normalised square by square, and nothing is learned faster from random weights."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from false_core.methods.inpainting import Inpainting
from false_core.methods.method import Views
from false_core.methods.pretext import FLAT, normal_of_squares
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.presets import PRETRAIN


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestSquares:
    def test_have_the_means_and_deviations_that_a_plain_loop_finds(self) -> None:
        pixels = 3 * some(2, 3, 8, 12) + 1
        mean, deviation = normal_of_squares(pixels, side=4)
        assert mean.shape == deviation.shape == (2, 1, 8, 12)
        for view, row, column in itertools.product(range(2), range(8), range(12)):
            top, left = row // 4 * 4, column // 4 * 4
            square = pixels[view, :, top : top + 4, left : left + 4].numpy()
            assert mean[view, 0, row, column].item() == pytest.approx(np.mean(square))
            assert deviation[view, 0, row, column].item() == pytest.approx((np.var(square) + FLAT**2) ** 0.5)

    def test_that_are_even_leave_nothing_to_paint(self) -> None:
        pixels = torch.full((1, 3, 32, 32), 5.0)
        mean, deviation = normal_of_squares(pixels)
        assert ((pixels - mean) / deviation).abs().max() == 0

    def test_are_what_is_painted_relative_to(self) -> None:
        """Brighter squares of more contrast are to be painted alike, so the loss is the same for the same painting."""
        method = untrained("inpainting")
        method.eval()
        pixels = some(2, 2, 64, 64).float()
        wanted = loss_of_painting(method, pixels)
        assert wanted == pytest.approx(loss_of_painting(method, 10 * pixels + 3), rel=0.02)
        assert wanted == pytest.approx(1, rel=0.02)

    def test_of_an_autoencoder_are_left_as_they_are(self) -> None:
        method = untrained("autoencoder")
        assert loss_of_painting(method, torch.full((2, 2, 64, 64), 3.0)) == pytest.approx(9)


@pytest.mark.parametrize("name", ["inpainting", "colourisation", "jigsaw", "autoencoder"])
def test_random_weights_learn_at_the_rate_of_other_ones(name: str) -> None:
    assert METHOD_CLASSES[name].adapted(PRETRAIN["quick"]).rate_from_nothing == 0


def untrained(name: str) -> Inpainting:
    torch.manual_seed(0)
    settings = METHOD_CLASSES[name].adapted(replace(PRETRAIN["quick"], method=name, encoder="test_resnet"))
    return METHOD_CLASSES[name](build_encoder("test_resnet", 2), settings)  # type: ignore[return-value]


def loss_of_painting(method: Inpainting, pixels: Tensor) -> float:
    """Return the loss of who paints 0 everywhere."""
    torch.nn.init.zeros_(method.painter.last.weight)
    assert method.painter.last.bias is not None
    torch.nn.init.zeros_(method.painter.last.bias)
    views = Views(pixels, torch.zeros(len(pixels), 0, 2), torch.zeros(0, dtype=torch.long))
    with torch.no_grad():
        return float(method(views).loss)
