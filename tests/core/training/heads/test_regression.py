"""The logistic regression is that of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from false_core.training.heads.regression import ABSENT, fit_logistic


def samples(classes: int, number: int = 300, width: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features of overlapping classes, their targets, and uneven counts."""
    chance = np.random.default_rng(classes)
    targets = chance.integers(0, classes, number)
    middles = chance.normal(0, 1.2, (classes, width))
    features = (middles[targets] + chance.normal(0, 1, (number, width))).astype(np.float32)
    return features, targets, chance.uniform(0.1, 4, number)


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("penalty", [1 / 60, 1.0])
def test_it_is_that_of_scikit_learn(classes: int, penalty: float) -> None:
    features, targets, counts = samples(classes)
    found = fit_logistic(features, targets, counts, classes, penalty)
    # There the sum of the losses is weighed against half the sum of squares: C = 1 / penalty where the counts add up to 1.
    # Of two classes there is one vector, the difference of our two, which have half its sum of squares.
    oracle = LogisticRegression(C=(2 if classes == 2 else 1) / penalty, tol=1e-9, max_iter=10_000)
    oracle.fit(features.astype(float), targets, sample_weight=counts / counts.sum())
    theirs = oracle.predict_log_proba(features.astype(float))
    np.testing.assert_allclose(found.log_probabilities(features), theirs, atol=5e-3)


def test_probabilities_add_up_to_1() -> None:
    features, targets, counts = samples(4)
    found = fit_logistic(features, targets, counts, 4, 0.01).log_probabilities(1000 * features)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)


def test_counts_stand_for_repetitions() -> None:
    features, targets, _ = samples(3, number=60)
    counts = np.random.default_rng(0).integers(1, 5, 60)
    weighed = fit_logistic(features, targets, counts, 3, 0.1)
    repeated = fit_logistic(np.repeat(features, counts, axis=0), np.repeat(targets, counts), np.ones(counts.sum()), 3, 0.1)
    np.testing.assert_allclose(weighed.weights, repeated.weights, atol=2e-3)
    np.testing.assert_allclose(weighed.bias, repeated.bias, atol=2e-3)


def test_a_class_without_samples_is_never_found_and_changes_nothing() -> None:
    features, targets, counts = samples(2)
    two = fit_logistic(features, targets, counts, 2, 0.1)
    three = fit_logistic(features, 2 * targets, counts, 3, 0.1)
    assert three.bias[1] == ABSENT and not three.weights[:, 1].any()
    np.testing.assert_array_equal(three.weights[:, [0, 2]], two.weights)
    found = three.log_probabilities(features)
    assert np.isfinite(found).all() and (np.exp(found[:, 1]) < 1e-9).all()


def test_a_single_class_is_certain() -> None:
    features = np.ones((3, 2), np.float32)
    found = fit_logistic(features, np.array([1, 1, 1]), np.ones(3), 2, 0.1)
    np.testing.assert_allclose(np.exp(found.log_probabilities(features))[:, 1], 1, atol=1e-6)


def test_it_gives_the_same_numbers_each_time() -> None:
    features, targets, counts = samples(5)
    first, second = (fit_logistic(features, targets, counts, 5, 0.02) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.bias, second.bias)
