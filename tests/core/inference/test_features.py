"""The surroundings of a tile reach as far as an encoder looks, so that its features are those of the whole raster."""

from __future__ import annotations

import pytest
import torch

from false_core.inference.features import LEAST_HALO_PX, MOST_HALO_PX, halo_of
from false_core.models.encoder import STRIDE, build_encoder

CPU = torch.device("cpu")
SIDE = 64


@pytest.mark.parametrize(("backbone", "halo"), [("resnet10t", LEAST_HALO_PX), ("tf_efficientnet_lite0", MOST_HALO_PX)])
@pytest.mark.thorough
def test_what_lies_beyond_the_halo_changes_no_feature(backbone: str, halo: int) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(backbone, 3).eval()
    assert halo_of(encoder, 3, CPU) == halo
    beyond = 2 * STRIDE
    image = torch.randn(1, 3, *[SIDE + 2 * (halo + beyond)] * 2)
    other = 3 * torch.randn_like(image)
    seen = slice(beyond, -beyond)
    other[..., seen, seen] = image[..., seen, seen]
    with torch.inference_mode():
        for level, (one, two) in enumerate(zip(encoder(image), encoder(other))):
            middle = slice((halo + beyond) // 2**level, (halo + beyond + SIDE) // 2**level)
            difference = (one - two)[..., middle, middle].abs().max()
            assert float(difference) <= 1e-3 * float(one.std()), level


@pytest.mark.thorough
def test_networks_that_look_very_far_get_no_more_than_the_memory_holds() -> None:
    assert halo_of(build_encoder("resnet101", 1), 1, CPU) == MOST_HALO_PX
