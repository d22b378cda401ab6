"""The score of two dates is the logarithm of a likelihood ratio, and nothing that happens to all of a date changes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from false_core.change.canonical import LITTLE_IN_COMMON, CanonicalPair, fit_canonical, held_out_score
from false_core.inference.features import Projection

CPU = torch.device("cpu")
CHANNELS, LATENT = 12, 5


def places(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features of the same places at two dates: both show the same things, each in its own way, and with noise."""
    chance = np.random.default_rng(seed)
    things = chance.normal(size=(number, LATENT))
    shown = [things @ np.random.default_rng(date).normal(size=(LATENT, CHANNELS)) for date in (100, 200)]
    first, second = (values + 0.2 * chance.normal(size=values.shape) for values in shown)
    return first.astype(np.float32), second.astype(np.float32)


def scores_of(pair: CanonicalPair, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    def projected(projection: Projection, values: np.ndarray) -> torch.Tensor:
        return projection.of([torch.from_numpy(values.T[:, None].astype(np.float32))])

    return pair.score(projected(pair.before, before), projected(pair.after, after))[0].numpy()


def test_a_score_is_the_logarithm_of_two_densities_divided() -> None:
    correlations = np.array([0.9, 0.5, 0.0])
    chance = np.random.default_rng(0)
    u, v = chance.normal(size=(2, 3, 4))
    nothing = Projection(torch.zeros(1), torch.ones(1), torch.zeros(1, 3))
    pair = CanonicalPair(nothing, nothing, torch.from_numpy(correlations))
    found = pair.score(torch.from_numpy(u)[:, None], torch.from_numpy(v)[:, None])[0]
    for place in range(4):
        expected = 0.0
        for r, one, other in zip(correlations, u[:, place], v[:, place]):
            together = multivariate_normal([0, 0], [[1, r], [r, 1]]).logpdf([one, other])
            expected += norm.logpdf(one) + norm.logpdf(other) - together
        assert found[place].item() == pytest.approx(expected, rel=1e-6)


def test_places_that_show_the_same_thing_score_low_and_others_high() -> None:
    before, after = places(3000, 0)
    pair = fit_canonical(before, after, [CHANNELS], CPU)
    same, other = scores_of(pair, before, after), scores_of(pair, before, np.roll(after, 1, axis=0))
    assert (same < 0).mean() > 0.97
    assert (other > 0).mean() > 0.97


@pytest.mark.parametrize("number", [300, 3000])
def test_the_other_ground_tells_whether_a_date_says_anything_of_the_other(number: int) -> None:
    before, after = places(number, 5)
    ground = np.random.default_rng(1).uniform(0, [900, 300], (number, 2))
    assert held_out_score(before, after, [CHANNELS], ground) < 3 * LITTLE_IN_COMMON
    changed = np.where(np.arange(number)[:, None] % 10 == 0, np.roll(after, 1, axis=0), after)
    assert held_out_score(before, changed, [CHANNELS], ground) < 3 * LITTLE_IN_COMMON
    assert held_out_score(before, np.roll(after, 1, axis=0), [CHANNELS], ground) > LITTLE_IN_COMMON
    assert held_out_score(before, after, [CHANNELS], np.zeros((number, 2))) > LITTLE_IN_COMMON  # It has no parts.


def test_a_side_of_the_ground_that_changed_does_not_outweigh_the_rest() -> None:
    before, after = places(3000, 5)
    ground = np.random.default_rng(1).uniform(0, [900, 300], (3000, 2))
    changed = np.where(ground[:, :1] > 600, np.roll(after, 1, axis=0), after)
    assert held_out_score(before, changed, [CHANNELS], ground) < 3 * LITTLE_IN_COMMON


def test_a_date_may_be_in_other_numbers() -> None:
    before, after = places(3000, 1)
    changed = after @ np.diag(np.linspace(0.3, 4, CHANNELS)).astype(np.float32) + 7
    plain = scores_of(fit_canonical(before, after, [CHANNELS], CPU), before, after)
    other = scores_of(fit_canonical(before, changed, [CHANNELS], CPU), before, changed)
    assert np.corrcoef(plain, other)[0, 1] > 0.999


def test_a_tenth_that_changed_does_not_hide_itself() -> None:
    before, after = places(3000, 2)
    after[:300] = places(300, 3)[1]
    found = scores_of(fit_canonical(before, after, [CHANNELS], CPU), before, after)
    assert (found[:300] > 0).mean() > 0.9
    assert (found[300:] < 0).mean() > 0.95
