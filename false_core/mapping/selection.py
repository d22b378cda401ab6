"""The choice of few of many to label: uncertain ones, unlike each other and unlike what is labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SPACING = 2
"""Squares between the positions of two that are chosen: with 2, one at least lies between them."""
UNLIKE_PERCENTILE = 90.0
"""Percentile of the distances to what is labelled or chosen from which on one is called unlike it."""


@dataclass(frozen=True)
class ChosenSquare:
    """A square that was chosen.

    Attributes:
        distance: The distance to the nearest that was labelled or chosen before; infinite where there was none.
        score: Its uncertainty times the square of that distance.
        unlike: True where it is one of the tenth that is farthest from all that was labelled or chosen before.
    """

    index: int
    distance: float
    score: float
    unlike: bool


def choose_squares(
    uncertainty: npt.NDArray[np.floating],
    features: npt.NDArray[np.floating],
    places: npt.NDArray[np.int64],
    labelled: npt.NDArray[np.floating],
    count: int,
) -> list[ChosenSquare]:
    """Choose one after the other, each time the one with the highest product of uncertainty and squared distance.

    The distance is that to the nearest in feature space that is labelled or was chosen before. Without the uncertainty this
    is the greedy k-centre of Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
    ICLR 2018 (algorithm 1). The weighted square is what BADGE (Ash et al., "Deep Batch Active Learning by Diverse, Uncertain
    Gradient Lower Bounds", ICLR 2020) draws by, in the manner of k-means++; here the highest is taken, so that the order
    is a rank.

    Args:
        uncertainty: The uncertainty of each, of shape (n,).
        features: The features of each, of shape (n, channels).
        places: Column and row in a grid, of shape (n, 2). Those nearer than ``SPACING`` to one chosen are passed over.
        labelled: Features of what is labelled, of shape (m, channels).
        count: Number to choose. There are fewer where no more are left.

    Returns:
        The choices, in order.
    """
    nearest = distances_to(features, labelled)
    open_ = np.ones(len(features), bool)
    choices: list[ChosenSquare] = []
    while len(choices) < count and open_.any():
        # With nothing to be far from, the most uncertain comes first.
        score = uncertainty * np.square(np.where(np.isfinite(nearest), nearest, 1.0))
        index = int(np.argmax(np.where(open_, score, -1.0)))
        unlike = bool(np.isfinite(nearest[index]) and nearest[index] >= np.percentile(nearest, UNLIKE_PERCENTILE))
        choices.append(ChosenSquare(index, float(nearest[index]), float(score[index]), unlike))
        open_ &= np.abs(places - places[index]).max(axis=1) >= SPACING
        nearest = np.minimum(nearest, distances_to(features, features[index : index + 1]))
    return choices


def distances_to(features: npt.NDArray[np.floating], others: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the distance of each of ``features`` (n, channels) to the nearest of ``others`` (m, channels), of shape (n,).

    Infinite where ``others`` is empty.
    """
    nearest = np.full(len(features), np.inf)
    lengths = np.square(features, dtype=np.float64).sum(axis=1)
    for start in range(0, len(others), 256):  # In pieces, as n times m can be many.
        part = others[start : start + 256]
        squared = lengths[:, None] + np.square(part, dtype=np.float64).sum(axis=1) - 2.0 * (features @ part.T)
        nearest = np.minimum(nearest, np.sqrt(np.maximum(squared, 0)).min(axis=1))
    return nearest
