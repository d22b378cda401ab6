"""A run goes on in the numbers that it began with, or begins again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from two_gpus import TwoGpus

from false_core.computing.precision import precisions_in_training
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.presets import PRETRAIN
from false_core.training.checkpoint import Checkpoint

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
ASKED = Pretrain(("land.tif",), "e.safetensors")


def name(device: torch.device, mixed: bool) -> str:
    settings = replace(PRETRAIN["standard"], mixed_precision=mixed)
    return Checkpoint(ASKED, settings, device, precisions_in_training(device, mixed)[0], Feedback()).path.name


@pytest.fixture(autouse=True)
def as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FALSE_PRECISION")


@pytest.mark.parametrize(
    ("capability", "mixed", "same"),
    [((6, 1), True, True), ((8, 0), True, False), ((6, 1), False, True), ((8, 0), False, False)],
    ids=["float32", "bfloat16", "float32 as published", "tf32"],
)
def test_a_run_on_the_cpu_is_found_on_a_gpu_that_computes_alike(
    capability: tuple[int, int], mixed: bool, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cpu = name(CPU, mixed)
    TwoGpus(monkeypatch, capability)
    assert (name(GPU, mixed) == on_cpu) == same


def test_a_run_on_one_card_is_found_on_another_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    TwoGpus(monkeypatch, (8, 0))
    on_ampere = name(GPU, True)
    TwoGpus(monkeypatch, (9, 0))
    assert name(torch.device("cuda", 1), True) == on_ampere
    TwoGpus(monkeypatch, (7, 5), "Tesla T4")
    assert name(GPU, True) != on_ampere, "16 bits alone do not make them the same"
