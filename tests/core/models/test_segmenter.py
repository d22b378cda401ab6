"""Decoder and encoder compute what the libraries they come from compute, with less work."""

from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from false_core.models.encoder import SMALL_MAP, SmallMapConv2d
from false_core.models.segmenter import build_segmenter


def gradients(network: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    network.zero_grad()
    (network(images) * torch.linspace(-1, 1, 6)[:, None, None]).square().mean().backward()
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.thorough
@pytest.mark.parametrize("encoder", ["resnet10t", "resnet18"])
@pytest.mark.parametrize("size", [(64, 64), (96, 160)])
def test_a_segformer_is_that_of_the_library_to_the_last_weight_and_gradient(encoder: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = build_segmenter(encoder, "segformer", 3, 6)
    torch.manual_seed(0)
    theirs = smp.Segformer(
        encoder_name=f"tu-{encoder}", encoder_weights=None, in_channels=3, classes=6, encoder_depth=5,
        decoder_segmentation_channels=128,
    )  # fmt: skip
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(one.equal(other) for one, other in zip(ours.state_dict().values(), theirs.state_dict().values()))
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = ours.double(), theirs.double()
    torch.testing.assert_close(ours(images), theirs(images))
    torch.testing.assert_close(gradients(ours, images), gradients(theirs, images))
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize("side", range(1, SMALL_MAP + 2))
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_a_small_map_is_a_convolution(side: int, bias: bool) -> None:
    torch.manual_seed(side)
    plain, quick = (nn.Conv2d(5, 7, 3, padding=1, bias=bias).double() for _ in range(2))
    quick.load_state_dict(plain.state_dict())
    quick.__class__ = SmallMapConv2d
    inputs = [torch.randn(3, 5, side, max(1, side - 1), dtype=torch.float64).requires_grad_()]
    inputs.append(inputs[0].detach().clone().requires_grad_())
    outputs = [conv(image) for conv, image in zip((plain, quick), inputs)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(plain.weight.grad, quick.weight.grad)
