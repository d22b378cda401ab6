"""Budgets of labels, and the draws of them: which labels an encoder learns from, the same ones for every encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from false_core.labels.drawing import draw_area_of_shapes, draw_number_of_shapes

NEAR_ENOUGH = 0.5
"""Part of a share of pixels that labels must cover at least to stand for it, and by how much more of it they may."""


@dataclass(frozen=True)
class Budget:
    """A number of labels to learn from.

    Attributes:
        labels: Number of labels of each class; 0 where it is a share of pixels.
        share: Share of the pixels whose class is known; 0 where it is a number of labels. Where both are 0 there are no
            labels.
    """

    labels: int = 0
    share: float = 0.0

    @property
    def title(self) -> str:
        """The name in tables."""
        if self.share:
            return f"{100 * self.share:g} % of pixels"
        return f"{self.labels} a class" if self.labels else "no labels"

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> Budget:
        """Read what ``dataclasses.asdict`` gave, after it has been JSON."""
        return cls(int(body["labels"]), float(body["share"]))


@dataclass(frozen=True)
class LabelDraw:
    """One draw of labels.

    Attributes:
        number: Number of the draw, from 0 on.
        chosen: The numbers of the labels, rising.
    """

    budget: Budget
    number: int
    chosen: npt.NDArray[np.intp]


def draws_of(
    targets: npt.NDArray[np.integer],
    pixels: npt.NDArray[np.floating],
    known: float,
    budgets: Sequence[Budget],
    draws: int,
) -> list[LabelDraw]:
    """Return draws of labels for each budget that there are enough labels for.

    A draw of a smaller budget is a part of the draw of a larger one with the same number, but for shares of pixels. A
    budget that no class has labels enough for is left out; so is a draw of the very labels of an earlier one.

    Args:
        targets: Class of each label that there is, of shape (n,).
        pixels: Pixels that each covers, of shape (n,).
        known: Pixels whose class is known, of which shares are taken.
        draws: Number of draws, with the seeds from 0 on.
    """
    return [draw for budget in budgets for draw in _of_budget(targets, pixels, known, budget, draws)]


def _of_budget(
    targets: npt.NDArray[np.integer], pixels: npt.NDArray[np.floating], known: float, budget: Budget, draws: int
) -> Iterator[LabelDraw]:
    if budget.labels and np.bincount(targets).max(initial=0) < budget.labels:
        return
    seen: set[bytes] = set()
    for number in range(draws):
        if budget.labels:
            chosen = draw_number_of_shapes(targets, budget.labels, number)
        else:
            wanted = budget.share * known
            chosen = draw_area_of_shapes(targets, pixels, wanted, number)
            if abs(float(pixels[chosen].sum()) - wanted) > NEAR_ENOUGH * wanted:
                continue
        if chosen.tobytes() not in seen:
            seen.add(chosen.tobytes())
            yield LabelDraw(budget, number, chosen)
