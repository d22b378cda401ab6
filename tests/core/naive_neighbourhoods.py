"""The losses of RiSSNet and GFCNet written from their descriptions, one anchor after the other, in double precision.

Slow and plain on purpose, and without a line in common with the library: they are what the library is measured by.
"""

from __future__ import annotations

import math

from naive_contrast import cosine, unit


def apart(a: list[float], b: list[float]) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))


def info_nce(
    rows: list[list[float]], anchor: int, positives: list[int], negatives: list[int], temperature: float, **fncc: float
) -> float:
    """The mean over the positives of -log((e_p + S_EP) / (e_p + sum over the negatives)); see ``possible``."""

    def e(j: int) -> float:
        return math.exp(cosine(rows[anchor], rows[j]) / temperature)

    enlarged = fncc["confidence"] * sum(e(j) for j in possible(rows, anchor, negatives, **fncc)) if fncc else 0.0
    whole = sum(map(e, negatives))
    return sum(-math.log((e(p) + enlarged) / (e(p) + whole)) for p in positives) / len(positives)


def possible(
    rows: list[list[float]], anchor: int, negatives: list[int], threshold: float, confidence: float, neighbours: int
) -> list[int]:
    """P(i) of FALSE (Eqs. 1-3), but among the given negatives."""
    of_positive = cosine(rows[anchor], rows[other_view(anchor, len(rows))])
    if not of_positive > threshold:
        return []
    return sorted(negatives, key=lambda j: (abs(cosine(rows[anchor], rows[j]) - of_positive), j))[:neighbours]


def other_view(i: int, count: int) -> int:
    return (i + count // 2) % count


def gfcnet(z: list[list[float]], ground: list[list[float]], radius: float, temperature: float, **fncc: float) -> float:
    """Negatives are all others whose distance on the ground in radii plus cosine distance is at least 1."""
    rows, total = [unit(row) for row in z], 0.0
    for i in range(len(rows)):
        negatives = [
            j
            for j in range(len(rows))
            if j not in (i, other_view(i, len(rows)))
            and not (radius > 0 and apart(ground[i], ground[j]) / radius + 1 - cosine(rows[i], rows[j]) < 1)
        ]
        total += info_nce(rows, i, [other_view(i, len(rows))], negatives, temperature, **fncc)
    return total / len(rows)


def relaxed_places(z: list[list[float]], ground: list[list[float]], radius: float, relaxed: int) -> list[list[int]]:
    """The best places near each anchor, by how like it their two views are on average."""
    rows = [unit(row) for row in z]
    half, out = len(rows) // 2, []
    for i in range(len(rows)):
        near = [j for j in range(half) if j != i % half and apart(ground[i], ground[j]) <= radius]
        near.sort(key=lambda j, i=i: -cosine(rows[i], rows[j]) - cosine(rows[i], rows[j + half]))  # type: ignore[misc]
        out.append(near[:relaxed])
    return out


def rissnet(
    z: list[list[float]], ground: list[list[float]], radius: float, relaxed: int, temperature: float, **fncc: float
) -> float:
    """Both views of the best places are positives, and what is left negatives."""
    rows, total = [unit(row) for row in z], 0.0
    half = len(rows) // 2
    for i, best in enumerate(relaxed_places(z, ground, radius, relaxed)):
        positives = [other_view(i, len(rows)), *(j + view for j in best for view in (0, half))]
        negatives = [j for j in range(len(rows)) if j != i and j not in positives]
        total += info_nce(rows, i, positives, negatives, temperature, **fncc)
    return total / len(rows)
