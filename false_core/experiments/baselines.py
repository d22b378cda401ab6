"""The baselines of every figure: the place of a pixel alone, without the image; and trees on the texture.

A mosaic of unlike tiles can be mapped well by whoever knows the place. How well, the first of the two says.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from false_core.training.heads.samples import FloatArray

TREES = 200
NEIGHBOURS = 5


@dataclass(frozen=True)
class Baseline:
    """A classifier that is no part of the product.

    Attributes:
        learned: Features that it has learned from, of shape (n, features).
        targets: Class of each, of shape (n,).
        counts: Weight of each, of shape (n,).
        seed: Source of all chance.
    """

    learned: FloatArray
    targets: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]
    seed: int

    def answers(self, asked: FloatArray) -> npt.NDArray[np.int64]:
        """Return the classes of samples (m, features), of shape (m,)."""
        return self._by_trees(asked) if has_trees() else self._by_neighbours(asked)

    def _by_trees(self, asked: FloatArray) -> npt.NDArray[np.int64]:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(TREES, random_state=self.seed, n_jobs=2)
        forest.fit(self.learned, self.targets, sample_weight=self.counts)
        return np.asarray(forest.predict(asked), np.int64)

    def _by_neighbours(self, asked: FloatArray) -> npt.NDArray[np.int64]:
        number = min(NEIGHBOURS, len(self.learned))
        _, near = KDTree(self.learned).query(asked, k=list(range(1, number + 1)))
        votes = np.zeros((len(asked), int(self.targets.max()) + 1))
        for column in near.T:
            np.add.at(votes, (np.arange(len(asked)), self.targets[column]), self.counts[column])
        return np.asarray(votes.argmax(axis=1), np.int64)


def has_trees() -> bool:
    """Return whether scikit-learn is there. The library does not need it; without it, the nearest samples decide."""
    return importlib.util.find_spec("sklearn") is not None


def classifier_in_words() -> str:
    """Return what decides, for the page."""
    return f"a random forest of {TREES} trees" if has_trees() else f"the {NEIGHBOURS} nearest labelled pixels"
