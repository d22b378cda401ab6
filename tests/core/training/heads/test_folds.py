"""Neighbours are held out together, each class about as often in each fold, and never a whole class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import shapely

from false_core.labels.annotation import Annotation
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.training.heads.folds import ALWAYS_LEARNED, BLOCKS_ALONG_SIDE, FOLDS, folds_of

SIDE = 1000
BLOCK = SIDE // BLOCKS_ALONG_SIDE


def annotation(places: Sequence[tuple[float, float]], targets: Sequence[int], classes: int) -> Annotation:
    shapes = np.array([shapely.box(x - 3, y - 3, x + 3, y + 3) for x, y in places], dtype=object)
    table = ClassTable(tuple(LandCoverClass(code, f"class {code}", "#000000") for code in range(1, classes + 1)))
    return Annotation(table, shapes, np.array(targets), shapely.STRtree(shapes))


def scattered(number: int, classes: int, seed: int) -> tuple[Annotation, np.ndarray]:
    """Return shapes all over the raster, and the block that each lies in."""
    chance = np.random.default_rng(seed)
    places = chance.uniform(5, SIDE - 5, (number, 2))
    blocks = (places // BLOCK).astype(int) @ [1, BLOCKS_ALONG_SIDE]
    return annotation(places.tolist(), chance.integers(0, classes, number).tolist(), classes), blocks


@pytest.mark.parametrize("seed", range(10))
def test_what_lies_in_a_block_stays_together(seed: int) -> None:
    labels, blocks = scattered(200, 4, seed)
    folds = folds_of(labels, SIDE, SIDE, seed)
    assert set(folds.tolist()) == set(range(FOLDS))
    assert all(len(np.unique(folds[blocks == block])) == 1 for block in np.unique(blocks))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("number", [6, 12, 30])
def test_what_is_held_out_is_never_a_whole_class(seed: int, number: int) -> None:
    labels, _ = scattered(number, 4, seed)
    folds = folds_of(labels, SIDE, SIDE, seed)
    for fold in range(FOLDS):
        assert set(labels.targets[folds == fold]) <= set(labels.targets[folds != fold])


def test_it_is_none_either_where_many_classes_crowd_in_a_few_blocks() -> None:
    for seed in range(100):
        chance = np.random.default_rng(seed)
        places = chance.integers(0, 3, (60, 2)) * BLOCK + chance.uniform(5, BLOCK - 5, (60, 2))
        labels = annotation(places.tolist(), chance.integers(0, 20, 60).tolist(), 20)
        folds = folds_of(labels, SIDE, SIDE, seed)
        assert all(set(labels.targets[folds == fold]) <= set(labels.targets[folds != fold]) for fold in range(FOLDS)), seed


def test_the_only_shape_of_a_class_is_always_learned() -> None:
    labels = annotation([(50, 50), (60, 60), (350, 350), (750, 750)], [0, 1, 0, 0], 3)
    folds = folds_of(labels, SIDE, SIDE, 0)
    assert folds[1] == ALWAYS_LEARNED
    assert (folds[[0, 2, 3]] != ALWAYS_LEARNED).all()


def test_where_each_class_has_one_shape_nothing_is_held_out() -> None:
    labels = annotation([(50, 50), (650, 650)], [0, 1], 2)
    assert (folds_of(labels, SIDE, SIDE, 0) == ALWAYS_LEARNED).all()


def test_shapes_of_a_class_in_one_block_are_held_out_one_by_one() -> None:
    places = [(210.0 + 8 * number, 250.0) for number in range(10)]
    labels = annotation([*places, (50, 50), (650, 650)], [0] * 10 + [1, 1], 2)
    folds = folds_of(labels, SIDE, SIDE, 0)
    np.testing.assert_array_equal(np.bincount(folds[:10], minlength=FOLDS), [2] * FOLDS)


@pytest.mark.parametrize("seed", range(5))
def test_each_fold_has_about_as_much_of_each_class(seed: int) -> None:
    labels, _ = scattered(600, 3, seed)
    folds = folds_of(labels, SIDE, SIDE, seed)
    for target in range(3):
        shares = np.bincount(folds[labels.targets == target], minlength=FOLDS) / (labels.targets == target).sum()
        assert (abs(shares - 1 / FOLDS) < 0.08).all()


def test_the_seed_decides() -> None:
    labels, _ = scattered(200, 4, 1)
    first, again, other = (folds_of(labels, SIDE, SIDE, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_blocks_are_square_whatever_the_raster_is() -> None:
    """A raster one block high: neighbours above each other are in the same block."""
    labels = annotation([(x, y) for x in (150, 450, 750) for y in (10, 90)], [0, 1] * 3, 2)
    folds = folds_of(labels, SIDE, 100, 3)
    np.testing.assert_array_equal(folds[::2], folds[1::2])
