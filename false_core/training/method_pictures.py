"""Pictures of what a method does that only it does: parts of views it looks at, and places it takes to be related."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from false_core.language.catalogue import localised
from false_core.methods.pictures import MarkedView, MarkedViews, NeighbourPairs
from false_core.presets import IMAGE, PretrainSettings
from false_core.raster.source import FloatArray
from false_core.reports.figures import as_svg, in_colour, show_picture
from false_core.reports.sections import Section
from false_core.sampling.views import EmbeddingPositions, ViewPairs
from false_core.training.gallery import SURROUNDINGS_PX, mark_middle, picture_at
from false_core.training.purity import Truth

FIGURE_COLUMNS = 6
"""Anchors of a figure."""
MOST_RELATED_SHOWN = 3
"""Related places whose surroundings are shown of one anchor."""
MAX_MAP_PX = 192
"""Pixels of a map at most: larger ones are shown smaller."""
MAX_REACH_WIDTHS = 3.0
"""Widths of a patch that a map reaches to either side at most."""
BOX_COLOURS = ("#ffd92f", "#e7298a", "#1ee3cf", "#ff7f00", "#7fc97f", "#bc80bd", "#ffffff", "#386cb0")
RELATED_COLOUR, OTHERS_COLOUR = "#ff9d2e", "#d0d4da"

PixelReader = Callable[[int, tuple[float, float], int], FloatArray]
"""Gives normalised pixels (bands, side, side) of a raster, by its number, around a place in its pixel coordinates."""


@dataclass(frozen=True)
class Drawn:
    """The material of the pictures of pairs of neighbours.

    Attributes:
        ground: The rasters they are from.
        truth: Says which classes the places are of, if there is one.
    """

    batch: ViewPairs
    ground: PixelReader
    settings: PretrainSettings
    truth: Truth | None


def method_sections(pairs: Sequence[NeighbourPairs], marked: Sequence[MarkedViews], drawn: Drawn) -> list[Section]:
    """Return a part of the report for each thing that a method shows."""
    several = len({one.level for one in pairs}) > 1
    return [
        *(_section_of(one, drawn, several) for one in pairs),
        *(Section(one.heading, one.text, draw_marked_views(one)) for one in marked),
    ]


def draw_marked_views(marked: MarkedViews) -> str:
    """Return marked views as SVG, one patch per column; empty where there is none."""
    columns = marked.columns[:FIGURE_COLUMNS]
    if not columns:
        return ""
    rows = len(marked.rows)
    figure = Figure(figsize=(1.53 * FIGURE_COLUMNS + 0.3, 1.6 * rows + 0.1), layout="constrained")
    grid = figure.subplots(rows, FIGURE_COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for column, own in enumerate(columns):
        for row, view in enumerate(own):
            axes = grid[row, column]
            axes.set_axis_on()
            _draw_marked_view(axes, view)
    for row, title in enumerate(marked.rows):
        grid[row, 0].set_ylabel(localised(title), fontsize=9)
    return as_svg(figure)


def draw_neighbour_pairs(pairs: NeighbourPairs, drawn: Drawn) -> tuple[str, int]:
    """Return neighbours as SVG, one anchor per column, empty where there is none; and how many anchors have some."""
    positions = drawn.batch.positions(pairs.level)
    indices, counts = pairs.indices.cpu().numpy(), pairs.counts.cpu().numpy()
    related = np.flatnonzero(counts.any(axis=1)) if counts.size else np.zeros(0, int)
    anchors = _chosen(related, positions)
    if not len(anchors):
        return "", 0
    classes = drawn.truth.classes_at(positions) if drawn.truth else np.full(len(positions.views), np.nan)
    shown = {anchor: _distinct(indices[anchor][counts[anchor]], len(indices) // 2) for anchor in anchors}
    others_shown = min(MOST_RELATED_SHOWN, max(map(len, shown.values())))
    rows = 2 + others_shown
    figure = Figure(figsize=(1.53 * FIGURE_COLUMNS + 0.3, 1.55 * rows + 0.1), layout="constrained")
    grid = figure.subplots(rows, FIGURE_COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    size = drawn.settings.crop_size if pairs.level == IMAGE else min(SURROUNDINGS_PX, drawn.settings.crop_size)
    for column, (anchor, others) in enumerate(shown.items()):
        _draw_map(grid[0, column], anchor, others, positions, drawn)
        for row, place in enumerate([anchor, *others[:others_shown]], start=1):
            axes = grid[row, column]
            axes.set_axis_on()
            picture = picture_at(drawn.batch, positions, place, size)
            show_picture(axes, picture)
            if pairs.level != IMAGE:
                mark_middle(axes, picture)
            if row > 1:
                axes.set_xlabel(_caption(classes[anchor], classes[place]), fontsize=8, labelpad=2)
    for row, title in enumerate(["Map", "Anchor", *[pairs.name] * others_shown]):
        grid[row, 0].set_axis_on()
        grid[row, 0].set_ylabel(localised(title), fontsize=9)
        if not grid[row, 0].images:
            grid[row, 0].set_axis_off()
    return as_svg(figure), len(related)


def _section_of(pairs: NeighbourPairs, drawn: Drawn, named: bool) -> Section:
    what = "patches" if pairs.level == IMAGE else "points"
    heading = f"{pairs.heading} ({what})" if named else pairs.heading
    figure, number = draw_neighbour_pairs(pairs, drawn)
    looked_at = len(pairs.indices)
    if not figure:
        return Section(heading, f"There are none among {looked_at:,} {what} looked at after the training.")
    text = (
        f"{pairs.text} {number:,} of {looked_at:,} {what} looked at after the training have some; a few are shown. On "
        "the map the anchor is a white ring, those related are orange ones, and dots are the other places of the batch."
        f"{' Classes are those of the truth raster.' if drawn.truth else ''}"
    )
    return Section(heading, text, figure)


def _draw_marked_view(axes: Axes, view: MarkedView) -> None:
    picture = in_colour(view.pixels.numpy())
    show_picture(axes, picture)
    if view.attention is not None:
        axes.imshow(view.attention.numpy(), cmap="magma", vmin=0, vmax=1, alpha=0.65, interpolation="none")
    for number, (left, top, right, bottom) in enumerate(view.boxes):
        # Pixels are drawn around their middles.
        corner = (left - 0.5, top - 0.5)
        for colour, width in (("black", 2.6), (BOX_COLOURS[number % len(BOX_COLOURS)], 1.4)):
            axes.add_patch(
                Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=colour, linewidth=width, clip_on=False)
            )


def _draw_map(axes: Axes, anchor: int, others: Sequence[int], positions: EmbeddingPositions, drawn: Drawn) -> None:
    """Draw the ground around an anchor with all places of the batch on it."""
    raster, (x, y) = int(positions.rasters[anchor]), positions.pixels[anchor]
    settings = drawn.settings
    side = round(settings.crop_size * (1 + 2 * min(max(settings.radius, 0.5), MAX_REACH_WIDTHS)))
    step = -(-side // MAX_MAP_PX)
    picture = in_colour(drawn.ground(raster, (float(x), float(y)), side)[:, ::step, ::step])
    axes.set_axis_on()
    show_picture(axes, picture)
    scale = picture.shape[0] / side
    there = (np.abs(positions.pixels - (x, y)) < side / 2).all(axis=1) & (positions.rasters == raster)
    on_picture = (positions.pixels - (x, y) + side / 2) * scale - 0.5
    axes.plot(*on_picture[there].T, linestyle="", marker=".", markersize=2.5, color=OTHERS_COLOUR)
    for row, colour in (*((other, RELATED_COLOUR) for other in others), (anchor, "white")):
        if there[row]:
            for ring, width in (("black", 2.4), (colour, 1.2)):
                axes.plot(
                    *on_picture[row], marker="o", markersize=6, markerfacecolor="none", markeredgecolor=ring,
                    markeredgewidth=width,
                )  # fmt: skip
    axes.set_xlim(-0.5, picture.shape[1] - 0.5)
    axes.set_ylim(picture.shape[0] - 0.5, -0.5)


def _chosen(related: npt.NDArray[np.int64], positions: EmbeddingPositions) -> list[int]:
    """Return a few anchors of different patches, evenly over the batch."""
    first = related[np.unique(positions.patches[related], return_index=True)[1]]
    if not len(first):
        return []
    picks = np.linspace(0, len(first) - 1, min(FIGURE_COLUMNS, len(first))).round().astype(int)
    return [int(row) for row in first[picks]]


def _distinct(others: npt.NDArray[np.int64], half: int) -> list[int]:
    """Return one row of each place, as both views of it may be related."""
    seen: dict[int, int] = {}
    for row in others.tolist():
        seen.setdefault(row % half, row)
    return list(seen.values())


def _caption(one: float, other: float) -> str:
    if not np.isfinite([one, other]).all():
        return ""
    return localised("same class" if one == other else "other class")
