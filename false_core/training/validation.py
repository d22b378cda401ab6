"""Scoring a segmenter on labels that did not train it, with the very tiles that a map is made of."""

from __future__ import annotations

import functools
from contextlib import closing

import numpy as np
import shapely
import torch
from affine import Affine
from torch import nn

from false_core.accuracy.metrics import IntArray, confusion_matrix
from false_core.computing.distributed import ALONE, World
from false_core.computing.threads import BackgroundWriter
from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.folding import for_inference
from false_core.inference.tiled import ReadTile, TiledNetwork, blended
from false_core.inference.tiles import MOST_WAITING_BYTES, TilePlan
from false_core.inference.upsample import upsample
from false_core.labels.annotation import IGNORE, Annotation
from false_core.models.segmenter import class_probabilities
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation

REACH = 2
"""Working pixels beyond the pixels that a tile adds something to in which a map depends on it: it is interpolated."""
SCORED_AT_A_TIME = 4
"""Tiles that a GPU computes at once; fewer where its memory is too small."""
WAITING_TO_SCORE = 2
"""Tiles that may wait to be compared."""


def score_labels(
    network: nn.Module,
    source: RasterSource,
    normalisation: Normalisation,
    held_out: Annotation,
    device: torch.device,
    feedback: Feedback,
    world: World = ALONE,
) -> IntArray:
    """Compare ``held_out`` labels with what a map of the raster would show there, pixel of the file by pixel.

    Computed are the tiles of that map that touch the labels, and those that are blended into them. Several processes do some
    of the tiles each.

    Args:
        held_out: Labels in working pixels.

    Returns:
        Counts of pixels of shape (classes, classes), true classes in rows.
    """
    classes = len(held_out.classes)
    plan = TilePlan.for_area(source.window_of(None), classes, source.factor)
    optimised = for_inference(network.cpu().eval(), len(source.bands))
    optimised = optimised.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    at_a_time = 1 if device.type == "cpu" else SCORED_AT_A_TIME
    batched = BatchedNetwork(functools.partial(class_probabilities, optimised), device, feedback, at_a_time)
    tiled = TiledNetwork(batched, source, normalisation)
    cores = _touched(plan, held_out, before=0, after=0)
    mine = set(cores[world.share.of(len(cores))])
    needed = [tile for tile in _touched(plan, held_out, REACH, plan.shared + REACH) if _neighbours(tile) & mine]
    total = torch.zeros((classes, classes), dtype=torch.long)
    indices = torch.arange(classes, dtype=torch.uint8, device=device)

    def compare(item: ReadTile, mapped: torch.Tensor) -> None:
        total.add_(torch.from_numpy(_compared(item, mapped, plan, source, held_out)))

    done = 0
    # Beside the device, which computes the next tiles meanwhile.
    with closing(BackgroundWriter(WAITING_TO_SCORE)) as comparing:
        for columns in _groups_of_columns(plan, classes):
            # The first column of a group is blended with the one before it.
            wider = range(max(0, columns.start - 1), columns.stop)
            tiles = [plan.tile(column, row) for column, row in needed if column in wider]
            for item, probabilities in blended(tiled, plan, classes, wider, tiles):
                feedback.advance(min(done, len(needed)), len(needed), "tiles")
                done += 1
                if (item.tile.column, item.tile.row) in mine and item.tile.column in columns and item.pixels is not None:
                    comparing.add(compare, item, upsample(probabilities, source.factor, indices, with_percent=False).codes)
        comparing.finish()
    world.all_reduce([total])
    counts: IntArray = total.numpy()
    return counts


def _compared(item: ReadTile, mapped: torch.Tensor, plan: TilePlan, source: RasterSource, held_out: Annotation) -> IntArray:
    """Return the counts in the core of a tile, of which ``mapped`` has the classes at the pixels of the file."""
    assert item.valid is not None
    factor, classes = source.factor, len(held_out.classes)
    core = plan.core(item.tile, factor, source.source_width, source.source_height)
    to_core = Affine.translation(-core.column, -core.row) * Affine.scale(factor)
    truth = held_out.burn(to_core, core.height, core.width)
    lead = plan.lead * factor
    truth[~item.valid[lead : lead + core.height, lead : lead + core.width]] = IGNORE
    return confusion_matrix(truth, mapped.cpu().numpy()[: core.height, : core.width], classes)


def _touched(plan: TilePlan, labels: Annotation, before: int, after: int) -> list[tuple[int, int]]:
    """Return the tiles, as column and row, whose core, with so many pixels before and after it, labels touch; row by row."""
    x = plan.area.column + np.arange(plan.columns) * plan.stride
    found = []
    for row in range(plan.rows):
        y = plan.area.row + row * plan.stride
        boxes = shapely.box(x - before, y - before, x + plan.stride + after, y + plan.stride + after)
        found += [(column, row) for column in np.unique(labels.tree.query(boxes)[0]).tolist()]
    return found


def _neighbours(tile: tuple[int, int]) -> set[tuple[int, int]]:
    return {(tile[0] + right, tile[1] + down) for right in (-1, 0, 1) for down in (-1, 0, 1)}


def _groups_of_columns(plan: TilePlan, classes: int) -> list[range]:
    """Return the columns of a plan in groups for which the probabilities that wait for the next row fit the memory."""
    width = max(1, MOST_WAITING_BYTES // (4 * classes * plan.shared * plan.stride))
    return [range(start, min(start + width, plan.columns)) for start in range(0, plan.columns, width)]
