"""Features at positions are the same by either way of asking for them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from false_core.models.encoder import sampled_at


class OnApple:
    """Features that say that they lie on an Apple GPU."""

    def __init__(self, features: Tensor) -> None:
        self.features, self.shape = features, features.shape
        self.device = torch.device("mps")


@pytest.mark.parametrize("size", [(7, 5), (1, 3), (64, 64)])
def test_features_beyond_the_border_are_those_of_the_border_without_its_help(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, *size, generator=chance)
    positions = 4 * torch.rand(2, 40, 1, 2, generator=chance) - 2
    positions[0, :4, 0] = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-1.0, 0.999], [0.0, 1.0]])
    wanted = sampled_at(features, positions)
    plain = torch.nn.functional.grid_sample

    def on_apple(given: OnApple, where: Tensor, **named: object) -> Tensor:
        assert "padding_mode" not in named
        return plain(given.features, where, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "grid_sample", on_apple)
    found = sampled_at(OnApple(features), positions)  # type: ignore[arg-type]
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(plain(features, positions, align_corners=False), wanted)
