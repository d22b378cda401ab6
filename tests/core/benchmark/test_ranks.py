"""Ranks and intervals are those of a plain computation, and what was not measured is a hole and no zero."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from false_core.benchmark.budgets import Budget
from false_core.benchmark.measurements import Measurement, TaskRun
from false_core.benchmark.ranks import Interval, mean_interval, paired_interval, rank_encoders, ranks_within
from false_core.benchmark.tables import answer_in_words, ranking, tables_of
from false_core.benchmark.tasks import AREAS, BenchmarkTask

STUDENT = {2: 4.302653, 4: 2.776445}
"""The 97.5th percentile of Student's t by degrees of freedom, from a printed table."""


def run_of(task: str, encoder: str, scores: list[float], budget: Budget | None = None) -> TaskRun:
    budget = budget or Budget(5)
    fits = tuple(Measurement(budget, draw, 10, {"oa": one, "macc": one}, 0.5) for draw, one in enumerate(scores))
    return TaskRun(task, AREAS, encoder, fits, 2.0, 0)


def task(name: str) -> BenchmarkTask:
    return BenchmarkTask(name, AREAS, "r.tif", labels="a.gpkg", field="class")


class TestAnInterval:
    @pytest.mark.parametrize("values", [[0.5, 0.6, 0.7], [0.1, 0.2, 0.4, 0.45, 0.3]])
    def test_is_that_of_students_t(self, values: list[float]) -> None:
        found = mean_interval(values)
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((one - mean) ** 2 for one in values) / (len(values) - 1))
        reach = STUDENT[len(values) - 1] * deviation / math.sqrt(len(values))
        assert (found.mean, found.low, found.high) == pytest.approx((mean, mean - reach, mean + reach), abs=1e-6)
        assert found.number == len(values)

    def test_is_unknown_from_one_value_and_leaves_holes_out(self) -> None:
        found = mean_interval([0.5, math.nan])
        assert (found.mean, found.number) == (0.5, 1)
        assert math.isnan(found.low)
        assert not found.leaves_zero
        assert math.isnan(mean_interval([]).mean)

    def test_of_a_difference_pairs_the_draws_that_both_have(self) -> None:
        own, others = {0: 0.5, 1: 0.7, 2: 0.9}, {2: 0.6, 0: 0.4, 3: 0.0}
        assert paired_interval(own, others) == mean_interval([0.5 - 0.4, 0.9 - 0.6])

    def test_says_more_than_chance_only_beyond_zero(self) -> None:
        assert Interval(0.2, 0.1, 0.3, 3).leaves_zero
        assert Interval(-0.2, -0.3, -0.1, 3).leaves_zero
        assert not Interval(0.2, -0.1, 0.5, 3).leaves_zero


class TestRanks:
    def test_are_those_of_counting(self) -> None:
        scores = np.round(np.random.default_rng(0).random((40, 5)), 1)
        for row, ranks in zip(scores, ranks_within(scores)):
            for own, rank in zip(row, ranks):
                better, equal = sum(other > own for other in row), sum(other == own for other in row)
                assert rank == better + (equal + 1) / 2

    def test_have_the_interval_of_every_possible_resample(self) -> None:
        first = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.5], [0.7, 0.3, 0.1]])
        second = np.array([[0.3, 0.2, 0.4], [0.9, 0.8, 0.1]])
        found = {one.encoder: one for one in rank_encoders(["a", "b", "c"], {"first": [first], "second": [second]})}
        every = np.array(resamples([first, second]))
        for place, name in enumerate("abc"):
            # The bootstrap draws some of these, so that its limits may lie one step of the distribution off.
            low, high = np.percentile(every[:, place], [2.5, 97.5])
            assert found[name].rank.low == pytest.approx(low, abs=1 / 6)
            assert found[name].rank.high == pytest.approx(high, abs=1 / 6)
            assert found[name].rank.mean == pytest.approx(
                np.mean([by_hand(own)[:, place].mean() for own in (first, second)])
            )

    def test_do_not_depend_on_the_order_of_draws(self) -> None:
        scores = np.random.default_rng(1).random((6, 3))
        there = rank_encoders(["a", "b", "c"], {"t": [scores]})
        back = rank_encoders(["a", "b", "c"], {"t": [scores[::-1]]})
        assert [(one.encoder, one.rank.mean) for one in there] == [(one.encoder, one.rank.mean) for one in back]

    def test_count_tasks_alike_however_many_budgets_and_draws_they_have(self) -> None:
        much, little = np.tile([[0.9, 0.1]], (50, 1)), np.array([[0.1, 0.9]])
        found = rank_encoders(["a", "b"], {"much": [much, much], "little": [little]})
        assert [one.rank.mean for one in found] == [1.5, 1.5]

    def test_leave_out_an_encoder_where_it_has_no_scores(self) -> None:
        """The others are ranked without it on the scale of all: first, in the middle and last are 1, 2 and 3."""
        all_three, two = np.array([[0.9, 0.5, 0.1]] * 3), np.array([[np.nan, 0.2, 0.8]] * 3)
        assert ranks_within(two)[0].tolist() == pytest.approx([math.nan, 3, 1], nan_ok=True)
        found = {one.encoder: one for one in rank_encoders(["a", "b", "c"], {"first": [all_three], "second": [two]})}
        assert {name: one.rank.mean for name, one in found.items()} == {"a": 1.0, "b": 2.5, "c": 2.0}
        assert (found["a"].rank.low, found["a"].rank.high, found["a"].rank.number) == (1, 1, 3)
        assert (found["c"].rank.low, found["c"].rank.high) == (1, 3)

    def test_of_an_encoder_without_any_scores_are_none(self) -> None:
        assert [one.encoder for one in rank_encoders(["a", "b", "c"], {"t": [np.array([[0.1, np.nan, 0.2]])]})] == ["c", "a"]

    def test_of_nothing_are_none(self) -> None:
        assert not rank_encoders(["a", "b"], {"t": [np.zeros((0, 2))]})


class TestTables:
    def test_leave_a_hole_where_an_encoder_has_no_result(self) -> None:
        tasks = [task("both"), task("one")]
        runs = [run_of("both", "a", [0.5, 0.6]), run_of("both", "b", [0.7, 0.8]), run_of("one", "a", [0.9, 0.9])]
        tables = tables_of(tasks, runs)
        ranked, shared = ranking(tables, ["a", "b"])
        assert shared == ["both"]
        assert [(one.encoder, one.rank.mean) for one in ranked] == [("b", 1.0), ("a", 2.0)]
        assert math.isnan(tables[1].interval(Budget(5), "b").mean)
        assert tables[1].best(Budget(5)) == "a"

    def test_show_no_interval_beyond_what_a_score_can_be(self) -> None:
        (table,) = tables_of([task("t")], [run_of("t", "a", [0.0, 1.0])])
        shown = table.interval(Budget(5), "a")
        assert (shown.low, shown.mean, shown.high) == (0.0, 0.5, 1.0)

    def test_rank_by_the_draws_that_all_encoders_have(self) -> None:
        tables = tables_of([task("t")], [run_of("t", "a", [0.1, 0.9, 0.9]), run_of("t", "b", [0.5])])
        ranked, _ = ranking(tables, ["a", "b"])
        assert [(one.encoder, one.rank.number) for one in ranked] == [("b", 1), ("a", 1)]

    def test_answer_with_one_encoder_where_it_is_clear_and_with_several_where_not(self) -> None:
        clear = tables_of([task("t")], [run_of("t", "a", [0.5, 0.6, 0.5]), run_of("t", "b", [0.7, 0.8, 0.9])])
        assert "Start from b: " in answer_in_words(*ranking(clear, ["a", "b"]))
        unclear = tables_of([task("t")], [run_of("t", "a", [0.5, 0.9, 0.5]), run_of("t", "b", [0.7, 0.8, 0.9])])
        assert "a cannot be told apart from it" in answer_in_words(*ranking(unclear, ["a", "b"]))
        assert "none can be recommended" in answer_in_words(*ranking(clear, ["a", "c"]))


def by_hand(scores: np.ndarray) -> np.ndarray:
    return np.array([[1 + sum(other > own for other in row) for own in row] for row in scores], float)


def resamples(tasks: list[np.ndarray]) -> list[np.ndarray]:
    """Every mean of ranks that a bootstrap over tasks and their draws can give, each as often as it would."""
    found = []
    for chosen in itertools.product(tasks, repeat=len(tasks)):
        ranks = [by_hand(own) for own in chosen]
        picks = [list(itertools.product(range(len(own)), repeat=len(own))) for own in ranks]
        # A task with fewer draws has fewer resamples: each task counts alike, so each choice of tasks has the same weight.
        weight = (3**3) ** 2 // math.prod(len(own) for own in picks)
        for pick in itertools.product(*picks):
            mean = np.mean([own[list(rows)].mean(axis=0) for own, rows in zip(ranks, pick)], axis=0)
            found += [mean] * max(1, weight)
    return found
