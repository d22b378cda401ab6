"""From runs to tables: means with intervals, paired differences and ranks; as CSV, as JSON, and for the page."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from false_core.benchmark.budgets import Budget
from false_core.benchmark.measurements import SCORE_OF_KIND, SCORE_TITLES, TaskRun
from false_core.benchmark.ranks import (
    Interval,
    RankedEncoder,
    ScoresOfDraws,
    mean_interval,
    paired_interval,
    rank_encoders,
)
from false_core.benchmark.tasks import BenchmarkTask
from false_core.outputs.publish import published


@dataclass(frozen=True)
class TaskTable:
    """The scores of encoders on one task.

    Attributes:
        task: The task.
        budgets: Budgets that any encoder was measured with, in the order in which they were asked for.
        encoders: Names of those that have results.
        scores: Score of each draw by its number, by budget and encoder.
        runs: Runs by encoder.
    """

    task: BenchmarkTask
    budgets: tuple[Budget, ...]
    encoders: tuple[str, ...]
    scores: dict[tuple[Budget, str], dict[int, float]]
    runs: dict[str, TaskRun]

    def interval(self, budget: Budget, encoder: str) -> Interval:
        """Return the mean score over the draws. No score lies below 0 or above 1, nor does its interval."""
        of_draws = mean_interval(list(self.scores.get((budget, encoder), {}).values()))
        return replace(of_draws, low=float(np.clip(of_draws.low, 0, 1)), high=float(np.clip(of_draws.high, 0, 1)))

    def best(self, budget: Budget) -> str | None:
        """Return the encoder with the highest mean; None where there is none."""
        means = {name: self.interval(budget, name).mean for name in self.encoders}
        known = {name: mean for name, mean in means.items() if not math.isnan(mean)}
        return max(known, key=lambda name: known[name]) if known else None

    def difference(self, budget: Budget, encoder: str, other: str) -> Interval:
        """Return by how much one encoder is better than another one, over the draws that both have."""
        return paired_interval(self.scores.get((budget, encoder), {}), self.scores.get((budget, other), {}))


def tables_of(tasks: Sequence[BenchmarkTask], runs: Sequence[TaskRun]) -> list[TaskTable]:
    """Return a table for each task that any encoder has results on."""
    tables = []
    for task in tasks:
        own = {run.encoder: run for run in runs if run.task == task.name}
        scores: dict[tuple[Budget, str], dict[int, float]] = {}
        for name, run in own.items():
            for one in run.measurements:
                scores.setdefault((one.budget, name), {})[one.draw] = one.scores[SCORE_OF_KIND[task.kind]]
        if scores:
            budgets = tuple(dict.fromkeys(one.budget for run in own.values() for one in run.measurements))
            tables.append(TaskTable(task, budgets, tuple(own), scores, own))
    return tables


def ranking(tables: Sequence[TaskTable], encoders: Sequence[str]) -> tuple[list[RankedEncoder], list[str]]:
    """Return the ranks of encoders, and the names of the tasks they are over: those that two or more have results on.

    On each task encoders are ranked among those that have results on it.
    """
    shared = [table for table in tables if len(set(encoders) & set(table.encoders)) > 1]
    scores = {table.task.name: [_of_all_draws(table, budget, encoders) for budget in table.budgets] for table in shared}
    ranked = rank_encoders(encoders, scores) if len(encoders) > 1 else []
    return ranked, [table.task.name for table in shared]


def answer_in_words(ranked: Sequence[RankedEncoder], tasks: Sequence[str]) -> str:
    """Say which encoder to start from."""
    if not ranked:
        return "No two encoders have results on the same task, so none can be recommended."
    first, others = ranked[0], ranked[1:]
    alike = [one.encoder for one in others if not one.behind.leaves_zero]
    over = f"over {len(tasks)} task{'s' * (len(tasks) != 1)}"
    if not alike:
        rank = f"{first.rank.mean:.2f}"
        return f"Start from {first.encoder}: its mean rank {over} is {rank}, and every other one ranks clearly lower."
    return (
        f"Start from {first.encoder}, with the mean rank {first.rank.mean:.2f} {over}; {_listed(alike)} cannot be told "
        "apart from it by these tasks."
    )


def write_rows(path: Path, runs: Sequence[TaskRun]) -> None:
    """Write a row for each fit."""
    header = [
        *("task", "kind", "encoder", "budget", "labels_a_class", "share", "draw", "labels"),
        *SCORE_TITLES,
        *("seconds_fit", "seconds_features", "parameters"),
    ]
    with published(path) as (partial,), partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        for run in runs:
            for one in run.measurements:
                scores = {name: "" if math.isnan(value) else f"{value:.6f}" for name, value in one.scores.items()}
                writer.writerow(
                    {
                        "task": run.task,
                        "kind": run.kind,
                        "encoder": run.encoder,
                        "budget": one.budget.title,
                        "labels_a_class": one.budget.labels or "",
                        "share": one.budget.share or "",
                        "draw": one.draw,
                        "labels": one.labels,
                        **scores,
                        "seconds_fit": f"{one.seconds:.3f}",
                        "seconds_features": f"{run.seconds_of_features:.1f}",
                        "parameters": run.parameters,
                    }
                )


def write_summary(path: Path, tables: Sequence[TaskTable], ranked: Sequence[RankedEncoder], shared: Sequence[str]) -> None:
    """Write means, intervals and ranks as JSON.

    Args:
        ranked, shared: Ranks and tasks as ``ranking`` gives them.
    """
    body = {
        "answer": answer_in_words(ranked, shared),
        "ranks": [{"encoder": one.encoder, "rank": _numbers(one.rank), "behind": _numbers(one.behind)} for one in ranked],
        "ranked_over": shared,
        "tasks": [
            {
                "task": table.task.name,
                "kind": table.task.kind,
                "mark": table.task.mark,
                "score": SCORE_OF_KIND[table.task.kind],
                "scores": [
                    {"budget": budget.title, "encoder": name, **_numbers(table.interval(budget, name))}
                    for budget in table.budgets
                    for name in table.encoders
                ],
            }
            for table in tables
        ],
    }
    with published(path) as (partial,):
        partial.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")


def _of_all_draws(table: TaskTable, budget: Budget, encoders: Sequence[str]) -> ScoresOfDraws:
    """Return scores (draws, encoders) of the draws that all have of those with results; NaN for an encoder without any."""
    own = [table.scores.get((budget, name), {}) for name in encoders]
    known = [bool(scores) for scores in own]
    draws = sorted(set.intersection(*(set(scores) for scores in own if scores))) if any(known) else []
    rows = [[scores.get(draw, math.nan) for scores in own] for draw in draws]
    found = np.array(rows, np.float64).reshape(len(draws), len(encoders))
    return found[np.isfinite(found[:, known]).all(axis=1)]


def _numbers(interval: Interval) -> dict[str, float | int | None]:
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**{key: None if math.isnan(value) else round(value, 6) for key, value in values.items()}, "n": interval.number}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
