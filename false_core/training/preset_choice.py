"""The choice of the preset ``auto``: ``standard`` where it is a matter of minutes on this device, and ``quick`` elsewhere.

How long it would take is known from a test of two seconds, which is remembered: the block that ResNet-50 is made of is
trained on the device. So all jobs on one device take the same preset, and their files fit together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from false_core.computing.cost import SpeedTest, time_in_words
from false_core.computing.device import describe, is_out_of_memory, memory_of
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import autocast, in_words, precisions_in_training
from false_core.feedback import Feedback
from false_core.presets import PRESETS_IN_WORDS, PRETRAIN

AUTO, QUICK, STANDARD = "auto", "quick", "standard"
STANDARD_FLOP_PER_STEP = 3.19e12
"""Floating point operations in a step of pretraining with the preset ``standard``, there and back."""
MOST_S = 30 * 60.0
"""The longest pretraining that nobody asked for, in seconds."""
WHOLE_BATCH_BYTES, LEAST_BYTES = 12e9, 3e9
"""Memory of a device that holds a batch of the preset ``standard``, about, and that holds a useful part of one."""
MICRO_BATCH_COST = 4 / 3
"""The factor for the time of a step whose batch goes through the network in parts: one forward pass more."""
_FOREVER_S = 1e9
_VIEWS, _WIDE, _NARROW, _SIDE = 128, 256, 64, 40
_BLOCK_GFLOP = 3 * 2 * _VIEWS * _SIDE**2 * (2 * _WIDE * _NARROW + 9 * _NARROW**2) / 1e9


def choose_preset(asked: str, device: torch.device, feedback: Feedback, world: World = ALONE) -> str:
    """Return the preset that a job takes that asks for ``asked``, alike in all processes, and say why."""
    if asked != AUTO:
        feedback.info(_in_words(asked))
        return asked
    seconds = math.inf
    if device.type != "cpu":
        seconds = pretraining_seconds(_flop_per_s(device, feedback), memory_of(device), world.share.world_size)
    # As long as on the slowest device: all have the same number of patches.
    seconds = -world.smallest(-math.ceil(min(seconds, _FOREVER_S)))
    preset = preset_of(seconds)
    told = _in_words(preset)
    if device.type == "cpu":
        feedback.info(f"{told}, as this runs on the CPU. The parameter Preset chooses another.")
        return preset
    where = f"{describe(device)} with {memory_of(device) / 1e9:.0f} GB"
    if seconds >= _FOREVER_S:
        feedback.info(
            f"{told}, as {where} has too little memory for the preset standard. The parameter Preset chooses another."
        )
    else:
        feedback.info(
            f"{told}, as pretraining with the preset standard would take about {time_in_words(seconds)} on {where}. "
            "The parameter Preset chooses another."
        )
    return preset


def pretraining_seconds(flop_per_s: float, memory: float, processes: int = 1) -> float:
    """Return how long pretraining with the preset ``standard`` takes, infinite where it does not fit.

    Args:
        flop_per_s: Speed of a device in training.
        memory: Its bytes; 0 where they are not known.
        processes: Number of such devices.
    """
    if 0 < memory < LEAST_BYTES:
        return math.inf
    slower = MICRO_BATCH_COST if 0 < memory * processes < WHOLE_BATCH_BYTES else 1.0
    return slower * PRETRAIN[STANDARD].steps * STANDARD_FLOP_PER_STEP / (flop_per_s * processes)


def preset_of(seconds: float) -> str:
    """Return the preset for a device on which pretraining with ``standard`` takes so long."""
    return STANDARD if seconds <= MOST_S else QUICK


def _flop_per_s(device: torch.device, feedback: Feedback) -> float:
    """Return the speed of a device in training, in the numbers of that device; next to nothing where its memory runs out."""
    numbers = precisions_in_training(device, mixed=True)[0]
    test = SpeedTest("GFLOP of training", device, in_words(numbers))
    try:
        speed = test.run(lambda: _trained_block(device, numbers), feedback)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return 1.0
    return 1e9 / speed.seconds


def _trained_block(device: torch.device, numbers: torch.dtype) -> Callable[[], int]:
    """Return what trains a block of ResNet-50 for one step, and says how many GFLOP that takes."""
    layers = [
        *(nn.Conv2d(_WIDE, _NARROW, 1, bias=False), nn.BatchNorm2d(_NARROW), nn.ReLU(inplace=True)),
        *(nn.Conv2d(_NARROW, _NARROW, 3, padding=1, bias=False), nn.BatchNorm2d(_NARROW), nn.ReLU(inplace=True)),
        *(nn.Conv2d(_NARROW, _WIDE, 1, bias=False), nn.BatchNorm2d(_WIDE)),
    ]
    block: nn.Module = nn.Sequential(*layers).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    views = torch.randn(_VIEWS, _WIDE, _SIDE, _SIDE, device=device).contiguous(memory_format=torch.channels_last)
    views.requires_grad_()

    def step() -> int:
        with autocast(device, numbers):
            loss = block(views).float().mean()
        loss.backward()
        return round(_BLOCK_GFLOP)

    return step


def _in_words(preset: str) -> str:
    words = PRESETS_IN_WORDS[preset]
    return words[0].upper() + words[1:]
