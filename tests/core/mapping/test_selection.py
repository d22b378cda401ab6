"""What is chosen to label is uncertain, unlike what is labelled, unlike each other, and not side by side."""

from __future__ import annotations

import numpy as np
import pytest

from false_core.mapping.selection import SPACING, choose_squares, distances_to


def naive(
    uncertainty: np.ndarray, features: np.ndarray, places: np.ndarray, labelled: np.ndarray, count: int
) -> list[tuple[int, float]]:
    """The same from the definition, one pair at a time."""
    chosen: list[tuple[int, float]] = []
    while len(chosen) < count:
        best, best_score = -1, -1.0
        for i in range(len(features)):
            if any(max(abs(places[i] - places[j])) < SPACING for j, _ in chosen):
                continue
            others = [*labelled, *(features[j] for j, _ in chosen)]
            distance = min((float(np.linalg.norm(features[i] - other)) for other in others), default=1.0)
            if uncertainty[i] * distance**2 > best_score:
                best, best_score = i, uncertainty[i] * distance**2
        if best < 0:
            break
        chosen.append((best, best_score))
    return chosen


@pytest.fixture
def cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    row, column = np.mgrid[:9, :11]
    places = np.stack([column.ravel(), row.ravel()], axis=1)
    return generator.random(99), generator.normal(size=(99, 6)), places


@pytest.mark.thorough
@pytest.mark.parametrize("labelled", [0, 1, 300])
def test_it_follows_the_definition(cells: tuple[np.ndarray, np.ndarray, np.ndarray], labelled: int) -> None:
    uncertainty, features, places = cells
    known = np.random.default_rng(1).normal(size=(labelled, 6))
    choices = choose_squares(uncertainty, features, places, known, 12)
    wanted = naive(uncertainty, features, places, known, 12)
    assert [choice.index for choice in choices] == [index for index, _ in wanted]
    np.testing.assert_allclose([choice.score for choice in choices], [score for _, score in wanted], rtol=1e-5)


def test_with_nothing_to_be_far_from_the_most_uncertain_comes_first(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    uncertainty, features, places = cells
    assert choose_squares(uncertainty, features, places, features[:0], 1)[0].index == np.argmax(uncertainty)


def test_two_of_a_kind_are_not_both_chosen(cells: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    _, features, places = cells
    features = features.copy()
    features[50:] = features[50]
    chosen = [choice.index for choice in choose_squares(np.ones(99), features, places, features[:0], 6)]
    assert sum(index >= 50 for index in chosen) <= 1


def test_no_two_are_side_by_side_and_there_are_fewer_where_there_is_no_room(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    uncertainty, features, places = cells
    chosen = places[[choice.index for choice in choose_squares(uncertainty, features, places, features[:0], 1000)]]
    apart = np.abs(chosen[:, None] - chosen[None]).max(axis=-1)
    assert apart[~np.eye(len(chosen), dtype=bool)].min() == SPACING
    assert len(chosen) < 99 / 3
    covered = np.abs(places[:, None] - chosen[None]).max(axis=-1).min(axis=1)
    assert covered.max() < SPACING, "it stops only where there is no more room"


def test_what_is_far_from_all_that_is_known_is_called_unlike_it() -> None:
    features = np.concatenate([np.zeros((30, 2)), [[5.0, 0.0]]])
    places = np.stack([np.arange(31) * 3, np.zeros(31, int)], axis=1)
    first, second = choose_squares(np.full(31, 0.5), features, places, np.array([[0.1, 0.0]]), 2)
    assert (first.index, first.unlike) == (30, True)
    assert first.score == pytest.approx(0.5 * 4.9**2)
    assert second.distance == pytest.approx(0.1)


def test_distances_are_those_to_the_nearest() -> None:
    generator = np.random.default_rng(2)
    features, others = generator.normal(size=(40, 5)).astype(np.float32), generator.normal(size=(700, 5)).astype(np.float32)
    wanted = np.linalg.norm(features[:, None] - others[None], axis=2).min(axis=1)
    np.testing.assert_allclose(distances_to(features, others), wanted, rtol=1e-4)
    assert np.isinf(distances_to(features, others[:0])).all()
