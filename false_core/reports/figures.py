"""The common ground of the figures of a report: how pixels become colours, and how a figure gets into an HTML file."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from false_core.language.catalogue import localised

_NUMBER_ALONE = re.compile(r"(?<=>)[\d.,]+(?=</text>)")
Colours = npt.NDArray[np.uint8]
"""A picture of shape (height, width, 3)."""
INK = "#2f6b4f"
"""The first colour of lines."""
LINE_COLOURS = (INK, "#8a8f98", "#d9822b", "#5b7db1")
"""The colours of lines that share a panel."""
# Names of classes may hold dollars: they are names, not formulas. A text keeps what holds when it is made.
matplotlib.rcParams["text.parse_math"] = False
MAX_LEGEND_CLASSES = 20
"""Classes in the legend of a picture; a table lists all."""
RANGE = 2.5
"""Standard deviations from the mean of a band that are shown from dark to bright."""


def in_colour(pixels: npt.NDArray[np.floating]) -> Colours:
    """Return a picture of normalised pixels (bands, height, width): the first three bands as red, green and blue.

    Where there are fewer than three bands, the first is shown in grey.
    """
    shown = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    return as_bytes((shown + RANGE) / (2 * RANGE)).transpose(1, 2, 0)


def as_bytes(values: npt.NDArray[np.floating]) -> Colours:
    """Return values from 0 to 1 as 0 to 255; what lies beyond is clipped."""
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def as_svg(figure: Figure) -> str:
    """Return ``figure`` as SVG source. Pictures in it become PNGs within that source."""
    buffer = io.StringIO()
    # Text stays text, so that it can be searched; a fixed salt and no date make equal reports equal files.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "false"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return _NUMBER_ALONE.sub(lambda number: localised(number[0]), text[text.index("<svg") :])


def rgb_of(color: str) -> tuple[int, ...]:
    """Return a colour written #rrggbb as three numbers from 0 to 255."""
    return tuple(bytes.fromhex(color.lstrip("#")))


def legend_below(figure: Figure, classes: Sequence[tuple[str, str]]) -> None:
    """Put names and colours of classes below a figure, as many as there is room for."""
    handles = [
        Patch(facecolor=color, edgecolor="#888888", linewidth=0.5, label=name)
        for name, color in classes[:MAX_LEGEND_CLASSES]
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)


def show_picture(axes: Any, picture: Colours) -> None:
    """Draw ``picture`` in ``axes`` pixel for pixel, without ticks and frame."""
    # SVG keeps the pixels as they are; other interpolations would make every PNG as fine as the page.
    axes.imshow(picture, interpolation="none")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def bars_figure(names: Sequence[str], values: Sequence[float], colors: Sequence[str]) -> str:
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


def histogram_figure(values: npt.NDArray[np.floating], chosen: npt.NDArray[np.floating], names: tuple[str, str]) -> str:
    """Return how often values occur as SVG, those that were chosen on top, on a scale on which few are seen beside many.

    Args:
        chosen: Some of ``values``.
        names: Names of all and of the chosen ones.
    """
    figure = Figure(figsize=(9.2, 2.6), layout="constrained")
    axes: Axes = figure.subplots()
    edges = np.linspace(float(values.min()), max(float(values.max()), float(values.min()) + 1e-6), 61)
    for some, name, colour in zip((values, chosen), names, (LINE_COLOURS[1], INK)):
        axes.hist(some, edges.tolist(), label=localised(name), color=colour, log=True)
    axes.set_ylim(bottom=0.5)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False)
    return as_svg(figure)


def confusion_figure(confusion: npt.NDArray[np.number[Any]], names: Sequence[str]) -> str:
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
