"""DeepLabV3+ as published with FALSE: the numbers of its configuration, layer by layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from false_core.models.deeplab import DilatedDecoder, auxiliary_head
from false_core.models.encoder import build_encoder
from false_core.models.segmenter import build_segmenter


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.device("meta"):
        built: nn.Module = build_segmenter("resnet50", "deeplabv3plus-d8", 3, 7)
    return built


def dilations(stage: nn.Module) -> list[tuple[int, ...]]:
    return [conv.dilation for conv in stage.modules() if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)]


def test_the_encoder_is_dilated_1_1_2_4_and_contracted(network: nn.Module) -> None:
    """``dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), contract_dilation=True``: a stage begins with the one before it."""
    stages = network.get_submodule("encoder.model")
    found = [dilations(getattr(stages, f"layer{n}")) for n in (1, 2, 3, 4)]
    assert found[:2] == [[(1, 1)] * 3, [(1, 1)] * 4]
    assert found[2:] == [[(1, 1)] + [(2, 2)] * 5, [(2, 2)] + [(4, 4)] * 2]


@pytest.mark.thorough
def test_its_three_coarsest_levels_have_a_stride_of_8() -> None:
    encoder = build_segmenter("resnet10t", "deeplabv3plus-d8", 3, 7).encoder.eval()
    with torch.inference_mode():
        features = encoder(torch.zeros(1, 3, 64, 64))
    assert [64 // level.shape[-1] for level in features] == [1, 2, 4, 8, 8, 8]


@pytest.mark.thorough
def test_an_encoder_that_was_pretrained_without_dilation_fits_in() -> None:
    dilated = build_segmenter("resnet10t", "deeplabv3plus-d8", 3, 7).encoder
    dilated.load_state_dict(build_encoder("resnet10t", 3).state_dict())


def test_the_pyramid_has_512_channels_and_rates_of_12_24_and_36(network: nn.Module) -> None:
    decoder = network.get_submodule("decoder")
    assert isinstance(decoder, DilatedDecoder)
    convs = {name: conv for name, conv in decoder.named_modules() if isinstance(conv, nn.Conv2d)}
    assert {conv.dilation for conv in convs.values()} == {(1, 1), (12, 12), (24, 24), (36, 36)}
    assert [convs[f"branches.{n}.1.0"].out_channels for n in (1, 2, 3)] == [512] * 3
    assert (convs["bottleneck.0"].in_channels, convs["bottleneck.0"].kernel_size) == (5 * 512, (3, 3))
    assert (convs["fine.0"].in_channels, convs["fine.0"].out_channels) == (256, 48)
    assert convs["joined.0.1.0"].in_channels == 560


def test_it_has_as_many_weights_as_that_of_mmsegmentation(network: nn.Module) -> None:
    """Counted from ``DepthwiseSeparableASPPHead`` for 7 classes: convolutions without bias, each with a norm."""

    def conv(before: int, after: int, side: int) -> int:
        return before * after * side**2 + 2 * after

    def separable(before: int, after: int) -> int:
        return before * 9 + 2 * before + conv(before, after, 1)

    pyramid = 2 * conv(2048, 512, 1) + 3 * separable(2048, 512) + conv(5 * 512, 512, 3)
    rest = conv(256, 48, 1) + separable(560, 512) + separable(512, 512) + 512 * 7 + 7
    counted = sum(p.numel() for name in ("decoder", "segmentation_head") for p in network.get_submodule(name).parameters())
    assert counted == pyramid + rest


def test_the_auxiliary_head_is_fcn_head_with_256_channels() -> None:
    head = auxiliary_head(1024, 7)
    assert sum(p.numel() for p in head.parameters()) == 1024 * 256 * 9 + 2 * 256 + 256 * 7 + 7
    assert head(torch.zeros(2, 1024, 5, 6)).shape == (2, 7, 5, 6)


@pytest.mark.thorough
def test_scores_are_as_large_as_the_image() -> None:
    network = build_segmenter("resnet10t", "deeplabv3plus-d8", 2, 3).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 2, 64, 96)).shape == (1, 3, 64, 96)
