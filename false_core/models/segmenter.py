"""Segmenters: an encoder with a decoder on top that gives class scores per pixel."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from false_core.computing.backbone_libraries import NothingDrawnOnMeta, smp
from false_core.computing.precision import Use, autocast, precision_of
from false_core.errors import ModelFileError
from false_core.models.deeplab import dilated_deeplab
from false_core.models.encoder import DEPTH, STRIDE, quick_on_small_maps
from false_core.models.fused import FusedSegmenter
from false_core.models.segformer import SummingDecoder

# segformer: all levels of the encoder, projected, upsampled to a stride of 4 and joined (Xie et al. 2021). Of the decoders
# tried on few labels and small encoders it learned best, and it is the cheapest. deeplabv3plus-d8: as published with FALSE.
# deeplabv3plus: that of the library; files of earlier versions hold it.
_DECODERS: dict[str, Callable[..., nn.Module]] = {
    "segformer": lambda **common: _summing(smp.Segformer(encoder_depth=DEPTH, decoder_segmentation_channels=128, **common)),
    "deeplabv3plus-d8": dilated_deeplab,
    "deeplabv3plus": lambda **common: smp.DeepLabV3Plus(encoder_depth=DEPTH, **common),
}


def _summing(network: Any) -> Any:
    network.decoder = SummingDecoder(network.decoder)
    return network


def build_segmenter(encoder: str, decoder: str, bands: int, classes: int) -> Any:
    """Return an untrained segmenter with an ``encoder`` as ``build_encoder`` makes it.

    Called on (batch, bands, height, width), with sides that are multiples of 32, it returns scores before softmax of shape
    (batch, classes, height, width).

    Args:
        decoder: One of ``DECODERS``.

    Raises:
        ModelFileError: There is no such encoder or decoder.
    """
    if decoder not in _DECODERS:
        raise ModelFileError(f"There is no decoder called {decoder!r}.", f"Use one of {', '.join(_DECODERS)}.")
    try:
        with NothingDrawnOnMeta():  # The library builds the encoder there first.
            network: Any = _DECODERS[decoder](
                encoder_name=f"tu-{encoder}", encoder_weights=None, in_channels=bands, classes=classes
            )
    except (RuntimeError, ValueError, KeyError, AssertionError) as error:
        raise ModelFileError(f"{encoder!r} with {decoder!r} cannot be built: {error}.") from error
    quick_on_small_maps(network.encoder)
    return network


def with_prior(segmenter: nn.Module, ratio: Tensor) -> nn.Module:
    """Return a copy of a segmenter that takes classes to be ``ratio`` times as common, relative to each other.

    By Bayes' rule the probabilities of the classes are multiplied by the ratio of the priors and normalised again (Saerens
    et al. 2002, Eq. 2.4), which a shift of the last bias does.

    Args:
        segmenter: A network that ``build_segmenter`` made.
        ratio: New prior over the one it was trained with, of shape (classes,), above 0.
    """
    moved = copy.deepcopy(segmenter)
    last: Any = moved.segmentation_head
    with torch.no_grad():
        last[0].bias += ratio.log().to(last[0].bias.device)
    return moved


def stride_of(network: nn.Module) -> int:
    """Return what the sides of the images are multiples of that a segmenter takes, in pixels."""
    return int(getattr(network, "stride", STRIDE))


def use_of(network: nn.Module) -> Use:
    """Return what a segmenter is, which decides the numbers that it computes with."""
    return Use.FEATURES if isinstance(network, FusedSegmenter) else Use.DECODER


class InPrecision(nn.Module):
    """A segmenter that is to compute with certain numbers, and not with those that the device takes by itself."""

    def __init__(self, segmenter: nn.Module, numbers: torch.dtype) -> None:
        super().__init__()
        self.segmenter, self.numbers, self.stride = segmenter, numbers, stride_of(segmenter)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return what the segmenter does."""
        with autocast(pixels.device, self.numbers):
            scores: Tensor = self.segmenter(pixels)
        return scores


def class_probabilities(network: nn.Module, pixels: Tensor) -> Tensor:
    """Return probabilities of shape (batch, classes, height, width) for patches of any size.

    Sides are filled up with 0, which is how nodata looks to the network, to what the encoder's stride asks for.

    Args:
        network: A segmenter in evaluation mode.
        pixels: Normalised pixels.
    """
    height, width = pixels.shape[-2:]
    stride = stride_of(network)
    fill = (0, -width % stride, 0, -height % stride)
    if any(fill):
        pixels = torch.nn.functional.pad(pixels, fill)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), autocast(pixels.device, precision_of(pixels.device, use_of(network))):
        scores = network(pixels)
    probabilities: Tensor = scores[..., :height, :width].float().softmax(dim=1)
    return probabilities
