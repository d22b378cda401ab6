"""Contrast in which a method chooses what the others are to an anchor: further positives, negatives, or neither.

NT-Xent takes the other view for the positive and all others for negatives. With every other one a negative and no further
positive, ``contrast_chosen`` gives NT-Xent exactly, and with a calibration FNCC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from false_core.methods.false_negatives import FalseNegatives
from false_core.methods.fncc import Calibration, log_numerator
from false_core.methods.method import Outcome, pair_curves
from false_core.methods.pairs import (
    blocks,
    check_pairs,
    directions,
    mean_similarities,
    other_views,
    positives,
    similarities,
)

IGNORED_LOGIT = -1e9
"""The logit of what does not count. Its exponential is 0, and other than that of -inf its gradient is no NaN."""

Negatives = Callable[[Tensor, slice], Tensor]
"""Says which of all 2B are negatives of a block of anchors: takes their similarities (rows, 2B), which have no gradients,
and which anchors they are, and returns a mask of the same shape. Anchors themselves and their other views never count."""


@dataclass(frozen=True)
class Relatives:
    """Further positives of 2B anchors.

    Attributes:
        indices: A tensor of shape (2B, k).
        counts: Which of them are some, bool of shape (2B, k).
    """

    indices: Tensor
    counts: Tensor


def contrast_chosen(
    embeddings: Tensor,
    temperature: float,
    negatives: Negatives,
    relatives: Relatives | None = None,
    calibration: Calibration | None = None,
    positive_among_negatives: bool = True,
) -> Outcome:
    """Return the mean over the anchors i, and of each the mean over its positives p, of

        -log( (e_ip + S_EP) / (e_ip + sum over N(i) of e_ij) ),  with e_ij = exp(s_ij / tau) and s the cosine similarity.

    S_EP is 0 without a calibration. With one it is that of FNCC (Eq. 4 of FALSE), and FNSD looks for false negatives among
    N(i): the false negatives of a benchmark anchor, times the confidence weight.

    Args:
        embeddings: A tensor (2B, d), the first views stacked on the second ones. Need not be normalised. Half precision
            is computed in float32.
        temperature: tau.
        negatives: N(i).
        relatives: Positives beside the other view. They should not be negatives too.
        calibration: How FNSD finds false negatives and how FNCC weighs them; None: not at all.
        positive_among_negatives: Whether e_ip is in the denominator. Without it an anchor that has no negative adds nothing.

    Raises:
        ValueError: An argument is out of range.
    """
    check_pairs(embeddings, temperature)
    z = directions(embeddings)
    own = positives(len(z), z.device)[:, None]
    chosen, counts = own, torch.ones_like(own, dtype=torch.bool)
    if relatives is not None:
        chosen, counts = torch.cat([own, relatives.indices], dim=1), torch.cat([counts, relatives.counts], dim=1)
    log_negatives, share, nearest, there = _scan(z, temperature, negatives, calibration.neighbours if calibration else 0)
    of_chosen = (z[:, None] * z[chosen]).sum(dim=2)
    logits = of_chosen / temperature
    means = mean_similarities(z)
    curves, numerator = {**pair_curves(*means), "negatives": share.mean()}, logits
    found: FalseNegatives | None = None
    if calibration:
        of_nearest = (z[:, None] * z[nearest]).sum(dim=2)
        benchmark = (of_chosen[:, 0].detach() > calibration.threshold) & there.any(dim=1)
        weights = calibration.weights(z, nearest, means) * there
        of_false_negatives = of_nearest / temperature
        numerator = torch.stack(
            [log_numerator(column, of_false_negatives, benchmark, weights) for column in logits.unbind(dim=1)], dim=1
        )
        found = FalseNegatives(benchmark, nearest)
        curves |= calibration.curves(benchmark, of_nearest, weights)
    if positive_among_negatives:
        denominator = torch.logaddexp(logits, log_negatives[:, None])
    else:
        denominator = torch.where(log_negatives[:, None] > IGNORED_LOGIT / 2, log_negatives[:, None], numerator)
    losses = ((denominator - numerator) * counts).sum(dim=1) / counts.sum(dim=1)
    return Outcome(losses.mean(), curves, found)


def every_other(similarity: Tensor, rows: slice) -> Tensor:
    """Take all others for negatives, as NT-Xent does."""
    return torch.ones_like(similarity, dtype=torch.bool)


def _scan(z: Tensor, temperature: float, negatives: Negatives, neighbours: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the log of the sum over N(i) of exp(s_ij / tau), (2B,), ``IGNORED_LOGIT`` where there is none; which share of
    the others is in N(i), (2B,); the possible false negatives among N(i), (2B, k); and which of those there are."""
    of_positive = (z * other_views(z)).sum(dim=1).detach()

    def look(z: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = slice(start, stop)
        similarity = similarities(z, rows)
        plain = similarity.detach()
        counts = negatives(plain, rows) & ~_of_own_place(plain, rows)
        nearest, there = _nearest(plain, of_positive[rows], counts, neighbours)
        share = counts.sum(dim=1) / max(1, len(z) - 2)
        return (similarity / temperature).masked_fill(~counts, IGNORED_LOGIT).logsumexp(dim=1), share, nearest, there

    # Made anew for the backward pass instead of kept, so that memory is linear in the batch.
    parts = [checkpoint(look, z, b.start, b.stop, use_reentrant=False, preserve_rng_state=False) for b in blocks(len(z))]
    sums, share, nearest, there = (torch.cat(column) for column in zip(*parts))
    return sums, share, nearest, there


def _of_own_place(similarity: Tensor, rows: slice) -> Tensor:
    """Return which of the others are the anchors themselves or their other views, as a mask."""
    mask = torch.zeros_like(similarity, dtype=torch.bool)
    block = torch.arange(len(similarity), device=similarity.device)
    mask[block, block + rows.start] = True
    mask[block, positives(similarity.shape[1], similarity.device)[rows]] = True
    return mask


def _nearest(similarity: Tensor, of_positive: Tensor, counts: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Return what ``false_negatives.nearest_to_positive`` does, but among those that count, and which of them do."""
    distance = (similarity - of_positive[:, None]).abs().masked_fill(~counts, torch.inf)
    kept = min(neighbours, similarity.shape[1] - 2)
    if kept == 1:
        nearest = distance.argmin(dim=1, keepdim=True)
    else:
        # A stable sort, as topk promises nothing about ties.
        nearest = (
            distance.sort(dim=1, stable=True).indices[:, :kept] if kept else distance.new_zeros(len(distance), 0).long()
        )
    return nearest, distance.gather(1, nearest).isfinite()
