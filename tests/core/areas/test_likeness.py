"""Likeness is a cosine with the examples, less what is more like something else; the best are looked at again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg

from false_core.areas import likeness as likeness_module
from false_core.areas.likeness import (
    DISCRIMINANT_INPUTS,
    LIKENESS_COMPONENTS,
    LikenessToExamples,
    space_of_likeness,
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def principal_components(sample: np.ndarray, components: int) -> np.ndarray:
    """Principal components of areas, by NumPy's own decomposition."""
    standardised = (sample - sample.mean(axis=0)) / sample.std(axis=0)
    return standardised @ np.linalg.svd(standardised, full_matrices=False)[2][:components].T


def half_standardised(sample: np.ndarray) -> np.ndarray:
    """Directions of areas among principal components, each divided by the root of its deviation."""
    seen = principal_components(sample, LIKENESS_COMPONENTS)
    variance = seen.var(axis=0)
    return unit(seen / np.maximum(variance, 1e-3 * variance[0]) ** 0.25)


def discriminant(sample: np.ndarray) -> np.ndarray:
    """Directions of areas by the definition of linear discriminant analysis, with SciPy's generalised eigenvectors."""
    near, inputs = half_standardised(sample), principal_components(sample, DISCRIMINANT_INPUTS)
    neighbours = min(10, len(sample) // 100)
    cosines = near @ near.T
    np.fill_diagonal(cosines, 0)
    nearest = np.argsort(-cosines, axis=1)[:, :neighbours]
    reach = [cosines[n, nearest[n, -1]] for n in range(len(sample))]
    within, total = np.zeros((inputs.shape[1], inputs.shape[1])), 0.0
    for n in range(len(sample)):
        for other in nearest[n]:
            if cosines[n, other] >= 0.97 * reach[other]:
                weight = cosines[n, other] ** 3
                within += weight * np.outer(inputs[n] - inputs[other], inputs[n] - inputs[other])
                total += weight
    within /= total
    within += 0.1 * np.mean(np.diag(within)) * np.eye(len(within))
    axes = scipy.linalg.eigh(np.cov(inputs.T), within)[1][:, ::-1]
    return unit(inputs @ axes[:, :LIKENESS_COMPONENTS])


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize(("number", "width", "definition"), [(90, 70, half_standardised), (400, 150, discriminant)])
def test_it_is_as_defined(number: int, width: int, definition: Callable[[np.ndarray], np.ndarray], others: int) -> None:
    """Where there are too few areas to have neighbours, and where these say what matters."""
    chance = np.random.default_rng(0)
    features = (chance.normal(0, 1, (number, width)) @ chance.normal(0, 1, (width, width)) + 3).astype(np.float32)
    seen = definition(features.astype(np.float64))
    wanted, unwanted, areas = seen[:4], seen[4 : 4 + others], seen[10:30]
    cosine = areas @ unit(wanted.mean(axis=0))
    closest = (areas @ unwanted.T).max(axis=1) if others else cosine
    found = LikenessToExamples.to(features[:4], features[4 : 4 + others], features).of(features[10:30])
    assert found == pytest.approx(cosine - np.maximum(0, closest - cosine), abs=2e-4)


def test_what_neighbours_differ_in_counts_less() -> None:
    """Of two directions in which areas vary as much, the one in which those of a kind agree tells more."""
    chance = np.random.default_rng(3)
    kind = chance.integers(20, size=1500)
    features = np.concatenate(
        [chance.normal(0, 1, (20, 12))[kind] + chance.normal(0, 0.3, (1500, 12)), chance.normal(0, 1.05, (1500, 12))], axis=1
    ).astype(np.float32)
    lengths = np.linalg.norm(space_of_likeness(features).axes * features.std(axis=0)[:, None], axis=1)
    assert lengths[:12].min() > 1.5 * lengths[12:].max()


def test_areas_that_lie_on_few_lines_are_compared_all_the_same() -> None:
    chance = np.random.default_rng(4)
    features = (chance.normal(0, 1, (500, 2)) @ chance.normal(0, 1, (2, 200))).astype(np.float32)
    likeness = LikenessToExamples.to(features[:1], features[:0], features).of(features)
    assert np.isfinite(likeness).all() and likeness[0] == pytest.approx(1, abs=1e-4)


def test_it_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.random.default_rng(0).normal(0, 1, (400, 80)).astype(np.float32)
    likeness = LikenessToExamples.to(features[:4], features[4:204], features)
    whole = likeness.of(features)
    monkeypatch.setattr(likeness_module, "COMPARED_AT_ONCE", 1400)
    np.testing.assert_allclose(likeness.of(features), whole, atol=1e-6)
    assert likeness.of(features[:0]).shape == (0,)
    monkeypatch.undo()
    many = LikenessToExamples(likeness.space, likeness.wanted, np.tile(likeness.unwanted, (400, 1)))
    tracemalloc.start()
    try:
        many.of(features)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 2 * 4 * likeness_module.COMPARED_AT_ONCE


def test_an_example_is_like_itself_and_nothing_is_like_no_number() -> None:
    features = np.random.default_rng(1).normal(0, 1, (50, 80)).astype(np.float32)
    likeness = LikenessToExamples.to(features[:1], features[:0], features)
    areas = np.stack([features[0], np.full(80, np.nan, np.float32)])
    assert likeness.of(areas)[0] == pytest.approx(1, abs=1e-5)
    assert np.isnan(likeness.of(areas)[1])


def test_areas_that_are_all_alike_differ_in_nothing() -> None:
    same = np.ones((5, 80), np.float32)
    assert (LikenessToExamples.to(same[:1], same[:0], same).of(same) == 0).all()


def kinds(number: int, scatter: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of areas of eight kinds, which differ in a few of many directions in which all vary."""
    chance = np.random.default_rng(2)
    kind = chance.integers(8, size=number)
    features = chance.normal(0, 1, (8, 100))[kind] + scatter * chance.normal(0, 1, (number, 100))
    return features.astype(np.float32), kind


def first_likeness(features: np.ndarray, wanted: np.ndarray, unwanted: np.ndarray) -> tuple[LikenessToExamples, np.ndarray]:
    """Return the likeness to some areas by number, and that of all others; the examples are not to be found."""
    sample = features[np.isfinite(features[:, 0])]
    likeness = LikenessToExamples.to(features[wanted], features[unwanted], sample)
    found = np.nan_to_num(likeness.of(features), nan=-np.inf)
    found[[*wanted, *unwanted]] = -np.inf
    return likeness, found


@pytest.mark.thorough
class TestASecondLook:
    @pytest.mark.parametrize("unwanted", [[], [5, 9]])
    def test_is_as_defined(self, unwanted: list[int]) -> None:
        """By loops in double precision: neighbours of each area, the best of all, and their mean with the examples."""
        features, _ = kinds(600, 1.5)
        likeness, found = first_likeness(features, np.array([0, 1]), np.array(unwanted, int))
        neighbours, best, power = 6, 3, 3

        seen = [unit(row) for row in likeness.space.of(features, alone=True).astype(np.float64)]

        def nearest(own: np.ndarray) -> list[tuple[float, int]]:
            every = ((own @ one, n) for n, one in enumerate(seen) if own @ one < 1 - 1e-5)
            return sorted(every, reverse=True)[:neighbours]

        reach = [nearest(one)[-1][0] for one in seen]

        def around(own: np.ndarray) -> np.ndarray:
            mutual = [(cosine, n) for cosine, n in nearest(own) if cosine >= 0.97 * reach[n]]
            return unit(own + sum((max(cosine, 0) ** power * seen[n] for cosine, n in mutual), np.zeros(len(own))))

        moved = [around(one) for one in seen]

        def like(area: np.ndarray, wanted: np.ndarray) -> float:
            cosine = area @ unit(wanted)
            return cosine - max([0.0, *(area @ moved[n] - cosine for n in unwanted)])

        wanted = moved[0] + moved[1]
        candidates = [n for n in range(len(features)) if n not in (0, 1, *unwanted)]
        first = sorted(((like(moved[n], wanted), n) for n in candidates), reverse=True)[:best]
        wanted = wanted + sum(max(value, 0) ** power * moved[n] for value, n in first)
        again = likeness.looked_at_again(features, found, 10)
        assert again[candidates] == pytest.approx([like(moved[n], wanted) for n in candidates], abs=2e-4)
        assert (again[[0, 1, *unwanted]] == -np.inf).all()

    def test_finds_more_of_a_kind(self) -> None:
        features, kind = kinds(1200, 2.5)
        shares = []
        for query in range(40):
            likeness, found = first_likeness(features, np.array([query]), np.array([], int))
            again = likeness.looked_at_again(features, found, 10)
            shares.append([(kind[np.argsort(-one)[:10]] == kind[query]).mean() for one in (found, again)])
        before, after = np.mean(shares, axis=0)
        assert after > before + 0.05

    def test_is_the_first_one_where_few_areas_say_what_is_near(self) -> None:
        features, _ = kinds(60, 1.0)
        likeness, found = first_likeness(features, np.array([0]), np.array([1]))
        assert likeness.looked_at_again(features, found, 10) == pytest.approx(found, abs=1e-6)

    def test_leaves_all_others_behind_those_that_it_looks_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(likeness_module, "FEWEST_LOOKED_AT_AGAIN", 20)
        features, _ = kinds(500, 2.5)
        features[400:420] = np.nan
        likeness, found = first_likeness(features, np.array([0]), np.array([], int))
        again = likeness.looked_at_again(features, found, 10)
        order = np.argsort(-found, kind="stable")
        assert set(np.argsort(-again, kind="stable")[:40]) == set(order[:40])
        assert again[order[:40]].min() < found[order[40]], "there are some to move"
        assert np.argsort(-again, kind="stable")[40:479].tolist() == order[40:479].tolist()
        assert (again[400:420] == -np.inf).all() and again[0] == -np.inf
        assert (again[order[:479]] <= 1 + 1e-5).all()

    def test_of_places_that_are_all_alike_or_none_at_all_says_nothing_new(self) -> None:
        same = np.ones((300, 80), np.float32)
        likeness, found = first_likeness(same, np.array([0]), np.array([], int))
        assert (likeness.looked_at_again(same, found, 5)[1:] == 0).all()
        nothing = np.full(300, -np.inf, np.float32)
        assert (likeness.looked_at_again(same, nothing, 5) == -np.inf).all()

    def test_ends_between_two_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(likeness_module, "COMPARED_AT_ONCE", 100 * 500)
        features, _ = kinds(500, 1.0)
        likeness, found = first_likeness(features, np.array([0]), np.array([], int))
        blocks = []

        def cancelled() -> None:
            blocks.append(1)
            if len(blocks) == 3:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            likeness.looked_at_again(features, found, 10, at_block=cancelled)
        blocks.clear()
        with pytest.raises(InterruptedError):
            LikenessToExamples.to(features[:1], features[:0], features, at_block=cancelled)
