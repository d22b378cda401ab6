"""The pixels of a raster that classifiers are surest about, without a label: they are learned from like labels.

This is self-training (Scudder, "Probability of error of some adaptive pattern-recognition machines", IEEE Transactions on
Information Theory 11, 1965), with as large a share of each class that is found as of all others, so that no class crowds out
another (Zou et al., "Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced Self-Training", ECCV 2018,
Section 4.2). A few polygons show a class at a few places; these pixels show it all over the raster. Classifiers that share a
mistake would learn it, so one that looks at something else is heard apart, as in co-training (Blum and Mitchell, "Combining
Labeled and Unlabeled Data with Co-Training", COLT 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

PSEUDO_LABEL_SHARE = 0.5
"""Share of the pixels taken for a class that are learned from. Shares from 0.2 to 0.7 did about as well."""
MOST_LIKELY = 2
"""Classes that a second opinion finds likeliest, of which a pixel's must be one: of two classes it says nothing. With one
alone, less was learned."""


@dataclass(frozen=True)
class PseudoLabels:
    """Some pixels of a sample of the raster.

    Attributes:
        rows: Their numbers in the sample, of shape (n,).
        targets: The class that each is taken for, of shape (n,).
    """

    rows: IntArray
    targets: IntArray

    def counts(self) -> npt.NDArray[np.float64]:
        """Return how much each pixel counts where all classes that are found count alike, with a sum of 1."""
        of_class = np.bincount(self.targets)
        counts: npt.NDArray[np.float64] = 1 / of_class[self.targets] / np.count_nonzero(of_class)
        return counts


def pseudo_labels_of(
    log_probabilities: npt.NDArray[np.float32], second_opinion: npt.NDArray[np.float32] | None = None
) -> PseudoLabels:
    """Return of the pixels taken for each class those with the highest probability of it, ``PSEUDO_LABEL_SHARE`` of them.

    Args:
        log_probabilities: Log probabilities of a sample of the raster, of shape (n, classes), normalised or not.
        second_opinion: Log probabilities of another classifier. Pixels whose class is not among its ``MOST_LIKELY`` are left
            out, of which there are none with so few classes; None where no member looks at something else alone.
    """
    found = log_probabilities.argmax(axis=1)
    # Less the logarithm of the sum: what several classifiers say together does not add up to 1.
    surest = -np.log(np.exp(log_probabilities - log_probabilities.max(axis=1, keepdims=True)).sum(axis=1))
    agreed = np.ones(len(found), bool)
    if second_opinion is not None:
        of_found = np.take_along_axis(second_opinion, found[:, None], axis=1)
        agreed = (second_opinion > of_found).sum(axis=1) < MOST_LIKELY
    rows = []
    for target in np.unique(found[agreed]):
        own = np.flatnonzero(agreed & (found == target))
        order = np.argsort(-surest[own], kind="stable")
        rows.append(own[order[: int(np.ceil(PSEUDO_LABEL_SHARE * len(own)))]])
    chosen = np.concatenate([np.zeros(0, np.int64), *rows])
    return PseudoLabels(chosen, found[chosen].astype(np.int64))
