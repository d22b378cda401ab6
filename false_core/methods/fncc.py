"""FNCC, the confidence-calibrated contrastive loss: possible false negatives count as positives with a weight.

Zhang et al., "FALSE", IEEE GRSL 19, 2022, Eqs. 4-6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from torch import Tensor

from false_core.computing.distributed import ALONE, World
from false_core.methods.calibration import Calibration, log_numerator
from false_core.methods.chosen_pairs import contrast_chosen
from false_core.methods.denominator import log_denominator
from false_core.methods.false_negatives import FalseNegatives, Search
from false_core.methods.geolocated import by_level, position_tensors
from false_core.methods.method import Outcome, PairMethod, Views, average, pair_curves
from false_core.methods.pairs import Others, check_pairs, directions, every_other, mean_similarities, other_views


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
        threshold: T, see ``false_negatives.Search``.
        confidence: Confidence weight alpha, 0 to 1, or ``"adaptive"``.
        neighbours: Possible false negatives per benchmark anchor.

    Raises:
        ValueError: An argument is out of range.

    Examples:
        Two patches that look alike, of which the loss takes each for a false negative of the other:

        >>> import torch
        >>> views = torch.tensor([[1.0, 0.0], [0.9, 0.1], [1.0, 0.1], [0.9, 0.2]])
        >>> loss = fncc_loss(views, temperature=0.5, threshold=0.7, confidence=0.5, neighbours=1)
        >>> bool(loss < fncc_loss(views, temperature=0.5, threshold=0.7, confidence=0.0, neighbours=1))
        True
    """
    return contrast(embeddings, temperature, Calibration(Search(threshold, neighbours), confidence)).loss


def contrast(
    embeddings: Tensor,
    temperature: float,
    calibration: Calibration,
    candidates: Others | None = None,
    negatives: Others = every_other,
    world: World = ALONE,
) -> Outcome:
    """Return the loss of ``fncc_loss`` together with what it saw.

    Args:
        candidates: Function that tells the negatives which may be false ones; None: all, as in the paper.
        negatives: Function that tells the negatives in the denominator.
        world: The processes that all have these embeddings and share the work.

    Raises:
        ValueError: An argument is out of range.
    """
    if candidates is not None or not calibration.search.is_published:
        outcome = contrast_chosen(embeddings, temperature, negatives, None, calibration, candidates or every_other, world)
        if negatives is every_other:
            return replace(outcome, curves={n: value for n, value in outcome.curves.items() if n != "negatives"})
        return outcome
    check_pairs(embeddings, temperature)
    z = directions(embeddings)
    denominator, nearest = log_denominator(z, temperature, int(calibration.search.neighbours), world)
    of_positive = (z * other_views(z)).sum(dim=1)
    of_nearest = (z[:, None] * z[nearest]).sum(dim=2)
    found = FalseNegatives(of_positive.detach() > calibration.search.threshold, nearest)
    means = mean_similarities(z)
    weights = calibration.weights(z, nearest, means)
    numerator = log_numerator(of_positive / temperature, of_nearest / temperature, found.benchmark, weights)
    curves = {**pair_curves(*means), **calibration.curves(found, of_nearest, weights)}
    return Outcome((denominator - numerator).mean(), curves, found)


class FALSE(PairMethod):
    """Contrast that determines its false negatives (FNSD) and counts them as positives with a confidence weight (FNCC).

    As published it knows nothing of the ground. With ``apart`` it looks for false negatives off the ground of the anchor.
    """

    paradigm = "self-supervised, contrastive"
    signal = "another view of the same place and places that look alike, against other places"

    curve_captions: ClassVar[Mapping[str, str]] = {
        "negatives": "Negatives are what an anchor is pushed away from. The curve is the share of all others that was left "
        "after those near the anchor were taken out."
    }

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level and, where that matters, where they lie."""
        made = self.embed(views)
        return {**made, **position_tensors(made, views)} if self.settings.apart else made

    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the FNCC loss of embeddings (2N, d)."""
        return contrast(embeddings, self.settings.temperature, Calibration.of(self.settings), world=self.world)

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the mean of the losses of all levels."""
        s = self.settings
        if not s.apart:
            return super().compare_all(representations)
        outcomes = {}
        for level, (embeddings, positions) in by_level(representations).items():
            elsewhere = positions.farther_than(s.apart)
            negatives = every_other if s.near_negatives else elsewhere
            outcomes[level] = contrast(embeddings, s.temperature, Calibration.of(s), elsewhere, negatives, self.world)
        return average(outcomes)
