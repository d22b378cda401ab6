"""The presets: complete settings for a laptop, for one GPU, and as published. A job may override single values."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

from false_core.jobs import Finetune, Pretrain

IMAGE, POINTS, BOTH = "image", "points", "both"


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """Everything that decides how an encoder is pretrained.

    Attributes:
        encoder: timm backbone.
        weights: Weights to start from, see ``false_core.models.weights``.
        level: What an embedding stands for: a whole patch (``"image"``, as published), points of it (``"points"``), or
            each, with a projector of its own (``"both"``).
        points: Points per pair of views, where ``level`` is not ``"image"``.
        crop_size: Side of a view in working pixels.
        scales: Smallest and largest zoom of a view, working pixels per pixel of the view.
        batch_size: Patches per step; each gives two views.
        steps: Training steps; 0: as many as ``epochs`` take.
        epochs: Passes over the raster cut in patches of ``crop_size``, where ``steps`` is 0.
        hidden, dimensions: Widths of the hidden layer and of the output of the projector.
        temperature, confidence: See ``false_core.methods.fncc``.
        threshold, neighbours, benchmark, closest_to, surest_by: See ``false_core.methods.false_negatives.Search``.
        apart: How far off its anchor a false negative lies at least, in widths of a view, and in another patch; 0: anywhere
            (as published). Methods that do not know where their embeddings lie, glcnet and grass, do not look at it.
        near_negatives: Whether what is nearer than ``apart`` is in the denominator of FALSE.
        optimiser: ``"adamw"`` or ``"larc"`` (SGD with LARC, as published).
        learning_rate: Highest rate.
        rate_from_nothing: The same where the encoder starts from random weights, of which nothing can be forgotten; 0: no
            other.
        most_pixels: The quick preset coarsens rasters to about this number of pixels; 0: never.
        jitter: Strength of the changes of colour between views. 1 is about the published one. An encoder learns to ignore
            what changes, and on one scene colour tells classes apart.
        method: One of ``jobs.METHODS``.
        false_negatives: Whether a method that is not FALSE finds false negatives (FNSD) and calibrates them (FNCC) too.
        radius: How far a neighbourhood reaches on the ground, in widths of a view; see ``false_core.methods.gfcnet`` and
            ``rissnet``.
        window: Side of what ``false_core.methods.glcnet`` compares locally, in pixels of a view.
        decoder: What a method trains beside the encoder, if it does. That of fine-tuning with the same preset.
    """

    encoder: str = "resnet50"
    weights: str = "general"
    level: str
    crop_size: int
    batch_size: int
    steps: int
    hidden: int = 2048
    dimensions: int = 128
    temperature: float = 0.2
    threshold: float = 0.9
    confidence: float | str = 1.0
    neighbours: float = 1
    benchmark: float = 0.0
    closest_to: str = "positive"
    surest_by: str = "positive"
    apart: float = 0.0
    near_negatives: bool = True
    optimiser: str = "adamw"
    learning_rate: float
    rate_from_nothing: float = 0.0
    weight_decay: float = 1e-4
    scales: tuple[float, float] = (0.6, 1.6)
    points: int = 0
    epochs: int = 0
    most_pixels: int = 0
    jitter: float = 1.0
    method: str = "false"
    false_negatives: bool = False
    radius: float = 1.0
    window: int = 16
    decoder: str = "segformer"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """Everything that decides how a segmenter is trained.

    Attributes:
        encoder: timm backbone where no encoder file is given.
        decoder: See ``false_core.models.segmenter``.
        crop_size: Side of a training crop in working pixels.
        scales: Smallest and largest zoom of a crop.
        batch_size: Crops per step.
        steps: Training steps.
        freeze: Whether the encoder stays as it is (the paper's protocol).
        decoder_first: Share of the steps that train the decoder alone, where the encoder is not frozen.
        learning_rate: Highest rate of the decoder.
        encoder_rate: Rate of the encoder, as a share of the decoder's.
        refit: Steps on all labels, once those kept back have scored the model, as a share of ``steps``.
        average: Decay of the running average of the weights, which is what is kept; 0: the weights of the last step are.
        most_pixels: As in ``PretrainSettings``, where no encoder file is given.
    """

    encoder: str = "resnet50"
    decoder: str = "segformer"
    crop_size: int = 256
    batch_size: int = 32
    steps: int
    freeze: bool = False
    decoder_first: float
    learning_rate: float = 1e-3
    encoder_rate: float
    weight_decay: float = 1e-2
    scales: tuple[float, float] = (0.7, 1.4)
    refit: float = 0.3
    average: float = 0.0
    most_pixels: int = 0

    @property
    def refit_steps(self) -> int:
        """Steps on all labels."""
        return round(self.refit * self.steps)


PRETRAIN = {
    "quick": PretrainSettings(
        encoder="tf_efficientnet_lite0",
        level=POINTS,
        points=24,
        crop_size=64,
        batch_size=32,
        steps=250,
        hidden=512,
        dimensions=64,
        learning_rate=5e-4,
        rate_from_nothing=2e-3,
        jitter=0.2,
        most_pixels=1_500_000,
    ),
    "standard": PretrainSettings(
        level=POINTS, points=24, crop_size=160, batch_size=128, steps=10_000, learning_rate=1e-3, jitter=0.2
    ),
    "paper": PretrainSettings(
        weights="none",
        level=IMAGE,
        crop_size=224,
        scales=(0.5, 1.0),
        batch_size=256,
        steps=0,
        epochs=200,
        temperature=0.5,
        optimiser="larc",
        learning_rate=4.8,
        weight_decay=1e-6,
        decoder="deeplabv3plus",
    ),
}

FINETUNE = {
    "quick": FinetuneSettings(
        encoder="tf_efficientnet_lite0",
        crop_size=64,
        steps=350,
        decoder_first=0.1,
        learning_rate=2e-3,
        encoder_rate=1.0,
        most_pixels=1_500_000,
        average=0.98,
    ),
    "standard": FinetuneSettings(steps=2_000, decoder_first=0.25, encoder_rate=0.1, average=0.995),
    "paper": FinetuneSettings(
        decoder="deeplabv3plus", batch_size=16, steps=5_000, freeze=True, decoder_first=1.0, encoder_rate=0.0
    ),
}

Settings = TypeVar("Settings", PretrainSettings, FinetuneSettings)


def preset_for(name: str, device_type: str) -> str:
    """Return the preset ``auto`` stands for on a device, or ``name`` itself."""
    if name != "auto":
        return name
    return "quick" if device_type == "cpu" else "standard"


def announcement(asked: str, preset: str, device_type: str) -> str:
    """Return the sentence that tells the user which preset is used, and why where they left the choice."""
    if asked != "auto":
        return f"Preset {preset}."
    return (
        f"Preset {preset}, as this runs on {'the CPU' if device_type == 'cpu' else 'a GPU'}. Set PRESET to choose another."
    )


def with_overrides(settings: Settings, job: Pretrain | Finetune) -> Settings:
    """Return ``settings`` with every value the job names itself."""
    named = {f.name: getattr(job, f.name, None) for f in fields(settings) if f.name != "encoder"}
    named["encoder"] = job.backbone
    return replace(settings, **{name: value for name, value in named.items() if value is not None})
