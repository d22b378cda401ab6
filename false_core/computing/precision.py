"""The numbers that networks compute with: short ones where the device was built for them.

A network is trained, makes maps and is looked through in a session in bfloat16 on NVIDIA GPUs since Ampere (compute
capability 8.0), in float16 on older ones with tensor cores (Volta, and of Turing RTX and T4), and in float32 elsewhere.
CPUs with instructions for bfloat16 use it for networks with a decoder; whether in training too, a test of speed says, see
``false_core.training.faster_precision``. The features of areas, similar places, places to learn from, two dates, embeddings
and labels of a linear head are float32 everywhere. Older GPUs and CPUs only emulate bfloat16: convolutions fail, or take
longer than in float32. Turing without tensor cores (GTX 16) is known for convolutions in float16 that give no numbers
(github.com/pytorch/pytorch, issues 58123 and 77955).
Of maps decides what a processor says of itself, and no test of speed: on a busy computer that would find another answer
tomorrow, and the strips of a map, or a session and its map, would not fit together. In int8 they are made where a user
asks for that, see ``false_core.inference.int8``.
What is computed in float32 is not rounded on the way: deviations and scores are what remains of numbers that nearly cancel.
All who ask of a device get the same answer, so that a session shows what a map by the saved model holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

import torch
from torch.amp import GradScaler

from false_core.jobs import AUTO_PRECISION, FLOAT32, INT8
from false_core.settings import preferred_precision

BFLOAT16_SINCE, FLOAT16_SINCE, TURING = (8, 0), (7, 0), (7, 5)
"""The compute capability of the first GPUs that were built for bfloat16, that of the first with tensor cores, and the one
of which only some have them."""
TENSOR_CORES_OF_TURING = re.compile(r"\b(RTX|T4G?)\b")
"""The word in the names of those that have them."""
FIRST_SCALE = 1024.0
"""The factor that a loss is scaled by at first. PyTorch's own 65,536 costs the first five steps of Barlow Twins."""
STEPS_OF_A_SCALE = 500
"""Steps without an overflow after which twice as much is tried."""
INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Instructions of CPUs that were built for bfloat16, as PyTorch calls them. Versions that cannot tell compute in float32."""
NAMES_IN_TRAINING = {
    "float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16,
}  # fmt: skip
"""The numbers by the name that ``of_training`` gives them."""
_AGAIN: ContextVar[torch.dtype | None] = ContextVar("trained_again_in", default=None)


class Use(Enum):
    """Uses of networks. A CPU can take short numbers for the first two.

    With a decoder bfloat16 is twice as fast there, and 0.1 to 0.5 % of the pixels get another class. A map by classifiers
    on features takes a sixth to a quarter less time, and 0.4 to 2 % of its pixels get another class.
    """

    TRAINING, DECODER, FEATURES = "training", "decoder", "features"


def precision_of(device: torch.device, use: Use, asked: str = AUTO_PRECISION) -> torch.dtype:
    """Return the numbers that networks compute with on a device.

    Args:
        asked: One of ``jobs.PRECISIONS``; ``auto`` stands for what ``FALSE_PRECISION`` names, if anything. For ``int8``,
            what is computed with where that cannot be, see ``false_core.inference.int8``.
    """
    exact = resolved(asked) == FLOAT32 or (resolved(asked) == INT8 and device.type == "cpu")
    return torch.float32 if exact else built_for(device, use)


def resolved(asked: str) -> str:
    """Return the precision that a job asks for: what ``FALSE_PRECISION`` names where it says ``auto``."""
    return preferred_precision() if asked == AUTO_PRECISION else asked


def built_for(device: torch.device, use: Use) -> torch.dtype:
    """Return the shortest numbers that a device was built for, of those that do for a use of networks."""
    if device.type == "cpu":
        return torch.bfloat16 if use != Use.FEATURES and has_instructions(INSTRUCTIONS) else torch.float32
    if device.type != "cuda":
        return torch.float32
    capability = torch.cuda.get_device_capability(device)
    # PyTorch's own ``is_bf16_supported`` is true where they are emulated.
    if capability >= BFLOAT16_SINCE:
        return torch.bfloat16
    built = capability != TURING or TENSOR_CORES_OF_TURING.search(torch.cuda.get_device_name(device))
    return torch.float16 if capability >= FLOAT16_SINCE and built else torch.float32


def has_instructions(names: Sequence[str]) -> bool:
    """Return whether the CPU has some of these instructions, as PyTorch calls them. Old versions of it cannot tell."""
    capabilities: Callable[[], Mapping[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    able = capabilities()
    return any(able.get(name) for name in names)


def forbid_tf32() -> None:
    """Have cuDNN convolve float32 as it is. By itself it rounds that to 11 binary digits on GPUs since Ampere."""
    torch.backends.cudnn.allow_tf32 = False


def precisions_in_training(device: torch.device, mixed: bool) -> tuple[torch.dtype, ...]:
    """Return the numbers that a training may compute with: one, or on some CPUs long and short ones, in this order.

    Args:
        mixed: True where it takes short numbers on devices built for them, unless ``FALSE_PRECISION`` says float32.
    """
    again = _AGAIN.get()
    if not mixed or resolved(AUTO_PRECISION) == FLOAT32 or again == torch.float32:
        return (torch.float32,)
    built = built_for(device, Use.TRAINING)
    if again == built:
        return (built,)
    # There encoders differ in what they gain: one loses a tenth of its speed, another gains half of it.
    return (torch.float32, built) if device.type == "cpu" and built != torch.float32 else (built,)


@contextmanager
def trained_again_in(numbers: torch.dtype | None) -> Iterator[None]:
    """Have trainings take the numbers that one took before, where they can; None: those that they would take anyway."""
    token = _AGAIN.set(numbers)
    try:
        yield
    finally:
        _AGAIN.reset(token)


def in_words(numbers: torch.dtype) -> str:
    """Return the name of numbers, for a person and for what names the parts of a map."""
    return str(numbers).removeprefix("torch.")


def digits_of(numbers: torch.dtype) -> int:
    """Return how many binary digits numbers have: float32 24, float16 11, bfloat16 8, int8 7."""
    if numbers == torch.int8:
        return 7
    return round(1 - math.log2(torch.finfo(numbers).eps))


def numbers_with(digits: int) -> torch.dtype:
    """Return the numbers that have so many binary digits."""
    known = torch.float32, torch.float16, torch.bfloat16, torch.int8
    return next(numbers for numbers in known if digits_of(numbers) == digits)


def of_training(device: torch.device, numbers: torch.dtype) -> str:
    """Return the name of the numbers that a training computes with, which its checkpoint goes by."""
    if numbers != torch.float32:
        return in_words(numbers)
    tf32 = device.type == "cuda" and torch.cuda.get_device_capability(device) >= BFLOAT16_SINCE
    return "tf32" if tf32 else "float32"


def autocast(device: torch.device, numbers: torch.dtype) -> torch.autocast:
    """Return a context in which networks compute with such numbers. In int8 only those do that were made so."""
    short = numbers in (torch.float16, torch.bfloat16)
    return torch.autocast(device.type, numbers if short else torch.bfloat16, enabled=short)


def loss_scaler(device: torch.device, numbers: torch.dtype) -> GradScaler:
    """Return what makes the loss of a training so large that float16, whose least number is 6e-8, holds its gradients.

    A step whose gradients overflow changes nothing, and the next one is scaled by half as much. With other numbers nothing
    is scaled.
    """
    short = numbers == torch.float16
    return GradScaler(device.type, FIRST_SCALE, growth_interval=STEPS_OF_A_SCALE, enabled=short)
