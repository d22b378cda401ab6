"""Estimates for a whole map from a random sample, stratified by its classes: accuracy and area of each class.

Olofsson et al., "Good practices for estimating area and assessing accuracy of land change", Remote Sensing of Environment
148 (2014) 42-57. Equations are numbered as there. The strata are the mapped classes i, with their shares W_i of the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.accuracy.metrics import IntArray

DoubleArray = npt.NDArray[np.float64]

Z = 1.96
"""Standard errors in half of a 95 % confidence interval, as in the paper."""


@dataclass(frozen=True)
class WithInterval:
    """An estimate, or one per class, and the half width of its 95 % confidence interval. NaN where there is too little."""

    value: DoubleArray
    error: DoubleArray


@dataclass(frozen=True)
class AreaAdjusted:
    """Estimates for the whole map, from 0 to 1.

    Attributes:
        proportions: Estimated share of the map by true class (rows) and mapped class (columns), Eq. 4.
        oa: Overall accuracy, Eqs. 1 and 5.
        users: User's accuracy per class, Eqs. 2 and 6.
        producers: Producer's accuracy per class, Eqs. 3 and 7.
        shares: True share of the map per class, Eqs. 9 and 10. NaN for a class that no sample has in the reference: they
            give 0 with an interval of no width, which nobody knows. It is 0 where all of the map was sampled.
        covered: Share of the map that lies in classes with a sample. The estimates speak for that part alone.
    """

    proportions: DoubleArray
    oa: WithInterval
    users: WithInterval
    producers: WithInterval
    shares: WithInterval
    covered: float


def adjust(confusion: IntArray, mapped: npt.NDArray[np.integer]) -> AreaAdjusted:
    """Estimate accuracy and area from a sample stratified by the mapped classes.

    Args:
        confusion: Sample counts of shape (classes, classes), true classes in rows, mapped classes in columns.
        mapped: Size of each class on the map, in pixels or any other unit, of shape (classes,); 0 for a class that only
            the reference has.
    """
    n = confusion.sum(axis=0).astype(float)
    sampled = (mapped > 0) & (n > 0)
    size = np.where(sampled, mapped, 0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = size / size.sum()
        # n_ij / n_i, here with i in columns; 0 in a stratum without a sample, whose weight is 0.
        share = np.where(sampled, confusion / n, 0.0)
        proportions = weight * share
        # Of that share, per stratum: the variance that Eqs. 5, 6, 7 and 10 are made of. One sample has none to tell.
        variance = np.where(sampled, share * (1 - share) / np.where(n > 1, n - 1, np.nan), 0.0)
        hits, spread = np.diag(proportions), np.diag(variance)
        true = proportions.sum(axis=1)
        users = np.where(sampled, np.diag(share), np.nan)
        producers = hits / true
        others = (weight**2 * variance * ~np.eye(len(n), dtype=bool)).sum(axis=1)
        # Eq. 7. Its N_j are pixels; shares of the map give the same, as the whole map cancels.
        of_producers = (weight**2 * (1 - producers) ** 2 * spread + producers**2 * others) / true**2
        unknown = (true == 0) & (n < mapped).any()
        covered = float(size.sum() / mapped.sum()) if mapped.sum() else math.nan
    return AreaAdjusted(
        proportions,
        _estimate(np.array(hits.sum() if sampled.any() else np.nan), (weight**2 * spread).sum()),
        _estimate(users, np.where(sampled, spread, np.nan)),
        _estimate(producers, of_producers),
        _estimate(np.where(unknown, np.nan, true), np.where(unknown, np.nan, (weight**2 * variance).sum(axis=1))),
        covered,
    )


def _estimate(value: DoubleArray, variance: DoubleArray) -> WithInterval:
    return WithInterval(value, Z * np.sqrt(variance))


def sample_size(weights: DoubleArray, users_accuracy: DoubleArray, standard_error: float) -> int:
    """Return how many points give overall accuracy with a standard error, Eq. 13: n = (sum of W_i S_i / S(O))^2.

    That is Eq. 5.25 of Cochran, "Sampling Techniques", 3rd edition (1977), for a map with many more pixels than points.

    Args:
        weights: Shares W_i of the map, of shape (classes,), with sum 1.
        users_accuracy: Expected for each class, U_i, of shape (classes,); S_i = sqrt(U_i (1 - U_i)).
        standard_error: The standard error of overall accuracy, S(O).
    """
    stds = np.sqrt(users_accuracy * (1 - users_accuracy))
    exact = (float((weights * stds).sum()) / standard_error) ** 2
    # 400 and not 401 where rounding made it 400.0000000001.
    return max(1, math.ceil(exact - 1e-9 * exact))


def allocate(total: int, minimum: int, pixels: Sequence[int]) -> list[int]:
    """Share points out among the classes of a map: a minimum for each, and the rest in proportion to area.

    A class whose share would be below the minimum gets the minimum; the others share what is left (Olofsson et al. 2014,
    Section 5.1.2). No class gets more points than it has pixels.

    Args:
        total: Points wanted in all. With many classes the minimum can make it more.
        minimum: Points that every class gets at least.
        pixels: The number of pixels of each class, at least 1.

    Returns:
        The number of points of each class.
    """
    area = np.array(pixels, float)
    rare = np.zeros(len(area), bool)
    share = np.zeros(len(area))
    while not rare.all():
        left = max(0, total - minimum * int(rare.sum()))
        share = np.where(rare, minimum, left * area / area[~rare].sum())
        if not (share < minimum).any():
            break
        rare |= share < minimum
    share = np.where(rare, minimum, share)
    points = np.floor(share).astype(int)
    # What rounding down left over goes to the largest remainders.
    for index in np.argsort(points - share, kind="stable")[: round(float(share.sum())) - int(points.sum())]:
        points[index] += 1
    return [min(number, size) for number, size in zip(points.tolist(), pixels)]


def expected_error(weights: DoubleArray, users_accuracy: DoubleArray, points: npt.NDArray[np.integer]) -> float:
    """Return the standard error of overall accuracy to be expected from so many points per class.

    Eq. 5 before the sample is drawn: with the accuracies that are expected, and n_i in place of n_i - 1 (Cochran 1977,
    Eq. 5.11 for large strata).
    """
    return float(np.sqrt((weights**2 * users_accuracy * (1 - users_accuracy) / points).sum()))
