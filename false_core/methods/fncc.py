"""FNCC, the confidence-calibrated contrastive loss: possible false negatives count as positives with a weight.

Zhang et al., "FALSE", IEEE GRSL 19, 2022, Eqs. 4-6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from false_core.methods.false_negatives import (
    FalseNegatives,
    check_pairs,
    from_similarities,
    mean_similarities,
    positives,
    similarities,
)
from false_core.methods.method import Outcome, PairMethod, pair_curves

ADAPTIVE = "adaptive"
"""Instead of one confidence weight for all: one for each pair, see ``adaptive_confidence``."""


def fncc_loss(
    embeddings: Tensor,
    temperature: float = 0.5,
    threshold: float = 0.9,
    confidence: float | str = 1.0,
    neighbours: int = 1,
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
        confidence: Confidence weight alpha, 0 to 1, or ``"adaptive"``.
        neighbours: Possible false negatives per benchmark anchor.

    Raises:
        ValueError: An argument is out of range.
    """
    return contrast(embeddings, temperature, threshold, confidence, neighbours).loss


def contrast(
    embeddings: Tensor,
    temperature: float = 0.5,
    threshold: float = 0.9,
    confidence: float | str = 1.0,
    neighbours: int = 1,
) -> Outcome:
    """Return the loss of ``fncc_loss`` together with what it saw."""
    check_pairs(embeddings)
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0; it is {temperature}")
    if not (confidence == ADAPTIVE or (not isinstance(confidence, str) and 0 <= confidence <= 1)):
        raise ValueError(f"confidence must be from 0 to 1 or {ADAPTIVE!r}; it is {confidence!r}")
    if neighbours < 1:
        raise ValueError(f"neighbours must be at least 1; it is {neighbours}")
    similarity = similarities(embeddings)
    fixed = similarity.detach()
    of_positive, of_negative = mean_similarities(fixed)
    found = from_similarities(fixed, threshold, neighbours)
    if isinstance(confidence, str):
        weights = adaptive_confidence(fixed, found, of_positive, of_negative)
    else:
        weights = torch.full_like(found.indices, confidence, dtype=fixed.dtype)
    curves = {
        "benchmark anchors": found.benchmark.float().mean(),
        **pair_curves(of_positive, of_negative),
        "similarity of false negatives": _mean(fixed.gather(1, found.indices), found.benchmark),
        **({"confidence": _mean(weights, found.benchmark)} if isinstance(confidence, str) else {}),
    }
    return Outcome(_loss(similarity / temperature, found, weights), curves, found)


def adaptive_confidence(similarity: Tensor, found: FalseNegatives, of_positive: Tensor, of_negative: Tensor) -> Tensor:
    """Return a confidence weight from 0 to 1 for each possible false negative, of shape (2B, k).

    This goes beyond the paper, which names a weight that adapts as future work. Two patches i and j have two views each,
    which makes four pairs of views. FNSD looks at one of them; chance may have made that one alike. The weight is where
    the mean of the other three lies between the mean similarity of negatives (0) and that of positives (1), times how far
    those two means lie apart, as an encoder that cannot tell positives from negatives cannot be trusted with this either.

    Args:
        similarity: Cosine similarities of all pairs, of shape (2B, 2B), without gradients.
        found: What FNSD determined on them.
        of_positive, of_negative: Mean similarities of positives and of negatives, without shape.
    """
    anchors = len(similarity)
    other = positives(anchors, similarity.device)
    i, j = torch.arange(anchors, device=similarity.device)[:, None], found.indices
    agreement = (similarity[i, other[j]] + similarity[other[i], j] + similarity[other[i], other[j]]) / 3
    apart = of_positive - of_negative
    weights: Tensor = ((agreement - of_negative) / apart.clamp(min=1e-6)).clamp(0, 1) * apart.clamp(0, 1)
    return weights


class FALSE(PairMethod):
    """Contrast that determines its false negatives (FNSD) and counts them as positives with a confidence weight (FNCC)."""

    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the FNCC loss of embeddings (2N, d)."""
        s = self.settings
        return contrast(embeddings, s.temperature, s.threshold, s.confidence, s.neighbours)


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    """Return the mean of some rows, NaN where there are none. Picking them would make the CPU wait for the device."""
    return (values * rows[:, None]).sum() / (rows.sum() * values.shape[1])


def _loss(logits: Tensor, found: FalseNegatives, weights: Tensor) -> Tensor:
    """Return the mean over all anchors of Eq. 6, from similarities divided by the temperature."""
    of_positive = logits.gather(1, positives(len(logits), logits.device)[:, None])[:, 0]
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    denominator = torch.logsumexp(logits.masked_fill(itself, -torch.inf), dim=1)
    return (denominator - _numerator(logits, of_positive, found, weights)).mean()


def _numerator(logits: Tensor, of_positive: Tensor, found: FalseNegatives, weights: Tensor) -> Tensor:
    """Return the log of Eq. 6's numerator: the positive and, for benchmark anchors, the weighted false negatives."""
    weighted = found.benchmark[:, None] & (weights > 0)
    counts = weighted.any(dim=1)
    # Only where something counts: -inf on both sides of logaddexp would turn into NaN gradients.
    safe = torch.where(weighted, weights, torch.ones_like(weights)).log()
    of_false_negatives = (logits.gather(1, found.indices) + safe).masked_fill(~weighted, -torch.inf)
    of_false_negatives = torch.where(counts[:, None], of_false_negatives, of_positive[:, None]).logsumexp(dim=1)
    return torch.where(counts, torch.logaddexp(of_positive, of_false_negatives), of_positive)
