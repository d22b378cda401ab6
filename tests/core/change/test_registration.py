"""A shift between two dates is measured from the edges that both show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from false_core.change.date_pair import PairedPixels
from false_core.change.registration import MeasuredShift, measured_shift

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
    assert measured_shift([look(columns, rows, seed) for seed in range(3)], 2) == MeasuredShift((columns, rows))


@pytest.mark.parametrize("most", [0, 2])
@pytest.mark.parametrize(("columns", "rows"), [(7, 0), (-4, 9), (3, -3)])
def test_one_that_is_larger_than_was_allowed_is_said_and_not_taken(columns: int, rows: int, most: float) -> None:
    measured = measured_shift([look(columns, rows, seed) for seed in range(3)], most)
    assert max(map(abs, measured.allowed)) <= most
    assert measured.beyond == (columns, rows)


def test_places_that_have_nothing_in_common_speak_for_none() -> None:
    chance, valid = np.random.default_rng(5), np.ones((SIDE, SIDE), bool)

    def somewhere() -> torch.Tensor:
        fields = ndimage.zoom(chance.integers(0, 5, (12, 12)), 10, order=0)[:SIDE, :SIDE]
        return torch.from_numpy(chance.normal(size=(3, 5))[:, fields] + 0.1 * chance.normal(size=(3, SIDE, SIDE))).float()

    for _ in range(10):
        assert measured_shift([PairedPixels(valid, (somewhere(), somewhere())) for _ in range(3)], 2).beyond is None


def test_without_anything_to_look_at_there_is_none() -> None:
    assert measured_shift([], 2) == MeasuredShift()
    nothing = PairedPixels(np.zeros((SIDE, SIDE), bool), (torch.zeros(3, SIDE, SIDE), torch.zeros(3, SIDE, SIDE)))
    assert measured_shift([nothing], 2) == MeasuredShift()
