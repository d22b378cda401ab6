"""FNCC, the confidence-calibrated contrastive loss: possible false negatives count as positives with a weight.

Zhang et al., "FALSE", IEEE GRSL 19, 2022, Eqs. 4-6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.methods.false_negatives import FalseNegatives, check_pairs, from_similarities, positives, similarities


@dataclass(frozen=True)
class Contrast:
    """The loss of one batch and what it saw, for curves. All are tensors without shape, on the device of the embeddings.

    Attributes:
        loss: Mean over the 2B anchors; the one to differentiate.
        benchmark_share: Share of anchors that are benchmark anchors.
        positive_similarity: Mean cosine similarity of positives.
        negative_similarity: Mean cosine similarity of negatives.
        false_negative_similarity: Mean cosine similarity of benchmark anchors to their possible false negatives; NaN
            where there is none.
    """

    loss: Tensor
    benchmark_share: Tensor
    positive_similarity: Tensor
    negative_similarity: Tensor
    false_negative_similarity: Tensor


def fncc_loss(
    embeddings: Tensor, temperature: float = 0.5, threshold: float = 0.9, confidence: float = 1.0, neighbours: int = 1
) -> Tensor:
    """Return the FNCC loss (Eq. 6) of a batch, with false negatives found by FNSD.

    In the paper the possible false negatives P(i) are taken out of the negatives, and come back weighted: alpha of them
    beside the positive (Eq. 4), 1 - alpha among the negatives (Eq. 5). The two add up to what was taken out, so the
    denominator is that of NT-Xent for every alpha, and with s the cosine similarity

        L_i = logsumexp_{j != i}(s_ij / tau) - logaddexp(s_ip / tau, log(alpha) + logsumexp_{j in P(i)}(s_ij / tau)).

    ``confidence`` 0, or no benchmark anchor, gives NT-Xent exactly.

    Args:
        embeddings: Of shape (2B, d), the first views stacked on the second views. Need not be normalised. Half precision
            is computed in float32.
        temperature: tau.
        threshold: T, see ``determine_false_negatives``.
        confidence: Confidence weight alpha, 0 to 1.
        neighbours: Possible false negatives per benchmark anchor.

    Raises:
        ValueError: An argument is out of range.
    """
    return contrast(embeddings, temperature, threshold, confidence, neighbours).loss


def contrast(
    embeddings: Tensor, temperature: float = 0.5, threshold: float = 0.9, confidence: float = 1.0, neighbours: int = 1
) -> Contrast:
    """Return the loss of ``fncc_loss`` together with what it saw."""
    check_pairs(embeddings)
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0; it is {temperature}")
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence must be from 0 to 1; it is {confidence}")
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1; it is {neighbours}")
    similarity = similarities(embeddings)
    anchors = len(similarity)
    own, positive = torch.arange(anchors, device=similarity.device), positives(anchors, similarity.device)
    with torch.no_grad():
        found = from_similarities(similarity.detach(), threshold, neighbours)
    logits = similarity / temperature
    everything = logits.masked_fill(torch.eye(anchors, dtype=torch.bool, device=logits.device), -torch.inf)
    denominator = torch.logsumexp(everything, dim=1)
    numerator = _numerator(logits, logits[own, positive], found, confidence)
    loss = (denominator - numerator).mean()
    with torch.no_grad():
        of_positive = similarity[own, positive]
        negatives = max(1, anchors * (anchors - 2))
        of_found = similarity.gather(1, found.indices)[found.benchmark]
        return Contrast(
            loss=loss,
            benchmark_share=found.benchmark.float().mean(),
            positive_similarity=of_positive.mean(),
            negative_similarity=(similarity.sum() - similarity.diagonal().sum() - of_positive.sum()) / negatives,
            false_negative_similarity=of_found.mean(),
        )


def _numerator(logits: Tensor, of_positive: Tensor, found: FalseNegatives, confidence: float) -> Tensor:
    """Return the log of Eq. 6's numerator: the positive and, for benchmark anchors, alpha times the false negatives."""
    if confidence == 0 or found.indices.shape[1] == 0:
        return of_positive
    of_false_negatives = torch.logsumexp(logits.gather(1, found.indices), dim=1) + math.log(confidence)
    # torch.where before logaddexp: -inf there would turn into NaN gradients for anchors that are no benchmark.
    together = torch.logaddexp(of_positive, torch.where(found.benchmark, of_false_negatives, of_positive))
    return torch.where(found.benchmark, together, of_positive)
