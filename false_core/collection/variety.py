"""Orders by what an encoder sees: each place as unlike those before it as can be, by features or by gradients."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from false_core.raster.source import FloatArray

Order = npt.NDArray[np.int64]

COPIES = 0.02
"""Two places whose cosine similarity is less than this below 1 are taken for copies; one of them stays."""
OUTLIERS = 0.02
"""Share of the places with the longest gradients, which are left out: clouds, seams and the edges of nodata."""
TEMPERATURE = 0.2
"""Tau of the loss whose gradients are compared."""
ROUNDS, ROUND_SIZE = 4, 256
"""Batches that the gradients are means over, and places in one."""


def farthest_first(features: FloatArray) -> Order:
    """Return an order of unit vectors (n, d): the one nearest to their mean, then each time the farthest from those before.

    It ends where only copies are left. This is the greedy k-centre of Gonzalez, "Clustering to minimize the maximum
    intercluster distance", 1985.
    """
    if not len(features):
        return np.zeros(0, np.int64)
    order = [int(np.argmax(features @ features.mean(axis=0)))]
    likeness = features @ features[order[0]]
    while len(order) < len(features):
        next_one = int(np.argmin(likeness))
        if likeness[next_one] > 1 - COPIES:
            break
        order.append(next_one)
        likeness = np.maximum(likeness, features @ features[next_one])
    return np.array(order, np.int64)


def contrastive_gradients(
    one: FloatArray, other: FloatArray, generator: np.random.Generator, rounds: int = ROUNDS, size: int = ROUND_SIZE
) -> FloatArray:
    """Return the gradients of the contrastive loss of each place with respect to its own embedding, of shape (n, d).

    In closed form: with p_ij the softmax over j != i of ``z_i . z_j / tau``, it is
    ``g_i = (sum_j p_ij z_j - z'_i) / tau``, z'_i the embedding of the other view, without the part along z_i, as embeddings
    are unit vectors. It is the mean over some random batches and both views.

    Args:
        one, other: Embeddings of two views of each place, unit vectors of shape (n, d).
    """
    total = np.zeros(one.shape, np.float64)
    for _ in range(rounds):
        order = generator.permutation(len(one))
        for batch in np.array_split(order, max(1, len(order) // size)):
            for z, positive in ((one[batch], other[batch]), (other[batch], one[batch])):
                total[batch] += _gradient(z.astype(np.float64), positive.astype(np.float64))
    return np.asarray(total / (2 * rounds), np.float32)


def _gradient(z: npt.NDArray[np.float64], positive: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # The other view is one of those that the anchor is compared with, as in NT-Xent.
    every = np.concatenate([z, positive])
    logits = z @ every.T / TEMPERATURE
    np.fill_diagonal(logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    gradient = (weights @ every - positive) / TEMPERATURE
    along: npt.NDArray[np.float64] = gradient - (gradient * z).sum(axis=1, keepdims=True) * z
    return along


def covering_first(gradients: FloatArray, most: int) -> Order:
    """Return an order of gradients (n, d), each time the one that adds most to what is covered.

    Covered is ``F(S) = sum_i max_{j in S} max(0, g_i . g_j)``, the facility location of Mirzasoleiman et al., "Coresets for
    Data-efficient Training of Machine Learning Models", ICML 2020. The greedy order reaches 1 - 1/e of the best set of any
    size. Those with the longest gradients are left out.

    Args:
        most: The length of the order.
    """
    length = np.linalg.norm(gradients, axis=1)
    kept = np.sort(np.argsort(length, kind="stable")[: len(length) - int(OUTLIERS * len(length))])
    alike = np.maximum(gradients[kept] @ gradients[kept].T, 0)
    covered = np.zeros(len(kept), alike.dtype)
    # What a place adds only falls while others are chosen: a bound that is still the best when it is brought up to date
    # is the best (Minoux 1978).
    bounds = [(-float(gain), index) for index, gain in enumerate(alike.sum(axis=1))]
    heapq.heapify(bounds)
    order: list[int] = []
    while bounds and len(order) < most:
        _, index = heapq.heappop(bounds)
        gain = float(np.maximum(alike[index] - covered, 0).sum())
        if bounds and -gain > bounds[0][0]:
            heapq.heappush(bounds, (-gain, index))
            continue
        order.append(index)
        covered = np.maximum(covered, alike[index])
    return np.asarray(kept[order], np.int64)
