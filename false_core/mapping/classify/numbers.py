"""The numbers that a map is computed with: those that its job asks for, where a device can, and the same for all strips."""

from __future__ import annotations

import torch

from false_core.computing.precision import digits_of, in_words, numbers_with, precision_of, resolved
from false_core.errors import DeviceError
from false_core.feedback import Feedback
from false_core.inference.int8 import int8_segmenter, int8_version
from false_core.jobs import INT8, Classify
from false_core.mapping.classify.plan import MapPlan
from false_core.mapping.classify.store import DIGITS, INT8_NETWORK, StripStore


def agreed_precision(
    store: StripStore, job: Classify, plan: MapPlan, device: torch.device, feedback: Feedback
) -> torch.dtype:
    """Return the numbers that all strips of a map are computed with: those of whoever computes the first one.

    A CPU computes in float32 and bfloat16, even where it would take the other one. It can, if more slowly. Where int8 is
    asked for, it follows in int8 as well.

    Raises:
        DeviceError: The device takes no others than its own, or int8 would be that of another network.
    """
    numbers = _agreed_numbers(store, job, plan, device, feedback)
    if numbers == torch.int8 and store.put_if_absent(INT8_NETWORK, own := int8_version()) != own:
        raise other_network(store)
    return numbers


def _agreed_numbers(
    store: StripStore, job: Classify, plan: MapPlan, device: torch.device, feedback: Feedback
) -> torch.dtype:
    asked_int8 = device.type == "cpu" and resolved(job.precision) == INT8
    if asked_int8 and (began := store.number(DIGITS)) and numbers_with(began) != torch.int8:
        own, why_not = torch.int8, ""  # Which is not tried: whatever comes of it, the strips stay as they were begun.
    else:
        own, why_not = own_precision(job, plan, device, feedback)
    agreed = store.put_if_absent(DIGITS, digits_of(own))
    followed = numbers_with(agreed)
    if followed == own:
        if why_not:
            feedback.warn(why_not)
        return own
    if device.type != "cpu" or followed == torch.float16:
        raise other_numbers(agreed, digits_of(own), store)
    if followed == torch.int8:
        int8_segmenter(job.model, feedback)  # Raises where there is none.
    told = feedback.warn if asked_int8 else feedback.info
    told(f"Earlier strips of the map were computed in {in_words(followed)}. So are the others.")
    return followed


def own_precision(job: Classify, plan: MapPlan, device: torch.device, feedback: Feedback) -> tuple[torch.dtype, str]:
    """Return the numbers that a device takes for a map, and why not those that are asked for, where it cannot take them.

    No test of speed decides: the same job makes the same map on a computer that is busy.
    """
    others = precision_of(device, plan.use, job.precision)
    if resolved(job.precision) != INT8:
        return others, ""
    if device.type != "cpu":
        return others, f"Maps in int8 are made on CPUs. This one is made in {in_words(others)}."
    try:
        int8_segmenter(job.model, feedback)
    except DeviceError as error:
        return others, f"{error.what} The map is made in float32. {error.remedy}".rstrip()
    return torch.int8, ""


def other_numbers(agreed: int, digits: int, store: StripStore) -> DeviceError:
    """Return the error that strips of a map were computed with numbers of more or fewer binary digits than others."""
    return DeviceError(
        f"Strips of the map are computed with numbers of {agreed} binary digits, and others with numbers of {digits}.",
        f"Have all of them computed by devices of one kind, or delete {store.path}.",
    )


def other_network(store: StripStore) -> DeviceError:
    """Return the error that strips of a map in int8 were computed by another network than others."""
    return DeviceError(
        "Strips of the map in int8 are computed with other versions of PyTorch, onnx or onnxruntime than others.",
        f"Have all of them computed with the same versions, or delete {store.path}.",
    )


def about_int8(model: str, feedback: Feedback) -> str:
    """Return what is to be known of a map in int8: how its network agrees with itself in float32 on labels."""
    try:
        return int8_segmenter(model, feedback.aside()).agreement.told()
    except DeviceError:  # Others have computed it.
        return ""
