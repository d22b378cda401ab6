"""The raster of a session on its working grid, and frozen encoders that are used to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from false_core.computing.device import tell_precision
from false_core.computing.precision import Use, in_words, precision_of
from false_core.errors import ModelFileError
from false_core.feedback import Feedback
from false_core.inference.folding import parts_for_inference
from false_core.inference.tiles import TileContext, TilePlan
from false_core.jobs import Finetune
from false_core.mapping.raster_for_model import open_for_model
from false_core.models.from_file import check_segmenter, segmenter_from
from false_core.models.fused import TEXTURE, FeatureParts, FusedSegmenter, FusedSpec
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard, read_card
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.session_protocol import Open
from false_core.training.heads.choice import HeadCandidate, candidates_for
from false_core.training.heads.fit import FrozenEncoder, as_classifiers_see, mean_and_std, space_of_part
from false_core.training.heads.samples import FeatureSampler, FloatArray
from false_core.training.heads.spaces import Space, names_in, plain_space
from false_core.training.start import Start, begin, frozen_encoders, measured_raster, smoothing_px

HEAD = "auto"
"""The head of which a session takes the first candidate. It does well on most rasters, and there is no time to compare."""

SESSION_WINDOWS = 12
"""Windows of a raster that its statistics are measured in. A person waits for them."""


@dataclass(frozen=True)
class SessionRaster:
    """A raster, and how it is looked at. Labels play no part in it.

    Attributes:
        start: The job that would make the model, and what it starts from.
        source: The raster on its working grid.
        normalisation: The normalisation of its bands.
        candidate: The classifiers that are fitted.
        backbones: The timm backbones of the encoders.
        parts: The features, used to the raster, as a model file keeps them.
        quick: The same on the device, in the form that a map is computed with.
        spaces: The space that the features of a part are brought to before a classifier sees them, by part.
        sample: Features of random pixels of the raster, as classifiers see them, by part.
        smoothing: Standard deviation of the window in which probabilities are averaged, in working pixels.
        origin: Origin of the general encoder's weights.
        model: The card and the network of the model that is gone on from.
    """

    start: Start
    source: RasterSource
    normalisation: Normalisation
    candidate: HeadCandidate
    backbones: tuple[str, ...]
    parts: FeatureParts
    quick: FeatureParts
    spaces: Mapping[str, Space]
    sample: Mapping[str, FloatArray]
    smoothing: float
    origin: dict[str, Any]
    model: tuple[ModelCard, FusedSegmenter] | None

    @property
    def device(self) -> torch.device:
        """The device that computes."""
        return self.start.device

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts that classifiers see."""
        return names_in([member.parts for member in self.candidate.members])

    @property
    def spec(self) -> FusedSpec:
        """The specification of the segmenter that makes the map."""
        return FusedSpec(self.backbones, self.parts.zooms, self.candidate.members, self.smoothing)

    @property
    def seen_spaces(self) -> dict[str, Space]:
        """The spaces of features that ``seen`` has brought to their own already."""
        return {name: plain_space(space.axes.shape[1], 1.0, space.share) for name, space in self.spaces.items()}

    def plan(self, classes: int) -> TilePlan:
        """Return the tiles in which the whole raster is classified."""
        return TilePlan.for_area(self.source.window_of(None), classes, self.source.factor, TileContext.of(self.spec))

    def seen(self, name: str, features: FloatArray) -> FloatArray:
        """Return features (n, channels) of a part as a classifier of it alone sees them, of shape (n, dimensions)."""
        return self.spaces[name].of(as_classifiers_see(name, features, self.parts), alone=True)


def open_session_raster(request: Open, feedback: Feedback) -> SessionRaster:
    """Open the raster of a session and get its encoders used to it.

    Raises:
        FalseError: The raster, the encoder or the model cannot be used.
    """
    job = Finetune(
        raster=request.raster,
        labels="",
        field="",
        model="",
        encoder=request.encoder or None,
        head=HEAD,
        weights=request.weights,
        bands=request.bands,
        smoothing=request.smoothing,
        unlabelled=False,  # A session fits to labels alone.
        device=request.device,
        seed=request.seed,
    )
    with feedback.stage("Opening the raster", 0.3):
        start = begin(job, feedback, is_recorded=False)
        tell_precision(in_words(precision_of(start.device, Use.FEATURES)), start.device, feedback)
        model = _model(request.model) if request.model else None
        if model:
            card, network = model
            source = open_for_model(job.raster, request.model, card, feedback, job.bands)
            normalisation, origin = card.normalisation, card.provenance.get("weights", {})
            state = network.features.encoders
            encoders = [
                FrozenEncoder(name, encoder.state_dict(), zooms)
                for name, encoder, zooms in zip(network.spec.encoders, state, network.spec.zooms)
            ]
            start = replace(start, base=None)
        else:
            source, normalisation = measured_raster(start, feedback)
            encoders, origin = frozen_encoders(job, start.base, source, feedback)
    zooms = tuple(encoder.zooms for encoder in encoders)
    candidate = candidates_for(HEAD, zooms)[0]
    names = names_in([member.parts for member in candidate.members])
    parts = FeatureParts([encoder.backbone for encoder in encoders], zooms, len(source.bands)).eval()
    for module, encoder in zip(parts.encoders, encoders):
        module.load_state_dict(dict(encoder.weights))
    if model:
        parts.load_state_dict(model[1].features.state_dict())
    parts.to(start.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    with feedback.stage("Looking at the raster", 0.7):
        sampler = FeatureSampler(parts, names, source, normalisation, start.device, feedback, SESSION_WINDOWS)
        sample = sampler.sample(job.seed) if model else sampler.adapt_to_raster(job.seed)
        if not model:
            parts.random_features.draw(*mean_and_std(sample[TEXTURE]), torch.Generator().manual_seed(job.seed))
    parts.cpu()
    spaces = {name: space_of_part(name, values) for name, values in sample.items()}
    seen = {name: spaces[name].of(as_classifiers_see(name, values, parts), alone=True) for name, values in sample.items()}
    quick = parts_for_inference(parts).to(start.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    backbones = tuple(encoder.backbone for encoder in encoders)
    smoothing = model[1].spec.smoothing if model else smoothing_px(job, source)
    return SessionRaster(
        start, source, normalisation, candidate, backbones, parts, quick, spaces, seen, smoothing, origin, model
    )


def _model(path: str) -> tuple[ModelCard, FusedSegmenter]:
    card = read_card(path, SEGMENTER)
    check_segmenter(path, card)
    if card.head is None:
        raise ModelFileError(
            f"{path} was trained step by step, with the head network. A labelling session cannot go on from it.",
            "Choose a model of another head, or none.",
        )
    return card, segmenter_from(path, card)
