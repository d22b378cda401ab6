"""How much has changed is found from the scores alone, and decides what counts as change."""

from __future__ import annotations

import numpy as np
import pytest

from false_core.change.change_probability import (
    SCORE_DAMPING,
    SCORE_NODATA,
    SCORE_STEPS,
    ScoreCounts,
    kept_scores,
    probability_of_change,
)
from false_core.change.score_tiles import MOST_OF_A_PLACE


def scores(share: float, number: int = 100_000) -> np.ndarray:
    """Return scores of places of which a share changed: likelihood ratios of two normals."""
    chance = np.random.default_rng(0)
    changed = chance.random(number) < share
    seen = chance.normal(np.where(changed, 1.5, -1.5), 1.0)
    return (3 * seen / SCORE_DAMPING).astype(np.float32)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_the_share_that_changed_is_found(share: float) -> None:
    counts = ScoreCounts()
    counts.add(kept_scores(scores(share)))
    assert counts.share_changed() == pytest.approx(share, rel=0.1)


def test_probabilities_are_true_to_their_word() -> None:
    chance = np.random.default_rng(1)
    changed = chance.random(200_000) < 0.1
    seen = 3 * chance.normal(np.where(changed, 1.5, -1.5), 1.0) / SCORE_DAMPING
    kept = kept_scores(seen.astype(np.float32)).astype(np.float32)
    found = probability_of_change(kept, 0.1)
    likely = (found > 0.6) & (found < 0.8)
    assert changed[likely].mean() == pytest.approx(0.7, abs=0.05)


def test_a_place_that_cannot_be_surer_is_change_also_where_nearly_nothing_changed() -> None:
    """One parcel of 300 pixels in a scene of three million."""
    counts = ScoreCounts()
    counts.add(kept_scores(np.full(3_000_000, -MOST_OF_A_PLACE, np.float32)))
    surest = kept_scores(np.full(300, MOST_OF_A_PLACE, np.float32))
    counts.add(surest)
    assert probability_of_change(surest.astype(np.float32), counts.share_changed()).min() > 0.8


def test_more_is_asked_of_a_place_where_little_has_changed() -> None:
    one = np.array([[2.0 * SCORE_STEPS]], np.float32)
    assert probability_of_change(one, 0.01)[0, 0] < 0.5 < probability_of_change(one, 0.4)[0, 0]


def test_where_there_is_no_score_there_is_no_probability() -> None:
    kept = kept_scores(np.array([[np.nan, 0.0, 1e9, -1e9]], np.float32))
    assert kept[0, 0] == SCORE_NODATA
    assert kept[0, 2] == -kept[0, 3] > 0
    counts = ScoreCounts()
    counts.add(kept)
    assert counts.pixels == 3
    assert np.isnan(probability_of_change(np.array([[np.nan]], np.float32), 0.1)).all()
