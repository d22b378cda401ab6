"""The likeness of areas to examples: a cosine among the principal components of what an encoder sees in them.

The components are standardised half way, by the fourth root of their variance: as they are, the first of them, often
brightness, outweighs all others; with a variance of 1 each, the last ones bring noise. docs/performance.md has the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from false_core.training.heads.spaces import Space, space_of

FloatArray = npt.NDArray[np.float32]

LIKENESS_COMPONENTS = 64
LEAST_VARIANCE = 1e-3
"""Variance of a component, as a share of that of the first, below which it is taken for noise."""


@dataclass(frozen=True)
class LikenessToExamples:
    """The examples that areas are compared with.

    Attributes:
        space: Space in which they are compared.
        wanted: The mean direction of the examples, of shape (components,).
        unwanted: The directions of those that are no examples, of shape (n, components); n may be 0.
    """

    space: Space
    wanted: FloatArray
    unwanted: FloatArray

    @classmethod
    def to(cls, wanted: FloatArray, unwanted: FloatArray, sample: FloatArray) -> LikenessToExamples:
        """Return the likeness to examples.

        Args:
            wanted, unwanted: Features of what is looked for and of what is not, of shape (n, width).
            sample: Features of any areas, of shape (m, width): they say what is normal.
        """
        return cls.within(space_of_likeness(sample), wanted, unwanted)

    @classmethod
    def within(cls, space: Space, wanted: FloatArray, unwanted: FloatArray) -> LikenessToExamples:
        """Return the likeness to examples in a space that is known already, as ``space_of_likeness`` gives it."""
        mean = _directions(space.of(wanted, alone=True)).mean(axis=0, keepdims=True)
        return cls(space, _directions(mean)[0], _directions(space.of(unwanted, alone=True)))

    def of(self, features: FloatArray) -> FloatArray:
        """Return the likeness of areas, at most 1, given their features (n, width); NaN for NaN.

        It is the cosine with the examples. What is more like one that is no example loses as much as it is more like that.
        """
        directions = _directions(self.space.of(features, alone=True))
        likeness: FloatArray = directions @ self.wanted
        if len(self.unwanted):
            closest = (directions @ self.unwanted.T).max(axis=1)
            likeness = likeness - np.maximum(closest - likeness, 0)
        return likeness


def space_of_likeness(sample: FloatArray) -> Space:
    """Return the space in which areas are compared, given features of any areas (m, width)."""
    space = space_of(sample, 1.0, LIKENESS_COMPONENTS)
    variance = space.of(sample, alone=True).var(axis=0)
    # Noise is not made larger than what it is to be compared with.
    floor = max(LEAST_VARIANCE * float(variance.max()), 1e-12)
    return Space(space.mean, space.axes * np.maximum(variance, floor) ** -0.25, 1.0)


def _directions(vectors: FloatArray) -> FloatArray:
    unit: FloatArray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return unit
