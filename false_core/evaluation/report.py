"""Reports: one HTML file each, with plots inside, readable offline and without scripts."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import jinja2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from false_core.errors import OutputError
from false_core.evaluation.metrics import IntArray, score
from false_core.evaluation.sections import Section, describe
from false_core.models.model_file import ModelCard
from false_core.publish import published
from false_core.training.curves import Curves

INK = "#2f6b4f"


def pretraining_report(card: ModelCard, curves: Curves) -> str:
    """Return the report of a pretraining run, as HTML."""
    sections = [
        Section(
            "Loss and learning rate",
            "The loss should fall and then level off.",
            _plot(curves, [("loss",), ("learning rate",)]),
        ),
        Section(
            "What the encoder thinks is alike",
            "Cosine similarity of two views of the same place (positives), of different places (negatives), and of "
            "the pairs taken for false negatives. Positives should rise above negatives. Benchmark anchors are those sure "
            "enough to look for a false negative.",
            _plot(
                curves,
                [
                    ("similarity of positives", "similarity of negatives", "similarity of false negatives"),
                    ("benchmark anchors",),
                ],
            ),
        ),
        *describe(card),
    ]
    rasters = ", ".join(card.provenance.get("rasters", []))
    return _page("FALSE pretraining", f"An encoder learned without labels from {rasters}.", [], [], sections)


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
            ("overall accuracy", _percent(scores.oa)),
            ("mean IoU", _percent(scores.miou)),
            ("mean class accuracy", _percent(scores.macc)),
            ("kappa", f"{scores.kappa:.2f}"),
        ]
        rows = [
            [
                names[k],
                *(_percent(v[k]) for v in (scores.iou, scores.producers, scores.users, scores.f1)),
                f"{int(confusion[k].sum()):,}",
            ]
            for k in range(len(names))
        ]
        sections += [
            Section(
                "Scores per class",
                "On labels that were kept back in whole blocks of space. The model was scored before it learned from these "
                "too. They tell how good the map is where it looks like the labels; for the whole map, check points that "
                "were drawn at random.",
                header=("Class", "IoU", "Producer's accuracy", "User's accuracy", "F1", "Pixels"),
                rows=rows,
                colors=colors,
            ),
            Section(
                "What is mixed up with what",
                "True class in rows, mapped class in columns, in percent of the row.",
                _confusion_figure(confusion, names),
            ),
        ]
    sections += [
        Section("Training", "", _plot(curves, [("loss",)])),
        *describe(card),
    ]
    summary = f"A model for {len(names)} classes from {card.provenance.get('raster', '')}."
    return _page("FALSE fine-tuning", summary, tiles, notes, sections)


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


def _page(
    title: str, summary: str, tiles: Sequence[tuple[str, str]], notes: Sequence[str], sections: Sequence[Section]
) -> str:
    # Names of classes, bands and files come from the user's data: everything is escaped but the figures drawn here.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("false_core.evaluation"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html").render(
        title=title, summary=summary, tiles=tiles, notes=notes, sections=sections
    )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _plot(curves: Curves, panels: Sequence[Sequence[str]]) -> str:
    panels = [names for names in panels if any(name in curves.series for name in names)]
    if not panels:
        return ""
    figure = Figure(figsize=(4.6 * len(panels), 3.0), layout="constrained")
    for axes, names in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels):
        for name in names:
            points = curves.series.get(name, [])
            axes.plot(*zip(*points), label=name, linewidth=1.4, color=INK if len(names) == 1 else None)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend(fontsize=8, frameon=False)
        else:
            axes.set_title(names[0].capitalize(), fontsize=10)
    return _svg(figure)


def _confusion_figure(confusion: IntArray, names: Sequence[str]) -> str:
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
    return _svg(figure)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # Text stays text, so that it can be searched; a fixed salt and no date make equal reports equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "false", "text.parse_math": False}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
