"""A part of the labels, drawn class by class: how experiments and tests ask what fewer labels would do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def draw_shapes(codes: npt.NDArray[np.integer], fraction: float, seed: int) -> npt.NDArray[np.intp]:
    """Return the numbers of a share of the shapes of each class, in rising order.

    Args:
        codes: Class code of each shape, of shape (n,), in the order of an ``Annotation``: the largest first. Other orders
            give other draws.
        fraction: Share of each class, at least one shape. Those of a smaller share are among those of a larger one.
        seed: The same seed puts the shapes of a class in the same order, from which the first ones are taken.
    """
    chosen = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        order = np.random.default_rng([seed, int(code)]).permutation(len(own))
        chosen.append(own[order[: max(1, round(fraction * len(own)))]])
    return np.sort(np.concatenate(chosen))
