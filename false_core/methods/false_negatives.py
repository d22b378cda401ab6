"""FNSD, the self-determination of false negatives: which negatives are probably positives.

Zhang et al., "FALSE: False Negative Samples Aware Contrastive Learning for Semantic Segmentation of High-Resolution Remote
Sensing Image", IEEE GRSL 19, 2022, Eqs. 1-3. The published code takes one pair in the whole batch and compares
exponentials; this follows the paper: one decision per benchmark anchor, on cosine similarities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.methods.pairs import blocks, check_pairs, directions, other_views, positives


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
        embeddings: A tensor of shape (2B, d), the first views stacked on the second views. Need not be normalised.
        threshold: Similarity of positives above which an anchor is a benchmark anchor (T), cosine.
        neighbours: Possible false negatives per benchmark anchor (k; the paper's is 1). At most 2B - 2 are found.

    Raises:
        ValueError: ``embeddings`` is not of shape (2B, d) with B at least 1, or ``neighbours`` is below 1.
    """
    check_pairs(embeddings)
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1; it is {neighbours}")
    # Outside autocast, which would round the products to half precision.
    with torch.no_grad(), torch.autocast(embeddings.device.type, enabled=False):
        z = directions(embeddings)
        of_positive = (z * other_views(z)).sum(dim=1)
        nearest = [nearest_to_positive(z[rows] @ z.T, of_positive, rows, neighbours) for rows in blocks(len(z))]
        return FalseNegatives(of_positive > threshold, torch.cat(nearest))


def nearest_to_positive(similarity: Tensor, of_positive: Tensor, rows: slice, neighbours: int) -> Tensor:
    """Return the possible false negatives (Eq. 2) of a block of anchors, nearest first, of shape (rows, k).

    Args:
        similarity: The similarity of the anchors ``rows`` with all 2B, of shape (rows, 2B).
        of_positive: Similarity of each of the 2B anchors with its positive.
        rows: Which anchors.
        neighbours: k.
    """
    anchors = len(of_positive)
    block = torch.arange(len(similarity), device=similarity.device)
    distance = (similarity - of_positive[rows, None]).abs_()
    distance[block, block + rows.start] = torch.inf
    distance[block, positives(anchors, similarity.device)[rows]] = torch.inf
    if neighbours == 1:
        # Where there is no negative at all (B = 1) there is nothing to find either.
        return distance.argmin(dim=1, keepdim=True)[:, : max(0, anchors - 2)]
    # A stable sort, as topk promises nothing about ties.
    return distance.sort(dim=1, stable=True).indices[:, : min(neighbours, anchors - 2)]
