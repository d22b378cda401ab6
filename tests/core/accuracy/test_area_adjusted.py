"""Accuracy and area of a whole map from a stratified sample, against the worked example of the paper and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from false_core.accuracy.area_adjusted import AreaAdjusted, adjust, allocate, expected_error, sample_size

# The worked example of Olofsson et al. (2014), Section 5: deforestation, forest gain, stable forest, stable non-forest,
# mapped classes in rows, on pixels of 30 m.
COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
MAPPED = np.array([200_000, 150_000, 3_200_000, 6_450_000])
HECTARES = 0.09


class TestTheWorkedExampleOfThePaper:
    @pytest.fixture
    def found(self) -> AreaAdjusted:
        return adjust(COUNTS.T, MAPPED)

    def test_overall_accuracy(self, found: AreaAdjusted) -> None:
        assert found.oa.value == pytest.approx(0.95, abs=0.005)
        assert found.oa.error == pytest.approx(0.02, abs=0.005)

    def test_users_accuracy(self, found: AreaAdjusted) -> None:
        assert found.users.value.round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
        assert found.users.error.round(2).tolist() == [0.07, 0.10, 0.04, 0.02]

    def test_producers_accuracy(self, found: AreaAdjusted) -> None:
        assert found.producers.value.round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
        # For the other two the paper prints 0.23 and 0.01. Its Eq. 7 gives 0.25 and 0.02; see the simulation below.
        assert found.producers.error[[0, 2]].round(2).tolist() == [0.21, 0.03]

    def test_error_matrix_in_shares_of_the_map(self, found: AreaAdjusted) -> None:
        printed = [
            [0.0176, 0, 0.0013, 0.0011],
            [0, 0.0110, 0.0016, 0.0024],
            [0.0019, 0, 0.2967, 0.0213],
            [0.0040, 0.0020, 0.0179, 0.6212],
        ]
        np.testing.assert_allclose(found.proportions.T, printed, atol=0.00006)
        assert found.proportions.sum() == pytest.approx(1)

    def test_areas_in_hectares(self, found: AreaAdjusted) -> None:
        whole = MAPPED.sum() * HECTARES
        assert (whole * found.shares.value).round().tolist() == [21158, 11686, 285770, 581386]
        assert (whole * found.shares.error).round().tolist() == [6158, 3756, 15510, 16282]
        assert found.covered == 1

    def test_sample_size(self) -> None:
        weights = MAPPED / MAPPED.sum()
        assert sample_size(weights, np.array([0.7, 0.6, 0.9, 0.95]), 0.01) == 641

    def test_allocation(self) -> None:
        # The paper gives the rare classes 75 each, and rounds the others to 165 and 325.
        points = allocate(641, 75, MAPPED.tolist())
        assert points[:2] == [75, 75]
        assert points[2:] == pytest.approx([165, 325], abs=4)
        assert sum(points) == 641


def test_the_example_of_the_paper_before_that_one() -> None:
    """Olofsson et al. (2013), Remote Sensing of Environment 129, 122-131, Table 4."""
    counts = np.array([[97, 0, 3], [3, 279, 18], [2, 1, 97]])
    found = adjust(counts.T, np.array([22_353, 1_122_543, 610_228]))
    assert found.users.value.round(2).tolist() == [0.97, 0.93, 0.97]
    assert found.producers.value[:2] == pytest.approx([0.48, 0.99], abs=0.006)
    assert found.shares.value == pytest.approx([0.026, 0.598, 0.376], abs=0.0006)


@pytest.mark.thorough
def test_intervals_are_as_wide_as_estimates_scatter() -> None:
    """Draw samples again and again from a map on which the estimates of the paper are the truth.

    They are 20 times as large as that of the paper: Eq. 7 is for large samples, and one forest gain out of 325 is few.
    """
    generator = np.random.default_rng(0)
    sizes = COUNTS.sum(axis=1)
    draws = np.stack([generator.multinomial(20 * n, row / n, 4000) for n, row in zip(sizes, COUNTS)], axis=1)
    found = [adjust(counts.T, MAPPED) for counts in draws]
    for name in ("oa", "users", "producers", "shares"):
        scatter = 1.96 * np.std([getattr(one, name).value for one in found], axis=0, ddof=1)
        # Means of squares, as it is the variance that is estimated without bias.
        said = np.sqrt(np.mean([getattr(one, name).error ** 2 for one in found], axis=0))
        np.testing.assert_allclose(said, scatter, rtol=0.06, err_msg=name)


class TestWhereThereIsLittle:
    def test_a_class_without_a_sample_is_left_out_and_the_share_of_the_rest_is_told(self) -> None:
        found = adjust(np.array([[8, 0, 0], [2, 9, 0], [0, 1, 0]]), np.array([60, 20, 20]))
        assert found.covered == pytest.approx(0.8)
        assert found.oa.value == pytest.approx(0.75 * 0.8 + 0.25 * 0.9)
        assert math.isnan(found.users.value[2])
        assert found.producers.value[2] == 0

    def test_of_a_class_without_reference_no_area_is_known(self) -> None:
        found = adjust(np.array([[8, 2, 0], [2, 9, 0], [0, 0, 0]]), np.array([60, 20, 20]))
        assert math.isnan(found.shares.value[2]) and math.isnan(found.shares.error[2])
        assert found.shares.value[:2].sum() == pytest.approx(1)
        found = adjust(np.array([[8, 0, 3], [2, 9, 5], [0, 0, 0]]), np.array([60, 20, 20]))
        assert math.isnan(found.shares.value[2]) and math.isnan(found.shares.error[2]), "nor where it was looked for"

    def test_a_class_that_is_nowhere_has_no_area_where_all_of_the_map_was_sampled(self) -> None:
        found = adjust(np.array([[58, 2, 3], [2, 18, 17], [0, 0, 0]]), np.array([60, 20, 20]))
        assert found.shares.value.tolist() == [0.63, 0.37, 0]

    def test_a_single_sample_has_no_interval(self) -> None:
        found = adjust(np.array([[8, 0], [2, 1]]), np.array([60, 40]))
        assert found.oa.value == pytest.approx(0.6 * 0.8 + 0.4)
        assert math.isnan(found.oa.error)
        assert math.isnan(found.users.error[1]) and not math.isnan(found.users.error[0])

    def test_a_class_that_only_the_reference_has_gets_an_area(self) -> None:
        found = adjust(np.array([[8, 0, 0], [0, 10, 0], [2, 0, 0]]), np.array([50, 50, 0]))
        assert found.shares.value == pytest.approx([0.4, 0.5, 0.1])
        assert found.producers.value.tolist() == [1, 1, 0]
        assert math.isnan(found.users.value[2])

    def test_one_class_mapped_right_everywhere(self) -> None:
        found = adjust(np.array([[30]]), np.array([1000]))
        assert (found.oa.value, found.oa.error, found.shares.value[0]) == (1, 0, 1)

    def test_nothing_says_nothing(self) -> None:
        assert math.isnan(adjust(np.zeros((2, 2), np.int64), np.array([5, 5])).oa.value)


class TestHowManyPoints:
    def test_a_guess_for_all_classes_gives_the_textbook_size_of_a_simple_sample(self) -> None:
        assert sample_size(np.array([0.9, 0.1]), np.full(2, 0.8), 0.02) == 400

    def test_they_reach_the_error_that_was_wanted(self) -> None:
        weights, expected = np.array([0.7, 0.3]), np.full(2, 0.8)
        assert expected_error(weights, expected, np.array([280, 120])) == pytest.approx(0.02)

    def test_rare_classes_get_the_minimum_and_others_their_share_of_the_rest(self) -> None:
        assert allocate(400, 50, [100, 3000, 7000]) == [50, 105, 245]

    def test_with_many_classes_the_minimum_makes_it_more(self) -> None:
        assert allocate(100, 50, [500] * 4) == [50] * 4

    def test_a_class_gives_no_more_than_it_has(self) -> None:
        assert allocate(400, 50, [7, 10_000]) == [7, 350]

    @pytest.mark.thorough
    @given(st.integers(1, 3000), st.integers(2, 200), st.lists(st.integers(1, 10**9), min_size=1, max_size=30))
    def test_every_class_gets_its_minimum_and_none_too_much(self, total: int, minimum: int, pixels: list[int]) -> None:
        points = allocate(total, minimum, pixels)
        assert all(min(minimum, size) <= number <= size for number, size in zip(points, pixels))
        if min(pixels) >= max(total, minimum):
            assert sum(points) == max(total, minimum * len(pixels))
        for (one, small), (other, large) in zip(sorted(zip(pixels, points)), sorted(zip(pixels, points))[1:]):
            assert one == other or small <= large + 1
