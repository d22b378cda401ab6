"""From scores to probabilities of change: how much of the ground has changed is measured on all scores.

A score is the logarithm of how much likelier what is seen is where a place changed than where it did not. With the share p
of the ground that changed, the probability of change is the logistic function of score + ln(p / (1 - p)). The share is that
of a mixture of the two, found by expectation and maximisation over the scores of all pixels: the mean of the probabilities
that it leads to is the share itself. So the threshold looks after itself: where hardly anything changed, it takes more to be
change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

SCORE_STEPS = 50
"""Parts of 1 in which scores are kept."""
MOST_SCORE = 600.0
"""The largest score that is kept, and the least with the opposite sign."""
SCORE_NODATA = -32768
SCORE_DAMPING = 0.6
"""A factor on all scores: neighbours, and features that go together, are no separate witnesses."""
LEAST_SHARE_CHANGED, MOST_SHARE_CHANGED = 1e-4, 0.5
"""Limits of the share. More than half cannot have changed: what is most common says what unchanged land looks like."""
MOST_STEPS_OF_SHARE = 500
_ENOUGH = 1e-6
_BINS = int(MOST_SCORE * SCORE_STEPS)


@dataclass
class ScoreCounts:
    """Counts of the scores of a place.

    Attributes:
        counts: Pixels of each kept score, from the least to the largest.
    """

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * _BINS + 1, np.int64))

    def add(self, kept: npt.NDArray[np.int16]) -> None:
        """Add scores as ``kept_scores`` gives them."""
        known = kept[kept != SCORE_NODATA].astype(np.int64) + _BINS
        self.counts += np.bincount(known, minlength=len(self.counts))

    @property
    def pixels(self) -> int:
        """Pixels with a score."""
        return int(self.counts.sum())

    def share_changed(self) -> float:
        """Return the share of the pixels that changed, by expectation and maximisation."""
        present = np.flatnonzero(self.counts)
        scores = SCORE_DAMPING * (present - _BINS) / SCORE_STEPS
        weights = self.counts[present] / max(1, self.pixels)
        share = 0.1
        for _ in range(MOST_STEPS_OF_SHARE):
            before = share
            share = float((weights * _logistic(scores + _logit(share))).sum())
            share = min(MOST_SHARE_CHANGED, max(LEAST_SHARE_CHANGED, share))
            if abs(share - before) < _ENOUGH:
                break
        return share


def kept_scores(scores: FloatArray) -> npt.NDArray[np.int16]:
    """Return scores as they are kept: whole numbers, ``SCORE_NODATA`` where they are NaN."""
    steps = np.rint(np.nan_to_num(scores).clip(-MOST_SCORE, MOST_SCORE) * SCORE_STEPS)
    return np.where(np.isnan(scores), SCORE_NODATA, steps).astype(np.int16)


def probability_of_change(kept: FloatArray, share: float) -> FloatArray:
    """Return the probability that each place changed, NaN where ``kept`` is.

    Args:
        kept: Scores as they are kept.
        share: The share of the ground that changed.
    """
    return np.asarray(_logistic(SCORE_DAMPING * kept / SCORE_STEPS + _logit(share)), np.float32)


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _logistic(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-values.clip(-80, 80))))
