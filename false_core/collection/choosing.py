"""Choosing among candidates: quotas for classes or clusters, an order within each, and a distance between all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from false_core.collection.quotas import quotas
from false_core.collection.spread import ChosenPlaces
from false_core.methods.pcl import spherical_kmeans
from false_core.raster.source import FloatArray

Numbers = npt.NDArray[np.int64]

HALVINGS = 2
"""Times that the distance is halved for a group that has too few places."""
FEWEST_CLUSTERS = 8


@dataclass(frozen=True)
class PlaceGroup:
    """Candidates of one class or cluster.

    Attributes:
        found: Number of times that it was found, also where not all are candidates.
        order: Its candidates, the first ones to be taken first.
        existing: Number of its places that are there already.
    """

    found: int
    order: Numbers
    existing: int = 0


def chosen(
    groups: list[PlaceGroup],
    positions: npt.NDArray[np.float64],
    spread: ChosenPlaces,
    distance: float,
    count: int,
    balance: float,
) -> tuple[Numbers, list[int]]:
    """Return the candidates that are chosen, and the groups for which the distance had to be halved.

    Args:
        groups: The groups to choose from.
        positions: Positions of the candidates, of shape (candidates, 3), in metres.
        spread: The places that are there already. Those that are chosen are added.
        distance: The least distance between two places in metres.
        count: Number of places that there are to be in all, with those that are there already.
        balance: See ``quotas``.
    """
    found = np.array([group.found for group in groups], np.int64)
    taken = [group.existing for group in groups]
    left = [list(group.order) for group in groups]
    picked: list[int] = []
    halved: set[int] = set()
    dry: set[int] = set()
    while True:
        available = np.array([taken[k] + (0 if k in dry else len(left[k])) for k in range(len(groups))], np.int64)
        wanted = quotas(np.maximum(found, available), available, count, balance)
        # Rare ones choose first, as they have the fewest places to go to.
        hungry = [k for k in np.argsort(available, kind="stable").tolist() if taken[k] < wanted[k] and k not in dry]
        missing = count - sum(taken)
        if not hungry or missing <= 0:
            return np.array(picked, np.int64), sorted(halved)
        for k in hungry:
            for halving in range(HALVINGS + 1 if distance else 1):
                took = _take(left[k], positions, spread, distance / 2**halving, min(int(wanted[k]) - taken[k], missing))
                picked += took
                taken[k] += len(took)
                missing -= len(took)
                if halving and took:
                    halved.add(k)
                if taken[k] >= wanted[k] or missing <= 0:
                    break
            if taken[k] < wanted[k]:
                dry.add(k)


def _take(
    order: list[int], positions: npt.NDArray[np.float64], spread: ChosenPlaces, distance: float, wanted: int
) -> list[int]:
    """Take the first candidates off ``order`` that keep the distance."""
    took: list[int] = []
    passed: list[int] = []
    for place, index in enumerate(order):
        if len(took) == wanted:
            passed += order[place:]
            break
        if spread.is_free(positions[index], distance):
            spread.add(positions[index])
            took.append(int(index))
        else:
            passed.append(index)
    order[:] = passed
    return took


def clusters(features: FloatArray, seed: int) -> Numbers:
    """Return the cluster of each of some unit vectors (n, d), about as many clusters as the root of n."""
    count = min(len(features), max(FEWEST_CLUSTERS, round(len(features) ** 0.5)))
    if count < 2:
        return np.zeros(len(features), np.int64)
    owner = spherical_kmeans(torch.from_numpy(features), count, torch.Generator().manual_seed(seed))[1]
    return owner.numpy().astype(np.int64)


def by_group(members: Numbers, number: int, order: Callable[[Numbers], Numbers]) -> list[Numbers]:
    """Return the members of each of ``number`` groups in their order.

    Args:
        members: The group of each candidate, of shape (n,).
        order: Returns an order of some candidates as indices into them.
    """
    of_each = [np.flatnonzero(members == group) for group in range(number)]
    return [group[order(group)] for group in of_each]
