"""Features as classifiers see them: standardised by the raster, and of many only the principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

COMPONENTS = 96
"""Principal components kept of a part's features."""

MIN_VARIATION = 1e-3
"""Standard deviation, as a share of the mean, below which a feature counts as constant."""


@dataclass(frozen=True)
class Space:
    """An affine map of the features of a part.

    Attributes:
        mean: Mean that is subtracted, of shape (channels,).
        axes: Axes that the rest is multiplied with, of shape (channels, dimensions).
        share: Factor of the result where other parts are joined to it. A larger one is penalised less.
    """

    mean: FloatArray
    axes: FloatArray
    share: float

    def of(self, features: FloatArray, alone: bool) -> FloatArray:
        """Return what a classifier sees of features (n, channels), of shape (n, dimensions)."""
        seen: FloatArray = np.asarray((features - self.mean) @ self.axes, np.float32)
        return np.asarray(seen if alone else seen * np.float32(self.share), np.float32)

    def folded(self, weights: FloatArray, alone: bool) -> tuple[FloatArray, FloatArray]:
        """Return weights (channels, classes) and a bias (classes,) on features, for ``weights`` (dimensions, classes)."""
        axes = self.axes if alone else self.axes * np.float32(self.share)
        on_features: FloatArray = np.asarray(axes @ weights, np.float32)
        return on_features, np.asarray(-(self.mean @ on_features), np.float32)


def space_of(sample: FloatArray, share: float, components: int | None = COMPONENTS) -> Space:
    """Return the space of a part, given features of the raster (n, channels).

    Args:
        sample: The features.
        share: See ``Space``.
        components: Number of principal components to keep; None: features are only standardised.
    """
    mean, std = sample.mean(axis=0), sample.std(axis=0)
    # What hardly differs on a small raster is rounding, and may be anything elsewhere.
    varies = std > np.maximum(1e-6, MIN_VARIATION * np.abs(mean))
    scale = 1 / np.where(varies, std, np.maximum(np.abs(mean), 1.0))
    if components is None or sample.shape[1] <= components:
        axes = np.diag(scale)
    else:
        standardised = ((sample - mean) * scale).astype(np.float64)
        vectors = np.linalg.eigh(standardised.T @ standardised / len(sample)).eigenvectors
        axes = scale[:, None] * vectors[:, ::-1][:, :components]
    return Space(mean.astype(np.float32), axes.astype(np.float32), share)


def plain_space(channels: int, gain: float, share: float) -> Space:
    """Return the space of features that are taken as they are, times ``gain``."""
    return Space(np.zeros(channels, np.float32), (gain * np.eye(channels)).astype(np.float32), share)


def principal_axes(sample: FloatArray, components: int) -> FloatArray:
    """Return the principal axes (components, channels) of samples (n, channels) with mean 0."""
    vectors = np.linalg.eigh((sample.T @ sample).astype(np.float64)).eigenvectors
    axes: FloatArray = vectors[:, ::-1][:, :components].T.astype(np.float32)
    # An axis may point either way: let its largest part be positive.
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return np.asarray(axes * signs[:, None], np.float32)


def names_in(parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return all names in several lists, each once."""
    return tuple(dict.fromkeys(name for names in parts for name in names))
