"""The encoders that are compared: none, the general one, an untrained one, weights that timm knows, and encoder files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from false_core import jobs
from false_core.computing.backbone_libraries import timm
from false_core.errors import RequestError
from false_core.experiments.kept_features import digest_of_weights
from false_core.feedback import Feedback
from false_core.models.components import pca
from false_core.models.encoder import build_encoder, count_parameters
from false_core.models.from_file import encoder_from
from false_core.models.fused import FeatureParts
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.header import ENCODER
from false_core.models.model_file import ModelCard, read_card
from false_core.models.weights import DEFAULT_OF_TIMM, NONE, start_from
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.training.heads.samples import FeatureSampler

UNTRAINED_ENCODER = "random"
BESIDE = "+"
"""Separator between two encoders that look side by side, as fine-tuning has the general one beside an encoder file."""
_UNTRAINED_SEED = 0
UNTRAINED_WINDOWS = 8
"""Windows of a raster that the statistics of an untrained encoder are measured in."""


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder as it was asked for.

    Attributes:
        backbone: Name in timm.
        weights: Weights that it starts from, as ``start_from`` takes them; none for a file.
        file: Path of an encoder file; empty where it is none.
        card: Card of that file.
    """

    backbone: str
    weights: str = NONE
    file: str = ""
    card: ModelCard | None = None


@dataclass(frozen=True)
class ReadyEncoder:
    """An encoder that is ready to look at a raster.

    Attributes:
        backbone: Name in timm.
        network: Network with its weights, in evaluation mode.
        of_photographs: True where it is fed as photographs were.
    """

    backbone: str
    network: nn.Module
    of_photographs: bool


@dataclass(frozen=True)
class ComparedEncoder:
    """A row of the tables: one encoder, several side by side, or none, which leaves colours and texture.

    Attributes:
        name: Name of the row in tables.
        members: The encoders; none of them for ``"none"``.
    """

    name: str
    members: tuple[NamedEncoder, ...]

    @property
    def file(self) -> str:
        """The encoder file that says which bands are read, and how; empty where there is none."""
        return next((member.file for member in self.members if member.file), "")

    @property
    def card(self) -> ModelCard | None:
        """The card of that file."""
        return next((member.card for member in self.members if member.file), None)

    def networks(
        self, source: RasterSource, normalisation: Normalisation, device: torch.device, feedback: Feedback
    ) -> list[ReadyEncoder]:
        """Return the encoders for the bands of a raster.

        Raises:
            ModelFileError: Weights are missing, cannot be downloaded or do not fit.
        """
        return [_looking(member, source, normalisation, device, feedback) for member in self.members]


def encoder_called(text: str) -> ComparedEncoder:
    """Return the encoder that a word of the command line stands for.

    Args:
        text: ``"none"``, ``"general"``, ``"random"``, a backbone of timm with or without a name of weights, such as
            ``"resnet18"`` or ``"resnet18.a1_in1k"``, or an encoder file; or two of these with ``+`` between them.

    Raises:
        RequestError: It stands for nothing.
        ModelFileError: It is a file that is no encoder.
    """
    if text == NONE:
        return ComparedEncoder(text, ())
    words = [text] if os.path.exists(text) else text.split(BESIDE)
    members = tuple(map(_member, words))
    files = [Path(member.file).stem for member in members if member.file]
    name = BESIDE.join(files.pop(0) if member.file else word for member, word in zip(members, words))
    return ComparedEncoder(name, members)


def check_encoders(encoders: Sequence[ComparedEncoder]) -> None:
    """Raise RequestError where two encoders could not be told apart in a table, or there is none."""
    names = [encoder.name for encoder in encoders]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestError(f"Several encoders are called {', '.join(twice)}.", "Give each file a name of its own.")
    if not names:
        raise RequestError("There is no encoder to compare.", "Name some, such as general.")


def count_of_parameters(encoders: Sequence[ReadyEncoder]) -> int:
    """Return the number of parameters of encoders together."""
    return sum(count_parameters(encoder.network) for encoder in encoders)


def mark_of_encoders(encoders: Sequence[ReadyEncoder]) -> list[str]:
    """Return what tells encoders from others: digests of their weights, and how they are fed."""
    return [f"{digest_of_weights(encoder.network.state_dict())} {encoder.of_photographs}" for encoder in encoders]


def _member(word: str) -> NamedEncoder:
    if word == GENERAL:
        return NamedEncoder(BACKBONE, GENERAL)
    if word == UNTRAINED_ENCODER:
        return NamedEncoder(BACKBONE)
    if os.path.isfile(word) or word.endswith(".safetensors"):
        card = read_card(word, ENCODER)
        return NamedEncoder(card.encoder, NONE, word, card)
    backbone = word.partition(".")[0]
    if backbone == pca.__name__:
        raise RequestError(
            f"There are no weights of {backbone}: they are computed from rasters.",
            f"Pretrain with the method {backbone} and name its encoder file.",
        )
    if not timm.is_model(backbone):
        raise RequestError(
            f"There is no encoder {word!r}.",
            f"Choose {NONE}, {jobs.GENERAL_WEIGHTS}, {UNTRAINED_ENCODER}, a backbone of timm, or an encoder file.",
        )
    return NamedEncoder(backbone, word if "." in word else DEFAULT_OF_TIMM)


def _looking(
    member: NamedEncoder, source: RasterSource, normalisation: Normalisation, device: torch.device, feedback: Feedback
) -> ReadyEncoder:
    if member.card:
        return ReadyEncoder(member.backbone, encoder_from(member.file, member.card), of_photographs=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_UNTRAINED_SEED)
        network = build_encoder(member.backbone, len(source.bands)).eval()
    if member.weights == NONE:
        network = _adapted_to(member.backbone, network, source, normalisation, device, feedback)
        return ReadyEncoder(member.backbone, network, of_photographs=False)
    start_from(member.weights, network, member.backbone, source.name, source.colours, feedback)
    return ReadyEncoder(member.backbone, network.eval(), of_photographs=True)


def _adapted_to(
    backbone: str,
    network: nn.Module,
    source: RasterSource,
    normalisation: Normalisation,
    device: torch.device,
    feedback: Feedback,
) -> nn.Module:
    """Return an untrained network whose batch norms have seen the raster: without that it tells nearly nothing apart."""
    parts = FeatureParts((backbone,), ((1,),), len(source.bands)).eval()
    parts.encoders[0].load_state_dict(network.state_dict())
    sampler = FeatureSampler(parts.to(device), (), source, normalisation, device, feedback, UNTRAINED_WINDOWS)
    sampler.adapt_to_raster(_UNTRAINED_SEED)
    return parts.encoders[0].cpu().eval()
