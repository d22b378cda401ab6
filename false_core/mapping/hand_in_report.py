"""The report that is handed in with a map: what it shows, how good it is, and how it was made, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from false_core.accuracy.assessment import AssessedClass, Assessment
from false_core.accuracy.assessment_report import area_in_words, area_with_interval, interval_in_words
from false_core.accuracy.comparison import POINT_REFERENCE
from false_core.models.fused import WITHOUT_ENCODER
from false_core.models.model_file import LABELLING_SESSION, ModelCard
from false_core.models.model_report import UNKNOWN_ACCURACY, accuracy_in_short, missing_in_words
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
    said.append(_features(card))
    if card.head:
        said.append("Linear classifiers on what it sees tell the classes apart.")
        compared = card.method.get("compared")
        if isinstance(compared, dict) and len(compared) > 1:
            said.append("Cross-validation chose them among others.")
        if card.method.get("name") == LABELLING_SESSION:
            said.append("They were fitted in a labelling session, which no job repeats.")
    else:
        said.append("A decoder was trained with the labels to tell the classes apart.")
    pixel = pixel_in_words(card.pixel_size, card.ground_sample_distance)
    said.append(f"The model works on pixels of {pixel}. It takes the bands {', '.join(card.bands)}.")
    return said


def _features(card: ModelCard) -> str:
    if card.head and not set(card.head.parts) - set(WITHOUT_ENCODER):
        return "It sees the colours and the texture of the image, without a neural network."
    provenance = card.provenance
    pretraining, source = provenance.get("pretraining"), provenance.get("encoder")
    if isinstance(pretraining, dict) and pretraining and isinstance(source, dict):
        rasters = ", ".join(map(str, source.get("rasters", ())))
        return f"It sees the image through a neural network that was pretrained without labels on {rasters}."
    if provenance.get("weights"):
        return "It sees the image through a neural network that others had trained on photographs."
    return "It sees the image through a neural network that learned from the labels alone."


def _steps(handed: Handed) -> list[str]:
    if _sampled(handed):
        return []
    return [
        "Draw points with 'Sample points to assess a map', fill in their classes, and hand the map in again with them: then "
        "accuracy and areas come with their intervals."
    ]
