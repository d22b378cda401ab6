"""The accuracy that is told from held-out labels: its parts against scipy and scikit-learn, its interval by drawing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
from scipy.stats import binomtest, norm

from false_core.accuracy import cross_validated
from false_core.accuracy.cross_validated import (
    MIN_SHAPES,
    MIN_SHAPES_PER_CLASS,
    accuracy_of_held_out,
    confusion_of_shapes,
    estimate_accuracy,
    missing_shapes,
)

Drawn = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
RECALLS = np.array([[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])


def log_probabilities(answers: npt.NDArray[np.int64], sure: float = 0.7) -> npt.NDArray[np.float64]:
    """Return probabilities of three classes, as much as ``sure`` for what is answered."""
    found: npt.NDArray[np.float64] = np.log(np.where(np.arange(3) == answers[:, None], sure, (1 - sure) / 2))
    return found


def draw(shapes_of_class: tuple[int, ...], pixels: int, alike: float, chance: np.random.Generator) -> Drawn:
    """Draw shapes of classes, and pixels of them that are mapped as one with probability ``alike``."""
    target_of = np.repeat(np.arange(3), shapes_of_class)
    answers_of = [chance.choice(3, p=RECALLS[target]) for target in target_of]
    answers = [a if chance.random() < alike else chance.choice(3, p=RECALLS[t]) for t, a in zip(target_of, answers_of)
               for _ in range(pixels)]  # fmt: skip
    owners = np.repeat(np.arange(len(target_of)), pixels)
    return owners, target_of[owners], log_probabilities(np.array(answers))


def raster(shares: tuple[float, ...], chance: np.random.Generator, number: int = 4000) -> npt.NDArray[np.float64]:
    """Draw what is mapped where the true classes have these shares."""
    return log_probabilities(chance.choice(3, number, p=np.array(shares) @ RECALLS))


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("shapes", "shares"),
    [((10, 10, 10), (1 / 3, 1 / 3, 1 / 3)), ((40, 40, 40), (1 / 3, 1 / 3, 1 / 3)), ((8, 8, 8), (0.6, 0.3, 0.1))],
)
@pytest.mark.thorough
def test_the_interval_holds_the_truth_in_at_least_ninety_of_a_hundred_draws(
    shapes: tuple[int, ...], shares: tuple[float, ...], alike: float
) -> None:
    chance = np.random.default_rng(0)
    truth = float((np.array(shares) * np.diag(RECALLS)).sum())
    held = 0
    for _ in range(100):
        found = estimate_accuracy(*draw(shapes, 20, alike, chance), raster(shares, chance), np.array(shapes))
        assert found.value is not None and found.low is not None and found.high is not None
        assert found.low <= found.value <= found.high
        held += found.low <= truth <= found.high
    assert held >= 90


def test_pixels_do_not_make_it_surer() -> None:
    widths = []
    for pixels in (1, 1000):
        owners = np.repeat(np.arange(30), pixels)
        targets = owners % 3
        answers = np.where(owners < 6, (targets + 1) % 3, targets)
        on_raster = log_probabilities(np.arange(300) % 3)
        found = estimate_accuracy(owners, targets, log_probabilities(answers), on_raster, np.array([10, 10, 10]))
        assert found.low is not None and found.high is not None and found.shapes == 30
        widths.append(found.high - found.low)
    assert widths[0] == pytest.approx(widths[1]) and widths[0] > 0.25


def test_a_shape_counts_once_however_large() -> None:
    """One large shape that is all wrong among 20 small ones that are right takes a twenty-first, not half."""
    owners = np.concatenate([np.arange(20), np.full(5000, 20)])
    targets = owners % 3
    answers = np.where(owners == 20, (targets + 1) % 3, targets)
    on_raster = log_probabilities(np.arange(300) % 3)
    found = estimate_accuracy(owners, targets, log_probabilities(answers), on_raster, np.array([7, 7, 7]))
    assert found.value == pytest.approx(20 / 21, abs=0.01)


def test_the_shares_of_the_map_widen_it_where_the_labels_have_others() -> None:
    """The labels are mostly of the class that is mapped well, the map of one that is not."""
    chance = np.random.default_rng(1)
    shapes = (60, 10, 10)
    sample = draw(shapes, 5, 1.0, chance)
    like_labels, other = (
        estimate_accuracy(*sample, raster(shares, chance), np.array(shapes))
        for shares in ((0.75, 0.125, 0.125), (0.05, 0.05, 0.9))
    )
    assert like_labels.low is not None and other.low is not None and other.low < like_labels.low - 0.1
    assert like_labels.value is not None and other.value is not None and other.value < like_labels.value


def test_it_is_less_where_the_raster_is_less_like_the_labels() -> None:
    chance = np.random.default_rng(2)
    sample = draw((20, 20, 20), 5, 1.0, chance)
    answers = np.arange(3000) % 3
    like, unlike = (estimate_accuracy(*sample, log_probabilities(answers, sure), np.full(3, 20)) for sure in (0.7, 0.4))
    assert like.value is not None and unlike.value is not None and like.low is not None and unlike.low is not None
    assert unlike.value == pytest.approx(like.value - 0.3 / 3)
    assert unlike.low < like.low - 0.2


def test_with_too_few_shapes_it_is_unknown_and_says_what_is_missing() -> None:
    chance = np.random.default_rng(3)
    found = estimate_accuracy(*draw((20, 20, 2), 5, 1.0, chance), raster((0.4, 0.4, 0.2), chance), np.array([20, 20, 2]))
    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.missing == (0, 0, MIN_SHAPES_PER_CLASS - 2) and found.shapes == 42


@pytest.mark.parametrize("have", [(1, 1), (0, 30), (4, 4, 4), (3, 9, 2), (30, 30), (4,) * 7, (2,) * 12])
def test_what_is_missing_is_just_enough(have: tuple[int, ...]) -> None:
    more = missing_shapes(np.array(have))
    wanted = np.array(have) + more
    assert min(more) >= 0 and wanted.min() >= MIN_SHAPES_PER_CLASS and wanted.sum() >= MIN_SHAPES
    assert not any(missing_shapes(wanted))
    for number in np.flatnonzero(more):
        assert any(missing_shapes(wanted - (np.arange(len(have)) == number)))


def test_the_confusion_matrix_of_shapes_is_that_of_samples_that_count_as_a_part_of_their_shape() -> None:
    chance = np.random.default_rng(4)
    owners = np.sort(chance.integers(0, 12, 200))
    targets, answers = owners % 3, chance.integers(0, 3, 200)
    wanted = sklearn.metrics.confusion_matrix(targets, answers, sample_weight=1 / np.bincount(owners)[owners])
    np.testing.assert_allclose(confusion_of_shapes(owners, targets, answers, 3), wanted)
    assert wanted.sum() == pytest.approx(12)


def test_the_interval_of_equal_shapes_is_wilsons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validated, "stdtrit", lambda _, share: norm.ppf(share))
    found = accuracy_of_held_out(np.array([[300, 100], [0, 100]]), np.full(20, 25.0), np.arange(20) % 2, 0.2)
    wanted = binomtest(16, 20).proportion_ci(method="wilson")
    assert found is not None and found.value == 0.8
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_few_large_shapes_held_out_say_less_than_as_many_alike() -> None:
    confusion, targets = np.array([[90, 10], [10, 90]]), np.arange(20) % 2
    alike, unlike = (accuracy_of_held_out(confusion, np.array(p), targets, 0.2) for p in ([10.0] * 20, [105.0] + [5.0] * 19))
    assert alike and unlike and alike.low and unlike.low and unlike.low < alike.low - 0.1
    assert accuracy_of_held_out(np.zeros((2, 2), np.int64), np.ones(20), targets, 0.2) is None


@pytest.mark.parametrize(
    ("targets", "missing"),
    [([0, 1], (45, 45)), ([0] * 19 + [1] * 3, (0, 5)), ([0] * 30, (0, 20)), ([0] * 15 + [1] * 4, (0, 5))],
)
def test_of_too_few_shapes_held_out_no_accuracy_is_told(targets: list[int], missing: tuple[int, ...]) -> None:
    found = accuracy_of_held_out(np.array([[300, 0], [0, 100]]), np.full(len(targets), 9.0), np.array(targets), 0.2)
    assert found and (found.value, found.low, found.high) == (None, None, None)
    assert (found.shapes, found.missing) == (len(targets), missing)
