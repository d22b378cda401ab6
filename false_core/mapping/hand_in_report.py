"""The report that is handed in with a map: what it shows, how good it is, and how it was made, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from false_core.accuracy.assessment import AssessedClass, Assessment
from false_core.accuracy.assessment_report import area_in_words, area_with_interval, interval_in_words
from false_core.accuracy.comparison import POINT_REFERENCE
from false_core.models.fused import WITHOUT_ENCODER
from false_core.models.general import ORIGIN
from false_core.models.model_file import LABELLING_SESSION, ModelCard
from false_core.models.model_report import UNKNOWN_ACCURACY, accuracy_in_short, missing_in_words
from false_core.models.weights import origin_in_words
from false_core.raster.areas import AreaUnit
from false_core.raster.georeference import pixel_in_words
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps

HANDED_IN_FILES = {
    "map.tif": "The map, with the names and colours of its classes. map.qml and map.sld beside it are its styles.",
    "polygons.gpkg": "The same map as polygons.",
    "areas.csv": "The area of each class, as a table.",
    "assessment.html": "How the map was assessed, with all scores.",
    "job_classify.json": "The job that makes the map again: false-core run job_classify.json.",
    "job_finetune.json": "The job that trains the model again.",
    "layout.pdf": "The map on a page to print, where it was handed in from QGIS.",
}
"""The meaning of each file of the folder."""


@dataclass(frozen=True)
class Handed:
    """The files and facts that are handed in.

    Attributes:
        raster: Name of the raster that the map was made of, or nothing.
        card: Card of the model that made it.
        picture: The map with its reference, as SVG.
        minimum_area: Area in square CRS units below which a region is part of its neighbour among the polygons; 0: none is.
        files: Names of the files in the folder.
    """

    title: str
    raster: str
    card: ModelCard | None
    classes: Sequence[AssessedClass]
    unit: AreaUnit
    assessment: Assessment | None
    picture: str
    files: Sequence[str]
    minimum_area: float = 0.0


def hand_in_report(handed: Handed, notes: Sequence[str], about: Sequence[tuple[str, str]]) -> str:
    """Return the report, as HTML."""
    sampled = _sampled(handed)
    accuracy = (
        interval_in_words(float(sampled.adjusted.oa.value), float(sampled.adjusted.oa.error))
        if sampled
        else UNKNOWN_ACCURACY
    )
    total = sum(c.pixels for c in handed.classes)
    tiles = [
        ("overall accuracy of the whole map", accuracy),
        (
            f"area of the map ({handed.unit.name})",
            area_in_words(total * handed.unit.per_pixel, total * handed.unit.per_pixel),
        ),
    ]
    sections = [
        *([Section("The map", figure=handed.picture)] if handed.picture else []),
        _areas(handed),
        Section("How good the map is", " ".join(_trust(handed))),
        Section("How the map was made", " ".join(_method(handed))),
        Section("What is in the folder", rows=[[name, HANDED_IN_FILES[name]] for name in (*handed.files, "layout.pdf")]),
        *next_steps(*_steps(handed)),
    ]
    return page(handed.title, "A land-cover map, how good it is, and how it was made.", tiles, notes, sections, about)


def _sampled(handed: Handed) -> Assessment | None:
    """Return the assessment where chance may have chosen what was compared; only then it tells of the whole map."""
    return handed.assessment if handed.assessment and handed.assessment.kind == POINT_REFERENCE else None


def _areas(handed: Handed) -> Section:
    unit, total = handed.unit, sum(c.pixels for c in handed.classes)
    whole = total * unit.per_pixel
    sampled = _sampled(handed)
    covered = whole * sampled.adjusted.covered if sampled else 0.0
    rows = [
        [
            c.name,
            percent(c.pixels / total),
            area_in_words(c.pixels * unit.per_pixel, whole),
            *([area_with_interval(sampled.adjusted.shares, k, covered)] if sampled else []),
        ]
        for k, c in enumerate(handed.classes)
    ]
    text = (
        "The adjusted areas correct for what the map shows too much or too little of; ± is their 95 % confidence interval. "
        "Nothing is known of the area of a class that no point shows."
        if sampled
        else "The areas are counted on the map. Where the map is wrong, they are wrong too."
    )
    return Section(
        "Area of each class",
        text,
        header=("Class", "Share of the map", f"Mapped ({unit.name})", *([f"Adjusted ({unit.name})"] if sampled else [])),
        rows=rows,
        colors=[c.color for c in handed.classes],
    )


def _trust(handed: Handed) -> list[str]:
    sampled = _sampled(handed)
    if sampled:
        oa = interval_in_words(float(sampled.adjusted.oa.value), float(sampled.adjusted.oa.error))
        return [
            f"At {sampled.compared:,} points it was looked up what is really there, and compared with the map.",
            f"The overall accuracy of the whole map is {oa}; ± is the 95 % confidence interval.",
            "Each mapped class counts as much as its share of the map (Olofsson et al. 2014, Remote Sensing of Environment "
            "148, 42-57). This holds where chance alone chose the points within the classes of the map.",
        ]
    said = ["How good the map is, is not known: it has not been compared with points that chance chose."]
    if handed.assessment:
        said.append("The reference labels were not such points; assessment.html says how far they agree with the map.")
    if handed.card and "oa" in handed.card.provenance.get("scores", {}):
        said.append(
            f"On its own labels, of which some were held out, the model has an overall accuracy of "
            f"{accuracy_in_short(handed.card)}."
        )
    elif handed.card and missing_in_words(handed.card):
        said.append("Its labels are too few to tell how good the model is.")
    return said


def _method(handed: Handed) -> list[str]:
    card = handed.card
    if card is None:
        return ["The model that made the map was not given, so that nothing is said about the method."]
    provenance = card.provenance
    source, source_of_labels = handed.raster, str(provenance.get("raster", ""))
    said = [
        f"The map was made with FALSE of {source}." if source else "The map was made with FALSE.",
        f"A model gives each pixel the likeliest of {len(card.classes)} classes: "
        f"{', '.join(c.name for c in card.classes)}. Pixels without data have no class.",
    ]
    shapes = sum(int(counts[0]) for counts in provenance.get("labels", {}).values() if counts)
    if shapes:
        said.append(f"It learned the classes from {shapes:,} label shapes that were digitised on {source_of_labels}.")
    said += _features(card)
    if card.head:
        said.append(
            f"Linear classifiers (logistic regressions) on what it sees tell the classes apart; there are "
            f"{len(card.head.members)}, and their probabilities are multiplied."
            if len(card.head.members) > 1
            else "A linear classifier (a logistic regression) on what it sees tells the classes apart."
        )
        compared = card.method.get("compared")
        if isinstance(compared, dict) and len(compared) > 1:
            said.append("Cross-validation chose them among others.")
        if card.method.get("name") == LABELLING_SESSION:
            said.append("This was fitted in a labelling session, which no job repeats.")
    else:
        said.append(f"A decoder ({card.decoder}) was trained with the labels to tell the classes apart.")
    pixel = pixel_in_words(card.pixel_size, card.ground_sample_distance)
    said.append(f"The model works on pixels of {pixel}. It takes the bands {', '.join(card.bands)}.")
    smoothing = card.head.smoothing if card.head else 0.0
    if smoothing:
        metres = card.ground_sample_distance
        width = pixel_in_words(smoothing * card.pixel_size, None if metres is None else smoothing * metres)
        said.append(
            f"The map is smoothed: the probabilities of the classes are averaged in a Gaussian window with a standard "
            f"deviation of {width} before each pixel gets its class."
        )
    else:
        said.append("The map is not smoothed: each pixel has its own class.")
    said.append(
        f"Among the polygons, regions smaller than {handed.minimum_area:g} square units of the CRS are part of their "
        f"neighbours."
        if handed.minimum_area
        else "The polygons follow the edges of the pixels, and no region is left out, however small."
    )
    return said


def _features(card: ModelCard) -> list[str]:
    """Say what the model sees of the image, and who made what it sees it through."""
    if card.head and not set(card.head.parts) - set(WITHOUT_ENCODER):
        return ["It sees the colours and the texture of the image, without a neural network."]
    provenance = card.provenance
    pretraining, source, origin = (provenance.get(name) for name in ("pretraining", "encoder", "weights"))
    said = []
    is_pretrained = isinstance(pretraining, dict) and bool(pretraining) and isinstance(source, dict)
    if is_pretrained:
        assert isinstance(source, dict)
        rasters = ", ".join(map(str, source.get("rasters", ())))
        said.append(f"It sees the image through a neural network that was pretrained without labels on {rasters}.")
        if source.get("weights"):
            said += ["Its pretraining began with a neural network that others had trained.", *_by_others(source["weights"])]
        if origin:
            said += ["It also sees it through a neural network that others had trained on photographs.", *_by_others(origin)]
    elif origin:
        said += ["It sees the image through a neural network that others had trained on photographs.", *_by_others(origin)]
    if not said:
        said.append("It sees the image through a neural network that learned from the labels alone.")
    if card.head and set(card.head.parts) & set(WITHOUT_ENCODER):
        said.append("The colours and the texture of the image count too.")
    return said


def _by_others(origin: Any) -> list[str]:
    """Say what the network of others is called, where it comes from and under which licence, as far as that is known."""
    if not isinstance(origin, dict):
        return []
    if "general" in origin:
        source, licence = origin.get("source", ORIGIN["source"]), origin.get("licence", ORIGIN["licence"])
        return [f"That is the general encoder {origin['general']} (source: {source}; licence: {licence})."]
    name = origin_in_words(origin)
    if name and "licence" in origin:
        return [f"Its weights are {name}."]
    return [f"Its weights are {name}; who published them says under which licence."] if name else []


def _steps(handed: Handed) -> list[str]:
    if _sampled(handed):
        return []
    return [
        "Draw points with 'Sample points to assess a map', fill in their classes, and hand the map in again with them: then "
        "accuracy and areas come with their intervals."
    ]
