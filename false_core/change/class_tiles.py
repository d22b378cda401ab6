"""The classes of both dates, tile by tile: how likely they are the same, and which pair of them a change would be."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from false_core.change.date_classes import DateClassifiers
from false_core.change.date_pair import DatePair
from false_core.change.paired_encoder import read_ahead
from false_core.feedback import Feedback
from false_core.inference.tiles import TilePlan
from false_core.models.segmenter import class_probabilities
from false_core.raster.map_file import RasterFile
from false_core.raster.source import RasterSource, Window

CLASS_TILE_PX, CLASS_TILE_PX_OF_MANY = 512, 256
"""Working pixels of a tile, and where there are many classes to hold."""
MANY_CLASSES = 16
CLASS_HALO_PX = 128
"""Working pixels that the classifiers see around a tile."""
SAME_STEPS = 200
"""Parts of 1 in which the probability of the same class is kept."""
NO_PAIR, NOT_KNOWN = 65_535, 255
"""Values of pixels where a date has no data."""


@dataclass(frozen=True)
class ClassesOfDates:
    """The classes of both dates on the working grid of the area, in files.

    Attributes:
        same: The probability that both dates are of one class, in ``SAME_STEPS``.
        pairs: The likeliest two different classes: the number of the one before times the number of classes, and the one
            after.
    """

    same: RasterSource
    pairs: RasterSource


def classify_dates(
    folder: Path, pair: DatePair, classifiers: DateClassifiers, device: torch.device, feedback: Feedback
) -> ClassesOfDates:
    """Classify both dates, and write what follows into a folder."""
    area, f = pair.area, pair.before.factor
    side = CLASS_TILE_PX if len(classifiers.classes) <= MANY_CLASSES else CLASS_TILE_PX_OF_MANY
    plan = TilePlan(area, side, 2 * CLASS_HALO_PX, ramp=0)
    networks = [network.to(device, memory_format=torch.channels_last) for network in classifiers.segmenters]  # type: ignore[call-overload]
    on_file = Window(area.column * f, area.row * f, area.width * f, area.height * f)
    with (
        RasterFile(folder / "same.tif", pair.before, on_file, NOT_KNOWN, step=f) as same_file,
        RasterFile(folder / "pairs.tif", pair.before, on_file, NO_PAIR, dtype="uint16", step=f) as pair_file,
        closing(read_ahead(pair, plan)) as ahead,
    ):
        for done, (tile, pixels) in enumerate(ahead):
            feedback.advance(done, len(plan), "tiles")
            if not pixels.valid.any():
                continue
            core = plan.core(tile, 1, area.width, area.height)
            inner = slice(CLASS_HALO_PX, CLASS_HALO_PX + core.height), slice(CLASS_HALO_PX, CLASS_HALO_PX + core.width)
            before, after = (
                class_probabilities(network, date[None].to(device))[0].float()[(slice(None), *inner)]
                for network, date in zip(networks, pixels.dates)
            )
            same, pairs = same_class(before, after), likeliest_pair(before, after)
            valid = pixels.valid[inner]
            steps = np.rint(same.cpu().numpy() * SAME_STEPS).astype(np.uint8)
            same_file.write(core.column, core.row, np.where(valid, steps, np.uint8(NOT_KNOWN)))
            pair_file.write(core.column, core.row, np.where(valid, pairs.cpu().numpy(), NO_PAIR).astype(np.uint16))
    return ClassesOfDates(RasterSource(str(folder / "same.tif")), RasterSource(str(folder / "pairs.tif")))


def same_class(before: Tensor, after: Tensor) -> Tensor:
    """Return the probability that both dates are of one class: sum_k p1(k) p2(k), of shape (height, width).

    Args:
        before, after: Probabilities of the classes at each date, of shape (classes, height, width).
    """
    return (before * after).sum(dim=0).clamp(0, 1)


def likeliest_pair(before: Tensor, after: Tensor) -> Tensor:
    """Return the two different classes i, j with the largest p1(i) p2(j), as i times the number of classes plus j.

    Args:
        before, after: Probabilities as for ``same_class``, of two classes at least.
    """
    (first, second), (best, next_best) = before.topk(2, dim=0)
    (first_after, second_after), (best_after, next_after) = after.topk(2, dim=0)
    equal = best == best_after
    # Where both dates have the same likeliest class, one of them has its next one.
    keep_before = equal & (first * second_after >= second * first_after)
    one = torch.where(equal & ~keep_before, next_best, best)
    other = torch.where(keep_before, next_after, best_after)
    return one * len(before) + other
