"""Settings of a benchmark: how many labels, how often they are drawn, and on how much it is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from false_core.benchmark.budgets import Budget
from false_core.errors import RequestError

DRAWS, DRAWS_IN_SHORT = 5, 3
SCORED, SCORED_IN_SHORT = 20_000, 8_000
"""Pixels of a segmentation that are scored."""
POINTS_OF_A_FIT = 1_500
"""Labelled pixels that a head of a segmentation is fitted to at most."""
MOST_DRAWS = 100


@dataclass(frozen=True)
class BenchmarkSettings:
    """Settings that all tasks and encoders have in common.

    Attributes:
        budgets: Numbers or shares of labels to learn from.
        draws: Number of times that labels are drawn for each budget.
        scored_pixels: Number of pixels that are scored in a segmentation.
        points: Labelled pixels of a fit.
    """

    budgets: tuple[Budget, ...]
    draws: int
    scored_pixels: int
    points: int
    device: torch.device

    @property
    def mark(self) -> dict[str, Any]:
        """Return the settings that decide results, by name."""
        return {key: value for key, value in asdict(self).items() if key != "device"}


def settings_of(
    labels: Sequence[int], shares: Sequence[float], draws: int | None, is_quick: bool, device: torch.device
) -> BenchmarkSettings:
    """Return the settings of a benchmark.

    Args:
        labels, shares: Labels of each class, and shares of the pixels.
        draws: None: the usual number.
        is_quick: True where fewer draws and fewer scored pixels do.

    Raises:
        RequestError: A number is out of range.
    """
    wrong = [str(number) for number in labels if number < 1] + [str(share) for share in shares if not 0 < share <= 0.5]
    if wrong or not (labels or shares):
        raise RequestError(
            f"These are no budgets of labels: {', '.join(wrong) or 'none'}.",
            "Labels are whole numbers from 1 on, shares lie above 0 and up to 0.5.",
        )
    number = (DRAWS_IN_SHORT if is_quick else DRAWS) if draws is None else draws
    if not 1 <= number <= MOST_DRAWS:
        raise RequestError(f"{number} draws cannot be made.", f"Choose 1 to {MOST_DRAWS}.")
    budgets = (*(Budget(labels=one) for one in dict.fromkeys(labels)), *(Budget(share=one) for one in dict.fromkeys(shares)))
    return BenchmarkSettings(budgets, number, SCORED_IN_SHORT if is_quick else SCORED, POINTS_OF_A_FIT, device)
