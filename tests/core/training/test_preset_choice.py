"""The preset ``auto`` is a matter of minutes on every device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from false_core.computing import cost
from false_core.computing.cost import Speed, SpeedTest
from false_core.computing.distributed import World
from false_core.events import Event, Message
from false_core.feedback import Feedback
from false_core.models.encoder import build_encoder
from false_core.presets import PRETRAIN
from false_core.training import preset_choice
from false_core.training.preset_choice import (
    STANDARD_FLOP_PER_STEP,
    choose_preset,
    preset_of,
    pretraining_seconds,
)

DEVICES = [
    # Speed in training in TFLOP/s, memory in GB, number, preset, hours at least and at most.
    pytest.param(73.0, 80.0, 1, "standard", (0.1, 0.2), id="H100"),
    pytest.param(73.0, 80.0, 8, "standard", (0.01, 0.02), id="eight H100"),
    pytest.param(5.0, 4.0, 1, "quick", (2.0, 3.0), id="RTX 3050 laptop"),
    pytest.param(1.3, 11.0, 1, "quick", (6.0, 10.0), id="M1"),
    pytest.param(5.0, 16.0, 1, "quick", (1.5, 2.0), id="T4"),
    pytest.param(50.0, 2.0, 1, "quick", (float("inf"), float("inf")), id="a part of a GPU"),
]


@pytest.mark.parametrize(("tflops", "gigabytes", "number", "preset", "hours"), DEVICES)
def test_it_goes_by_the_time_that_standard_would_take(
    tflops: float, gigabytes: float, number: int, preset: str, hours: tuple[float, float]
) -> None:
    seconds = pretraining_seconds(tflops * 1e12, gigabytes * 1e9, number)
    assert hours[0] <= seconds / 3600 <= hours[1]
    assert preset_of(seconds) == preset


@pytest.mark.thorough
def test_the_operations_of_a_step_are_counted() -> None:
    settings = PRETRAIN["standard"]
    with torch.device("meta"):
        encoder = build_encoder(settings.encoder, 3)
        views = torch.zeros(2, 3, settings.crop_size, settings.crop_size)
        with FlopCounterMode(display=False) as counter:
            sum(level.sum() for level in encoder(views)[1:]).backward()
    # What the heads and the loss add is less than a tenth.
    assert 0.9 < settings.batch_size * counter.get_total_flops() / STANDARD_FLOP_PER_STEP < 1.05


class TestWhatIsSaid:
    @staticmethod
    def said(device: str, monkeypatch: pytest.MonkeyPatch, tflops: float = 5.0, gigabytes: float = 4.0) -> tuple[str, str]:
        events: list[Event] = []

        def known(self: SpeedTest, make: Callable[[], Callable[[], int]], *more: object) -> Speed:
            return Speed(1e-3 / tflops, 1.0)

        monkeypatch.setattr(SpeedTest, "run", known)
        monkeypatch.setattr(preset_choice, "memory_of", lambda device: gigabytes * 1e9)
        monkeypatch.setattr(preset_choice, "describe", lambda device: "NVIDIA RTX 3050 (cuda:0)")
        preset = choose_preset("auto", torch.device(device), Feedback(events.append))
        return preset, " ".join(event.text for event in events if isinstance(event, Message))

    def test_is_the_time_and_the_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        preset, text = self.said("meta", monkeypatch)
        assert preset == "quick"
        assert "standard would take about 2.4 hours on NVIDIA RTX 3050 (cuda:0) with 4 GB." in text

    def test_is_that_the_memory_is_too_small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        preset, text = self.said("meta", monkeypatch, gigabytes=2.0)
        assert preset == "quick"
        assert "too little memory" in text

    def test_is_that_it_runs_on_the_cpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        preset, text = self.said("cpu", monkeypatch, tflops=1000.0)
        assert preset == "quick"
        assert "as this runs on the CPU" in text

    def test_memory_that_another_program_has_is_too_small_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none_left(*given: object) -> Speed:
            raise RuntimeError("CUDA error: out of memory")

        monkeypatch.setattr(SpeedTest, "run", none_left)
        monkeypatch.setattr(preset_choice, "memory_of", lambda device: 80e9)
        events: list[Event] = []
        assert choose_preset("auto", torch.device("meta"), Feedback(events.append)) == "quick"
        assert "too little memory" in " ".join(event.text for event in events if isinstance(event, Message))

    def test_is_the_time_on_the_slowest_of_several_devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SpeedTest, "run", lambda *given: Speed(1e-3 / 80, 1.0))
        monkeypatch.setattr(preset_choice, "memory_of", lambda device: 80e9)
        assert choose_preset("auto", torch.device("meta"), Feedback()) == "standard"

        class WithSlowerOne(World):
            def smallest(self, number: int) -> int:
                return min(number, -7200)

        events: list[Event] = []
        assert choose_preset("auto", torch.device("meta"), Feedback(events.append), WithSlowerOne()) == "quick"
        assert "about 2.0 hours" in " ".join(event.text for event in events if isinstance(event, Message))

    def test_is_not_what_was_found_in_other_numbers(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        tested: list[torch.dtype] = []

        def block(device: torch.device, numbers: torch.dtype) -> Callable[[], int]:
            tested.append(numbers)
            return lambda: 1

        monkeypatch.setenv("FALSE_CACHE", str(tmp_path))
        monkeypatch.setattr(cost, "TEST_S", 0.0)
        monkeypatch.setattr(preset_choice, "_trained_block", block)
        for numbers in (torch.bfloat16, torch.float32, torch.bfloat16):
            monkeypatch.setattr(preset_choice, "precisions_in_training", lambda *given, numbers=numbers, **more: (numbers,))
            choose_preset("auto", torch.device("meta"), Feedback())
        assert tested == [torch.bfloat16, torch.float32]

    def test_a_preset_that_is_asked_for_is_taken(self) -> None:
        assert choose_preset("standard", torch.device("cpu"), Feedback()) == "standard"


def test_a_device_is_tested_by_training_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        preset_choice, "autocast", lambda device, numbers: contextlib.nullcontext()
    )  # It knows no such device.
    step = preset_choice._trained_block(torch.device("meta"), torch.float32)
    with FlopCounterMode(display=False) as counter:
        gflop = step()
    assert gflop == pytest.approx(counter.get_total_flops() / 1e9, rel=0.02)
