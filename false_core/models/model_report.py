"""The report on a model file: what it maps, what it needs, how good it is and how it was made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from false_core import __version__
from false_core.language.catalogue import localised
from false_core.models.encoder_origin import (
    encoder_rows,
    encoders_of,
    pretrained_encoder,
    settings_in_words,
    started_from,
)
from false_core.models.header import AREA_CLASSIFIER, ENCODER, SEGMENTER
from false_core.models.model_file import LEANS_TO, MISSING_SHAPES, SHAPES, STAGES, ModelCard
from false_core.raster.georeference import pixel_in_words
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps

UNKNOWN_ACCURACY = "unknown"
_OF_LABELS = ("Label shapes", "Labelled pixels")
_WHOLE_NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


def model_report(card: ModelCard, name: str, megabytes: float, weights: int, with_imagery: bool = False) -> str:
    """Return the report on a model or encoder file, as HTML."""
    tiles = [("bands", str(len(card.bands))), ("pixel size", pixel_in_words(card.pixel_size, card.ground_sample_distance))]
    if card.classes.classes:
        tiles.insert(0, ("classes", str(len(card.classes))))
    tiles += accuracy_tiles(card)
    what = kind_in_words(card)
    summary = f"{what[0].upper()}{what[1:]}. {megabytes:,.1f} MB, {weights / 1e6:,.1f} million weights."
    if with_imagery:
        summary = f"{summary} It holds pieces of the imagery around its labels: who gets the file gets them too."
    return page(name, summary, tiles, [], [*model_sections(card), *_next(card)])


def _next(card: ModelCard) -> list[Section]:
    if card.kind == SEGMENTER:
        return next_steps("Make a map of a raster with the same bands, with 'Classify a raster'.")
    if card.kind == AREA_CLASSIFIER:
        return next_steps("Classify areas of a raster with the same bands, with 'Classify areas'.")
    return next_steps("Make a model from this encoder and your labels, with 'Fine-tune a model'.")


def bands_shown(numbers: Sequence[int]) -> str:
    """Say which of the bands with these numbers are shown, and how."""
    if len(numbers) < 3:
        return f"The raster's band {numbers[0]} is shown in grey."
    return f"The raster's bands {', '.join(map(str, numbers[:3]))} are shown as red, green and blue."


def kind_in_words(card: ModelCard) -> str:
    """Return what sort of model it is, as the end of a sentence."""
    return {ENCODER: "an encoder", SEGMENTER: "a land-cover model", AREA_CLASSIFIER: "a model of areas"}[card.kind]


def model_sections(card: ModelCard) -> list[Section]:
    """Say what a model is: what it maps, what it needs, how good it is, how it was made and what it does to pixels first."""
    side = f"{card.patch_size} x {card.patch_size} pixels"
    sections = [
        Section(
            "What it needs",
            rows=[
                ["Bands", ", ".join(f"{number} {name}" for number, name in zip(card.band_numbers, card.bands))],
                ["Data type", card.dtype],
                ["Pixel size it works on", pixel_in_words(card.pixel_size, card.ground_sample_distance)],
                *([["Patches it was trained on", side]] if not (card.head or card.areas) else []),
            ],
        ),
        history_section(card),
        _normalisation(card),
    ]
    if card.kind != ENCODER:
        sections[:0] = [class_section(card), *_scores(card)]
    return sections


def history_section(card: ModelCard) -> Section:
    """Say how a model was made."""
    return Section("How it was made", rows=_history(card))


def _normalisation(card: ModelCard) -> Section:
    statistics = card.normalisation
    kind = np.dtype(card.dtype) if card.dtype in _WHOLE_NUMBERS else None
    least, most = (np.iinfo(kind).min, np.iinfo(kind).max) if kind is not None else (-math.inf, math.inf)
    # Values beyond what the data type holds do not occur.
    low, high = [max(least, value) for value in statistics.low], [min(most, value) for value in statistics.high]
    columns = (low, high, statistics.mean, statistics.std)
    return Section(
        "How pixels are normalised",
        "Values beyond the limits are clipped. Then the mean is subtracted, and the result is divided by the standard "
        "deviation. Nodata becomes the mean.",
        header=("Band", "From", "To", "Mean", "Standard deviation"),
        rows=[[name, *(f"{value:.6g}" for value in values)] for name, *values in zip(card.bands, *columns)],
    )


def class_section(card: ModelCard) -> Section:
    """Return the classes of a model, with the labels that it learned them from."""
    labels = card.provenance.get("labels", {})
    return Section(
        "What it maps",
        header=("Class", "Code", "Colour", *(("Labelled areas", "Pixels in them") if card.areas else _OF_LABELS)),
        rows=[[c.name, str(c.code), c.color, *(f"{n:,}" for n in labels.get(str(c.code), ()))] for c in card.classes],
        colors=[c.color for c in card.classes],
    )


def _scores(card: ModelCard) -> list[Section]:
    titles = {"miou": "Mean IoU", "macc": "Mean class accuracy", "kappa": "Cohen's kappa"}
    scores = card.provenance.get("scores", {})
    rows = [["Overall accuracy", value] for _, value in accuracy_tiles(card)[:1]]
    rows += [[title, f"{scores[name]:.3f}"] for name, title in titles.items() if name in scores]
    title = (
        "Scores of a cross-validation over the labels" if card.head or card.areas else "Scores on labels that were held out"
    )
    return [Section(title, accuracy_in_words(card), rows=rows)] if rows else []


def accuracy_tiles(card: ModelCard) -> list[tuple[str, str]]:
    """Return what is shown of a model's scores at first sight: title and value, the overall accuracy first."""
    scores = card.provenance.get("scores", {})
    title = "overall accuracy"
    missing = card.provenance.get(MISSING_SHAPES)
    if missing:
        return [(title, f"{UNKNOWN_ACCURACY}, known with {sum(missing.values()):,} label shapes more")]
    if "oa" not in scores:
        return []
    limits = "interval unknown"
    if "oa_low" in scores and "oa_high" in scores:
        limits = f"{percent(scores['oa_low'])} to {percent(scores['oa_high'])}"
    tiles = [(title, f"{percent(scores['oa'])} ({limits})")]
    return [*tiles, ("mean IoU", percent(scores["miou"]))] if "miou" in scores else tiles


def accuracy_in_short(card: ModelCard) -> str:
    """Return the overall accuracy and its limits, or that it is unknown, and what to digitise until it is known."""
    if card.provenance.get(MISSING_SHAPES):
        return localised(f"{UNKNOWN_ACCURACY}; known with so many label shapes more: {missing_in_words(card)}")
    return next((value for _, value in accuracy_tiles(card)), UNKNOWN_ACCURACY)


def accuracy_in_words(card: ModelCard) -> str:
    """Say what the overall accuracy rests on, or what to digitise before it can be known."""
    scores, missing = card.provenance.get("scores", {}), card.provenance.get(MISSING_SHAPES)
    if card.areas:
        return _accuracy_of_areas_in_words(card, scores, bool(missing))
    if missing:
        wanted = missing_in_words(card)
        return (
            "How good a map of this model is, is unknown: there are too few label shapes. It would be known with so many "
            f"more: {wanted}. 'Assess a map' can tell it from sample points, too."
        )
    if "oa_low" not in scores:
        return "Nothing says how far these scores may be off, and the map may be much worse."
    return (
        "The limits are meant to hold the overall accuracy of a map in 95 of 100 cases. Where the labels show the classes "
        "in quite other shares than the raster, they hold it less often. They rest on "
        f"{scores.get(SHAPES, 0):,} label shapes that were held out. A shape counts as one observation, however many pixels "
        "it has. The other scores hold for places like the labelled ones. 'Assess a map' says more."
    )


def _accuracy_of_areas_in_words(card: ModelCard, scores: dict[str, Any], is_unknown: bool) -> str:
    if is_unknown:
        return (
            "How many areas get their right class is unknown: too few of them have a label. It would be known with so many "
            f"more: {missing_in_words(card)}."
        )
    if "oa_low" not in scores:
        return "Nothing says how far these scores may be off, and other areas may get far more wrong classes."
    return (
        "The overall accuracy is the share of areas that get their right class. The limits are meant to hold it in 95 of "
        "100 cases, less often where the labels show the classes in quite other shares than all areas. They rest on "
        f"{scores.get(SHAPES, 0):,} labelled areas that were held out. Each counts as one observation, however large it is."
    )


def missing_in_words(card: ModelCard) -> str:
    """Return how many shapes of which class are missing before the accuracy can be known."""
    names = {str(c.code): c.name for c in card.classes}
    missing = card.provenance.get(MISSING_SHAPES, {})
    return ", ".join(localised(f"{number:,} of {names.get(code, code)}") for code, number in missing.items())


def leaning_in_words(card: ModelCard) -> str:
    """Say which class a head leans to most, and from which most away; nothing where it leans to none."""
    told = card.method.get(LEANS_TO)
    shares = {c.name: told.get(str(c.code)) for c in card.classes} if isinstance(told, dict) else {}
    known = sorted((share, name) for name, share in shares.items() if isinstance(share, float))
    if len(known) < 2:
        return ""
    (least, rare), (most, common) = known[0], known[-1]
    return (
        f"The head leans to classes that seem to cover much of the raster, most to {common} ({percent(most)}), and away "
        f"from those that seem to be rare, most from {rare} ({percent(least)})."
    )


def _history(card: ModelCard) -> list[list[str]]:
    names = card.head.encoders if card.head else card.areas.encoders if card.areas else (card.encoder,)
    rows = [["Network", " + ".join(filter(None, (*names, card.decoder or card.method.get("head"))))]]
    if card.kind != ENCODER:
        rows += encoder_rows(encoders_of(card))
        learned = ("Fine-tuning", "Fine-tuned on") if card.kind == SEGMENTER else ("Classifier", "Learned on")
        rows.append([learned[0], settings_in_words(card.method)])
        leaning = leaning_in_words(card)
        rows += [["Shares of the raster", leaning]] if leaning else []
        rows.append([learned[1], str(card.provenance.get("raster", ""))])
    else:
        made = pretrained_encoder(card)
        rows.append(["Pretraining", settings_in_words(made.method)])
        rows.append(["Pretrained on", ", ".join(made.rasters)])
        rows += started_from(made.weights)
        rows += _stages(card.provenance)
        if card.general:
            rows.append(["Kept beside it", f"the {card.general} that its pretraining began with; heads see both"])
    rows.append(["Library version", str(card.provenance.get("false_core", __version__))])
    return rows


def _stages(provenance: dict[str, Any]) -> list[list[str]]:
    """Return a row for each stage of a pretraining that had several."""
    stages = provenance.get(STAGES)
    told = [one for one in stages if isinstance(one, dict)] if isinstance(stages, list) else []
    return [[f"Stage {number}", _stage_in_words(one)] for number, one in enumerate(told, start=1)] if len(told) > 1 else []


def _stage_in_words(stage: dict[str, Any]) -> str:
    rasters = stage.get("rasters")
    names = ", ".join(map(str, rasters)) if isinstance(rasters, list) else ""
    return ", ".join(filter(None, (str(stage.get("title", "")), settings_in_words(stage.get("method", {})), names)))
