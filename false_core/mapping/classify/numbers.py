"""The numbers that a map is computed with: those that its job asks for, where a device can, and the same for all strips."""

from __future__ import annotations

import torch

from false_core.computing.cost import is_worth_telling
from false_core.computing.precision import digits_of, in_words, numbers_with, precision_of, resolved
from false_core.errors import DeviceError
from false_core.feedback import Feedback
from false_core.inference.int8 import int8_segmenter
from false_core.jobs import INT8, Classify
from false_core.mapping.classify.cost import tile_speed
from false_core.mapping.classify.plan import MapPlan
from false_core.mapping.classify.store import DIGITS, StripStore

LEAST_TIMES = 1.05
"""The speed in int8, over that in float32, from which on it is faster."""


def agreed_precision(
    store: StripStore, job: Classify, plan: MapPlan, device: torch.device, feedback: Feedback
) -> torch.dtype:
    """Return the numbers that all strips of a map are computed with: those of whoever computes the first one.

    A CPU computes in float32 and bfloat16, even where it would take the other one. It can, if more slowly. Where int8 is
    asked for, it follows in int8 as well.

    Raises:
        DeviceError: The device takes no others than its own.
    """
    began = store.number(DIGITS)
    own = own_precision(job, plan, device, feedback, must_be_faster=not began)
    agreed = store.put_if_absent(DIGITS, digits_of(own))
    followed = numbers_with(agreed)
    if followed == own:
        return own
    if device.type != "cpu" or followed == torch.float16:
        raise other_numbers(agreed, digits_of(own), store)
    if followed == torch.int8:
        int8_segmenter(job.model)  # Raises where there is none.
    feedback.info(f"Earlier strips of the map were computed in {in_words(followed)}. So are the others.")
    return followed


def own_precision(
    job: Classify, plan: MapPlan, device: torch.device, feedback: Feedback, must_be_faster: bool = True
) -> torch.dtype:
    """Return the numbers that a device takes for a map. Where it cannot take those that are asked for, say why.

    Args:
        must_be_faster: True where int8 is taken only where that is faster.
    """
    others = precision_of(device, plan.use, job.precision)
    if resolved(job.precision) != INT8:
        return others
    if device.type != "cpu":
        feedback.warn(f"Maps in int8 are made on CPUs. This one is made in {in_words(others)}.")
        return others
    try:
        int8_segmenter(job.model)
        times = times_as_fast(plan, job.model, device, feedback) if must_be_faster else None
        if times is not None and times < LEAST_TIMES:
            raise DeviceError(f"int8 is no faster on this computer ({times:.1f} times as fast as float32).")
    except DeviceError as error:
        feedback.warn(f"{error.what} The map is made in float32. {error.remedy}".rstrip())
        return others
    return torch.int8


def other_numbers(agreed: int, digits: int, store: StripStore) -> DeviceError:
    """Return the error that strips of a map were computed with numbers of more or fewer binary digits than others."""
    return DeviceError(
        f"Strips of the map are computed with numbers of {agreed} binary digits, and others with numbers of {digits}.",
        f"Have all of them computed by devices of one kind, or delete {store.path}.",
    )


def times_as_fast(plan: MapPlan, model: str, device: torch.device, feedback: Feedback) -> float | None:
    """Return how many times as fast as in float32 a tile of a map is computed in int8.

    That is measured once, where it takes less time than the map. None where it is not known.
    """
    may_test = is_worth_telling(len(plan.tiles) * plan.tiles.side**2)
    exact, short = (tile_speed(plan, model, device, numbers, feedback, may_test) for numbers in (torch.float32, torch.int8))
    return exact.seconds / short.seconds if exact and short else None


def about_int8(plan: MapPlan, model: str, feedback: Feedback) -> str:
    """Return what is to be known of a map in int8: its speed, as far as that is known, and its accuracy on labels."""
    try:
        told = int8_segmenter(model).agreement.told()
    except DeviceError:  # Others have computed it.
        return ""
    times = times_as_fast(plan, model, torch.device("cpu"), feedback)
    return f"A tile takes {100 / times:.0f} % of the time that it takes in float32. {told}" if times else told
