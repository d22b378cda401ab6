"""Scoring a segmenter on labels that did not train it."""

from __future__ import annotations

import shapely
import torch
from affine import Affine
from torch import nn

from false_core.accuracy.metrics import IntArray, confusion_matrix
from false_core.distributed import ALONE, World
from false_core.feedback import Feedback
from false_core.labels.annotation import IGNORE, Annotation
from false_core.models.segmenter import class_probabilities
from false_core.raster.source import Window
from false_core.sampling.cache import ChunkCache

TILE, HALO = 128, 64
"""Pixels scored at a time, and the surroundings the network sees around them."""


def score_labels(
    network: nn.Module,
    cache: ChunkCache,
    held_back: Annotation,
    device: torch.device,
    feedback: Feedback,
    world: World = ALONE,
) -> IntArray:
    """Classify the surroundings of ``held_back`` labels and compare. Several processes do some of the tiles each.

    Returns:
        Counts of shape (classes, classes), true classes in rows.
    """
    network.eval()
    classes = len(held_back.classes)
    total = torch.zeros((classes, classes), dtype=torch.long)
    source = cache.source
    tiles = [
        (column, row)
        for row in range(0, source.height, TILE)
        for column in range(0, source.width, TILE)
        if held_back.tree.query(_box(column, row)).size
    ]
    mine = tiles[world.share.of(len(tiles))]
    for done, (column, row) in enumerate(mine):
        feedback.advance(done, len(mine))
        truth = held_back.burn(Affine.translation(-column, -row), TILE, TILE)
        pixels, valid = cache.read(Window(column - HALO, row - HALO, TILE + 2 * HALO, TILE + 2 * HALO))
        inner = slice(HALO, HALO + TILE)
        truth[~valid[inner, inner]] = IGNORE
        chances = class_probabilities(network, torch.from_numpy(pixels)[None].to(device))
        mapped = chances[0, :, inner, inner].argmax(dim=0).cpu().numpy()
        total += torch.from_numpy(confusion_matrix(truth, mapped, classes))
    world.add_up([total])
    counts: IntArray = total.numpy()
    return counts


def _box(column: int, row: int) -> shapely.Geometry:
    return shapely.box(column, row, column + TILE, row + TILE)
