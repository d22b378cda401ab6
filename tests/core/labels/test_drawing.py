"""A part of the labels: a share of those of each class, and always the same ones."""

from __future__ import annotations

import itertools

import numpy as np

from false_core.labels.drawing import draw_shapes

CODES = np.array([1] * 10 + [2] * 3 + [7])


def test_every_class_keeps_a_shape() -> None:
    assert CODES[draw_shapes(CODES, 0.1, 0)].tolist() == [1, 2, 7]


def test_a_smaller_share_is_part_of_a_larger_one_and_another_seed_draws_others() -> None:
    shares = [set(draw_shapes(CODES, fraction, 3).tolist()) for fraction in (0.1, 0.3, 0.7, 1.0)]
    assert all(small < large for small, large in itertools.pairwise(shares))
    assert shares[-1] == set(range(14))
    assert any(set(draw_shapes(CODES, 0.3, seed).tolist()) != shares[1] for seed in (4, 5, 6))
