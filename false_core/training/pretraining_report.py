"""The report of a pretraining run: its curves, what the encoder takes for alike, and what it sees in the raster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from false_core.feedback import Feedback
from false_core.jobs import UNTRAINED
from false_core.methods.false_negatives import ANCHOR, FOUND
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.model_file import PRECISION, ModelCard
from false_core.models.model_report import bands_shown, history_section
from false_core.presets import IMAGE, PRESETS_IN_WORDS, PRETRAIN
from false_core.raster.georeference import pixel_in_words
from false_core.reports.page import page, percent
from false_core.reports.sections import Section, next_steps
from false_core.training.curves import Curves, draw_curves
from false_core.training.embedding_map import EmbeddingMap, draw_map
from false_core.training.gallery import Gallery, draw_gallery


def pretraining_report(
    card: ModelCard,
    curves: Curves,
    galleries: Sequence[Gallery] = (),
    embedding: EmbeddingMap | None = None,
    of_method: Sequence[Section] = (),
    curve_captions: Mapping[str, str] | None = None,
    about: Sequence[tuple[str, str]] = (),
    earlier: Sequence[tuple[str, Mapping[str, Any], dict[str, Any]]] = (),
) -> str:
    """Return the report of a pretraining run, as HTML.

    Args:
        galleries: Anchors, and what it takes for alike, for each level of its embeddings.
        embedding: Picture of its features of the first raster.
        of_method: Sections of the report that the method itself makes.
        curve_captions: Captions of the curves that only this method has, a sentence by the first word of their names.
        about: Facts that stand above all: the paradigm, the signal, CRS and pixel size.
        earlier: Title, method and state of the curves of each stage before this one.
    """
    sections = [
        *(_earlier(*stage) for stage in earlier),
        *_training(card, curves),
        *_alike(curves, card, curve_captions or {}),
        *_purity(curves),
        *of_method,
        *(_gallery(gallery, card, named=len(galleries) > 1) for gallery in galleries),
        *([_embedding(embedding, card)] if embedding else []),
        history_section(card),
        *_next(card),
    ]
    rasters = ", ".join(card.provenance.get("rasters", []))
    learned = (
        "not trained, a control for what was learned" if card.method.get("name") == UNTRAINED else "learned without labels"
    )
    return page("FALSE pretraining", f"An encoder {learned} from {rasters}.", [], [], sections, about)


def _earlier(title: str, method: Mapping[str, Any], curves: dict[str, Any]) -> Section:
    """Return the curves of a stage before this one."""
    known = Curves(Feedback())
    known.restore(curves)
    text = f"The stage {title} had {method['steps']:,} steps of the method {method['name']}. What follows went on from it."
    return Section(f"An earlier stage: {title}", text, draw_curves(known, [("loss",), ("learning rate",)]))


def _steps(card: ModelCard) -> tuple[int, int]:
    """Return the steps that were done, and those of the preset; 0 where that is not known."""
    steps, preset = card.method.get("steps"), str(card.method.get("preset", ""))
    return (steps, PRETRAIN[preset].steps) if isinstance(steps, int) and preset in PRETRAIN else (0, 0)


def _next(card: ModelCard) -> list[Section]:
    steps, usual = _steps(card)
    short = steps < usual and not card.method.get("until_flat")
    preset = PRESETS_IN_WORDS[str(card.method["preset"])] if short else ""
    return next_steps(
        f"This run had {steps:,} steps; the {preset} has {usual:,}. Take the encoder for a try." if short else "",
        "Make a model from this encoder and your labels, with 'Fine-tune a model'. Its accuracy says whether pretraining "
        "was worth it: compare it with that of a model without this encoder.",
    )


def _training(card: ModelCard, curves: Curves) -> list[Section]:
    if card.method.get("name") == UNTRAINED:
        text = "The encoder was not trained. Only the scale of its features was adapted to the raster."
        return [Section("Training", text)]
    method = METHOD_CLASSES[str(card.method["name"])]
    text = method.loss_caption
    if not method.by_gradients:
        return [Section("Loss", text, draw_curves(curves, [("loss",)]))]
    steps, usual = _steps(card)
    if steps < usual and card.method.get("until_flat"):
        text += f" Training ended after {steps:,} of {usual:,} steps, as the loss hardly fell any more."
    if PRECISION in card.method:
        text += f" The network computed in {card.method[PRECISION]}."
    return [Section("Loss and learning rate", text, draw_curves(curves, [("loss",), ("learning rate",)]))]


def _alike(curves: Curves, card: ModelCard, of_method: Mapping[str, str]) -> list[Section]:
    """Return the curves of what the method saw in its batches, one panel for each kind and level."""
    panels: dict[tuple[str, str], list[str]] = {}
    for name in curves.series:
        if name not in ("loss", "learning rate") and not name.startswith("purity"):
            kind, level = name.partition(" ")[0], name.partition("(")[2]
            panels.setdefault((level, kind), []).append(name)
    captions = {
        "similarity": "These are the cosine similarities of two views of the same place (positives), of different places "
        "(negatives) and, where the method looks for them, of the pairs taken for false negatives. Positives should rise "
        "above negatives.",
        "benchmark": f"{_benchmark_anchors(card)} The curve is their share.",
        "confidence": "Confidence is how far the false negatives were trusted, on average.",
        "correlation": "Correlation is that of each feature of an embedding between the two views, on average. It should "
        "come close to 1.",
        **of_method,
    }
    # In the order of the captions, level by level.
    order = sorted(panels, key=lambda key: (key[0], list(captions).index(key[1]) if key[1] in captions else len(captions)))
    text = " ".join(captions[kind] for kind in captions if any(kind == there for _, there in panels))
    figure = draw_curves(curves, [panels[key] for key in order])
    if not panels:
        return []
    if "contrastive" in METHOD_CLASSES[str(card.method["name"])].paradigm:
        return [Section("What looks alike to the encoder", text, figure)]
    return [Section("How well the encoder solves its task", text, figure)]


def _benchmark_anchors(card: ModelCard) -> str:
    """Return the sentence that says which anchors are sure enough to take false negatives."""
    share = card.method.get("benchmark")
    if not share:
        return (
            "Benchmark anchors are those whose two views are more alike than the similarity threshold, which makes them "
            "sure enough to look for a false negative."
        )
    sure = (
        "that are most like what they found" if card.method.get("surest_by") == FOUND else "whose two views are most alike"
    )
    return f"Benchmark anchors are the {100 * share:g} % of the anchors {sure}. They alone take false negatives."


def _purity(curves: Curves) -> list[Section]:
    panels: dict[str, list[str]] = {}
    for name in curves.series:
        if name.startswith("purity"):
            panels.setdefault(name.partition("(")[2], []).append(name)
    several = any(name.startswith("purity in other patches") for name in curves.series)
    near = (
        "Most pairs are points that lie near each other in one patch, where the class is often the same. Pairs in other "
        "patches are the harder test. "
        if several
        else ""
    )
    text = (
        "The curves show in which share of the pairs taken for false negatives both places have the same class in the truth "
        "raster, and the same for pairs drawn at random from the batch. The further the first curve is above the second, "
        "the more often FALSE is right. "
        f"{near}The truth took no part in the learning."
    )
    return (
        [Section("Are they of the same class?", text, draw_curves(curves, list(panels.values()), (0.0, 1.0)))]
        if panels
        else []
    )


def _gallery(gallery: Gallery, card: ModelCard, named: bool) -> Section:
    """Return a gallery with what has to be said about it; ``named`` says which level it is of."""
    what = "patches" if gallery.level == IMAGE else "points"
    level = f" ({what})" if named else ""
    known = any(same is not None for example in gallery.examples for same in example.same_class)
    where = "in the middle of the patch" if gallery.level == IMAGE else "at the point"
    classes = f" Classes are those of the truth raster {where}." if known else ""
    how = f"The numbers are cosine similarities to the anchor.{classes} {_crops(gallery, card)}"
    if not gallery.determined:
        text = f"The rows are places, another view of each, and the most similar place in other patches of the batch. {how}"
        return Section(f"Nearest neighbours{level}", text, draw_gallery(gallery))
    heading = f"False negatives that were found{level}"
    if not gallery.anchors:
        looked_at = f"There are none. Of {gallery.looked_at:,} {what} looked at after the training, none"
        if card.method.get("benchmark"):
            return Section(heading, f"{looked_at} has another place in the batch that is far enough away.")
        threshold = f"{card.method.get('threshold', math.nan):g}"
        text = f"{looked_at} has two views that are more alike than the similarity threshold, {threshold}. A lower threshold"
        return Section(heading, f"{text} finds some.")
    within = "" if gallery.level == IMAGE else ", often a point nearby in the same patch"
    found = (
        "what was taken for false negatives: the places most like the anchor that are not of its own ground. They"
        if card.method.get("closest_to") == ANCHOR
        else "what was taken for a false negative: the negative whose similarity comes closest to that of the other "
        f"view{within}. It"
    )
    text = (
        f"The rows are benchmark anchors, another view of each, and {found} should show the same land cover as the anchor. "
        f"These are {len(gallery.examples)} of the {gallery.anchors:,} benchmark anchors that were found among "
        f"{gallery.looked_at:,} {what} after the training, from the least to the most similar. {how}"
    )
    return Section(heading, text, draw_gallery(gallery))


def _crops(gallery: Gallery, card: ModelCard) -> str:
    if gallery.level == IMAGE:
        cut = "Patches are cut and turned as the encoder saw them, but in the raster's colours. Nodata is grey."
    else:
        cut = (
            "The points lie in the rings. Their surroundings are cut and turned as the encoder saw them, but in the "
            "raster's colours. Nodata is grey."
        )
    shown = bands_shown(card.band_numbers)
    return f"{cut} {shown}"


def _embedding(embedding: EmbeddingMap, card: ModelCard) -> Section:
    area, size = embedding.area, pixel_in_words(card.pixel_size, card.ground_sample_distance)
    part = "" if embedding.share == 1 else f", the middle {percent(embedding.share)} of it"
    text = (
        "The raster is shown beside the first three principal components of the encoder's features, as red, green and blue. "
        "What has the same colour looks alike to the encoder. The colours themselves mean nothing. Land cover that differs "
        f"should differ in colour. Both show {embedding.name}{part}: {area.width:,} x {area.height:,} pixels of {size}. "
        f"Nodata is white. {bands_shown(card.band_numbers)}"
    )
    return Section("What the encoder sees", text, draw_map(embedding))
