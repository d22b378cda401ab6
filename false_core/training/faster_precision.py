"""The numbers of a training on a CPU with instructions for bfloat16: those that a test of speed finds faster.

Encoders of many small convolutions lose a tenth of their speed in bfloat16, a ResNet-50 gains half of it. The test is made
once for whatever decides its outcome and then remembered, and a run that was interrupted goes on in what it began with. The
file of a model says what it was trained in, and ``false_core.rerun`` takes that again. Several processes take the same:
bfloat16 where all gain by it, and float32 where their devices were built for different numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from false_core.computing.cost import Speed, is_worth_telling
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import digits_of, in_words
from false_core.feedback import Feedback

LEAST_GAIN = 1.25
"""The speed of short numbers, as a multiple of that of float32, from which on they are taken. A busy computer can make them
look a tenth faster than they are."""
FEWEST_BATCHES = 80
"""Batches as large as those of the test from which on a training is tested. The test takes as long as eight of them, or two
seconds, and what it finds saves a fifth of the time or more, or nothing."""


def choose_precision(
    possible: Sequence[torch.dtype],
    pixels: float,
    tested: float,
    is_begun: Callable[[torch.dtype], bool],
    speeds: Callable[[], Sequence[Speed]],
    feedback: Feedback,
    world: World = ALONE,
) -> torch.dtype:
    """Return the numbers that a training computes with, the same in all processes.

    Args:
        possible: Numbers that this process may compute with, as ``precisions_in_training`` returns them.
        pixels: Pixels that this process sends through the network. Where they are so few that its user would not be told
            the time either, no two seconds are spent on a test, and they are computed in float32.
        tested: Pixels that a batch of the test sends through it.
        is_begun: Says whether an interrupted run has left a checkpoint in such numbers.
        speeds: Tests the speed in each of them.
    """
    if world.smallest(len(possible)) == 1:
        digits = digits_of(possible[0])
        are_alike = world.smallest(digits) == -world.smallest(-digits)
        return possible[0] if are_alike else torch.float32
    begun = world.broadcast_object(lambda: [is_begun(numbers) for numbers in possible])
    if any(begun):
        return possible[begun.index(True)]
    if not is_worth_telling(pixels) or pixels < FEWEST_BATCHES * tested:
        return possible[0]
    long, short = speeds()
    gain = world.smallest(round(100 * long.seconds / short.seconds)) / 100
    feedback.info(
        f"Training in {in_words(possible[1])} is {gain:.2f} times as fast here as in float32, by a test of speed. From "
        f"{LEAST_GAIN:g} times on it is taken."
    )
    return possible[gain >= LEAST_GAIN]
