"""Contrast in which a method chooses what the others are to an anchor: further positives, negatives, or neither.

NT-Xent takes the other view for the positive and all others for negatives. With every other one a negative and no further
positive, ``contrast_chosen`` gives NT-Xent exactly, and with a calibration FNCC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from false_core.computing.distributed import ALONE, World
from false_core.methods.calibration import Calibration, log_numerator
from false_core.methods.false_negatives import FalseNegatives
from false_core.methods.method import Outcome, pair_curves
from false_core.methods.pairs import (
    Others,
    blocks,
    check_pairs,
    directions,
    every_other,
    mean_similarities,
    of_own_place,
    other_views,
    positives,
    similarities,
)
from false_core.methods.shared_anchors import everywhere, of_all, sums_of_all

IGNORED_LOGIT = -1e9
"""The logit of what does not count. Its exponential is 0, and other than that of -inf its gradient is no NaN."""


@dataclass(frozen=True)
class Relatives:
    """Further positives of 2B anchors.

    Attributes:
        indices: A tensor of shape (2B, k).
        counts: Mask of those that are positives, bool of shape (2B, k).
    """

    indices: Tensor
    counts: Tensor


def contrast_chosen(
    embeddings: Tensor,
    temperature: float,
    negatives: Others,
    relatives: Relatives | None = None,
    calibration: Calibration | None = None,
    candidates: Others = every_other,
    world: World = ALONE,
) -> Outcome:
    """Return the mean over the anchors i, and of each the mean over its positives p, of

        -log( (e_ip + S_EP) / (e_ip + sum over N(i) of e_ij) ),  with e_ij = exp(s_ij / tau) and s the cosine similarity.

    S_EP is 0 without a calibration. With one it is that of FNCC (Eq. 4 of FALSE), and FNSD looks for false negatives among
    the candidates in N(i): the false negatives of a benchmark anchor, times the confidence weight.

    Args:
        embeddings: A tensor (2B, d), the first views stacked on the second ones. Need not be normalised. Half precision
            is computed in float32.
        temperature: tau.
        negatives: N(i).
        relatives: Positives beside the other view. They should not be negatives too.
        calibration: Settings by which FNSD finds false negatives and FNCC weighs them; None: not at all.
        candidates: Function that tells the negatives which may be false ones.
        world: The processes that all have these embeddings, negatives and relatives and compare a share of the anchors each.

    Raises:
        ValueError: An argument is out of range.
    """
    check_pairs(embeddings, temperature)
    z = everywhere(directions(embeddings), world)  # (2B, d)
    anchors, own = len(z), world.share.of(len(z))
    # The positives of the own anchors: the other view, then the relatives. (rows, 1 + k)
    chosen = positives(anchors, z.device)[own, None]
    counts = torch.ones_like(chosen, dtype=torch.bool)
    if relatives is not None:
        chosen = torch.cat([chosen, relatives.indices[own]], dim=1)
        counts = torch.cat([counts, relatives.counts[own]], dim=1)
    scan = _scan(z, own, temperature, negatives, candidates, calibration)
    of_chosen = (z[own, None] * z[chosen]).sum(dim=2)
    logits = of_chosen / temperature  # (rows, 1 + k)
    means = mean_similarities(z)
    (share,) = sums_of_all([scan.share.sum()], world)
    curves, numerator = {**pair_curves(*means), "negatives": share / anchors}, logits
    denominator = torch.logaddexp(logits, scan.log_negatives[:, None])  # (rows, 1 + k)
    found: FalseNegatives | None = None
    if calibration:
        of_positive = of_chosen[:, 0].detach()
        numerator, more, found = _calibrated(calibration, z, logits, of_positive, temperature, scan, means, world)
        curves |= more
    losses = ((denominator - numerator) * counts).sum(dim=1) / counts.sum(dim=1)  # (rows,)
    return Outcome(of_all(losses, anchors, world).mean(), curves, found)


def _calibrated(
    calibration: Calibration,
    z: Tensor,
    logits: Tensor,
    of_positive: Tensor,
    temperature: float,
    scan: _Scan,
    means: tuple[Tensor, Tensor],
    world: World,
) -> tuple[Tensor, dict[str, Tensor], FalseNegatives]:
    """Return log(e_ip + S_EP) of some anchors and their positives, curves, and the false negatives of all anchors.

    Args:
        calibration: Settings by which false negatives are found and weighed.
        z: Unit vectors of shape (2B, d).
        logits: Similarities of the own anchors with their positives, divided by the temperature, of shape (rows, positives).
        of_positive: Their similarities with their other views, of shape (rows,), without gradients.
        temperature: tau.
        scan: Result of the pass over the similarities of these anchors.
        means: Mean similarities of positives and of negatives.
        world: The processes, each of which has other anchors.
    """
    anchors, own = len(z), world.share.of(len(z))
    of_nearest = scan.of_nearest.detach()  # (rows, k)
    # Benchmark anchors are chosen among all, so that each process needs to know how sure those of the others are.
    surest = world.all_gather_rows(calibration.search.certainty(of_positive, of_nearest, scan.there), anchors)  # (2B,)
    benchmark = calibration.search.benchmarks(surest)[own]  # (rows,)
    weights = calibration.weights(z, scan.nearest, means, own) * scan.there  # (rows, k)
    of_false_negatives = scan.of_nearest / temperature
    columns = [log_numerator(column, of_false_negatives, benchmark, weights) for column in logits.unbind(dim=1)]
    curves = calibration.curves(FalseNegatives(benchmark, scan.nearest, scan.there), of_nearest, weights, world)
    of_all_anchors = (world.all_gather_rows(of_own, anchors) for of_own in (benchmark, scan.nearest, scan.there))
    return torch.stack(columns, dim=1), curves, FalseNegatives(*of_all_anchors)


class _Scan(NamedTuple):
    """The result of one pass over the similarities of some anchors.

    Attributes:
        log_negatives: The log of the sum over N(i) of exp(s_ij / tau), (rows,); ``IGNORED_LOGIT`` where there is none.
        share: Share of the others that is in N(i), (rows,).
        of_nearest: The similarities of the possible false negatives, (rows, k).
        nearest: Their indices, of the same shape.
        there: Mask of those that there are.
    """

    log_negatives: Tensor
    share: Tensor
    of_nearest: Tensor
    nearest: Tensor
    there: Tensor


def _scan(
    z: Tensor, own: slice, temperature: float, negatives: Others, candidates: Others, calibration: Calibration | None
) -> _Scan:
    of_positive = (z * other_views(z)).sum(dim=1).detach()

    def look(z: Tensor, start: int, stop: int) -> tuple[Tensor, ...]:
        rows = slice(start, stop)
        similarity = similarities(z, rows)
        plain = similarity.detach()
        counts = negatives(plain, rows) & ~of_own_place(plain, rows)
        if calibration:
            may_be_false = counts & candidates(plain, rows)
            nearest, there = calibration.search.among(plain, of_positive[rows], may_be_false)
        else:
            nearest = torch.zeros(len(plain), 0, dtype=torch.long, device=z.device)
            there = nearest.bool()
        share = counts.sum(dim=1) / max(1, len(z) - 2)
        log_negatives = (similarity / temperature).masked_fill(~counts, IGNORED_LOGIT).logsumexp(dim=1)
        return log_negatives, share, similarity.gather(1, nearest), nearest, there

    # Made anew for the backward pass instead of kept, so that memory is linear in the batch.
    parts = [
        checkpoint(look, z, rows.start, rows.stop, use_reentrant=False, preserve_rng_state=False)
        for rows in blocks(len(z), own)
    ]
    return _Scan(*(torch.cat(column) for column in zip(*parts)))
