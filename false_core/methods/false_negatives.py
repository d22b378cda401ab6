"""FNSD, the self-determination of false negatives: which negatives are probably positives.

Zhang et al., "FALSE: False Negative Samples Aware Contrastive Learning for Semantic Segmentation of High-Resolution Remote
Sensing Image", IEEE GRSL 19, 2022, Eqs. 1-3. The published code takes one pair in the whole batch and compares
exponentials; this follows the paper: one decision per benchmark anchor, on cosine similarities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FalseNegatives:
    """What FNSD determined for 2B anchors.

    Attributes:
        benchmark: Which anchors are benchmark anchors (Eq. 1), bool of shape (2B,).
        indices: Possible false negatives of each anchor (Eq. 2), nearest first, int64 of shape (2B, k). Meaningful
            where ``benchmark`` is true.
    """

    benchmark: Tensor
    indices: Tensor


def determine_false_negatives(embeddings: Tensor, threshold: float, neighbours: int = 1) -> FalseNegatives:
    """Find the possible false negatives of every benchmark anchor.

    An anchor is a benchmark anchor when its two views are more alike than ``threshold`` (Eq. 1, strictly). Its possible
    false negatives are the negatives whose similarity comes closest to that of its positive (Eq. 2); the lowest index wins
    a tie. The choice is a decision, not a path for gradients.

    Args:
        embeddings: Of shape (2B, d), the first views stacked on the second views. Need not be normalised.
        threshold: Similarity of positives above which an anchor is a benchmark anchor (T), cosine.
        neighbours: Possible false negatives per benchmark anchor (k; the paper's is 1). At most 2B - 2 are found.

    Raises:
        ValueError: ``embeddings`` is not of shape (2B, d) with B at least 1, or ``neighbours`` is below 1.
    """
    check_pairs(embeddings)
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1; it is {neighbours}")
    with torch.no_grad():
        return from_similarities(similarities(embeddings.detach()), threshold, neighbours)


def from_similarities(similarity: Tensor, threshold: float, neighbours: int) -> FalseNegatives:
    """Do the same from the cosine similarities of all pairs, of shape (2B, 2B)."""
    anchors = len(similarity)
    own = torch.arange(anchors, device=similarity.device)
    positive = positives(anchors, similarity.device)
    of_positive = similarity[own, positive]
    distance = (similarity - of_positive[:, None]).abs()
    distance[own, own] = distance[own, positive] = torch.inf
    if neighbours == 1:
        # Where there is no negative at all (B = 1) there is nothing to find either.
        nearest = distance.argmin(dim=1, keepdim=True)[:, : max(0, anchors - 2)]
    else:
        # A stable sort, as topk promises nothing about ties.
        nearest = distance.sort(dim=1, stable=True).indices[:, : min(neighbours, anchors - 2)]
    return FalseNegatives(of_positive > threshold, nearest)


def similarities(embeddings: Tensor) -> Tensor:
    """Return the cosine similarities of all pairs in float32 or better, of shape (2B, 2B)."""
    precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    normalised = torch.nn.functional.normalize(precise, dim=1)
    # Outside autocast, which would round the products to half precision.
    with torch.autocast(embeddings.device.type, enabled=False):
        return normalised @ normalised.T


def mean_similarities(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean similarity of positives and that of negatives (0 where there are none), without gradients.

    Args:
        similarity: Cosine similarities of all pairs, of shape (2B, 2B).
    """
    with torch.no_grad():
        anchors = len(similarity)
        of_positive = similarity.gather(1, positives(anchors, similarity.device)[:, None]).sum()
        of_negative = similarity.sum() - similarity.diagonal().sum() - of_positive
        return of_positive / anchors, of_negative / max(1, anchors * (anchors - 2))


def positives(anchors: int, device: torch.device) -> Tensor:
    """Return the index of each anchor's other view, of shape (2B,)."""
    return torch.arange(anchors, device=device).roll(anchors // 2)


def check_pairs(embeddings: Tensor) -> None:
    """Raise ValueError unless ``embeddings`` can be two stacked views."""
    if embeddings.ndim != 2 or len(embeddings) < 2 or len(embeddings) % 2:
        raise ValueError(
            f"embeddings must have shape (2B, d), first views stacked on second views; it is {tuple(embeddings.shape)}"
        )
