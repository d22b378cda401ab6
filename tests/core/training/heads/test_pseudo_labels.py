"""Which pixels of a raster are learned from like labels: of each class the surest."""

from __future__ import annotations

import numpy as np

from false_core.training.heads.pseudo_labels import PSEUDO_LABEL_SHARE, PseudoLabels, pseudo_labels_of


def log_probabilities(number: int = 400, classes: int = 3) -> np.ndarray:
    probabilities = np.random.default_rng(0).dirichlet((0.5, 1.0, 4.0)[:classes], number)
    return np.log(probabilities).astype(np.float32)


def test_they_are_as_large_a_share_of_each_class_and_the_surest_of_it() -> None:
    said = log_probabilities()
    found, sure = said.argmax(axis=1), pseudo_labels_of(said)
    for target in range(3):
        own = np.flatnonzero(found == target)
        chosen = sure.rows[sure.targets == target]
        assert len(chosen) == np.ceil(PSEUDO_LABEL_SHARE * len(own)) and set(chosen) <= set(own)
        left = np.setdiff1d(own, chosen)
        assert said[chosen, target].min() >= said[left, target].max()


def test_how_sure_several_classifiers_are_is_asked_of_their_probabilities_brought_to_a_sum_of_1() -> None:
    said = log_probabilities()
    shifted = said - np.linspace(0, 9, len(said), dtype=np.float32)[:, None]
    np.testing.assert_array_equal(np.sort(pseudo_labels_of(shifted).rows), np.sort(pseudo_labels_of(said).rows))


def test_all_classes_that_are_found_count_alike() -> None:
    counts = PseudoLabels(np.arange(6), np.array([0, 0, 0, 4, 4, 2])).counts()
    np.testing.assert_allclose(counts, [1 / 9] * 3 + [1 / 6] * 2 + [1 / 3])


def test_a_raster_without_pixels_teaches_nothing() -> None:
    sure = pseudo_labels_of(np.zeros((0, 3), np.float32))
    assert not len(sure.rows) and not len(sure.counts())


def test_those_that_a_second_opinion_contradicts_are_left_out() -> None:
    said, other = log_probabilities(classes=3), np.random.default_rng(1).normal(size=(400, 3)).astype(np.float32)
    found, sure = said.argmax(axis=1), pseudo_labels_of(said, other)
    refused = other.argmin(axis=1) == found
    assert refused.any() and not refused[sure.rows].any()
    for target in range(3):
        own = np.flatnonzero((found == target) & ~refused)
        chosen = sure.rows[sure.targets == target]
        assert len(chosen) == np.ceil(PSEUDO_LABEL_SHARE * len(own))
        assert said[chosen, target].min() >= said[np.setdiff1d(own, chosen), target].max()


def test_a_second_opinion_of_nothing_or_the_same_changes_nothing() -> None:
    said = log_probabilities()
    for other in (None, said, np.zeros_like(said)):
        np.testing.assert_array_equal(pseudo_labels_of(said, other).rows, pseudo_labels_of(said).rows)


def test_where_all_are_contradicted_nothing_is_learned() -> None:
    said = log_probabilities()
    assert not len(pseudo_labels_of(said, -said - 99 * (np.arange(3) == said.argmax(axis=1)[:, None])).rows)
