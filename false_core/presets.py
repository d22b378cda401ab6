"""The presets: complete settings for a laptop, for one GPU, and as published. A job may override single values."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from false_core.jobs import ELSEWHERE, NOTHING_KEPT, PUBLISHED, Finetune, Pretrain

IMAGE, POINTS, BOTH = "image", "points", "both"
PRESETS_IN_WORDS = {"quick": "preset quick", "standard": "preset standard", "paper": "preset paper"}
"""The words for a preset in a sentence: in another language it has the name that dialogs show."""
ANY_BANDS, SIMCLR, PHOTOMETRIC = "bands", "simclr", "photometric"
WEIGHTS, BIASES, EVERYTHING = "weights", "biases", "all"


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """Everything that decides how an encoder is pretrained.

    Attributes:
        encoder: timm backbone.
        weights: Weights to start from, see ``false_core.models.weights``.
        keep: Part of these weights that stays as it is, one of ``jobs.KEPT``; see ``false_core.training.kept_levels``.
        level: Object that an embedding stands for: a whole patch (``"image"``, as published), points of it (``"points"``),
            or each, with a projector of its own (``"both"``).
        points: Points per pair of views, where ``level`` is not ``"image"``.
        crop_size: Side of a view in working pixels.
        scales: Smallest and largest zoom of a view, working pixels per pixel of the view.
        patch_size: Side of the patches in working pixels that views are cut out of, without turning them, as published; see
            ``false_core.sampling.geometry.resized_crops``. 0: ``scales`` say how large they are.
        batch_size: Patches per step; each gives two views.
        steps: Training steps; 0: as many as ``epochs`` take.
        until_flat: True where training ends where the curves of its losses are flat; see ``false_core.training.flatness``.
        epochs: Passes over the raster cut in patches of ``patch_size``, or ``crop_size``, where ``steps`` is 0.
        hidden, dimensions: Widths of the hidden layer and of the output of the projector.
        temperature, confidence: See ``false_core.methods.fncc``.
        search: The way in which false negatives are looked for, a name in ``SEARCH_SETTINGS``, which says the next six.
        threshold, neighbours, benchmark, closest_to, surest_by: See ``false_core.methods.false_negatives.Search``.
        apart: Least distance of a false negative from its anchor, in widths of a view, and in another patch; 0: anywhere (as
            published). Methods that do not know where their embeddings lie, glcnet and grass, do not look at it.
        near_negatives: True where negatives nearer than ``apart`` are in the denominator of FALSE.
        optimiser: ``"adamw"`` or ``"larc"`` (SGD with LARC, as published).
        learning_rate: Highest rate.
        decays: Parameters that decay: ``"weights"``, ``"biases"`` too, or ``"all"``; see ``parameter_groups``.
        mixed_precision: True where a GPU that was built for short numbers computes with them, see
            ``false_core.computing.precision``.
        rate_from_nothing: The same where the encoder starts from random weights, of which nothing can be forgotten; 0: no
            other.
        most_pixels: The quick preset coarsens rasters to about this number of pixels; 0: never.
        colour: Change of colours between views: ``"bands"``, for any number of bands (``SpectralJitter``), or ``"simclr"``,
            as published for red, green and blue (``SimCLRColour``).
        jitter: Strength of the changes of colour. At 1 those of ``"bands"`` move two views of a patch apart by about half as
            much as the published ones do (1.0 and 2.0 standard deviations of the bands, root mean square, on 128 patches of
            a scene). An encoder learns to ignore what changes, and on one scene colour tells classes apart.
        blur: Share of views that are blurred.
        blur_radius: Pixels on either side that the blur looks at.
        method: One of ``jobs.METHODS``.
        false_negatives: True where a method that is not FALSE finds false negatives (FNSD) and calibrates them (FNCC) too.
        radius: Reach of a neighbourhood on the ground, in widths of a view; see ``false_core.methods.gfcnet`` and
            ``rissnet``.
        queue: Latest embeddings that are the negatives of ``pcl``; 0: the others of the batch are, see there. Of ``moco``
            and ``sticl``; 0: those of a few batches.
        transfer: Share of the patches whose second view gets the colours of another patch, see
            ``false_core.sampling.style``. Where the job names rasters as ``style`` that of ``sticl``, if it says no other.
        outputs: Answers of the teacher of ``false_core.methods.last``.
        window: Side of what ``false_core.methods.glcnet`` compares locally, in pixels of a view.
        decoder: Decoder that a method trains beside the encoder, if it does. That of fine-tuning with the same preset.
    """

    encoder: str = "resnet50"
    weights: str = "general"
    keep: str = NOTHING_KEPT
    level: str
    crop_size: int
    batch_size: int
    steps: int
    hidden: int = 2048
    dimensions: int = 128
    temperature: float = 0.2
    search: str = PUBLISHED
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
    decays: str = WEIGHTS
    mixed_precision: bool = True
    scales: tuple[float, float] = (0.6, 1.6)
    patch_size: int = 0
    points: int = 0
    until_flat: bool = False
    epochs: int = 0
    most_pixels: int = 0
    colour: str = ANY_BANDS
    jitter: float = 1.0
    blur: float = 0.3
    blur_radius: int = 3
    method: str = "false"
    false_negatives: bool = False
    radius: float = 1.0
    queue: int = 0
    transfer: float = 0.0
    outputs: int = 4096
    window: int = 16
    decoder: str = "segformer"


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """Everything that decides how a segmenter is trained.

    Attributes:
        encoder: timm backbone where no encoder file is given.
        decoder: See ``false_core.models.segmenter``.
        crop_size: Side of a training crop in working pixels.
        scales: Smallest and largest zoom of a crop, working pixels per pixel of the crop.
        turns: True where crops are turned by any angle. Otherwise, as published, they are only flipped, and how much they
            are enlarged is uniform.
        colour: Change of colours: ``"bands"``, a little, for any number of bands, or ``"photometric"``, as published
            (``PhotometricDistortion``).
        balanced: True where rare classes are drawn more often, and the model takes that back in the end. Otherwise every
            labelled pixel has the same chance.
        batch_size: Crops per step.
        steps: Training steps.
        freeze: True where the encoder stays as it is (the paper's protocol).
        decoder_first: Share of the steps that train the decoder alone, where the encoder is not frozen.
        auxiliary: Weight of the loss of a second head, on the last but one level of the encoder. It teaches the encoder:
            where that is frozen there is none, as it would change nothing that is kept.
        optimiser: ``"adamw"``, with a rise and a cosine, or ``"sgd"`` with momentum and a polynomial, as published.
        learning_rate: Highest rate of the decoder.
        decays, mixed_precision: Settings as in ``PretrainSettings``.
        encoder_rate: Rate of the encoder, as a share of the decoder's.
        refit: Steps on all labels, once those held out have scored the model, as a share of ``steps``.
        average: Decay of the running average of the weights, which is what is kept; 0: the weights of the last step are.
        most_pixels: Number as in ``PretrainSettings``, where no encoder file is given.
    """

    encoder: str = "resnet50"
    decoder: str = "segformer"
    crop_size: int = 256
    batch_size: int = 32
    steps: int
    freeze: bool = False
    decoder_first: float
    optimiser: str = "adamw"
    learning_rate: float = 1e-3
    encoder_rate: float
    weight_decay: float = 1e-2
    decays: str = WEIGHTS
    mixed_precision: bool = True
    auxiliary: float = 0.0
    scales: tuple[float, float] = (0.7, 1.4)
    turns: bool = True
    colour: str = ANY_BANDS
    balanced: bool = True
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
        until_flat=True,
        hidden=512,
        dimensions=64,
        learning_rate=5e-4,
        rate_from_nothing=2e-3,
        jitter=0.2,
        most_pixels=1_500_000,
        search=ELSEWHERE,
    ),
    "standard": PretrainSettings(
        level=POINTS, points=24, crop_size=160, batch_size=128, steps=10_000, learning_rate=1e-3, jitter=0.2
    ),
    "paper": PretrainSettings(
        weights="none",
        level=IMAGE,
        crop_size=224,
        patch_size=256,
        batch_size=256,
        steps=0,
        epochs=200,
        temperature=0.5,
        optimiser="larc",
        learning_rate=4.8,
        weight_decay=1e-6,
        decays=BIASES,
        mixed_precision=False,
        colour=SIMCLR,
        blur=0.5,
        blur_radius=6,
        decoder="deeplabv3plus-d8",
    ),
}

PUBLISHED_WITH: dict[str, dict[str, Any]] = {
    "pcl": {"temperature": 0.2, "queue": 16_384},
    "glcnet": {"window": 48},
    "moco": {"temperature": 0.2, "queue": 65_536},
    "last": {"outputs": 65_536},
    "sticl": {"temperature": 0.2, "queue": 65_536},
}
"""The settings that the authors of other methods published, for the preset ``paper``."""
TRANSFER = 0.1
"""The share of patches that get other colours, as published with STICL."""

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
        decoder="deeplabv3plus-d8",
        batch_size=16,
        steps=1_300,
        freeze=True,
        decoder_first=0.0,
        encoder_rate=1.0,
        optimiser="sgd",
        learning_rate=0.01,
        weight_decay=5e-4,
        decays=EVERYTHING,
        mixed_precision=False,
        auxiliary=0.4,
        scales=(0.5, 2.0),
        turns=False,
        colour=PHOTOMETRIC,
        balanced=False,
    ),
}

SEARCH_SETTINGS: dict[str, dict[str, Any]] = {
    PUBLISHED: {},
    ELSEWHERE: {
        "apart": 1.0,
        "neighbours": 0.05,
        "benchmark": 0.25,
        "closest_to": "anchor",
        "surest_by": "found",
        "near_negatives": False,
    },
}
"""The search for false negatives. As published: one for each anchor, anywhere. Elsewhere: on ground that is not the
anchor's own, the most similar 5 % for the surest quarter of the anchors. How this was chosen: docs/methods.md."""

Settings = TypeVar("Settings", PretrainSettings, FinetuneSettings)


def with_overrides(settings: Settings, job: Pretrain | Finetune) -> Settings:
    """Return ``settings`` with every value the job names itself."""
    named = {f.name: getattr(job, f.name, None) for f in fields(settings) if f.name != "encoder"}
    named["encoder"] = job.backbone
    return replace(settings, **{name: value for name, value in named.items() if value is not None})


def pretrain_settings(preset: str, job: Pretrain) -> PretrainSettings:
    """Return the settings of a preset for the method that ``job`` names, with every value the job names itself."""
    settings = PRETRAIN[preset]
    if preset == "paper":
        settings = replace(settings, **PUBLISHED_WITH.get(job.method or settings.method, {}))
    if job.method == "sticl" or job.style:
        settings = replace(settings, transfer=TRANSFER)
    settings = replace(settings, **SEARCH_SETTINGS[job.search or settings.search])
    if job.threshold is not None:
        # Whoever names a threshold wants it to choose the anchors, and not a share of them.
        settings = replace(settings, benchmark=0.0)
    if job.steps is not None:
        # Who names steps gets them all.
        settings = replace(settings, until_flat=False)
    if job.learning_rate is not None:
        settings = replace(settings, rate_from_nothing=0.0)
    return with_overrides(settings, job)
