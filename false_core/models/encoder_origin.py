"""The origin of each encoder of a model: its weights, their source and their licence, and what it then learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from false_core.errors import RequestError
from false_core.language.catalogue import localised
from false_core.models.fused import encoder_part
from false_core.models.general import GENERAL
from false_core.models.model_file import PRECISION, ModelCard
from false_core.models.weights import CHOSEN_BANDS, origin_in_words
from false_core.reports.sections import Section

MOST_ANCESTORS = 20
"""Encoder files that are named of those that followed one another."""
RANDOM_WEIGHTS = "random weights"


@dataclass(frozen=True)
class EncoderOrigin:
    """The origin of an encoder.

    Attributes:
        backbone: Its name in timm.
        weights: Origin of the weights it started from, as ``start_from`` tells it; nothing where its weights were random.
        method: Method of its pretraining and its settings; nothing where it was not pretrained.
        rasters: Names of the rasters that it was pretrained on.
        is_seen: False where a head takes none of its features.
    """

    backbone: str
    weights: Mapping[str, Any]
    method: Mapping[str, Any] = field(default_factory=dict)
    rasters: Sequence[str] = ()
    is_seen: bool = True


def check_has_encoder(weights: str, card: ModelCard | None) -> None:
    """Raise RequestError where a job looks with neither an encoder file, of that card, nor the general encoder."""
    if not card and weights != GENERAL:
        raise RequestError(
            "There is no encoder to look with: no encoder file is given, and the general encoder is off.",
            "Choose an encoder file, or the general encoder.",
        )


def encoders_of(card: ModelCard) -> list[EncoderOrigin]:
    """Return the encoders of a model of land cover or of areas as its file names them, the general one first."""
    told = card.provenance
    names = card.head.encoders if card.head else card.areas.encoders if card.areas else (card.encoder,)
    seen = [_is_seen(card, number) for number in range(len(names))]
    source, method, weights = _dict(told.get("encoder")), _dict(told.get("pretraining")), _dict(told.get("weights"))
    # Its file keeps the general encoder that a pretraining began with.
    general = weights or _first(_dict(source.get("weights")))
    origins = [EncoderOrigin(name, general, is_seen=is_seen) for name, is_seen in zip(names, seen)]
    if origins and method:
        origins[-1] = EncoderOrigin(names[-1], _dict(source.get("weights")), method, _names(source), seen[-1])
    return origins


def pretrained_encoder(card: ModelCard) -> EncoderOrigin:
    """Return the origin of the encoder in an encoder file."""
    return EncoderOrigin(card.encoder, _dict(card.provenance.get("weights")), card.method, _names(card.provenance))


def encoders_section(encoders: Sequence[EncoderOrigin], heading: str = "The encoders") -> Section:
    """Say through which encoders an image was seen, and where each comes from."""
    if not encoders:
        return Section(heading, "There is none: colours and texture alone were looked at.")
    return Section(heading, "The image was seen through these.", rows=encoder_rows(encoders))


def encoder_rows(encoders: Sequence[EncoderOrigin]) -> list[list[str]]:
    """Return the facts about each encoder, as rows of a table."""
    rows = []
    for number, one in enumerate(encoders, start=1):
        title = "Encoder" if len(encoders) == 1 else f"Encoder {number}"
        rows.append([title, one.backbone if one.is_seen else f"{one.backbone}; this head takes nothing of it"])
        rows += started_from(one.weights) or [["Started from", RANDOM_WEIGHTS]]
        rows.append(["Pretraining", settings_in_words(one.method) if one.method else "none"])
        if one.rasters:
            rows.append(["Pretrained on", ", ".join(one.rasters)])
    return rows


def started_from(weights: Mapping[str, Any]) -> list[list[str]]:
    """Return rows on what an encoder started from, and on what that had started from; none for random weights."""
    rows: list[list[str]] = []
    while weights and len(rows) < MOST_ANCESTORS:
        made = f": {settings_in_words(weights['method'])}" if "method" in weights else ""
        rows.append(["Started from", f"{origin_in_words(weights)}{made}"])
        if CHOSEN_BANDS in weights:
            rows.append(["Bands for its colours", str(weights[CHOSEN_BANDS])])
        weights = _dict(_dict(weights.get("provenance")).get("weights"))
    return rows


def settings_in_words(method: Any) -> str:
    """Return the settings that a reader compares; the file itself holds all."""
    if not isinstance(method, Mapping):
        return str(method)
    said = (
        ("name", "method {}"), ("head", "head {}"), ("preset", "preset {}"), ("steps", "{} steps"),
        ("batch_size", "batch size {}"), ("smoothing", "smoothing {}"), ("seed", "seed {}"),
        (PRECISION, "computed in {}"),
    )  # fmt: skip
    return ", ".join(localised(text.format(_plain(method[key]))) for key, text in said if method.get(key) not in (None, ""))


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_seen(card: ModelCard, number: int) -> bool:
    """Return whether a head takes features of its encoder with that number."""
    if not card.head:
        return True
    return any(encoder_part(number, zoom) in card.head.parts for zoom in card.head.zooms[number])


def _first(weights: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the first of several encoders that followed one another started from."""
    for _ in range(MOST_ANCESTORS):
        before = _dict(_dict(weights.get("provenance")).get("weights"))
        if not before:
            break
        weights = before
    return weights


def _names(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    rasters = provenance.get("rasters")
    return tuple(map(str, rasters)) if isinstance(rasters, (list, tuple)) else ()


def _dict(found: Any) -> Mapping[str, Any]:
    """Return what a file says, where it is a dictionary; the file may come from anybody."""
    return found if isinstance(found, Mapping) else {}
