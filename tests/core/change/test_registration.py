"""A shift between two dates is measured from the edges that both show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from false_core.change.date_pair import PairedPixels
from false_core.change.registration import measured_shift

SIDE = 96


def look(columns: int, rows: int, seed: int = 0) -> PairedPixels:
    """Return a place with fields that is seen again in other colours and with noise, a shift further on."""
    chance = np.random.default_rng(seed)
    fields = ndimage.zoom(chance.integers(0, 5, (12, 12)), 10, order=0)[: SIDE + 20, : SIDE + 20]
    kinds = chance.normal(size=(2, 3, 5))
    before = kinds[0][:, fields[10 : 10 + SIDE, 10 : 10 + SIDE]]
    after = kinds[1][:, fields[10 - rows : 10 - rows + SIDE, 10 - columns : 10 - columns + SIDE]]
    dates = [torch.from_numpy(date + 0.1 * chance.normal(size=date.shape)).float() for date in (before, after)]
    valid = np.ones((SIDE, SIDE), bool)
    valid[:20, :30] = False
    for date in dates:
        date[:, ~torch.from_numpy(valid)] = 0
    return PairedPixels(valid, (dates[0], dates[1]))


@pytest.mark.parametrize(("columns", "rows"), [(0, 0), (2, 0), (-1, 2), (1, -2)])
def test_it_is_found(columns: int, rows: int) -> None:
    assert measured_shift([look(columns, rows, seed) for seed in range(3)], 2) == (columns, rows)


def test_it_is_not_larger_than_was_allowed() -> None:
    assert max(map(abs, measured_shift([look(3, 3)], 1))) <= 1
    assert measured_shift([look(2, 2)], 0) == (0, 0)


def test_without_anything_to_look_at_there_is_none() -> None:
    assert measured_shift([], 2) == (0, 0)
    nothing = PairedPixels(np.zeros((SIDE, SIDE), bool), (torch.zeros(3, SIDE, SIDE), torch.zeros(3, SIDE, SIDE)))
    assert measured_shift([nothing], 2) == (0, 0)
