"""What labels at a few places do not show is learned from the raster."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from false_core.models.fused import Member
from false_core.training.heads.fits import (
    LEAST_PRIOR_SHARE,
    PRIOR_ADJUSTMENT,
    answers_of,
    counts_for,
    designs,
    fit_member,
    learn_from_raster,
    shares_of_raster,
    with_adjusted_prior,
)
from false_core.training.heads.regression import Linear
from false_core.training.heads.samples import LabelledPoints
from false_core.training.heads.spaces import plain_space

NAMES = ("texture", "spectrum")
MEMBERS = tuple(Member((name,), 0.5) for name in NAMES)
Features = dict[str, np.ndarray]
Fits = dict[tuple[str, ...], Linear]


def land(number: int, seed: int, is_varied: bool = True) -> tuple[Features, np.ndarray]:
    """Return features of pixels by part, and their classes.

    Two features of a part show the class with much noise, and the third clearly, but only where the land is as varied as
    the whole raster is: where the labels lie, it is the same everywhere.
    """
    chance = np.random.default_rng(seed)
    targets = chance.integers(2, size=number)
    sign = 2.0 * targets[:, None] - 1
    features = {}
    for name in NAMES:
        noisy = sign + 1.5 * chance.normal(size=(number, 2))
        clear = 2.0 * is_varied * sign + 0.3 * chance.normal(size=(number, 1))
        features[name] = np.concatenate([noisy, clear], axis=1).astype(np.float32)
    return features, targets


def labelled_land(seed: int = 1) -> tuple[Features, LabelledPoints]:
    features, targets = land(200, seed, is_varied=False)
    return features, LabelledPoints(np.zeros((200, 2)), np.arange(200) // 10 * 2 + targets, targets)


def taught(features: Features, sample: Features, points: LabelledPoints, classes: int = 2) -> tuple[Fits, Fits]:
    """Return the classifiers of the labels alone, and those of labels and raster."""
    spaces = {name: plain_space(3, 1.0, 0.5) for name in features}
    labelled, unlabelled = designs(MEMBERS, spaces, features), designs(MEMBERS, spaces, sample)
    alone = {parts: fit_member(parts, inputs, points, classes) for parts, inputs in labelled.items()}
    return alone, learn_from_raster(MEMBERS, alone, labelled, points, unlabelled, classes)


def share_right(fitted: Fits, features: Features, targets: np.ndarray) -> float:
    answers = answers_of(MEMBERS, fitted, {member.parts: features[member.parts[0]] for member in MEMBERS})
    return float((answers.argmax(axis=1) == targets).mean())


def test_the_raster_teaches_what_the_labels_do_not_show() -> None:
    right = []
    for seed in range(0, 60, 10):
        features, points = labelled_land(seed + 1)
        alone, both = taught(features, land(2_000, seed + 2)[0], points)
        elsewhere = land(2_000, seed + 3)
        right.append([share_right(fitted, *elsewhere) for fitted in (alone, both)])
        assert share_right(both, features, points.targets) > share_right(alone, features, points.targets) - 0.05
    before, after = np.mean(right, axis=0)
    assert before < 0.95 < 0.98 < after


def test_the_same_labels_and_raster_give_the_same_classifiers() -> None:
    features, points = labelled_land()
    first, second = (taught(features, land(500, seed=2)[0], points)[1] for _ in range(2))
    for parts in first:
        np.testing.assert_array_equal(first[parts].weights, second[parts].weights)


def test_a_class_that_the_raster_hardly_shows_is_known_from_its_labels() -> None:
    features, points = labelled_land()
    third = {name: np.full((20, 3), (0.0, 20.0, 0.0), np.float32) for name in NAMES}
    every = {name: np.concatenate([features[name], third[name]]) for name in NAMES}
    targets, owners = np.repeat((0, 2), (200, 20)), np.concatenate([points.owners, np.full(20, 99)])
    targets[:200] = points.targets
    _, both = taught(every, land(500, seed=2)[0], LabelledPoints(np.zeros((220, 2)), owners, targets), classes=3)
    assert share_right(both, third, np.full(20, 2)) == 1


def test_a_raster_without_pixels_changes_nothing() -> None:
    features, points = labelled_land()
    alone, both = taught(features, {name: values[:0] for name, values in features.items()}, points)
    for parts, classifier in both.items():
        np.testing.assert_allclose(classifier.weights, alone[parts].weights, atol=1e-2)


def test_what_texture_contradicts_is_not_learned_from_the_raster() -> None:
    """Pixels that look like the third class to all but texture alone, which sees the other two in them."""
    features, points = labelled_land()
    third = {name: np.full((20, 3), (0.0, 20.0, 0.0), np.float32) for name in NAMES}
    every = {name: np.concatenate([features[name], third[name]]) for name in NAMES}
    targets, owners = np.repeat((0, 2), (200, 20)), np.concatenate([points.owners, np.full(20, 99)])
    targets[:200] = points.targets
    labels = LabelledPoints(np.zeros((220, 2)), owners, targets)
    doubtful = {"texture": np.full((300, 3), (0.0, -20.0, 0.0), np.float32), "spectrum": np.full((300, 3), (0.0, 60.0, 0.0))}
    alone, both = taught(every, {name: values.astype(np.float32) for name, values in doubtful.items()}, labels, classes=3)
    together = answers_of(MEMBERS, alone, {member.parts: doubtful[member.parts[0]] for member in MEMBERS})
    assert (together.argmax(axis=1) == 2).all()
    for parts, classifier in both.items():
        np.testing.assert_allclose(classifier.weights, alone[parts].weights, atol=1e-2)


def leaning(fitted: Fits, unlabelled: Mapping[tuple[str, ...], np.ndarray]) -> Fits:
    return with_adjusted_prior(shares_of_raster(MEMBERS, fitted, unlabelled), np.ones(2, bool), fitted)


def uneven_land(share: float, seed: int) -> tuple[Features, np.ndarray]:
    """Return land of which the first class covers a share, with pixels that look like both classes."""
    features, targets = land(6_000, seed, is_varied=False)
    first, second = np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)
    rows = np.concatenate([first[: int(2_000 * share)], second[: int(2_000 * (1 - share))]])
    return {name: values[rows] for name, values in features.items()}, targets[rows]


def test_classifiers_lean_towards_the_classes_that_cover_much_of_the_raster() -> None:
    features, points = labelled_land()
    alone, _ = taught(features, land(500, seed=2)[0], points)
    seen, elsewhere = (uneven_land(0.95, seed) for seed in (4, 5))
    leant = leaning(alone, {member.parts: seen[0][member.parts[0]] for member in MEMBERS})
    assert share_right(alone, *elsewhere) + 0.02 < share_right(leant, *elsewhere)
    for name in NAMES:
        np.testing.assert_array_equal(leant[name,].weights, alone[name,].weights)


def test_they_do_not_lean_where_all_classes_cover_as_much() -> None:
    features, points = labelled_land()
    alone, _ = taught(features, land(500, seed=2)[0], points)
    even = {name: np.concatenate([values, -values]) for name, values in uneven_land(0.5, seed=4)[0].items()}
    without_bias = {parts: Linear(own.weights, 0 * own.bias) for parts, own in alone.items()}
    leant = leaning(without_bias, {member.parts: even[member.parts[0]] for member in MEMBERS})
    for own in leant.values():
        np.testing.assert_allclose(own.bias, 0, atol=1e-2)


def test_a_class_that_the_raster_does_not_show_at_all_is_not_ruled_out() -> None:
    features, points = labelled_land()
    alone, _ = taught(features, land(500, seed=2)[0], points)
    away = {parts: Linear(own.weights, np.array([30.0, -30.0], np.float32)) for parts, own in alone.items()}
    seen = {member.parts: features[member.parts[0]] for member in MEMBERS}
    leant = leaning(away, seen)
    for parts, own in leant.items():
        (gain,) = np.diff(away[parts].bias - own.bias)
        assert np.isclose(gain, PRIOR_ADJUSTMENT * np.log(2.0 / LEAST_PRIOR_SHARE), rtol=1e-3)


def test_a_class_that_no_held_out_label_speaks_for_neither_gains_nor_loses() -> None:
    """Over the land of the others, however rare it seems: nobody saw what leaning does to it."""
    even = {("texture",): Linear(np.zeros((3, 4), np.float32), np.zeros(4, np.float32))}
    shares = np.array([0.7, 0.2, 0.09, 0.01])
    common, second, rare, unseen = with_adjusted_prior(shares, np.array([True, True, True, False]), even)["texture",].bias
    assert unseen == 0 and common > 0 > second > rare
    np.testing.assert_allclose(shares[:3] @ (common, second, rare), 0, atol=1e-6)
    *_, counted = with_adjusted_prior(shares, np.ones(4, bool), even)["texture",].bias
    assert counted < -0.5, "it would lose otherwise"
    alone = with_adjusted_prior(np.array([0.0, 0.0, 0.0, 1.0]), np.array([True, True, True, False]), even)
    np.testing.assert_allclose(alone["texture",].bias, 0, atol=1e-6)


def test_pixels_of_a_large_shape_count_for_more_where_nothing_but_pixels_is_seen() -> None:
    points = LabelledPoints(np.zeros((12, 2)), np.array([0] * 8 + [1] * 2 + [2] * 2), np.array([0] * 10 + [1] * 2))
    for parts, share in (
        (("curves",), 0.8),
        (("spectrum",), 0.8),
        (("texture", "spectrum"), 0.5),
        (("encoder 0 at 1",), 0.5),
    ):
        counts = counts_for(parts, points, classes=2)
        np.testing.assert_allclose(np.bincount(points.targets, counts), 1)
        np.testing.assert_allclose(np.bincount(points.owners, counts)[:2], [share, 1 - share])
