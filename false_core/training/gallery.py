"""A gallery of what a trained encoder takes for alike: places, how they look in another view, and their false negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from false_core.feedback import Feedback
from false_core.language.catalogue import localised
from false_core.methods.calibration import Calibration
from false_core.methods.false_negatives import FalseNegatives, determine_false_negatives
from false_core.methods.geolocated import positions_of
from false_core.methods.pairs import Others, directions, every_other, positives
from false_core.presets import IMAGE, PretrainSettings
from false_core.raster.source import FloatArray
from false_core.reports.figures import Colours, as_svg, in_colour, show_picture
from false_core.sampling.geometry import Placement, resample
from false_core.sampling.views import EmbeddingPositions, ViewPairs
from false_core.training.purity import Truth

SHOWN_ANCHORS = 8
"""Anchors in a gallery."""
MOST_FALSE_NEGATIVES_SHOWN = 3
"""False negatives shown of one anchor."""
SURROUNDINGS_PX = 64
"""Pixels of the view shown around a point."""
THUMBNAIL_PX = 96
"""Pixels of a picture at most: larger patches are shown smaller."""

BatchEmbedder = Callable[[int], tuple[ViewPairs, dict[str, Tensor]]]
"""Gives the batch of a number, and its embeddings (2N, d) at each level."""


@dataclass(frozen=True)
class AnchorExample:
    """One anchor and what belongs to it.

    Attributes:
        pictures: The anchor, its other view, and its false negatives or its nearest neighbour.
        similarities: Cosine similarities of the anchor to those that follow it, one fewer than the pictures.
        same_class: True for those that are of the anchor's true class; None where that is not known.
    """

    pictures: tuple[Colours, ...]
    similarities: tuple[float, ...]
    same_class: tuple[bool | None, ...]


@dataclass(frozen=True)
class Gallery:
    """The pictures of one level.

    Attributes:
        level: Object that an embedding stands for: a whole patch (``"image"``) or a point (``"points"``).
        determined: True where the others are false negatives that FNSD determined; otherwise they are the nearest
            neighbours.
        examples: The examples from the least to the most similar.
        anchors: Number of anchors they were chosen from: benchmark anchors, or all.
        looked_at: Number of embeddings that were looked at.
    """

    level: str
    determined: bool
    examples: tuple[AnchorExample, ...]
    anchors: int
    looked_at: int


def collect_galleries(
    look: BatchEmbedder,
    numbers: Iterable[int],
    settings: PretrainSettings,
    truth: Truth | None,
    seed: int,
    feedback: Feedback,
) -> list[Gallery]:
    """Choose anchors from a few batches and cut out their pictures; one gallery per level.

    One batch is in memory at a time. The anchors are of different patches, and spread evenly between those whose false
    negative is least alike and those whose is most.
    """
    determined = settings.method == "false" or settings.false_negatives
    examples: dict[str, list[AnchorExample]] = {}
    anchors: dict[str, int] = {}
    looked_at: dict[str, int] = {}
    for number in numbers:
        feedback.stop_if_cancelled()
        batch, embeddings = look(number)
        generator = np.random.default_rng([seed, number])
        for level, own in embeddings.items():
            positions = batch.positions(level)
            z = directions(own)
            similarity = z @ z.T
            if determined:
                candidates: Others = every_other
                if settings.apart:
                    ground = positions_of(level, batch.ground.to(z.device), batch.kept.to(z.device))
                    candidates = ground.farther_than(settings.apart)
                found = determine_false_negatives(z, Calibration.of(settings).search, candidates)
            else:
                found = _nearest(similarity, positions)
            show = _GalleryBatch(
                batch, positions, similarity, found, settings, truth.classes_at(positions) if truth else None
            )
            examples.setdefault(level, []).extend(show.example(anchor, level) for anchor in show.choose(generator))
            anchors[level] = anchors.get(level, 0) + int(found.benchmark.sum())
            looked_at[level] = looked_at.get(level, 0) + len(own)
    return [
        Gallery(level, determined, tuple(_spread(all_)), anchors[level], looked_at[level])
        for level, all_ in examples.items()
    ]


def draw_gallery(gallery: Gallery) -> str:
    """Return the gallery as SVG, one anchor per column; empty where there is none."""
    examples = gallery.examples
    if not examples:
        return ""
    rows = max(len(example.pictures) for example in examples)
    figure = Figure(figsize=(1.15 * SHOWN_ANCHORS + 0.3, 1.45 * rows + 0.1), layout="constrained")
    grid = figure.subplots(rows, SHOWN_ANCHORS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for column, example in enumerate(examples):
        for row, picture in enumerate(example.pictures):
            axes = grid[row, column]
            axes.set_axis_on()
            show_picture(axes, picture)
            if gallery.level != IMAGE:
                mark_middle(axes, picture)
            if row:
                axes.set_xlabel(_caption(example, row - 1), fontsize=8, labelpad=2)
    other = "False negative" if gallery.determined else "Nearest other"
    for row in range(rows):
        grid[row, 0].set_ylabel(localised(("Anchor", "Other view", other)[min(row, 2)]), fontsize=9)
    return as_svg(figure)


@dataclass(frozen=True)
class _GalleryBatch:
    """One batch at one level: what can be chosen and shown of it.

    Attributes:
        similarity: The similarity of all pairs, of shape (2N, 2N).
        found: The anchors that may be chosen, and what is shown beside each.
        classes: True classes of the places, of shape (2N,).
    """

    batch: ViewPairs
    positions: EmbeddingPositions
    similarity: Tensor
    found: FalseNegatives
    settings: PretrainSettings
    classes: FloatArray | None

    def choose(self, generator: np.random.Generator) -> list[int]:
        """Return up to ``SHOWN_ANCHORS`` anchors of different patches, spread over the similarities beside them."""
        if not self.found.indices.shape[1]:
            return []
        anchors = generator.permutation(np.flatnonzero(self.found.benchmark.cpu().numpy()))
        anchors = anchors[np.unique(self.positions.patches[anchors], return_index=True)[1]]
        rows = torch.from_numpy(anchors).to(self.similarity.device)
        beside = self.similarity[rows, self.found.indices[rows, 0]].cpu().numpy()
        return [int(anchors[position]) for position in _evenly(beside)]

    def example(self, anchor: int, level: str) -> AnchorExample:
        """Return what is shown of ``anchor``."""
        other_view = int(positives(len(self.similarity), torch.device("cpu"))[anchor])
        others = [other_view, *self.found.indices[anchor, :MOST_FALSE_NEGATIVES_SHOWN].tolist()]
        size = self.settings.crop_size if level == IMAGE else min(SURROUNDINGS_PX, self.settings.crop_size)
        return AnchorExample(
            tuple(picture_at(self.batch, self.positions, row, size) for row in (anchor, *others)),
            tuple(float(self.similarity[anchor, row]) for row in others),
            tuple(self._same_class(anchor, row) for row in others),
        )

    def _same_class(self, one: int, other: int) -> bool | None:
        if self.classes is None or not np.isfinite(self.classes[[one, other]]).all():
            return None
        return bool(self.classes[one] == self.classes[other])


def picture_at(batch: ViewPairs, positions: EmbeddingPositions, row: int, size: int) -> Colours:
    """Return the ground around a place as its view sees it, but in the colours of the raster.

    Args:
        size: Side of what is seen in pixels of the view; larger ones than ``THUMBNAIL_PX`` are made smaller.
    """
    view, patch = int(positions.views[row]), int(positions.patches[row])
    matrix = (batch.first if view == patch else batch.second).matrix[patch]
    offset = (positions.pixels[row] - batch.centres[patch]).astype(np.float32)
    crop = resample(batch.windows[patch : patch + 1], Placement(matrix[None], offset[None]), size)
    if size > THUMBNAIL_PX:
        crop = torch.nn.functional.interpolate(crop, (THUMBNAIL_PX, THUMBNAIL_PX), mode="bilinear", antialias=True)
    return in_colour(crop[0].cpu().numpy())


def _nearest(similarity: Tensor, positions: EmbeddingPositions) -> FalseNegatives:
    """Return the nearest embedding of another patch for every anchor, as if it were a false negative."""
    patches = torch.from_numpy(positions.patches).to(similarity.device)
    same = patches[:, None] == patches
    nearest = similarity.masked_fill(same, -torch.inf).argmax(dim=1, keepdim=True)
    return FalseNegatives(~same.all(dim=1), nearest)


def _spread(examples: list[AnchorExample]) -> list[AnchorExample]:
    """Return up to ``SHOWN_ANCHORS`` of them, from the least to the most similar."""
    return [examples[position] for position in _evenly(np.array([example.similarities[1] for example in examples]))]


def _evenly(values: npt.NDArray[np.floating]) -> list[int]:
    """Return where up to ``SHOWN_ANCHORS`` values lie that are spread evenly over the sorted values, in that order."""
    order = np.argsort(values, kind="stable")
    if not len(order):
        return []
    return [
        int(order[place]) for place in np.linspace(0, len(order) - 1, min(SHOWN_ANCHORS, len(order))).round().astype(int)
    ]


def _caption(example: AnchorExample, number: int) -> str:
    words = {True: "same class", False: "other class", None: ""}
    similarity = localised(f"{example.similarities[number]:.2f}")
    return f"{similarity}\n{localised(words[example.same_class[number]])}".rstrip()


def mark_middle(axes: Axes, picture: Colours) -> None:
    """Draw a ring around the point that the picture is about."""
    middle = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)
    for color, width in (("black", 2.2), ("white", 1.0)):
        axes.plot(*middle, marker="o", markersize=7, markerfacecolor="none", markeredgecolor=color, markeredgewidth=width)
