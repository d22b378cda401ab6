"""Reports: one HTML file each, with plots inside, readable offline and without scripts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import jinja2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from false_core.errors import OutputError
from false_core.evaluation.embedding_map import EmbeddingMap, draw_map
from false_core.evaluation.figures import as_svg
from false_core.evaluation.gallery import Gallery, draw_gallery
from false_core.evaluation.map_overview import MapOverview
from false_core.evaluation.metrics import IntArray, score
from false_core.evaluation.sections import Section, describe, kind_in_words
from false_core.jobs import UNTRAINED
from false_core.models.model_file import ModelCard
from false_core.presets import IMAGE
from false_core.publish import published
from false_core.raster.areas import PIXELS, unit_of_map
from false_core.raster.source import RasterSource
from false_core.training.curves import Curves

INK = "#2f6b4f"
COLOURS = (INK, "#8a8f98", "#d9822b", "#5b7db1")
"""Of the curves that share a panel."""
_SCORES = (("oa", "overall accuracy"), ("miou", "mean IoU"))
"""What is shown of a model's scores at first sight."""


def pretraining_report(
    card: ModelCard,
    curves: Curves,
    galleries: Sequence[Gallery] = (),
    embedding: EmbeddingMap | None = None,
    of_method: Sequence[Section] = (),
    words: Mapping[str, str] | None = None,
) -> str:
    """Return the report of a pretraining run, as HTML.

    Args:
        card: The encoder.
        curves: Of the training.
        galleries: What it takes for alike, for each level of its embeddings.
        embedding: What it sees in the first raster.
        of_method: What the method shows of itself.
        words: What the curves are that only this method has, a sentence by the first word of their names.
    """
    sections = [
        *_training(card, curves),
        *_alike(curves, words or {}),
        *_purity(curves),
        *of_method,
        *(_gallery(gallery, card, named=len(galleries) > 1) for gallery in galleries),
        *([_embedding(embedding, card)] if embedding else []),
        *describe(card),
    ]
    rasters = ", ".join(card.provenance.get("rasters", []))
    learned = (
        "not trained, a control for what was learned" if card.method.get("name") == UNTRAINED else "learned without labels"
    )
    return page("FALSE pretraining", f"An encoder {learned} from {rasters}.", [], [], sections)


def _training(card: ModelCard, curves: Curves) -> list[Section]:
    if card.method.get("name") == UNTRAINED:
        text = (
            "There was none: the weights are as they were drawn. Only the scale of the features was adapted to the raster."
        )
        return [Section("Training", text)]
    text = "The loss should fall and then level off."
    return [Section("Loss and learning rate", text, _plot(curves, [("loss",), ("learning rate",)]))]


def _alike(curves: Curves, of_method: Mapping[str, str]) -> list[Section]:
    """Return the curves of what the method saw in its batches, one panel for each kind and level."""
    panels: dict[tuple[str, str], list[str]] = {}
    for name in curves.series:
        if name not in ("loss", "learning rate") and not name.startswith("purity"):
            kind, level = name.partition(" ")[0], name.partition("(")[2]
            panels.setdefault((level, kind), []).append(name)
    words = {
        "similarity": "Cosine similarity of two views of the same place (positives), of different places (negatives) and, "
        "where the method looks for them, of the pairs taken for false negatives. Positives should rise above negatives.",
        "benchmark": "Benchmark anchors are those whose two views are more alike than the similarity threshold, which makes "
        "them sure enough to look for a false negative; shown is their share.",
        "confidence": "Confidence is how far the false negatives were trusted, on average.",
        "correlation": "Correlation of each feature of an embedding between the two views, on average. It should near 1.",
        **of_method,
    }
    # In the order of the words, level by level.
    order = sorted(panels, key=lambda key: (key[0], list(words).index(key[1]) if key[1] in words else len(words)))
    text = " ".join(words[kind] for kind in words if any(kind == there for _, there in panels))
    figure = _plot(curves, [panels[key] for key in order])
    return [Section("What the encoder takes for alike", text, figure)] if panels else []


def _purity(curves: Curves) -> list[Section]:
    panels: dict[str, list[str]] = {}
    for name in curves.series:
        if name.startswith("purity"):
            panels.setdefault(name.partition("(")[2], []).append(name)
    several = any(name.startswith("purity in other patches") for name in curves.series)
    near = (
        "Most pairs are points that lie near each other in one patch, where the class is often the same; those in other "
        "patches are the harder test. "
        if several
        else ""
    )
    text = (
        "Share of the pairs taken for false negatives whose two places are of the same class in the truth raster, beside "
        "that of pairs drawn at random from the same batch. The further above chance, the more often FALSE is right. "
        f"{near}The truth took no part in the learning."
    )
    return [Section("Are they of the same class?", text, _plot(curves, list(panels.values()), (0.0, 1.0)))] if panels else []


def _gallery(gallery: Gallery, card: ModelCard, named: bool) -> Section:
    """Return a gallery with what has to be said about it; ``named`` says which level it is of."""
    what = "patches" if gallery.level == IMAGE else "points"
    level = f" ({what})" if named else ""
    known = any(same is not None for exhibit in gallery.exhibits for same in exhibit.same_class)
    where = "in the middle of the patch" if gallery.level == IMAGE else "at the point"
    classes = f" Classes are those of the truth raster {where}." if known else ""
    how = f"The numbers are cosine similarities to the anchor.{classes} {_crops(gallery, card)}"
    if not gallery.determined:
        text = f"Places, another view of each, and the place in other patches of the batch that comes nearest to it. {how}"
        return Section(f"Nearest neighbours{level}", text, draw_gallery(gallery))
    heading = f"False negatives that were found{level}"
    if not gallery.anchors:
        text = (
            f"None. Of {gallery.looked_at:,} {what} looked at after the training, none has two views that are more alike "
            f"than the similarity threshold, {card.method.get('threshold', math.nan):g}. A lower threshold finds some."
        )
        return Section(heading, text)
    within = "" if gallery.level == IMAGE else ", often a point nearby in the same patch"
    text = (
        "Benchmark anchors, another view of each, and what was taken for a false negative: the negative whose similarity "
        f"comes closest to that of the other view{within}. It should show the same land cover as the anchor. "
        f"{len(gallery.exhibits)} of {gallery.anchors:,} benchmark anchors among {gallery.looked_at:,} {what} looked at "
        f"after the training, from the least to the most similar. {how}"
    )
    return Section(heading, text, draw_gallery(gallery))


def _crops(gallery: Gallery, card: ModelCard) -> str:
    cut = (
        "Patches are" if gallery.level == IMAGE else "Shown are the surroundings of points, which lie in the rings. They are"
    )
    return f"{cut} cut and turned as the encoder saw them, but in the raster's colours. Nodata is grey. {_bands_shown(card)}"


def _embedding(embedding: EmbeddingMap, card: ModelCard) -> Section:
    area, size = embedding.area, f"{card.pixel_size:g}"
    part = "" if embedding.share == 1 else f", the middle {percent(embedding.share)} of it"
    text = (
        "The raster, and beside it the first three principal components of the encoder's features as red, green and blue: "
        "what has the same colour looks alike to the encoder. The colours themselves mean nothing. Land cover that differs "
        f"should differ in colour. {embedding.name}{part}: {area.width:,} x {area.height:,} pixels of {size} CRS units. "
        f"Nodata is white. {_bands_shown(card)}"
    )
    return Section("What the encoder sees", text, draw_map(embedding))


def _bands_shown(card: ModelCard) -> str:
    if len(card.bands) < 3:
        return f"The raster's band {card.band_numbers[0]} is shown in grey."
    numbers = ", ".join(map(str, card.band_numbers[:3]))
    return f"The raster's bands {numbers} are shown as red, green and blue."


def finetuning_report(card: ModelCard, curves: Curves, confusion: IntArray | None, notes: Sequence[str]) -> str:
    """Return the report of a fine-tuning run, as HTML.

    Args:
        card: The model.
        curves: Of the training.
        confusion: On the labels kept back, true classes in rows; None where none were.
        notes: Warnings to put on top.
    """
    names, colors = [c.name for c in card.classes], [c.color for c in card.classes]
    tiles: list[tuple[str, str]] = []
    sections: list[Section] = []
    if confusion is not None:
        scores = score(confusion)
        tiles = [
            ("overall accuracy", percent(scores.oa)),
            ("mean IoU", percent(scores.miou)),
            ("mean class accuracy", percent(scores.macc)),
            ("kappa", f"{scores.kappa:.2f}"),
        ]
        rows = [
            [
                names[k],
                *(percent(v[k]) for v in (scores.iou, scores.producers, scores.users, scores.f1)),
                f"{int(confusion[k].sum()):,}",
            ]
            for k in range(len(names))
        ]
        sections += [
            Section(
                "Scores per class",
                "On labels that were kept back in whole blocks of space. The model was scored before it learned from these "
                "too. They tell how good the map is where it looks like the labels; for the whole map, check points that "
                "were drawn at random. The bars show the IoU.",
                _bars(names, np.nan_to_num(scores.iou).tolist(), colors),
                header=("Class", "IoU", "Producer's accuracy", "User's accuracy", "F1", "Pixels"),
                rows=rows,
                colors=colors,
            ),
            Section(
                "What is mixed up with what",
                "True class in rows, mapped class in columns, in percent of the row.",
                confusion_figure(confusion, names),
            ),
        ]
    sections += [
        Section("Training", "", _plot(curves, [("loss",)])),
        *describe(card),
    ]
    summary = f"A model for {len(names)} classes from {card.provenance.get('raster', '')}."
    return page("FALSE fine-tuning", summary, tiles, notes, sections)


def classification_report(card: ModelCard, overview: MapOverview, source: RasterSource, notes: Sequence[str]) -> str:
    """Return the report of a map, as HTML.

    Args:
        card: The model.
        overview: The map.
        source: Its raster.
        notes: Warnings to put on top.
    """
    classified, total = overview.classified, overview.total
    tiles = [("pixels classified", f"{classified:,}"), ("without data", percent(1 - classified / total))]
    unit = unit_of_map(source)
    area = unit.name != PIXELS
    counts = [int(overview.pixels[c.code]) for c in card.classes]
    rows = [
        [c.name, str(c.code), f"{n:,}", percent(n / classified), *([f"{n * unit.per_pixel:,.2f}"] if area else [])]
        for c, n in zip(card.classes, counts)
    ]
    sections = [
        Section("The map", f"The raster, and what the model made of it. {_bands_shown(card)}", overview.draw()),
        Section(
            "How much there is of each class",
            "Counted on the map. Where the map is wrong, these areas are too; points drawn at random and looked at tell how "
            "wrong.",
            _bars([c.name for c in card.classes], [n / classified for n in counts], [c.color for c in card.classes]),
            header=("Class", "Code", "Pixels", "Share", *([f"Area ({unit.name})"] if area else [])),
            rows=rows,
            colors=[c.color for c in card.classes],
        ),
        *describe(card),
    ]
    return page("FALSE classification", f"A map of {source.name}.", tiles, notes, sections)


def model_report(card: ModelCard, name: str, megabytes: float, weights: int) -> str:
    """Return the report on a model or encoder file, as HTML.

    Args:
        card: What the file says of itself.
        name: Of the file.
        megabytes: Its size.
        weights: Numbers in it.
    """
    tiles = [("bands", str(len(card.bands))), ("CRS units per pixel", f"{card.pixel_size:g}")]
    if card.classes.classes:
        tiles.insert(0, ("classes", str(len(card.classes))))
    scores = card.provenance.get("scores", {})
    tiles += [(title, percent(scores[key])) for key, title in _SCORES if key in scores]
    what = kind_in_words(card)
    summary = f"{what[0].upper()}{what[1:]}. {megabytes:,.1f} MB, {weights / 1e6:,.1f} million weights."
    return page(name, summary, tiles, [], describe(card))


def write_report(path: str, html: str) -> None:
    """Write a report, whole or not at all.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    with published(path) as (partial,):
        try:
            partial.write_text(html, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.", "Is the disk full?") from error


def page(
    title: str, summary: str, tiles: Sequence[tuple[str, str]], notes: Sequence[str], sections: Sequence[Section]
) -> str:
    """Return a report as HTML.

    Args:
        title, summary: What it is about.
        tiles: Names and values of the most important numbers.
        notes: Warnings to put on top.
        sections: The rest.
    """
    # Names of classes, bands and files come from the user's data: everything is escaped but the figures drawn here.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("false_core.evaluation"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html").render(
        title=title, summary=summary, tiles=tiles, notes=notes, sections=sections
    )


def percent(value: float) -> str:
    """Return a share from 0 to 1 in percent, or a dash where it is NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _plot(curves: Curves, panels: Sequence[Sequence[str]], limits: tuple[float, float] | None = None) -> str:
    """Return curves as SVG, two panels in a row; ``limits`` of the values, or None for what they need."""
    panels = [[name for name in names if name in curves.series] for names in panels]
    panels = [names for names in panels if names]
    if not panels:
        return ""
    rows = math.ceil(len(panels) / 2)
    figure = Figure(figsize=(9.2, 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False).flat
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, names in zip(grid, panels):
        for name, color in zip(names, itertools.cycle(COLOURS)):
            points = curves.series[name]
            # A line needs two points to be seen.
            axes.plot(*zip(*points), label=name, linewidth=1.4, color=color, marker="o" if len(points) == 1 else None)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.set_ylim(limits)
        if len(names) > 1:
            axes.legend(fontsize=8, frameon=False)
        else:
            axes.set_title(names[0].capitalize(), fontsize=10)
    return as_svg(figure)


def _bars(names: Sequence[str], values: Sequence[float], colors: Sequence[str]) -> str:
    """Return a horizontal bar per class as SVG; values are shares."""
    figure = Figure(figsize=(9.2, 0.6 + 0.28 * len(names)), layout="constrained")
    axes: Axes = figure.subplots()
    axes.barh(range(len(names)), [100 * value for value in values], color=list(colors), edgecolor="#888888", linewidth=0.5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("%")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return as_svg(figure)


def confusion_figure(confusion: IntArray, names: Sequence[str]) -> str:
    """Return a confusion matrix, true classes in rows, as SVG: shares of each row in percent."""
    size = 2.2 + 0.55 * len(names)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes: Axes = figure.subplots()
    share = 100 * confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    axes.imshow(share, cmap="Greens", vmin=0, vmax=100)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    if len(names) <= 20:
        for row, column in np.ndindex(*share.shape):
            ink = "white" if share[row, column] > 60 else "black"
            axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=8, color=ink)
    return as_svg(figure)
