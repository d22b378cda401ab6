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
    """Return the ranks of encoders in each row of scores (draws, encoders): 1 is the highest, equal ones share the mean.

    An encoder without scores, NaN, gets no rank, and the others are ranked without it, from 1 to the number of all encoders:
    so ranks among few and ranks among many are of one scale.
    """
    known = np.isfinite(scores).all(axis=0)
    ranks = np.full(scores.shape, np.nan)
    others = int(known.sum()) - 1
    if others > 0:
        among = scipy.stats.rankdata(-scores[:, known], axis=1) - 1
        ranks[:, known] = 1 + among * (scores.shape[1] - 1) / others
    return ranks


def rank_encoders(encoders: Sequence[str], tasks: Mapping[str, Sequence[ScoresOfDraws]]) -> list[RankedEncoder]:
    """Return encoders by their mean rank, the best first.

    Draws count alike within a budget, budgets within a task, and tasks among each other.

    Args:
        encoders: Their names.
        tasks: Scores of each budget by the name of the task, of shape (draws, encoders); NaN for an encoder without results.
    """
    ranks = [[ranks_within(scores) for scores in budgets if len(scores)] for budgets in tasks.values()]
    ranks = [known for budgets in ranks if (known := [own for own in budgets if np.isfinite(own).any()])]
    if not ranks:
        return []
    means = _mean_over_tasks(ranks)
    drawn = _resampled_means(ranks, np.random.default_rng(_BOOTSTRAP_SEED))
    order = [place for place in np.argsort(means, kind="stable") if np.isfinite(means[place])]
    first = order[0]
    return [
        RankedEncoder(
            encoders[place],
            _percentiles(means[place], drawn[:, place], _ranked_draws(ranks, place)),
            _percentiles(means[place] - means[first], drawn[:, place] - drawn[:, first], _ranked_draws(ranks, place)),
        )
        for place in order
    ]


def _mean_over_tasks(ranks: Sequence[Sequence[ScoresOfDraws]]) -> ScoresOfDraws:
    return _known_mean(np.stack([_known_mean(np.stack([own.mean(axis=0) for own in budgets])) for budgets in ranks]))


def _known_mean(values: ScoresOfDraws) -> ScoresOfDraws:
    """Return the means over the first axis of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=0) / known.sum(axis=0), np.float64)


def _ranked_draws(ranks: Sequence[Sequence[ScoresOfDraws]], place: int) -> int:
    return sum(len(own) for budgets in ranks for own in budgets if np.isfinite(own[:, place]).all())


def _resampled_means(ranks: Sequence[Sequence[ScoresOfDraws]], chance: np.random.Generator) -> ScoresOfDraws:
    """Return the mean ranks over resampled tasks and draws, of shape (resamples, encoders)."""
    chosen = chance.integers(len(ranks), size=(RESAMPLES, len(ranks)))
    found = np.full((len(ranks), RESAMPLES, ranks[0][0].shape[1]), np.nan)
    for place in range(len(ranks)):
        for number, budgets in enumerate(ranks):
            rows = np.flatnonzero(chosen[:, place] == number)
            means = []
            for own in budgets:
                draws = chance.integers(len(own), size=(len(rows), len(own)))
                means.append(own[draws].mean(axis=1))
            found[place, rows] = _known_mean(np.stack(means))
    return _known_mean(found)


def _percentiles(mean: float, drawn: ScoresOfDraws, number: int) -> Interval:
    tail = 50 * (1 - CONFIDENCE_OF_INTERVALS)
    # A resample may hold no task on which an encoder has results.
    low, high = np.percentile(drawn[np.isfinite(drawn)], [tail, 100 - tail])
    return Interval(float(mean), float(low), float(high), number)
