"""FNSD and FNCC written straight from Eqs. 1-6 of the paper, one anchor after the other, in double precision.

Slow and plain on purpose, and without a line in common with the library: it is what the library is measured by.
"""

from __future__ import annotations

import math

import numpy as np


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b))


def negatives_of(i: int, count: int) -> list[int]:
    """N(i): everything but the anchor and its other view."""
    return [j for j in range(count) if j not in (i, (i + count // 2) % count)]


def false_negatives(z: np.ndarray, threshold: float, neighbours: int = 1) -> list[list[int]]:
    """P(i) for every anchor: Eqs. 1-3, or its ``neighbours`` nearest."""
    rows = [unit(row) for row in np.asarray(z, np.float64).tolist()]
    found: list[list[int]] = []
    for i, row in enumerate(rows):
        of_positive = cosine(row, rows[(i + len(rows) // 2) % len(rows)])
        if not of_positive > threshold:
            found.append([])
            continue
        by_distance = sorted(negatives_of(i, len(rows)), key=lambda j: (abs(cosine(row, rows[j]) - of_positive), j))
        found.append(by_distance[:neighbours])
    return found


def adaptive_weights(z: np.ndarray, threshold: float, neighbours: int = 1) -> list[list[float]]:
    """alpha of each pair: how much the three pairs of views that FNSD does not look at agree, times how far to trust it."""
    rows = [unit(row) for row in np.asarray(z, np.float64).tolist()]
    count = len(rows)

    def other(i: int) -> int:
        return (i + count // 2) % count

    def alike(i: int, j: int) -> float:
        return cosine(rows[i], rows[j])

    of_positives = sum(alike(i, other(i)) for i in range(count)) / count
    negatives = [alike(i, j) for i in range(count) for j in negatives_of(i, count)]
    of_negatives = sum(negatives) / len(negatives)
    apart = min(1.0, max(0.0, of_positives - of_negatives))
    weights: list[list[float]] = []
    for i, possible in enumerate(false_negatives(z, threshold, neighbours)):
        weights.append([])
        for j in possible:
            agreement = (alike(i, other(j)) + alike(other(i), j) + alike(other(i), other(j))) / 3
            share = (agreement - of_negatives) / (of_positives - of_negatives) if apart > 0 else 0.0
            weights[-1].append(apart * min(1.0, max(0.0, share)))
    return weights


def loss(
    z: np.ndarray,
    temperature: float,
    threshold: float,
    confidence: float | list[list[float]],
    neighbours: int = 1,
) -> float:
    """Eq. 6, with S_EP and S_WN of Eqs. 4 and 5 as they stand there. One alpha for all, or one for each pair (i, P(i))."""
    rows = [unit(row) for row in np.asarray(z, np.float64).tolist()]
    total = 0.0
    for i, possible in enumerate(false_negatives(z, threshold, neighbours)):
        weights = confidence[i] if isinstance(confidence, list) else [confidence] * len(possible)

        def e(j: int, i: int = i) -> float:
            return math.exp(cosine(rows[i], rows[j]) / temperature)

        positive = e((i + len(rows) // 2) % len(rows))
        enlarged_positive = sum(alpha * e(j) for alpha, j in zip(weights, possible))
        weakened_negative = sum((1 - alpha) * e(j) for alpha, j in zip(weights, possible))
        others = sum(e(j) for j in negatives_of(i, len(rows)) if j not in possible)
        numerator = positive + enlarged_positive
        total -= math.log(numerator / (numerator + others + weakened_negative))
    return total / len(rows)
