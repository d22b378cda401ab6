"""A part of the labels, drawn class by class: how experiments and tests ask what fewer labels would do."""

from __future__ import annotations

from collections.abc import Iterator

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
    return np.sort(np.concatenate([own[: max(1, round(fraction * len(own)))] for own in _in_order(codes, seed)]))


def draw_number_of_shapes(codes: npt.NDArray[np.integer], number: int, seed: int) -> npt.NDArray[np.intp]:
    """Return the numbers of so many shapes of each class, or of all that a class has, in rising order.

    The rest is as for ``draw_shapes``: fewer are among more, and the shapes of a class are in the same order.
    """
    return np.sort(np.concatenate([own[:number] for own in _in_order(codes, seed)]))


def draw_area_of_shapes(
    codes: npt.NDArray[np.integer], pixels: npt.NDArray[np.floating], wanted: float, seed: int
) -> npt.NDArray[np.intp]:
    """Return the numbers of shapes that together cover about ``wanted`` pixels, in rising order.

    One of each class comes first, then others at random, whatever their class, until no other one would bring it closer to
    what is wanted.

    Args:
        pixels: Pixels that each shape covers, of shape (n,).
    """
    first = draw_number_of_shapes(codes, 1, seed)
    # The order of those of the classes takes the seed together with a code, which is never negative.
    others = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(codes)), first))
    order = np.concatenate([first, others])
    covered = np.cumsum(pixels[order])
    number = int(np.abs(covered - wanted).argmin()) + 1
    return np.sort(order[: max(number, len(first))])


def _in_order(codes: npt.NDArray[np.integer], seed: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the numbers of the shapes of each class, in the order in which they are drawn."""
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        yield own[np.random.default_rng([seed, int(code)]).permutation(len(own))]
