"""FNCC's calibration: how false negatives are found, and how far they are trusted as positives.

Zhang et al., "FALSE", IEEE GRSL 19, 2022, Eqs. 4-6.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.computing.distributed import ALONE, World
from false_core.jobs import ADAPTIVE
from false_core.methods import pairs
from false_core.methods.false_negatives import PUBLISHED_SEARCH, FalseNegatives, Search
from false_core.methods.pairs import other_views
from false_core.methods.shared_anchors import sums_of_all
from false_core.presets import PretrainSettings


@dataclass(frozen=True)
class Calibration:
    """The settings by which false negatives are found and trusted; see ``fncc.fncc_loss``.

    Attributes:
        search: The way in which FNSD looks for them.
        confidence: Confidence weight alpha, 0 to 1, or ``ADAPTIVE``.

    Raises:
        ValueError: An argument is out of range.
    """

    search: Search = PUBLISHED_SEARCH
    confidence: float | str = 1.0

    def __post_init__(self) -> None:
        alpha = self.confidence
        if not (alpha == ADAPTIVE or (not isinstance(alpha, str) and 0 <= alpha <= 1)):
            raise ValueError(f"confidence must be from 0 to 1 or {ADAPTIVE!r}; it is {alpha!r}")

    @classmethod
    def of(cls, settings: PretrainSettings) -> Calibration:
        """Return what the settings of a training say."""
        s = settings
        return cls(Search(s.threshold, s.neighbours, s.benchmark, s.closest_to, s.surest_by), s.confidence)

    def weights(self, directions: Tensor, nearest: Tensor, means: tuple[Tensor, Tensor], own: slice = slice(None)) -> Tensor:
        """Return the confidence weight of each possible false negative, of shape (rows, k), without gradients.

        Args:
            directions: Unit vectors of shape (2B, d).
            nearest: The possible false negatives of some anchors, of shape (rows, k).
            means: Mean similarities of positives and of negatives.
            own: Indices of these anchors.
        """
        if isinstance(self.confidence, str):
            return adaptive_confidence(agreement(directions.detach(), nearest, own), *means)
        return torch.full_like(nearest, self.confidence, dtype=directions.dtype)

    def curves(self, found: FalseNegatives, of_nearest: Tensor, weights: Tensor, world: World = ALONE) -> dict[str, Tensor]:
        """Return what is plotted of the false negatives: of which anchors, how alike, and how far trusted.

        Args:
            found: False negatives that were found for some anchors; each of the processes has others.
            of_nearest, weights: Their similarities and confidence weights.
            world: The processes.
        """
        of_pairs = found.pairs()
        # Sums over pairs, NaN where there are none. Picking them would make the CPU wait for the device.
        sums = [(of_nearest * of_pairs).sum(), (weights * of_pairs).sum()]
        counts = [found.benchmark.sum(), found.benchmark.numel() + weights.new_zeros(()), of_pairs.sum()]
        alike, trusted, benchmarks, anchors, pairs_found = sums_of_all([*sums, *counts], world)
        return {
            "benchmark anchors": benchmarks.float() / anchors,
            "similarity of false negatives": alike / pairs_found,
            **({"confidence": trusted / pairs_found} if isinstance(self.confidence, str) else {}),
        }


def log_numerator(of_positive: Tensor, of_nearest: Tensor, benchmark: Tensor, weights: Tensor) -> Tensor:
    """Return the log of Eq. 6's numerator: the positive and, for benchmark anchors, the weighted false negatives.

    Args:
        of_positive, of_nearest: Similarities divided by the temperature, of shapes (2B,) and (2B, k).
        benchmark: Mask of the benchmark anchors, of shape (2B,).
        weights: Confidence weights, of shape (2B, k).
    """
    weighted = benchmark[:, None] & (weights > 0)
    counts = weighted.any(dim=1)
    # Only where something counts: -inf on both sides of logaddexp would turn into NaN gradients.
    safe = torch.where(weighted, weights, torch.ones_like(weights)).log()
    of_false_negatives = (of_nearest + safe).masked_fill(~weighted, -torch.inf)
    of_false_negatives = torch.where(counts[:, None], of_false_negatives, of_positive[:, None]).logsumexp(dim=1)
    return torch.where(counts, torch.logaddexp(of_positive, of_false_negatives), of_positive)


def agreement(directions: Tensor, nearest: Tensor, own: slice = slice(None)) -> Tensor:
    """Return how much the other views of two patches agree, the mean of three cosine similarities, of shape (rows, k).

    Args:
        directions: Unit vectors of shape (2B, d).
        nearest: The possible false negatives of some anchors, of shape (rows, k). Two patches have two views each, which
            makes four pairs of views; this is the mean of the three that FNSD did not look at.
        own: Indices of these anchors.
    """
    other = other_views(directions)
    mine, mine_other = directions[own], other[own]
    parts = []
    # As many at a time as there are similarities at a time: all would be k vectors for each anchor.
    rows = max(1, pairs.SIMILARITIES_AT_A_TIME // max(1, nearest.shape[1] * directions.shape[1]))
    for start in range(0, max(1, len(nearest)), rows):
        block = slice(start, start + rows)
        own_with_other = (mine[block, None] * other[nearest[block]]).sum(dim=2)
        other_with_both = (mine_other[block, None] * (directions + other)[nearest[block]]).sum(dim=2)
        parts.append((own_with_other + other_with_both) / 3)
    return torch.cat(parts)


def adaptive_confidence(agreement: Tensor, of_positive: Tensor, of_negative: Tensor) -> Tensor:
    """Return a confidence weight from 0 to 1 for each possible false negative, of shape (2B, k).

    This goes beyond the paper, which names a weight that adapts as future work. FNSD looks at one of the four pairs of
    views of two patches; chance may have made that one alike. The weight is where the agreement of the other three lies
    between the mean similarity of negatives (0) and that of positives (1), times how far those two means lie apart, as an
    encoder that cannot tell positives from negatives cannot be trusted with this either.

    Args:
        of_positive, of_negative: Mean similarities of positives and of negatives, without shape.
    """
    apart = of_positive - of_negative
    weights: Tensor = ((agreement - of_negative) / apart.clamp(min=1e-6)).clamp(0, 1) * apart.clamp(0, 1)
    return weights
