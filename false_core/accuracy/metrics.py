"""Scores of a map against truth, all from one confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def confusion_matrix(truth: npt.NDArray[np.integer], mapped: npt.NDArray[np.integer], classes: int) -> IntArray:
    """Count pixels by true class (rows) and mapped class (columns).

    Args:
        truth, mapped: Class indices from 0, of the same shape. A pixel whose truth is no class is not counted. A mapped
            value that is no class raises, as leaving it out would flatter the map.

    Returns:
        Counts of shape (classes, classes).
    """
    known = (truth >= 0) & (truth < classes)
    t, m = truth[known].astype(np.int64), mapped[known].astype(np.int64)
    if m.size and (m.min() < 0 or m.max() >= classes):
        raise ValueError("the map holds values that are no class where the truth is known")
    return np.bincount(t * classes + m, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Scores:
    """Scores from a confusion matrix, all from 0 to 1 (kappa from -1). NaN where nothing was scored.

    Attributes:
        oa: Overall accuracy: share of pixels mapped right.
        miou: Mean over the classes present in the truth of intersection over union.
        macc: Mean over the classes present in the truth of the share mapped right.
        mf1: Mean over the classes present in the truth of F1.
        kappa: Cohen's kappa: agreement beyond what the class shares alone would give.
        iou: Intersection over union per class, NaN for classes neither in truth nor map.
        producers: Share of each true class that is mapped right (recall).
        users: Share of each mapped class that is right (precision).
        f1: Harmonic mean of the two.
    """

    oa: float
    miou: float
    macc: float
    mf1: float
    kappa: float
    iou: npt.NDArray[np.float64]
    producers: npt.NDArray[np.float64]
    users: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]


def score(confusion: npt.NDArray[np.number[Any]]) -> Scores:
    """Score a confusion matrix with true classes in rows."""
    hits = np.diag(confusion).astype(float)
    true, mapped, total = confusion.sum(axis=1), confusion.sum(axis=0), float(confusion.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        iou, producers, users = hits / (true + mapped - hits), hits / true, hits / mapped
        f1 = 2 * hits / (true + mapped)
        oa = hits.sum() / total if total else np.nan
        by_chance = float((true * mapped).sum()) / total**2 if total else np.nan
        kappa = (oa - by_chance) / (1 - by_chance) if by_chance < 1 else np.nan
    present = true > 0
    miou = float(iou[present].mean()) if present.any() else float("nan")
    macc = float(producers[present].mean()) if present.any() else float("nan")
    mf1 = float(f1[present].mean()) if present.any() else float("nan")
    return Scores(float(oa), miou, macc, mf1, float(kappa), iou, producers, users, f1)
