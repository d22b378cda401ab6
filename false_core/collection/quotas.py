"""Quotas: how many places each class gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

BISECTIONS = 200


def quotas(found: Counts, available: Counts, total: int, balance: float) -> Counts:
    """Return how many places each class gives: ``q = min(available, lambda * found ** balance)``, ``total`` of them.

    Lambda is found by bisection, and what is left of whole numbers goes to the largest remainders.

    Args:
        found: Number of times that each class was found, of shape (classes,).
        available: The most that each can give, of shape (classes,).
        total: The number of places wanted. Where there are fewer, all are taken.
        balance: 0: as many of each class as of any other; 1: in the shares in which they were found.
    """
    if total >= available.sum():
        return available.astype(np.int64)
    weights = np.where(found > 0, np.maximum(found, 1).astype(np.float64) ** balance, 0.0)
    low, high = 0.0, float((available / np.where(weights > 0, weights, np.inf)).max())
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if np.minimum(available, middle * weights).sum() < total:
            low = middle
        else:
            high = middle
    exact = np.minimum(available, high * weights)
    whole = np.floor(exact + 1e-9).astype(np.int64)
    remainders = np.where(whole < available, exact - whole, -1.0)
    for index in np.argsort(-remainders, kind="stable")[: max(0, total - int(whole.sum()))]:
        whole[index] += 1
    return whole
