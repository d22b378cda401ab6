"""The encoders that look at areas: the general encoder, one from a file, or both side by side."""

from __future__ import annotations

from typing import Any

from torch import nn

from false_core.feedback import Feedback
from false_core.jobs import ClassifyAreas, FindSimilar
from false_core.models.area_classifier import AreaEncoder
from false_core.models.encoder import build_encoder
from false_core.models.from_file import encoder_from
from false_core.models.general import BACKBONE, GENERAL
from false_core.models.model_file import ModelCard
from false_core.models.weights import start_from
from false_core.raster.source import RasterSource

AREA_ZOOMS = (1,)
"""Working pixels per pixel of each pass of an encoder."""
AREA_WIDTH_PX = 256
"""Working pixels that an area is wide, where the job does not say how large pixels are: about as the encoder was trained."""
MOST_FACTOR_FOR_AREAS = 32


def factor_for_areas(width: float) -> int:
    """Return how many pixels of the file make a working pixel along each axis, for areas as wide as so many of these."""
    return int(min(MOST_FACTOR_FOR_AREAS, max(1, width // AREA_WIDTH_PX)))


def area_encoder(
    job: ClassifyAreas | FindSimilar, card: ModelCard | None, source: RasterSource, feedback: Feedback
) -> tuple[AreaEncoder, dict[str, Any]]:
    """Return the encoder that a job looks with, and where its general weights come from.

    Args:
        card: The card of the encoder file, None without one.
        source: The raster whose bands it is to see.
    """
    bands = len(source.bands)
    found: list[tuple[str, bool, nn.Module]] = []
    origin: dict[str, Any] = {}
    if job.weights == GENERAL:
        encoder = build_encoder(BACKBONE, bands)
        origin = start_from(GENERAL, encoder, BACKBONE, source.name, source.colours, feedback)
        found.append((BACKBONE, True, encoder))
    if card and job.encoder:
        found.append((card.encoder, False, encoder_from(job.encoder, card)))
    seen = AreaEncoder([name for name, _, _ in found], [of for _, of, _ in found], AREA_ZOOMS, bands)
    for own, (_, _, encoder) in zip(seen.encoders, found):
        own.load_state_dict(encoder.state_dict())
    return seen.eval(), origin
