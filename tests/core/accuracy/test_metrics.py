"""The scores of a map, against two libraries that compute them in other ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
import torch

from false_core.accuracy.metrics import confusion_matrix, score
from false_core.experiments.tables import scores_of

CLASSES = 5


@pytest.fixture(params=[0, 1, 2])
def maps(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Truth and map of (40, 50): classes of very different size, the map right in about two of three pixels."""
    generator = np.random.default_rng(request.param)
    truth = generator.choice(CLASSES, (40, 50), p=[0.5, 0.3, 0.15, 0.04, 0.01])
    wrong = generator.integers(0, CLASSES, truth.shape)
    return truth, np.where(generator.random(truth.shape) < 0.6, truth, wrong)


def test_the_matrix_is_that_of_scikit_learn(maps: tuple[np.ndarray, np.ndarray]) -> None:
    truth, mapped = maps
    wanted = sklearn.metrics.confusion_matrix(truth.ravel(), mapped.ravel(), labels=range(CLASSES))
    assert np.array_equal(confusion_matrix(truth, mapped, CLASSES), wanted)


def test_the_scores_are_those_of_scikit_learn(maps: tuple[np.ndarray, np.ndarray]) -> None:
    truth, mapped = (values.ravel() for values in maps)
    scores = score(confusion_matrix(truth, mapped, CLASSES))
    each = {"labels": range(CLASSES), "average": None}
    assert scores.oa == pytest.approx(sklearn.metrics.accuracy_score(truth, mapped))
    assert scores.macc == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, mapped))
    assert scores.kappa == pytest.approx(sklearn.metrics.cohen_kappa_score(truth, mapped))
    assert scores.iou == pytest.approx(sklearn.metrics.jaccard_score(truth, mapped, **each))
    assert scores.miou == pytest.approx(sklearn.metrics.jaccard_score(truth, mapped, average="macro"))
    assert scores.f1 == pytest.approx(sklearn.metrics.f1_score(truth, mapped, **each))
    assert scores.mf1 == pytest.approx(sklearn.metrics.f1_score(truth, mapped, average="macro"))
    assert scores.producers == pytest.approx(sklearn.metrics.recall_score(truth, mapped, **each))
    assert scores.users == pytest.approx(sklearn.metrics.precision_score(truth, mapped, **each))


@pytest.mark.thorough
def test_the_scores_are_those_of_torchmetrics(maps: tuple[np.ndarray, np.ndarray]) -> None:
    import torchmetrics.classification as tm  # Some seconds, which each run of the tests would wait for.

    truth, mapped = (torch.from_numpy(values) for values in maps)
    whole, iou = scores_of(confusion_matrix(*maps, CLASSES))
    wanted = {
        "oa": tm.MulticlassAccuracy(CLASSES, average="micro"),
        "miou": tm.MulticlassJaccardIndex(CLASSES, average="macro"),
        "macc": tm.MulticlassAccuracy(CLASSES, average="macro"),
        "kappa": tm.MulticlassCohenKappa(CLASSES),
        "f1": tm.MulticlassF1Score(CLASSES, average="macro"),
    }
    assert whole == pytest.approx({name: float(metric(mapped, truth)) for name, metric in wanted.items()}, abs=1e-6)
    assert iou == pytest.approx(tm.MulticlassJaccardIndex(CLASSES, average="none")(mapped, truth).tolist(), abs=1e-6)


def test_a_class_that_the_truth_lacks_counts_against_the_others_but_not_in_the_means() -> None:
    truth, mapped = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    whole, iou = scores_of(confusion_matrix(truth, mapped, 4))
    assert iou[:3] == [0.5, 1.0, 0.0] and math.isnan(iou[3])
    assert whole["miou"] == 0.75
    assert whole["macc"] == 0.75
    assert whole["f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_unknown_truth_is_not_counted_and_a_strange_value_on_the_map_is_refused() -> None:
    truth = np.array([0, 1, -1, 255, 9])
    assert confusion_matrix(truth, np.array([0, 0, 7, 7, 7]), 2).tolist() == [[1, 0], [1, 0]]
    with pytest.raises(ValueError, match="no class"):
        confusion_matrix(truth, np.array([0, 2, 0, 0, 0]), 2)


def test_without_a_pixel_there_is_no_score() -> None:
    scores = score(np.zeros((3, 3), np.int64))
    assert all(math.isnan(value) for value in (scores.oa, scores.miou, scores.macc, scores.mf1, scores.kappa))
