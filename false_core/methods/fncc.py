"""FNCC, the confidence-calibrated contrastive loss: possible false negatives count as positives with a weight.

Zhang et al., "FALSE", IEEE GRSL 19, 2022, Eqs. 4-6.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.methods.denominator import log_denominator
from false_core.methods.false_negatives import FalseNegatives
from false_core.methods.method import Outcome, PairMethod, pair_curves
from false_core.methods.pairs import check_pairs, directions, mean_similarities, other_views
from false_core.presets import PretrainSettings

ADAPTIVE = "adaptive"
"""Instead of one confidence weight for all: one for each pair, see ``adaptive_confidence``."""


@dataclass(frozen=True)
class Calibration:
    """How false negatives are found and how far they are trusted; see ``fncc_loss``.

    Raises:
        ValueError: An argument is out of range.
    """

    threshold: float = 0.9
    confidence: float | str = 1.0
    neighbours: int = 1

    def __post_init__(self) -> None:
        alpha = self.confidence
        if not (alpha == ADAPTIVE or (not isinstance(alpha, str) and 0 <= alpha <= 1)):
            raise ValueError(f"confidence must be from 0 to 1 or {ADAPTIVE!r}; it is {alpha!r}")
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1; it is {self.neighbours}")

    @classmethod
    def of(cls, settings: PretrainSettings) -> Calibration:
        """Return what the settings of a training say."""
        return cls(settings.threshold, settings.confidence, settings.neighbours)

    def weights(self, directions: Tensor, nearest: Tensor, means: tuple[Tensor, Tensor]) -> Tensor:
        """Return the confidence weight of each possible false negative, of shape (2B, k), without gradients.

        Args:
            directions: Unit vectors of shape (2B, d).
            nearest: The possible false negatives of each anchor, of shape (2B, k).
            means: Mean similarities of positives and of negatives.
        """
        if isinstance(self.confidence, str):
            return adaptive_confidence(agreement(directions.detach(), nearest), *means)
        return torch.full_like(nearest, self.confidence, dtype=directions.dtype)

    def curves(self, benchmark: Tensor, of_nearest: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Return what is plotted of the false negatives: of which anchors, how alike, and how far trusted."""
        return {
            "benchmark anchors": benchmark.float().mean(),
            "similarity of false negatives": _mean(of_nearest.detach(), benchmark),
            **({"confidence": _mean(weights, benchmark)} if isinstance(self.confidence, str) else {}),
        }


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
        embeddings: A tensor (2B, d), the first views stacked on the second ones. Need not be normalised. Half precision
            is computed in float32.
        temperature: tau.
        threshold: T, see ``determine_false_negatives``.
        confidence: Confidence weight alpha, 0 to 1, or ``"adaptive"``.
        neighbours: Possible false negatives per benchmark anchor.

    Raises:
        ValueError: An argument is out of range.

    Examples:
        Two patches that look alike, of which the loss takes each for a false negative of the other:

        >>> views = torch.tensor([[1.0, 0.0], [0.9, 0.1], [1.0, 0.1], [0.9, 0.2]])
        >>> loss = fncc_loss(views, temperature=0.5, threshold=0.7, confidence=0.5, neighbours=1)
        >>> bool(loss < fncc_loss(views, temperature=0.5, threshold=0.7, confidence=0.0, neighbours=1))
        True
    """
    return contrast(embeddings, temperature, Calibration(threshold, confidence, neighbours)).loss


def contrast(embeddings: Tensor, temperature: float, calibration: Calibration) -> Outcome:
    """Return the loss of ``fncc_loss`` together with what it saw."""
    check_pairs(embeddings, temperature)
    z = directions(embeddings)
    denominator, nearest = log_denominator(z, temperature, calibration.neighbours)
    of_positive = (z * other_views(z)).sum(dim=1)
    of_nearest = (z[:, None] * z[nearest]).sum(dim=2)
    found = FalseNegatives(of_positive.detach() > calibration.threshold, nearest)
    means = mean_similarities(z)
    weights = calibration.weights(z, nearest, means)
    numerator = log_numerator(of_positive / temperature, of_nearest / temperature, found.benchmark, weights)
    curves = {**pair_curves(*means), **calibration.curves(found.benchmark, of_nearest, weights)}
    return Outcome((denominator - numerator).mean(), curves, found)


def agreement(directions: Tensor, nearest: Tensor) -> Tensor:
    """Return how much the other views of two patches agree, the mean of three cosine similarities, of shape (2B, k).

    Args:
        directions: Unit vectors of shape (2B, d).
        nearest: The possible false negatives of each anchor, of shape (2B, k). Two patches have two views each, which
            makes four pairs of views; this is the mean of the three that FNSD did not look at.
    """
    other = other_views(directions)
    own_with_other = (directions[:, None] * other[nearest]).sum(dim=2)
    other_with_both = (other[:, None] * (directions + other)[nearest]).sum(dim=2)
    return (own_with_other + other_with_both) / 3


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


class FALSE(PairMethod):
    """Contrast that determines its false negatives (FNSD) and counts them as positives with a confidence weight (FNCC)."""

    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the FNCC loss of embeddings (2N, d)."""
        s = self.settings
        return contrast(embeddings, s.temperature, Calibration.of(s))


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    """Return the mean of some rows, NaN where there are none. Picking them would make the CPU wait for the device."""
    return (values * rows[:, None]).sum() / (rows.sum() * values.shape[1])


def log_numerator(of_positive: Tensor, of_nearest: Tensor, benchmark: Tensor, weights: Tensor) -> Tensor:
    """Return the log of Eq. 6's numerator: the positive and, for benchmark anchors, the weighted false negatives.

    Args:
        of_positive, of_nearest: Similarities divided by the temperature, of shapes (2B,) and (2B, k).
        benchmark: Which anchors are benchmark anchors, of shape (2B,).
        weights: Confidence weights, of shape (2B, k).
    """
    weighted = benchmark[:, None] & (weights > 0)
    counts = weighted.any(dim=1)
    # Only where something counts: -inf on both sides of logaddexp would turn into NaN gradients.
    safe = torch.where(weighted, weights, torch.ones_like(weights)).log()
    of_false_negatives = (of_nearest + safe).masked_fill(~weighted, -torch.inf)
    of_false_negatives = torch.where(counts[:, None], of_false_negatives, of_positive[:, None]).logsumexp(dim=1)
    return torch.where(counts, torch.logaddexp(of_positive, of_false_negatives), of_positive)
