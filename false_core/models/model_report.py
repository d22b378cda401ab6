"""The report on a model file: what it maps, what it needs, how good it is and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from false_core import __version__
from false_core.models.model_file import MISSING_SHAPES, SEGMENTER, SHAPES, ModelCard
from false_core.models.weights import CHOSEN_BANDS, origin_in_words
from false_core.reports.page import page, percent
from false_core.reports.sections import Section

UNKNOWN_ACCURACY = "unknown"


def model_report(card: ModelCard, name: str, megabytes: float, weights: int) -> str:
    """Return the report on a model or encoder file, as HTML."""
    tiles = [("bands", str(len(card.bands))), ("CRS units per pixel", f"{card.pixel_size:g}")]
    if card.classes.classes:
        tiles.insert(0, ("classes", str(len(card.classes))))
    tiles += accuracy_tiles(card)
    what = kind_in_words(card)
    summary = f"{what[0].upper()}{what[1:]}. {megabytes:,.1f} MB, {weights / 1e6:,.1f} million weights."
    return page(name, summary, tiles, [], model_sections(card))


def bands_shown(numbers: Sequence[int]) -> str:
    """Say which of the bands with these numbers are shown, and how."""
    if len(numbers) < 3:
        return f"The raster's band {numbers[0]} is shown in grey."
    return f"The raster's bands {', '.join(map(str, numbers[:3]))} are shown as red, green and blue."


def kind_in_words(card: ModelCard) -> str:
    """Return what sort of model it is, as the end of a sentence."""
    return "a land-cover model" if card.kind == SEGMENTER else "an encoder"


def model_sections(card: ModelCard) -> list[Section]:
    """Say what a model is: what it maps, what it needs, how good it is, how it was made and what it does to pixels first."""
    distance = f" ({card.ground_sample_distance:.3g} m)" if card.ground_sample_distance else ""
    sections = [
        Section(
            "What it needs",
            rows=[
                ["Bands", ", ".join(f"{number} {name}" for number, name in zip(card.band_numbers, card.bands))],
                ["Data type", card.dtype],
                ["Pixel size it works on", f"{card.pixel_size:g} CRS units{distance}"],
                ["Patches it was trained on", f"{card.patch_size} x {card.patch_size} pixels"],
            ],
        ),
        Section("How it was made", rows=_history(card)),
        _normalisation(card),
    ]
    if card.kind == SEGMENTER:
        sections[:0] = [_classes(card), *_scores(card)]
    return sections


def _normalisation(card: ModelCard) -> Section:
    statistics = card.normalisation
    columns = (statistics.low, statistics.high, statistics.mean, statistics.std)
    return Section(
        "How pixels are normalised",
        "Values beyond the limits are clipped. Then the mean is subtracted, and the result is divided by the standard "
        "deviation. Nodata becomes the mean.",
        header=("Band", "From", "To", "Mean", "Standard deviation"),
        rows=[[name, *(f"{value:.6g}" for value in values)] for name, *values in zip(card.bands, *columns)],
    )


def _classes(card: ModelCard) -> Section:
    labels = card.provenance.get("labels", {})
    return Section(
        "What it maps",
        header=("Class", "Code", "Colour", "Label shapes", "Labelled pixels"),
        rows=[[c.name, str(c.code), c.color, *(f"{n:,}" for n in labels.get(str(c.code), ()))] for c in card.classes],
        colors=[c.color for c in card.classes],
    )


def _scores(card: ModelCard) -> list[Section]:
    titles = {"miou": "Mean IoU", "macc": "Mean class accuracy", "kappa": "Cohen's kappa"}
    scores = card.provenance.get("scores", {})
    rows = [["Overall accuracy", value] for _, value in accuracy_tiles(card)[:1]]
    rows += [[title, f"{scores[name]:.3f}"] for name, title in titles.items() if name in scores]
    title = "Scores of a cross-validation over the labels" if card.head else "Scores on labels that were kept back"
    return [Section(title, accuracy_in_words(card), rows=rows)] if rows else []


def accuracy_tiles(card: ModelCard) -> list[tuple[str, str]]:
    """Return what is shown of a model's scores at first sight: title and value, the overall accuracy first."""
    scores = card.provenance.get("scores", {})
    title = "overall accuracy"
    if card.provenance.get(MISSING_SHAPES):
        return [(title, UNKNOWN_ACCURACY)]
    if "oa" not in scores:
        return []
    limits = "interval unknown"
    if "oa_low" in scores and "oa_high" in scores:
        limits = f"{percent(scores['oa_low'])} to {percent(scores['oa_high'])}"
    tiles = [(title, f"{percent(scores['oa'])} ({limits})")]
    return [*tiles, ("mean IoU", percent(scores["miou"]))] if "miou" in scores else tiles


def accuracy_in_short(card: ModelCard) -> str:
    """Return the overall accuracy and its limits, or the word for not knowing it."""
    return next((value for _, value in accuracy_tiles(card)), UNKNOWN_ACCURACY)


def accuracy_in_words(card: ModelCard) -> str:
    """Say what the overall accuracy rests on, or what to digitise before it can be known."""
    scores, missing = card.provenance.get("scores", {}), card.provenance.get(MISSING_SHAPES)
    if missing:
        names = {str(c.code): c.name for c in card.classes}
        wanted = ", ".join(f"{number:,} of {names.get(code, code)}" for code, number in missing.items())
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


def _history(card: ModelCard) -> list[list[str]]:
    network = " + ".join(filter(None, (card.encoder, card.decoder or card.method.get("head"))))
    rows = [["Network", network]]
    if card.kind == SEGMENTER:
        pretraining, source = card.provenance.get("pretraining", {}), card.provenance.get("encoder", {})
        rows.append(["Pretraining", _show(pretraining) if pretraining else "none"])
        rows += _origin(card.provenance)
        if isinstance(source, dict):
            rows.append(["Pretrained on", ", ".join(source.get("rasters", ()))])
            rows += _origin(source)
        rows.append(["Fine-tuning", _show(card.method)])
        rows.append(["Fine-tuned on", str(card.provenance.get("raster", ""))])
    else:
        rows.append(["Pretraining", _show(card.method)])
        rows.append(["Pretrained on", ", ".join(card.provenance.get("rasters", ()))])
        rows += _origin(card.provenance)
        if card.general:
            rows.append(["Kept beside it", f"the {card.general} that its pretraining began with; heads see both"])
    rows.append(["Library version", str(card.provenance.get("false_core", __version__))])
    return rows


def _origin(provenance: dict[str, Any]) -> list[list[str]]:
    """Return rows on the weights that an encoder started from, where they were given."""
    weights = provenance.get("weights")
    if not isinstance(weights, dict) or not weights:
        return []
    made = f": {_show(weights['method'])}" if "method" in weights else ""
    rows = [["Started from", f"{origin_in_words(weights)}{made}"]]
    return [*rows, ["Bands for its colours", str(weights[CHOSEN_BANDS])]] if CHOSEN_BANDS in weights else rows


def _show(value: Any) -> str:
    """Return settings as one readable line."""
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_show(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return " to ".join(map(_show, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
