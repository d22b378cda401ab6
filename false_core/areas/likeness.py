"""The likeness of areas to examples: a cosine among components of what an encoder sees in them.

The components are those of linear discriminant analysis, in which areas vary most for what neighbours differ in. Neighbours
look most alike among the principal components, so that no class need be known. With pairs that are known to match this is
the learned whitening of retrieval (Mikolajczyk and Matas, ICCV 2007; Radenovic et al., TPAMI 2019).

Where areas are too few to have neighbours, the principal components themselves are compared, standardised half way, by the
fourth root of their variance: as they are, the first of them, often brightness, outweighs all others; with a variance of 1
each, the last ones bring noise.

Who searches with one example says little of what varies among the places of a kind. The raster says more: ``Surroundings``
move each area towards those that look most like it and that it looks most like, and the best places found are examples of a
second search, as in query expansion (Chum et al. 2007). docs/performance.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from false_core.training.heads.spaces import Space, space_of

FloatArray = npt.NDArray[np.float32]

LIKENESS_COMPONENTS = 64
"""Components in which areas are compared, and principal components among which neighbours are found."""
DISCRIMINANT_INPUTS = 128
"""Principal components that the discriminant analysis is given."""
SHRINKAGE = 0.1
"""Share of the mean variance between neighbours that is added to each: few pairs say too little of the least ones."""
LEAST_VARIANCE = 1e-3
"""Variance of a component, as a share of that of the first, below which it is taken for noise."""
MOST_NEIGHBOURS, NEIGHBOURS_SHARE = 10, 0.01
"""Areas that an area is moved towards: at most so many, and at most this share of those that there are."""
FOUND_TO_LEARN_FROM = 5
"""The best areas of a first search, which are examples of the second one, or half as many as there are neighbours."""
SHARPNESS = 3
"""The power of a cosine that says how much a neighbour counts."""
FEWEST_LOOKED_AT_AGAIN, MOST_LOOKED_AT_AGAIN = 2_000, 10_000
"""Areas that are looked at again, where there are so many."""
SURROUNDING_AREAS = 8_192
"""Areas among which these are seen, beside themselves."""
NEAR_SHARE = 0.97
"""The part of the cosine with the last of its neighbours from which on another area is near to an area."""
SAME_COSINE = 1 - 1e-5
"""The cosine from which on an area is another one's copy, and no neighbour."""
COMPARED_AT_ONCE = 4_000_000
"""Cosines that are computed together."""


@dataclass(frozen=True)
class LikenessToExamples:
    """The examples that areas are compared with.

    Attributes:
        space: Space in which they are compared.
        wanted: The directions of the examples, of shape (n, components).
        unwanted: The directions of those that are no examples, of shape (n, components); n may be 0.
    """

    space: Space
    wanted: FloatArray
    unwanted: FloatArray

    @classmethod
    def to(
        cls, wanted: FloatArray, unwanted: FloatArray, sample: FloatArray, at_block: Callable[[], None] = lambda: None
    ) -> LikenessToExamples:
        """Return the likeness to examples.

        Args:
            wanted, unwanted: Features of what is looked for and of what is not, of shape (n, width).
            sample: Features of any areas, of shape (m, width): they say what is normal.
            at_block: Called with each block of areas that are compared; what it raises ends the comparison.
        """
        return cls.within(space_of_likeness(sample, at_block), wanted, unwanted)

    @classmethod
    def within(cls, space: Space, wanted: FloatArray, unwanted: FloatArray) -> LikenessToExamples:
        """Return the likeness to examples in a space that is known already, as ``space_of_likeness`` gives it."""
        return cls(space, _directions(space.of(wanted, alone=True)), _directions(space.of(unwanted, alone=True)))

    def of(self, features: FloatArray) -> FloatArray:
        """Return the likeness of areas, at most 1, given their features (n, width); NaN for NaN.

        It is the cosine with the examples. What is more like one that is no example loses as much as it is more like that.
        """
        return self._of(_directions(self.space.of(features, alone=True)))

    def looked_at_again(
        self,
        features: npt.NDArray[np.floating],
        likeness: FloatArray,
        count: int,
        at_block: Callable[[], None] = lambda: None,
    ) -> FloatArray:
        """Return the likeness of areas after a closer look at those that are most alike. All others stay behind these.

        Args:
            features: Features of all areas, of shape (n, width), NaN where one has none.
            likeness: Their likeness, as ``of`` gives it, of shape (n,); minus infinity where one is not to be found.
            count: Number of areas that are looked for.
            at_block: Called with each block of areas that are compared; what it raises ends the look.
        """
        number = min(int(np.isfinite(likeness).sum()), MOST_LOOKED_AT_AGAIN, max(FEWEST_LOOKED_AT_AGAIN, 4 * count))
        best = np.argsort(-likeness, kind="stable")[:number]
        some = np.setdiff1d(np.random.default_rng(0).permutation(len(features))[:SURROUNDING_AREAS], best)
        others = features[some].astype(np.float32)
        others = others[np.isfinite(others[:, 0])]
        again = likeness.copy()
        again[best] = self._among(features[best].astype(np.float32), others, at_block)
        behind = np.ones(len(likeness), bool)
        behind[best] = False
        last = np.nextafter(again[best].min(initial=np.float32(1.0)), np.float32(-np.inf))
        # All by as much, so that they keep their order.
        above = max(again[behind].max(initial=-np.inf) - last, np.float32(0))
        again[behind] = np.minimum(again[behind] - above, last)
        return again

    def _among(self, features: FloatArray, others: FloatArray, at_block: Callable[[], None]) -> FloatArray:
        """Return the likeness of areas as neighbours, and the best of them, show it."""
        directions, more = (_directions(self.space.of(some, alone=True)) for some in (features, others))
        surroundings = Surroundings.of(np.concatenate([directions, more]), at_block)
        seen = surroundings.around(directions)
        first = replace(self, wanted=surroundings.around(self.wanted), unwanted=surroundings.around(self.unwanted))
        likeness = first._of(seen)
        best = np.argsort(-likeness, kind="stable")[: min(FOUND_TO_LEARN_FROM, (surroundings.neighbours + 1) // 2)]
        weights = likeness[best].clip(min=0)[:, None] ** SHARPNESS
        return replace(first, wanted=np.concatenate([first.wanted, weights * seen[best]]))._of(seen)

    def _of(self, directions: FloatArray) -> FloatArray:
        likeness: FloatArray = directions @ _directions(self.wanted.sum(axis=0, keepdims=True))[0]
        if len(self.unwanted):
            closest = np.empty_like(likeness)
            step = max(1, COMPARED_AT_ONCE // len(self.unwanted))
            for start in range(0, len(directions), step):
                some = slice(start, start + step)
                closest[some] = (directions[some] @ self.unwanted.T).max(axis=1)
            likeness = likeness - np.maximum(closest - likeness, 0)
        return likeness


@dataclass(frozen=True)
class Surroundings:
    """Areas among which others are seen: each is moved towards those that look most like it.

    What two areas of a kind do not share, such as where a road crosses them, is another one in each neighbour. A neighbour
    counts where both are near to each other: what is like many kinds is near to areas of all of them.

    Attributes:
        directions: Their directions, of shape (n, components).
        neighbours: Number of areas that each is moved towards.
        reach: The cosine of each with the last of its own neighbours, of shape (n,).
        at_block: Called with each block of areas that are compared.
    """

    directions: FloatArray
    neighbours: int
    reach: FloatArray
    at_block: Callable[[], None]

    @classmethod
    def of(cls, directions: FloatArray, at_block: Callable[[], None]) -> Surroundings:
        """Return the surroundings that areas with these directions are."""
        neighbours = min(MOST_NEIGHBOURS, int(NEIGHBOURS_SHARE * len(directions)))
        alone = cls(directions, neighbours, np.zeros(len(directions), np.float32), at_block)
        reach = [cosines.min(axis=1) for cosines, _ in alone._nearest(directions)] if neighbours else []
        return replace(alone, reach=np.concatenate(reach)) if reach else alone

    def around(self, directions: FloatArray) -> FloatArray:
        """Return areas moved towards their neighbours, as directions of shape (n, components)."""
        if not self.neighbours or not len(directions):
            return directions
        towards = [
            np.einsum("nk,nkc->nc", weights, self.directions[nearest]) for weights, nearest in self._weighted(directions)
        ]
        return _directions(directions + np.concatenate(towards))

    def scatter(self, values: FloatArray) -> npt.NDArray[np.float64]:
        """Return the covariance (c, c) of the differences between these areas and their neighbours; 0 where none counts.

        Args:
            values: Numbers known of each area, of shape (n, c).
        """
        total, weight, start = np.zeros((values.shape[1], values.shape[1])), 0.0, 0
        for weights, nearest in self._weighted(self.directions) if self.neighbours else ():
            differences = values[start : start + len(nearest), None] - values[nearest]
            rows = (differences * np.sqrt(weights)[..., None]).reshape(-1, values.shape[1]).astype(np.float64)
            total += rows.T @ rows
            weight += float(weights.sum(dtype=np.float64))
            start += len(nearest)
        return total / max(weight, 1e-12)

    def _weighted(self, directions: FloatArray) -> Iterator[tuple[FloatArray, npt.NDArray[np.int64]]]:
        """Yield how much each neighbour of some areas counts, and the numbers of these, of shape (n, neighbours)."""
        for cosines, nearest in self._nearest(directions):
            near = cosines >= NEAR_SHARE * self.reach[nearest]
            yield np.where(near, cosines.clip(min=0) ** SHARPNESS, np.float32(0)), nearest

    def _nearest(self, directions: FloatArray) -> Iterator[tuple[FloatArray, npt.NDArray[np.int64]]]:
        """Yield the cosines of some areas with their neighbours, and the numbers of these, of shape (n, neighbours)."""
        step = max(1, COMPARED_AT_ONCE // len(self.directions))
        for start in range(0, len(directions), step):
            self.at_block()
            cosines = directions[start : start + step] @ self.directions.T
            cosines[cosines > SAME_COSINE] = 0
            nearest = np.argpartition(-cosines, self.neighbours - 1, axis=1)[:, : self.neighbours]
            yield np.take_along_axis(cosines, nearest, axis=1), nearest


def space_of_likeness(sample: FloatArray, at_block: Callable[[], None] = lambda: None) -> Space:
    """Return the space in which areas are compared.

    Args:
        sample: Features of any areas, of shape (m, width).
        at_block: Function as in ``LikenessToExamples.to``.
    """
    space = _standardised_half_way(sample)
    surroundings = Surroundings.of(_directions(space.of(sample, alone=True)), at_block)
    inputs = space_of(sample, 1.0, DISCRIMINANT_INPUTS)
    values = inputs.of(sample, alone=True)
    within = surroundings.scatter(values)
    least = SHRINKAGE * float(np.trace(within)) / len(within)
    if least <= 0:
        return space
    # Axes v with the largest v' T v / v' W v, of length v' W v = 1, given the scatter T of all and W of neighbours.
    to_white = np.linalg.inv(np.linalg.cholesky(within + least * np.eye(len(within))))
    vectors = np.linalg.eigh(to_white @ np.cov(values.T.astype(np.float64)) @ to_white.T).eigenvectors
    axes = to_white.T @ vectors[:, ::-1][:, :LIKENESS_COMPONENTS]
    return Space(inputs.mean, (inputs.axes @ axes).astype(np.float32), 1.0)


def _standardised_half_way(sample: FloatArray) -> Space:
    """Return the space of the principal components of areas, each divided by the fourth root of its variance."""
    space = space_of(sample, 1.0, LIKENESS_COMPONENTS)
    variance = space.of(sample, alone=True).var(axis=0)
    # Noise is not made larger than what it is to be compared with.
    floor = max(LEAST_VARIANCE * float(variance.max()), 1e-12)
    return Space(space.mean, space.axes * np.maximum(variance, floor) ** -0.25, 1.0)


def _directions(vectors: FloatArray) -> FloatArray:
    unit: FloatArray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    return unit
