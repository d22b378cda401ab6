"""Convolutions may be fast in a training, and are as exact as float32 is everywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.backends import cudnn
from two_gpus import TwoGpus

from false_core.computing.device import choose_device
from false_core.computing.distributed import ALONE
from false_core.feedback import Feedback
from false_core.presets import FINETUNE
from false_core.sampling.labelled import RawCrops
from false_core.sampling.spectral import QUIET, torch_generator
from false_core.training.rate_schedule import RateSchedule
from false_core.training.segmenter_training import SegmenterTrainer
from false_core.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    before = cudnn.benchmark, cudnn.allow_tf32
    cudnn.benchmark = cudnn.allow_tf32 = False
    yield
    cudnn.benchmark, cudnn.allow_tf32 = before


def flags() -> tuple[bool, bool]:
    return cudnn.benchmark, cudnn.allow_tf32


def test_are_exact_on_a_gpu_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn.allow_tf32 = True  # As PyTorch has it.
    TwoGpus(monkeypatch)
    choose_device("cuda:1", Feedback())
    assert flags() == (False, False)


@pytest.mark.thorough
def test_are_fast_both_ways_in_a_step_of_fine_tuning() -> None:
    settings = replace(FINETUNE["quick"], encoder="resnet10t", crop_size=64, batch_size=2, decoder_first=0.0)
    trainer = SegmenterTrainer(settings, 3, 2, 0, CPU, ALONE)
    seen: list[tuple[bool, bool]] = []

    def look(module: Any, given: tuple[Tensor, ...], made: Tensor) -> None:
        seen.append(flags())
        made.register_hook(lambda gradient: seen.append(flags()))

    trainer.network.segmentation_head.register_forward_hook(look)
    batch = RawCrops(
        torch.randn(2, 3, 64, 64).half(),
        torch.eye(2, 3).expand(2, 1, 2, 3),
        QUIET.draw(2, 3, torch_generator(0, 0)),
        torch.randint(0, 2, (2, 64, 64)),
    )
    trainer.train_on(batch)
    assert seen == [(True, True)] * 2
    assert flags() == (False, False)


def test_are_fast_in_a_step_of_pretraining_and_exact_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        """Far enough."""

    def backward(self: Trainer, views: object) -> None:
        assert flags() == (True, True)
        raise Stop

    monkeypatch.setattr(Trainer, "_backward", backward)
    trainer: Any = Trainer.__new__(Trainer)
    trainer.settings = replace(FINETUNE["quick"])
    trainer.schedule, trainer.step = RateSchedule(10, is_published=False), 0
    trainer.optimiser = torch.optim.SGD([torch.zeros(1)], 1.0)
    with pytest.raises(Stop):
        trainer.train_on(None)
    assert flags() == (False, False)
