"""The generated scene at two dates: the same land in another season, with some parcels changed."""

from __future__ import annotations

import numpy as np
import pytest

from false_core.benchmark.two_dates import TwoDates, generate_two_dates
from false_core.synthetic.classes import ROOF, TREE, WATER
from false_core.synthetic.scene import generate

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def dates() -> TwoDates:
    return generate_two_dates(320, 320, seed=2, changing=0.1)


def test_the_first_date_is_the_scene_itself(dates: TwoDates) -> None:
    assert np.array_equal(dates.before.image, generate(320, 320, seed=2).image)


def test_about_as_much_has_changed_as_was_asked_for_and_it_is_known_where(dates: TwoDates) -> None:
    both = (dates.before.truth > 0) & (dates.after.truth > 0)
    assert 0.03 < dates.changed.mean() < 0.18
    assert np.array_equal(dates.changed, both & (dates.before.truth != dates.after.truth))


def test_where_nothing_changed_the_season_has() -> None:
    still = generate_two_dates(320, 320, seed=2, changing=0.0)
    assert not still.changed.any()
    both = (still.before.truth > 0) & (still.after.truth > 0)
    apart = np.abs(still.after.image.astype(float) - still.before.image)
    red = apart[0] / still.before.image[0].clip(1)
    trees, water, roofs = (np.median(red[both & (still.before.truth == code)]) for code in (TREE, WATER, ROOF))
    assert trees > 0.3
    assert trees > 2 * roofs
    assert water > 0.05


def test_the_same_seed_gives_the_same_dates(dates: TwoDates) -> None:
    again = generate_two_dates(320, 320, seed=2, changing=0.1)
    assert np.array_equal(again.after.image, dates.after.image)
