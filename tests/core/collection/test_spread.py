"""Places keep their distance in any direction, and those of an order come from everywhere in turn."""

from __future__ import annotations

import numpy as np

from false_core.collection.choosing import PlaceGroup, chosen
from false_core.collection.spread import ChosenPlaces, in_turn


def positions(count: int, extent: float = 100.0) -> np.ndarray:
    return np.random.default_rng(3).uniform(-extent, extent, (count, 3)) * (1, 1, 0.2)


def test_a_place_is_free_where_brute_force_says_so() -> None:
    places, spread, kept = positions(400), ChosenPlaces(25.0), np.zeros((0, 3))
    for place in places:
        distances = np.linalg.norm(kept - place, axis=1)
        for distance in (25.0, 12.5):
            assert spread.is_free(place, distance) == bool((distances >= distance).all())
        if spread.is_free(place, 25.0):
            spread.add(place)
            kept = np.vstack([kept, place])
    assert 20 < len(kept) < 400


def test_in_turn_is_an_order_in_which_the_first_come_from_different_cells() -> None:
    places = np.concatenate([np.zeros((90, 3)), [[50, 0, 0], [0, 50, 0], [50, 50, 0]]])
    order = in_turn(places, np.zeros(93, np.int64), 10.0, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(93))
    assert len({tuple(places[index]) for index in order[:4]}) == 4


def test_in_turn_each_cell_and_each_raster_gives_its_best_first() -> None:
    places = np.array([[0, 0, 0], [1, 0, 0], [50, 0, 0], [51, 0, 0], [2, 0, 0], [52, 0, 0]], np.float64)
    rasters = np.array([0, 0, 0, 0, 1, 0])
    preferred = np.array([1, 0, 5, 3, 2, 4])
    order = in_turn(places, rasters, 10.0, np.random.default_rng(0), preferred)
    assert order.tolist() == [1, 5, 4, 0, 3, 2]


class TestChoosing:
    def test_no_two_places_are_nearer_than_the_distance(self) -> None:
        places = positions(500)
        groups = [PlaceGroup(250, np.arange(250)), PlaceGroup(250, np.arange(250, 500))]
        picked, halved = chosen(groups, places, ChosenPlaces(20.0), 20.0, 60, 0.0)
        assert len(picked) == 60 and not halved
        between = np.linalg.norm(places[picked][:, None] - places[picked], axis=2)[np.triu_indices(60, 1)]
        assert between.min() >= 20
        assert np.bincount(picked // 250).tolist() == [30, 30]

    def test_a_class_without_room_lies_closer_together_and_leaves_the_rest_to_others(self) -> None:
        crowded = np.column_stack([np.linspace(0, 9, 40), np.zeros(40), np.zeros(40)])
        roomy = np.column_stack([np.arange(40) * 10.0, np.full(40, 500.0), np.zeros(40)])
        groups = [PlaceGroup(40, np.arange(40)), PlaceGroup(40, np.arange(40, 80))]
        picked, halved = chosen(groups, np.concatenate([crowded, roomy]), ChosenPlaces(8.0), 8.0, 30, 0.0)
        assert halved == [0]
        assert np.bincount(picked // 40).tolist() == [4, 26]  # 0, 8 and then 2, 4 or 6 metres between them.

    def test_what_is_there_counts_towards_the_number(self) -> None:
        groups = [PlaceGroup(100, np.arange(100), existing=15), PlaceGroup(100, np.arange(100, 200), existing=5)]
        picked, _ = chosen(groups, positions(200), ChosenPlaces(0.0), 0.0, 40, 0.0)
        assert np.bincount(picked // 100).tolist() == [5, 15]
        assert len(chosen(groups, positions(200), ChosenPlaces(0.0), 0.0, 20, 0.0)[0]) == 0
