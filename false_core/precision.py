"""The numbers that networks compute with: short ones where the device was built for them.

A network is trained, makes maps and is looked through in a session in bfloat16 on NVIDIA GPUs since Ampere (compute
capability 8.0), in float16 on older ones with tensor cores (Volta, and of Turing RTX and T4), and in float32 elsewhere. The
features of areas, similar places, places to learn from, two dates, embeddings and labels of a linear head are float32
everywhere. Older GPUs take bfloat16 too, but only emulate it: convolutions fail, or take longer than in float32. Turing
without tensor cores (GTX 16) is known for convolutions in float16 that give no numbers (github.com/pytorch/pytorch, issues
58123 and 77955).
What is computed in float32 is not rounded on the way: deviations and scores are what remains of numbers that nearly cancel.
All who ask of a device get the same answer, so that a session shows what a map by the saved model holds.
"""

from __future__ import annotations

import math
import re

import torch
from torch.amp import GradScaler

BFLOAT16_SINCE, FLOAT16_SINCE, TURING = (8, 0), (7, 0), (7, 5)
"""The compute capability of the first GPUs that were built for bfloat16, that of the first with tensor cores, and the one
of which only some have them."""
TENSOR_CORES_OF_TURING = re.compile(r"\b(RTX|T4G?)\b")
"""The word in the names of those that have them."""
FIRST_SCALE = 1024.0
"""The factor that a loss is scaled by at first. PyTorch's own 65,536 costs the first five steps of Barlow Twins."""
STEPS_OF_A_SCALE = 500
"""Steps without an overflow after which twice as much is tried."""


def precision_of(device: torch.device) -> torch.dtype:
    """Return the numbers that networks compute with on a device."""
    if device.type != "cuda":
        return torch.float32
    capability = torch.cuda.get_device_capability(device)
    # PyTorch's own ``is_bf16_supported`` is true where they are emulated.
    if capability >= BFLOAT16_SINCE:
        return torch.bfloat16
    built = capability != TURING or TENSOR_CORES_OF_TURING.search(torch.cuda.get_device_name(device))
    return torch.float16 if capability >= FLOAT16_SINCE and built else torch.float32


def forbid_tf32() -> None:
    """Have cuDNN convolve float32 as it is. By itself it rounds that to 11 binary digits on GPUs since Ampere."""
    torch.backends.cudnn.allow_tf32 = False


def in_words(device: torch.device) -> str:
    """Return the name of these numbers, for a person and for what names the parts of a map."""
    return str(precision_of(device)).removeprefix("torch.")


def digits_of(device: torch.device) -> int:
    """Return how many binary digits these numbers have: float32 24, float16 11, bfloat16 8."""
    return round(1 - math.log2(torch.finfo(precision_of(device)).eps))


def of_training(device: torch.device, mixed: bool) -> str:
    """Return the name of the numbers that a training computes with, which its checkpoint goes by.

    Args:
        mixed: True where it takes short numbers where the device was built for them.
    """
    if mixed and precision_of(device) != torch.float32:
        return in_words(device)
    tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= BFLOAT16_SINCE
    return "tf32" if tf32 else "float32"


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """Return a context in which networks compute with these numbers, or with float32 where it is not ``enabled``."""
    numbers = precision_of(device)
    short = numbers != torch.float32
    return torch.autocast(device.type, numbers if short else torch.bfloat16, enabled=enabled and short)


def loss_scaler(device: torch.device, enabled: bool) -> GradScaler:
    """Return what makes the loss of a training so large that float16, whose least number is 6e-8, holds its gradients.

    A step whose gradients overflow changes nothing, and the next one is scaled by half as much. With other numbers, and
    where it is not ``enabled``, nothing is scaled.
    """
    short = precision_of(device) == torch.float16
    return GradScaler(device.type, FIRST_SCALE, growth_interval=STEPS_OF_A_SCALE, enabled=enabled and short)
