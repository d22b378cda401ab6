"""Likeness is a cosine with the examples, less what is more like something else."""

from __future__ import annotations

import numpy as np
import pytest

from false_core.areas.likeness import LIKENESS_COMPONENTS, LikenessToExamples


def naive(wanted: np.ndarray, unwanted: np.ndarray, sample: np.ndarray, area: np.ndarray) -> float:
    """The definition, in double precision, with NumPy's own principal components."""
    mean, std = sample.mean(axis=0), sample.std(axis=0)
    _, values, axes = np.linalg.svd((sample - mean) / std, full_matrices=False)
    variance = values[:LIKENESS_COMPONENTS] ** 2 / len(sample)

    def direction(features: np.ndarray) -> np.ndarray:
        seen = ((features - mean) / std) @ axes[:LIKENESS_COMPONENTS].T / np.maximum(variance, 1e-3 * variance[0]) ** 0.25
        return seen / np.linalg.norm(seen)

    middle = np.mean([direction(one) for one in wanted], axis=0)
    cosine = float(direction(area) @ middle / np.linalg.norm(middle))
    closest = max((float(direction(area) @ direction(one)) for one in unwanted), default=cosine)
    return cosine - max(0.0, closest - cosine)


@pytest.mark.parametrize("others", [0, 3])
def test_it_is_as_defined(others: int) -> None:
    chance = np.random.default_rng(0)
    features = (chance.normal(0, 1, (400, 90)) @ chance.normal(0, 1, (90, 90)) + 3).astype(np.float32)
    wanted, unwanted, areas = features[:4], features[4 : 4 + others], features[10:30]
    found = LikenessToExamples.to(wanted, unwanted, features).of(areas)
    doubles = [part.astype(np.float64) for part in (wanted, unwanted, features)]
    assert found == pytest.approx([naive(*doubles, area.astype(np.float64)) for area in areas], abs=2e-4)


def test_an_example_is_like_itself_and_nothing_is_like_no_number() -> None:
    features = np.random.default_rng(1).normal(0, 1, (50, 80)).astype(np.float32)
    likeness = LikenessToExamples.to(features[:1], features[:0], features)
    areas = np.stack([features[0], np.full(80, np.nan, np.float32)])
    assert likeness.of(areas)[0] == pytest.approx(1, abs=1e-5)
    assert np.isnan(likeness.of(areas)[1])


def test_areas_that_are_all_alike_differ_in_nothing() -> None:
    same = np.ones((5, 80), np.float32)
    assert (LikenessToExamples.to(same[:1], same[:0], same).of(same) == 0).all()
