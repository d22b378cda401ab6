"""With which numbers networks compute: with short ones where the device was built for them.

A network is trained, and makes maps and features, in bfloat16 on NVIDIA cards since Ampere (compute capability 8.0) and in
float32 elsewhere. Older cards take bfloat16 too, but only emulate it: convolutions fail, or take longer than in float32.
What is computed in float32 is not rounded on the way: deviations and scores are what remains of numbers that nearly cancel.
All who ask of a device get the same answer, so that a session shows what a map by the saved model holds.
"""

from __future__ import annotations

import torch

BFLOAT16_SINCE = (8, 0)
"""The compute capability of the first cards that were built for bfloat16."""


def precision_of(device: torch.device) -> torch.dtype:
    """Return the numbers that networks compute with on a device."""
    # PyTorch's own ``is_bf16_supported`` is true where they are emulated.
    short = device.type == "cuda" and torch.cuda.get_device_capability(device) >= BFLOAT16_SINCE
    return torch.bfloat16 if short else torch.float32


def forbid_tf32() -> None:
    """Have cuDNN convolve float32 as it is. By itself it rounds that to 11 binary digits on cards since Ampere."""
    torch.backends.cudnn.allow_tf32 = False


def in_words(device: torch.device) -> str:
    """Return the name of these numbers, for a person and for what names the parts of a map."""
    return str(precision_of(device)).removeprefix("torch.")


def bits_of(device: torch.device) -> int:
    """Return of how many bits these numbers are."""
    return torch.finfo(precision_of(device)).bits


def of_training(device: torch.device, mixed: bool) -> str:
    """Return the name of the numbers that a training computes with, which its checkpoint goes by.

    Args:
        mixed: Whether it takes short numbers where the device was built for them.
    """
    if mixed and precision_of(device) != torch.float32:
        return in_words(device)
    tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= BFLOAT16_SINCE
    return "tf32" if tf32 else "float32"


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """Return a context in which networks compute with these numbers, or with float32 where it is not ``enabled``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and precision_of(device) == torch.bfloat16)
