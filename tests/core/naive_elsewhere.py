"""FALSE with false negatives off the anchor's own ground, written from its description, one anchor after the other.

Slow and plain on purpose, in double precision, and without a line in common with the library: it is what the library is
measured by.
"""

from __future__ import annotations

import math

from naive_contrast import cosine, unit
from naive_neighbourhoods import apart, other_view

Vectors = list[list[float]]


def elsewhere(i: int, ground: Vectors, patches: Vectors, least: float) -> list[int]:
    """All in other patches that are not nearer than ``least``."""
    out = []
    for j in range(len(ground)):
        if j in (i, other_view(i, len(ground))) or patches[i] == patches[j] or apart(ground[i], ground[j]) < least:
            continue
        out.append(j)
    return out


def false_negatives(
    z: Vectors,
    ground: Vectors,
    patches: Vectors,
    least: float,
    threshold: float,
    neighbours: float,
    share: float,
    closest_to: str,
    surest_by: str = "positive",
) -> list[list[int]]:
    """P(i) of every anchor."""
    rows = [unit(row) for row in z]
    count = len(rows)
    k = max(1, round(neighbours * (count - 2))) if neighbours < 1 else int(neighbours)
    possible: list[list[int]] = []
    for i in range(count):
        aim = 2.0 if closest_to == "anchor" else cosine(rows[i], rows[other_view(i, count)])
        where = elsewhere(i, ground, patches, least)
        possible.append(sorted(where, key=lambda j: (abs(cosine(rows[i], rows[j]) - aim), j))[:k])
    likeness = {i: cosine(rows[i], rows[other_view(i, count)]) for i in range(count) if possible[i]}
    if share and surest_by == "found":
        likeness = {i: sum(cosine(rows[i], rows[j]) for j in possible[i]) / len(possible[i]) for i in likeness}
    if share:
        # A share of the anchors, and those as sure as the least sure of them.
        last = sorted(likeness.values(), reverse=True)[: max(1, round(share * count))][-1:]
        chosen = {i for i, s in likeness.items() if last and s >= last[0]}
    else:
        chosen = {i for i, s in likeness.items() if s > threshold}
    return [possible[i] if i in chosen else [] for i in range(count)]


def loss(
    z: Vectors,
    ground: Vectors,
    patches: Vectors,
    temperature: float,
    least: float,
    near_negatives: bool,
    confidence: float,
    possible: list[list[int]],
) -> float:
    """Eq. 6; without the near ones its negatives are those elsewhere."""
    rows = [unit(row) for row in z]
    count, total = len(rows), 0.0
    for i in range(count):

        def e(j: int, i: int = i) -> float:
            return math.exp(cosine(rows[i], rows[j]) / temperature)

        positive = e(other_view(i, count))
        negatives = [j for j in range(count) if j not in (i, other_view(i, count))]
        if not near_negatives:
            negatives = elsewhere(i, ground, patches, least)
        enlarged = confidence * sum(map(e, possible[i]))
        total -= math.log((positive + enlarged) / (positive + sum(map(e, negatives))))
    return total / count
