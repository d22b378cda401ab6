"""Networks from model files, which are not trusted: nothing is made that the file does not hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from false_core.computing.backbone_libraries import NothingDrawnOnMeta
from false_core.computing.device import memory_of
from false_core.errors import ModelFileError
from false_core.models.area_classifier import AreaClassifier
from false_core.models.encoder import build_encoder
from false_core.models.fused import FusedSegmenter
from false_core.models.model_file import GENERAL_PREFIX, ModelCard, check_layout, load_weights
from false_core.models.segmenter import build_segmenter, stride_of

WEIGHTS_SHARE_OF_MEMORY = 0.4
"""The share of the computer's memory that the weights may take. While they are read they lie in it twice."""


def segmenter_from(path: str, card: ModelCard) -> Any:
    """Return the segmenter in a model file, in evaluation mode.

    Raises:
        ModelFileError: It names an unknown network, does not hold that network, is larger than the computer's
            memory, is damaged, or holds weights that compute nothing.
    """
    return _loaded(path, len(card.bands), lambda: _segmenter(card))


def check_segmenter(path: str, card: ModelCard) -> None:
    """Find out from its header whether a model file holds the segmenter that it says it does. Raises as ``check_fits``."""
    check_fits(path, lambda: _segmenter(card))


def encoder_from(path: str, card: ModelCard) -> Any:
    """Return the encoder in an encoder file, in evaluation mode. Raises as ``segmenter_from``."""
    return _loaded(path, len(card.bands), lambda: build_encoder(card.encoder, len(card.bands)))


def area_classifier_from(path: str, card: ModelCard) -> Any:
    """Return the classifier of areas in a model file, in evaluation mode. Raises as ``segmenter_from``."""
    assert card.areas is not None  # A card of this kind has it.
    spec, bands, classes = card.areas, len(card.bands), len(card.classes)
    return _loaded(path, bands, lambda: AreaClassifier(spec, bands, classes))


def general_from(path: str, card: ModelCard) -> Any:
    """Return the general encoder beside the one in an encoder file, ``card.general``. Raises as ``segmenter_from``."""
    return _loaded(path, len(card.bands), lambda: build_encoder(card.general, len(card.bands)), GENERAL_PREFIX)


def check_fits(path: str, build: Callable[[], nn.Module], prefix: str = "") -> None:
    """Find out from its header whether a model file holds the network that ``build`` makes, without memory for its weights.

    Raises:
        ModelFileError: It does not, or its weights would not fit the memory.
    """
    memory = memory_of(torch.device("cpu"))
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    if memory and size > WEIGHTS_SHARE_OF_MEMORY * memory:
        raise ModelFileError(
            f"{path} is too large for this computer: {size / 1e9:.1f} GB of weights, and {memory / 1e9:.1f} GB of memory.",
            "Use a computer with more memory.",
        )
    # Of shapes only, so that it does not matter how large the network would be.
    with NothingDrawnOnMeta(), torch.device("meta"):
        network = build()
    check_layout(path, network, prefix)


def _segmenter(card: ModelCard) -> Any:
    if card.head:
        return FusedSegmenter(card.head, len(card.bands), len(card.classes))
    return build_segmenter(card.encoder, card.decoder, len(card.bands), len(card.classes))


def _loaded(path: str, bands: int, build: Callable[[], nn.Module], prefix: str = "") -> Any:
    check_fits(path, build, prefix)
    network = build()
    load_weights(path, network, prefix)
    network.eval()
    # Numbers that are finite can still be too large, or a variance negative.
    with torch.inference_mode():
        results = network(torch.zeros(1, bands, *[2 * stride_of(network)] * 2))
    if not all(bool(torch.isfinite(result).all()) for result in (results if isinstance(results, list) else [results])):
        raise ModelFileError(
            f"{path} cannot be used: what its weights compute are no finite numbers.", "Copy it again, or train it again."
        )
    return network
