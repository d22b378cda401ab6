"""Ranks of encoders and intervals of scores, over draws of labels and over tasks.

An interval over draws is that of Student's t. Over tasks it is a bootstrap of 95 % (Efron and Tibshirani 1993, chapter 8):
tasks are drawn with replacement, and within each of them the draws of labels, which all encoders share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

ScoresOfDraws = npt.NDArray[np.float64]
"""Scores or ranks, of shape (draws, encoders); means of them, of shape (encoders,)."""
CONFIDENCE_OF_INTERVALS = 0.95
RESAMPLES = 2_000
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Interval:
    """A mean with its interval of 95 %; NaN where there are too few values to tell.

    Attributes:
        number: Number of values that the mean is of.
    """

    mean: float
    low: float
    high: float
    number: int

    @property
    def leaves_zero(self) -> bool:
        """True where 0 lies outside: a difference is more than chance explains."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class RankedEncoder:
    """The place of an encoder among others, over several tasks.

    Attributes:
        rank: Mean rank; 1 is the best in every draw.
        behind: Mean rank less that of the first encoder of the ranking.
    """

    encoder: str
    rank: Interval
    behind: Interval


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of values and its interval by Student's t."""
    known = np.array([value for value in values if not math.isnan(value)], np.float64)
    if not len(known):
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(known.mean())
    if len(known) < 2:
        return Interval(mean, math.nan, math.nan, 1)
    reach = float(scipy.stats.t.ppf((1 + CONFIDENCE_OF_INTERVALS) / 2, len(known) - 1))
    reach *= float(known.std(ddof=1)) / math.sqrt(len(known))
    return Interval(mean, mean - reach, mean + reach, len(known))


def paired_interval(own: Mapping[int, float], others: Mapping[int, float]) -> Interval:
    """Return the mean difference of two encoders over the draws that both have, with its interval.

    Args:
        own, others: Scores by number of the draw.
    """
    return mean_interval([value - others[draw] for draw, value in sorted(own.items()) if draw in others])


def ranks_within(scores: ScoresOfDraws) -> ScoresOfDraws:
    """Return the ranks of encoders in each row of scores (draws, encoders): 1 is the highest, equal ones share the mean."""
    return np.asarray(scipy.stats.rankdata(-scores, axis=1), np.float64)


def rank_encoders(encoders: Sequence[str], tasks: Mapping[str, Sequence[ScoresOfDraws]]) -> list[RankedEncoder]:
    """Return encoders by their mean rank, the best first.

    Draws count alike within a budget, budgets within a task, and tasks among each other.

    Args:
        encoders: Their names.
        tasks: Scores of each budget by the name of the task, of shape (draws, encoders), without holes.
    """
    ranks = [[ranks_within(scores) for scores in budgets if len(scores)] for budgets in tasks.values()]
    ranks = [budgets for budgets in ranks if budgets]
    if not ranks:
        return []
    means = _mean_over_tasks(ranks)
    drawn = _resampled_means(ranks, np.random.default_rng(_BOOTSTRAP_SEED))
    order = np.argsort(means, kind="stable")
    first = order[0]
    number = sum(len(scores) for budgets in ranks for scores in budgets)
    return [
        RankedEncoder(
            encoders[place],
            _percentiles(means[place], drawn[:, place], number),
            _percentiles(means[place] - means[first], drawn[:, place] - drawn[:, first], number),
        )
        for place in order
    ]


def _mean_over_tasks(ranks: Sequence[Sequence[ScoresOfDraws]]) -> ScoresOfDraws:
    of_tasks = [np.mean([own.mean(axis=0) for own in budgets], axis=0) for budgets in ranks]
    return np.asarray(np.mean(of_tasks, axis=0), np.float64)


def _resampled_means(ranks: Sequence[Sequence[ScoresOfDraws]], chance: np.random.Generator) -> ScoresOfDraws:
    """Return the mean ranks over resampled tasks and draws, of shape (resamples, encoders)."""
    chosen = chance.integers(len(ranks), size=(RESAMPLES, len(ranks)))
    total = np.zeros((RESAMPLES, ranks[0][0].shape[1]))
    for place in range(len(ranks)):
        for number, budgets in enumerate(ranks):
            rows = np.flatnonzero(chosen[:, place] == number)
            for own in budgets:
                draws = chance.integers(len(own), size=(len(rows), len(own)))
                total[rows] += own[draws].mean(axis=1) / len(budgets)
    return total / len(ranks)


def _percentiles(mean: float, drawn: ScoresOfDraws, number: int) -> Interval:
    tail = 50 * (1 - CONFIDENCE_OF_INTERVALS)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(mean), float(low), float(high), number)
