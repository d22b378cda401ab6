"""FNSD, the self-determination of false negatives: which negatives are probably positives.

Zhang et al., "FALSE: False Negative Samples Aware Contrastive Learning for Semantic Segmentation of High-Resolution Remote
Sensing Image", IEEE GRSL 19, 2022, Eqs. 1-3. The published code takes one pair in the whole batch and compares
exponentials; this follows the paper: one decision per benchmark anchor, on cosine similarities.

The defaults of ``Search`` are the paper's. Its other values go beyond it, for batches of thousands of places, among which
one false negative hardly counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.methods.pairs import (
    Others,
    blocks,
    check_pairs,
    directions,
    every_other,
    of_own_place,
    other_views,
    similarities,
)

POSITIVE, ANCHOR, FOUND = "positive", "anchor", "found"
"""The references that similarities are compared with or gone by: the positive, the anchor itself, and what was found."""

ROUNDING = 32
"""Units of the last place by which two similarities may differ that are the same."""


@dataclass(frozen=True)
class Search:
    """The search for false negatives.

    Attributes:
        threshold: Similarity of positives above which an anchor is a benchmark anchor (T), cosine.
        neighbours: Possible false negatives per benchmark anchor: their number (k; the paper's is 1), or below 1 a share of
            the 2B - 2 negatives. At least one, at most all are found.
        benchmark: Share of the anchors that are benchmark anchors, the surest ones, whatever ``threshold`` is; 0: those
            above the threshold.
        surest_by: Rule for the surest anchors: those whose positives are most similar (``POSITIVE``), or those whose
            possible false negatives are, on average (``FOUND``).
        closest_to: ``POSITIVE``: a false negative is as similar to the anchor as its positive is (Eq. 2). ``ANCHOR``: it is
            as similar as can be.

    Raises:
        ValueError: An argument is out of range.
    """

    threshold: float = 0.9
    neighbours: float = 1
    benchmark: float = 0.0
    closest_to: str = POSITIVE
    surest_by: str = POSITIVE

    def __post_init__(self) -> None:
        if self.neighbours <= 0 or (self.neighbours > 1 and self.neighbours % 1):
            raise ValueError(f"neighbours must be a whole number of at least 1 or a share below 1; it is {self.neighbours}")
        if not 0 <= self.benchmark <= 1:
            raise ValueError(f"benchmark must be from 0 to 1; it is {self.benchmark}")
        if self.closest_to not in (POSITIVE, ANCHOR):
            raise ValueError(f"closest_to must be {POSITIVE!r} or {ANCHOR!r}; it is {self.closest_to!r}")
        if self.surest_by not in (POSITIVE, FOUND):
            raise ValueError(f"surest_by must be {POSITIVE!r} or {FOUND!r}; it is {self.surest_by!r}")

    @property
    def is_published(self) -> bool:
        """Return whether this is what the paper does, for whatever T and k."""
        return self.neighbours >= 1 and not self.benchmark and self.closest_to == POSITIVE

    def number(self, anchors: int) -> int:
        """Return how many possible false negatives each of ``anchors`` (2B) takes."""
        negatives = anchors - 2
        wanted = max(1, round(self.neighbours * negatives)) if self.neighbours < 1 else int(self.neighbours)
        return min(wanted, negatives)

    def certainty(self, of_positive: Tensor, of_found: Tensor, there: Tensor) -> Tensor:
        """Return what some anchors are chosen by, of shape (rows,); -inf for one that found nothing.

        Args:
            of_positive: Their similarities with their positives, of shape (rows,), without gradients.
            of_found: Similarities with their possible false negatives, of shape (rows, k), without gradients.
            there: Mask of those that there are.
        """
        sure = of_positive
        if self.benchmark and self.surest_by == FOUND:
            sure = (of_found * there).sum(dim=1) / there.sum(dim=1)
        return sure.masked_fill(~there.any(dim=1), -torch.inf)

    def benchmarks(self, certainty: Tensor) -> Tensor:
        """Return which anchors are benchmark anchors, of the certainty of all of them, of shape (2B,)."""
        if not self.benchmark:
            return certainty > self.threshold
        least = certainty.topk(max(1, round(self.benchmark * len(certainty)))).values[-1]
        # Anchors that found one another are as sure as each other, up to the rounding of matrix products, which differs
        # between one process and several.
        tie = ROUNDING * torch.finfo(certainty.dtype).eps
        return (certainty >= least - tie) & (certainty > -torch.inf)

    def among(self, similarity: Tensor, of_positive: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the possible false negatives of a block of anchors among some of the others.

        Args:
            similarity: The similarity of these anchors with all 2B, of shape (rows, 2B), without gradients.
            of_positive: Similarity of these anchors to their positives, of shape (rows,).
            chosen: Mask of the others that may be false negatives, of the shape of ``similarity``.

        Returns:
            Indices of shape (rows, k), nearest first, the lowest index of equals, and which of them are some.
        """
        distance = -similarity if self.closest_to == ANCHOR else (similarity - of_positive[:, None]).abs_()
        distance.masked_fill_(~chosen, torch.inf)
        nearest = lowest(distance, self.number(similarity.shape[1]))
        return nearest, distance.gather(1, nearest).isfinite()


PUBLISHED_SEARCH = Search()
"""The search of the paper."""


@dataclass(frozen=True)
class FalseNegatives:
    """The false negatives that FNSD determined for 2B anchors.

    Attributes:
        benchmark: Mask of the benchmark anchors (Eq. 1), bool of shape (2B,).
        indices: Possible false negatives of each anchor (Eq. 2), nearest first, int64 of shape (2B, k). Meaningful
            where ``benchmark`` is true.
        counts: Mask of those that are false negatives, bool of the same shape, where there may be fewer than k; None: all
            are.
    """

    benchmark: Tensor
    indices: Tensor
    counts: Tensor | None = None

    def pairs(self) -> Tensor:
        """Return which of ``indices`` are false negatives of a benchmark anchor, bool of the same shape."""
        of_benchmark = self.benchmark[:, None].expand(self.indices.shape)
        return of_benchmark if self.counts is None else of_benchmark & self.counts


def determine_false_negatives(
    embeddings: Tensor, search: Search = PUBLISHED_SEARCH, candidates: Others = every_other
) -> FalseNegatives:
    """Find the possible false negatives of every benchmark anchor.

    An anchor is a benchmark anchor when its two views are more alike than a threshold (Eq. 1, strictly). Its possible
    false negatives are the negatives whose similarity comes closest to that of its positive (Eq. 2); the lowest index wins
    a tie. The choice is a decision, not a path for gradients.

    Args:
        embeddings: A tensor of shape (2B, d), the first views stacked on the second views. Need not be normalised.
        search: Settings of the search.
        candidates: Function that tells the negatives among which it looks.

    Raises:
        ValueError: ``embeddings`` is not of shape (2B, d) with B at least 1.
    """
    check_pairs(embeddings)
    with torch.no_grad():
        z = directions(embeddings)
        of_positive = (z * other_views(z)).sum(dim=1)
        found = []
        for rows in blocks(len(z)):
            similarity = similarities(z, rows)
            chosen = candidates(similarity, rows) & ~of_own_place(similarity, rows)
            nearest, there = search.among(similarity, of_positive[rows], chosen)
            found.append((nearest, there, similarity.gather(1, nearest)))
        indices, counts, of_found = (torch.cat(column) for column in zip(*found))
        return FalseNegatives(search.benchmarks(search.certainty(of_positive, of_found, counts)), indices, counts)


def lowest(values: Tensor, number: int) -> Tensor:
    """Return where the lowest ``number`` values of each row are, lowest first, and of equals the first ones first."""
    if number <= 1:
        return values.argmin(dim=1, keepdim=True)[:, :number]
    # topk promises nothing about ties, and a stable sort of whole rows takes many times as long.
    last = values.topk(number, dim=1, largest=False).values[:, -1:]
    below, equal = values < last, values == last
    taken = below | (equal & (equal.cumsum(dim=1) <= number - below.sum(dim=1, keepdim=True)))
    found = taken.nonzero()[:, 1].view(len(values), number)
    return found.gather(1, values.gather(1, found).sort(dim=1, stable=True).indices)
