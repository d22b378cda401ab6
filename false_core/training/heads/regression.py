"""Multinomial logistic regression with a ridge penalty, on samples that count differently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

FloatArray = npt.NDArray[np.float32]

ABSENT = -30.0
"""Bias of a class without samples: its probability is nil, and still a number."""
MOST_ITERATIONS = 100
TOLERANCE = 2.2e-9
"""Tolerance of L-BFGS where nothing else is asked for."""


@dataclass(frozen=True)
class Linear:
    """A linear classifier.

    Attributes:
        weights: Array of shape (features, classes).
        bias: Array of shape (classes,).
    """

    weights: FloatArray
    bias: FloatArray

    def log_probabilities(self, features: FloatArray) -> FloatArray:
        """Return logarithms of the probabilities of the classes, of shape (n, classes)."""
        return _log_softmax(features @ self.weights + self.bias)


def fit_logistic(
    features: FloatArray,
    targets: npt.NDArray[np.int64],
    counts: npt.NDArray[np.floating],
    classes: int,
    penalty: float,
    start: Linear | None = None,
    at_step: Callable[[], None] = lambda: None,
    tolerance: float = TOLERANCE,
) -> Linear:
    """Return the weights that minimise the mean cross entropy and ``penalty`` times half their sum of squares.

    The minimum is the only one, and it is looked for in the same way each time (L-BFGS).

    Args:
        features: Array of shape (n, features).
        targets: Class of each sample, of shape (n,).
        counts: Weight of each sample in the mean, of shape (n,).
        classes: Number of classes. One that no sample is of gets the bias ``ABSENT``.
        penalty: Weight of the penalty, at least 0. The bias is not penalised.
        start: Weights that the descent starts from, of the same shape; 0 without them.
        at_step: Called at each step; what it raises ends the fit.
        tolerance: The relative gain of a step at which it is the last one.
    """
    width = features.shape[1]
    share = (counts / counts.sum()).astype(np.float32)[:, None]
    wanted = np.eye(classes, dtype=np.float32)[targets]
    present = np.unique(targets)
    wanted = wanted[:, present]

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        at_step()
        both = flat.reshape(width + 1, len(present))
        weights = both[:-1].astype(np.float32)
        log_probabilities = _log_softmax(features @ weights + both[-1].astype(np.float32))
        loss = -float((share * wanted * log_probabilities).sum(dtype=np.float64))
        logit_gradient = share * (np.exp(log_probabilities) - wanted)
        gradient = np.concatenate(
            [features.T @ logit_gradient + penalty * weights, logit_gradient.sum(axis=0, keepdims=True)]
        )
        return loss + 0.5 * penalty * float(np.square(both[:-1]).sum()), gradient.ravel().astype(np.float64)

    begin = np.zeros((width + 1, len(present)))
    if start is not None:
        begin[:-1] = start.weights[:, present]
        # One that had no samples yet begins like the others.
        begin[-1] = np.where(start.bias[present] == ABSENT, 0.0, start.bias[present])
    found = minimize(
        objective, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": MOST_ITERATIONS, "ftol": tolerance}
    )
    both = found.x.reshape(width + 1, len(present)).astype(np.float32)
    weights, bias = np.zeros((width, classes), np.float32), np.full(classes, ABSENT, np.float32)
    weights[:, present], bias[present] = both[:-1], both[-1]
    return Linear(weights, bias)


def _log_softmax(scores: FloatArray) -> FloatArray:
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
