"""SimCLR: every other patch is a negative.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
"""

from __future__ import annotations

from torch import Tensor

from false_core.computing.distributed import ALONE, World
from false_core.methods.denominator import log_denominator
from false_core.methods.method import Outcome, PairMethod, pair_curves
from false_core.methods.pairs import check_pairs, directions, mean_similarities, other_views


def nt_xent(embeddings: Tensor, temperature: float = 0.5, world: World = ALONE) -> Outcome:
    """Return the NT-Xent loss (Eq. 1 and Algorithm 1), the mean over all 2B anchors.

    Args:
        embeddings: A tensor (2B, d), the first views stacked on the second ones. Need not be normalised. Half precision
            is computed in float32.
        temperature: tau.
        world: The processes that all have these embeddings and share the work.

    Raises:
        ValueError: An argument is out of range.
    """
    check_pairs(embeddings, temperature)
    z = directions(embeddings)
    denominator, _ = log_denominator(z, temperature, world=world)
    of_positive = (z * other_views(z)).sum(dim=1) / temperature
    return Outcome((denominator - of_positive).mean(), pair_curves(*mean_similarities(z)))


class SimCLR(PairMethod):
    """Pulls the two views of a patch together and pushes all else apart."""

    paradigm = "self-supervised, contrastive"
    signal = "another view of the same place, against other places"

    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the NT-Xent loss of embeddings (2N, d)."""
        return nt_xent(embeddings, self.settings.temperature, self.world)
