"""Canonical correlation between the features of two dates: what one date says of the other where nothing changed.

Iteratively reweighted, as in IR-MAD (Nielsen, "The regularized iteratively reweighted MAD method for change detection in
multi- and hyperspectral data", IEEE TIP 2007), so that what changed does not decide what unchanged land looks like. The
canonical variates are invariant to any linear change of the features of a date: to gain and offset of a sensor, to light,
and to seasons as far as a linear map takes the features of one to those of the other.

The score is not the distance of IR-MAD but the logarithm of a likelihood ratio. Of a pair of variates u, v with correlation
r, unchanged land has the density of two correlated normals, and land that became something else that of two independent
ones, so that the logarithm of their ratio is

    0.5 ln(1 - r^2) + (r^2 u^2 - 2 r u v + r^2 v^2) / (2 (1 - r^2)),

summed over the pairs. A pair without correlation says nothing, and adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from false_core.inference.features import Projection

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]

MOST_VARIATES, LEAST_VARIATES = 24, 4
"""Principal components of each date, and pairs of canonical variates: the most, and the least."""
SAMPLES_PER_VARIATE = 100
"""Feature pixels for each of them. Neighbours see much the same, so that this is less than it looks."""
WEIGHT_OF_BANDS = 2.0
"""Weight of the bands themselves beside each level of an encoder. Features are blurred, bands are not."""
ROUNDS_OF_WEIGHTS = 5
"""Fits, each with the weights that the one before gives. Weights hardly change after three."""
RIDGE_OF_VARIATES = 1e-3
"""Share of the mean variance that is added to each, so that few samples do not make a correlation."""
MOST_CORRELATION = 0.999
LEAST_SAMPLES = 128
"""Feature pixels below which nothing can be said of a correlation."""

HELD_OUT_STRIPS = 4
"""Parts of the ground, each of which is scored by what the others teach."""
LITTLE_IN_COMMON = -0.5
"""The median score of positions that were not learned from, above which one date says next to nothing of the other.

On six generated scenes of 256 to 512 pixels in two seasons it is -12 to -14, on aerial images of 2009 and 2020 -3, on two
pairs of scenes that have nothing to do with each other 1.5 and 1.7."""


@dataclass(frozen=True)
class CanonicalPair:
    """Projections of the features of two dates to what goes together in both.

    Attributes:
        before, after: The projections of each date; their components have variance 1 where nothing changed.
        correlations: The correlation of each pair of components there, of shape (variates,).
    """

    before: Projection
    after: Projection
    correlations: Tensor

    def score(self, before: Tensor, after: Tensor) -> Tensor:
        """Return the score of components (variates, height, width) of the two dates, of shape (height, width)."""
        r = self.correlations[:, None, None]
        square = r.square()
        constant = 0.5 * torch.log1p(-square)
        apart = square * (before.square() + after.square()) - 2 * r * before * after
        return (constant + apart / (2 * (1 - square))).sum(dim=0)


def fit_canonical(before: FloatArray, after: FloatArray, widths: Sequence[int], device: torch.device) -> CanonicalPair:
    """Fit the canonical variates of features of the same positions at two dates.

    Args:
        before, after: Features of shape (n, channels).
        widths: Number of channels of each level; the last one is that of the bands.
        device: Device for the projections.
    """
    number = min(MOST_VARIATES, max(LEAST_VARIATES, len(before) // SAMPLES_PER_VARIATE))
    first, second = _reduced(before, widths, number), _reduced(after, widths, number)
    fit = _Fit.reweighted(first.components, second.components)
    return CanonicalPair(
        first.projection(fit.mean_before, fit.axes_before, device),
        second.projection(fit.mean_after, fit.axes_after, device),
        torch.from_numpy(fit.correlations).float().to(device),
    )


def held_out_score(
    before: FloatArray, after: FloatArray, widths: Sequence[int], positions: npt.NDArray[np.float64]
) -> float:
    """Return the median score of positions by what is learned on the other ground.

    It is negative where one date says something of the other. Otherwise most positions look changed, or nothing was learned
    but chance. The ground is cut in strips of as many positions each, and each is scored by what the others teach: the
    median is that of all positions, as one strip may show what none of the others does.

    Args:
        before, after: Features of shape (n, channels).
        widths: Number of channels of each level; the last one is that of the bands.
        positions: Positions of them, of shape (n, 2).
    """
    along = positions[:, int(np.ptp(positions, axis=0).argmax())]
    edges = np.quantile(along, np.linspace(0, 1, HELD_OUT_STRIPS + 1)[1:-1])
    strip = np.searchsorted(edges, along, side="right")
    learned = len(before) * (HELD_OUT_STRIPS - 1) // HELD_OUT_STRIPS
    number = min(MOST_VARIATES, max(LEAST_VARIATES, learned // SAMPLES_PER_VARIATE))
    components = [_reduced(features, widths, number).components for features in (before, after)]
    scores = []
    for held_out in (strip == one for one in np.unique(strip)):
        if not held_out.all():
            fit = _Fit.reweighted(*(values[~held_out] for values in components))
            scores.append(fit.scores(*(values[held_out] for values in components)))
    return float(np.median(np.concatenate(scores))) if scores else 0.0


def principal_projection(values: FloatArray, number: int, device: torch.device) -> Projection:
    """Return the projection of values (n, channels) to their first principal components, whose variances sum up to 1.

    Where there are fewer channels than components that were asked for, there are as many as channels.
    """
    reduced = _reduced(values, [values.shape[1]], number)
    return reduced.projection(np.zeros(reduced.axes.shape[1]), np.eye(reduced.axes.shape[1]) / WEIGHT_OF_BANDS, device)


@dataclass(frozen=True)
class _Reduced:
    """Principal components of the features of a date, and the way to them."""

    mean: DoubleArray
    scale: DoubleArray
    axes: DoubleArray
    components: DoubleArray

    def projection(self, mean: DoubleArray, axes: DoubleArray, device: torch.device) -> Projection:
        """Return the way from features to what ``axes`` make of the components after ``mean`` was taken away."""
        on_features = self.axes @ axes
        # What is taken from the components is taken from the features: the axes are orthonormal.
        centre = self.mean + (self.axes @ mean) / self.scale
        tables = (centre, self.scale, on_features)
        moved = [torch.from_numpy(table.astype(np.float32)).to(device) for table in tables]
        return Projection(moved[0], moved[1], moved[2])


def _reduced(features: FloatArray, widths: Sequence[int], number: int) -> _Reduced:
    values = features.astype(np.float64)
    mean, std = values.mean(axis=0), values.std(axis=0)
    share = np.concatenate([np.full(width, width**-0.5) for width in widths])
    share[len(share) - widths[-1] :] *= WEIGHT_OF_BANDS
    scale = share / np.maximum(std, 1e-6)
    standardised = (values - mean) * scale
    vectors = np.linalg.eigh(standardised.T @ standardised / len(values)).eigenvectors
    axes = vectors[:, ::-1][:, :number]
    # An axis may point either way: let its largest part be positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return _Reduced(mean, scale, axes, standardised @ axes)


@dataclass(frozen=True)
class _Fit:
    """One weighted canonical correlation analysis of components (n, variates) of two dates."""

    mean_before: DoubleArray
    mean_after: DoubleArray
    axes_before: DoubleArray
    axes_after: DoubleArray
    correlations: DoubleArray

    @classmethod
    def reweighted(cls, before: DoubleArray, after: DoubleArray) -> _Fit:
        """Fit, and fit again with weights that say how likely each position is unchanged."""
        weights = np.ones(len(before))
        for _ in range(ROUNDS_OF_WEIGHTS):
            fit = cls.of(before, after, weights)
            # The share of changed places is not known: half is the careful guess, as no changed place then takes part.
            weights = np.maximum(1 / (1 + np.exp(fit.scores(before, after).clip(-50, 50))), 1e-6)
        return fit

    @classmethod
    def of(cls, before: DoubleArray, after: DoubleArray, weights: DoubleArray) -> _Fit:
        share = weights / weights.sum()
        means = share @ before, share @ after
        first, second = before - means[0], after - means[1]
        roots = [_root(values, share) for values in (first, second)]
        between = (first * share[:, None]).T @ second
        whitened = np.linalg.solve(roots[0], np.linalg.solve(roots[1], between.T).T)
        left, correlations, right = np.linalg.svd(whitened)
        axes = np.linalg.solve(roots[0].T, left), np.linalg.solve(roots[1].T, right.T)
        return cls(*means, *axes, correlations.clip(0, MOST_CORRELATION))

    def scores(self, before: DoubleArray, after: DoubleArray) -> DoubleArray:
        u, v = (before - self.mean_before) @ self.axes_before, (after - self.mean_after) @ self.axes_after
        square = self.correlations**2
        apart = square * (u**2 + v**2) - 2 * self.correlations * u * v
        return np.asarray((0.5 * np.log1p(-square) + apart / (2 * (1 - square))).sum(axis=1), np.float64)


def _root(values: DoubleArray, share: DoubleArray) -> DoubleArray:
    """Return the lower triangular root of the covariance of values (n, variates) with mean 0, with a ridge."""
    covariance = (values * share[:, None]).T @ values
    ridge = max(RIDGE_OF_VARIATES * float(np.trace(covariance)) / len(covariance), 1e-12)
    return np.asarray(np.linalg.cholesky(covariance + ridge * np.eye(len(covariance))), np.float64)
