"""Quotas share places out over classes, equally or as they are found, and never promise what is not there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from false_core.collection.quotas import quotas


def of(found: list[int], total: int, balance: float, available: list[int] | None = None) -> list[int]:
    return quotas(np.array(found), np.array(available or found), total, balance).tolist()


def test_all_are_taken_where_there_are_no_more() -> None:
    assert of([5, 2, 9], 16, 0.0) == of([5, 2, 9], 1000, 1.0) == [5, 2, 9]


def test_they_are_the_shares_found_at_1() -> None:
    assert of([600, 300, 100], 100, 1.0) == [60, 30, 10]


def test_they_are_equal_to_one_at_0_where_there_are_enough() -> None:
    assert sorted(of([600, 300, 100], 100, 0.0)) == [33, 33, 34]


def test_a_class_that_runs_out_leaves_its_rest_to_the_others() -> None:
    assert of([600, 300, 4], 100, 0.0) == [48, 48, 4]
    assert of([600, 300, 100], 100, 1.0, available=[20, 300, 100]) == [20, 60, 20]


def test_between_the_two_rare_classes_get_more_than_their_share() -> None:
    rare = [of([900, 100], 100, balance)[1] for balance in (0.0, 0.5, 1.0)]
    assert rare == [50, 25, 10]


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 50)), min_size=1, max_size=8),
    st.integers(0, 300),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_they_sum_to_the_number_wanted_and_stay_below_what_is_there(
    classes: list[tuple[int, int]], total: int, balance: float
) -> None:
    available = np.array([min(pair) for pair in classes])
    shared = quotas(np.array([found for found, _ in classes]), available, total, balance)
    assert (shared >= 0).all() and (shared <= available).all()
    assert shared.sum() == pytest.approx(min(total, available.sum()), abs=0)
