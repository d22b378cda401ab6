"""What classifiers see of features, and what their weights mean for the features themselves."""

from __future__ import annotations

import numpy as np
import pytest

from false_core.training.heads.spaces import Space, names_in, plain_space, principal_axes, space_of


def features(number: int, channels: int) -> np.ndarray:
    """Return features that depend on each other, at very different scales."""
    chance = np.random.default_rng(channels)
    mixing = chance.normal(size=(channels, channels)) * np.logspace(1, -2, channels)[:, None]
    return (chance.normal(size=(number, channels)) @ mixing + chance.normal(0, 5, channels)).astype(np.float32)


SPACES = {
    "standardised": lambda values: space_of(values, 0.5),
    "principal components": lambda values: space_of(values, 0.25, components=4),
    "plain": lambda values: plain_space(values.shape[1], 2.0, 0.25),
}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("kind", SPACES)
def test_folded_weights_give_the_scores_that_the_weights_gave(kind: str, alone: bool) -> None:
    values = features(200, 9)
    space = SPACES[kind](values)
    weights = np.random.default_rng(1).normal(size=(space.axes.shape[1], 3)).astype(np.float32)
    on_features, bias = space.folded(weights, alone)
    wanted = space.of(values, alone) @ weights
    np.testing.assert_allclose(values @ on_features + bias, wanted, atol=2e-3 * np.abs(wanted).max())


def test_features_are_standardised() -> None:
    values = features(5000, 6)
    seen = space_of(values, 0.5, components=None).of(values, alone=True)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-3)


def test_beside_others_a_share_of_the_scale_is_left() -> None:
    values = features(50, 6)
    space = space_of(values, 0.25)
    np.testing.assert_allclose(space.of(values, alone=False), 0.25 * space.of(values, alone=True), rtol=1e-5)


def test_a_constant_feature_does_no_harm() -> None:
    values = features(50, 6)
    values[:, 2] = 7
    seen = space_of(values, 0.5).of(values, alone=True)
    assert np.isfinite(seen).all()
    np.testing.assert_allclose(seen[:, 2], 0, atol=1e-5)


def test_of_many_features_the_principal_components_are_kept() -> None:
    values = features(2000, 120)
    space = space_of(values, 0.5)
    seen = space.of(values, alone=True).astype(float)
    assert seen.shape == (2000, 96)
    covariance = seen.T @ seen / len(seen)
    variances = np.linalg.eigvalsh(np.corrcoef(values.T.astype(float)))[::-1][:96]
    np.testing.assert_allclose(np.diag(covariance), variances, rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=0.02)


def test_principal_axes_are_those_of_a_singular_value_decomposition() -> None:
    values = features(500, 8)
    values -= values.mean(axis=0)
    found = principal_axes(values, 3)
    theirs = np.linalg.svd(values.astype(float), full_matrices=False)[2][:3]
    np.testing.assert_allclose(np.abs((found * theirs).sum(axis=1)), 1, atol=1e-3)
    assert (found[np.arange(3), np.abs(found).argmax(axis=1)] > 0).all()


def test_plain_features_are_taken_as_they_are() -> None:
    values = features(20, 5)
    np.testing.assert_allclose(plain_space(5, 3.0, 0.5).of(values, alone=True), 3 * values, rtol=1e-5)


def test_a_space_of_several_parts_has_each_name_once() -> None:
    assert names_in([("a", "b"), ("b",), ("c", "a")]) == ("a", "b", "c")
    assert isinstance(plain_space(1, 1.0, 1.0), Space)
