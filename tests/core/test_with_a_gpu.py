"""What only a GPU can show, on every one that PyTorch sees. ``benchmarks/gpu.py`` runs these tests.

FALSE_TEST_DEVICES names other devices, such as ``cpu``, to rehearse them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from jobs_on_a_device import finds_change, labels_in_a_session, pretrains, works_with_areas
from small_jobs import goes_on, interrupt

from false_core.computing.device import choose_device
from false_core.computing.precision import Use, autocast, precision_of
from false_core.dispatch import run
from false_core.feedback import Feedback
from false_core.jobs import METHODS, Classify, Finetune, Pretrain
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.texture import LocalStatistics

DEVICES = os.environ.get("FALSE_TEST_DEVICES", "").split() or [f"cuda:{n}" for n in range(torch.cuda.device_count())]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not DEVICES, reason="There is no GPU."),
    pytest.mark.parametrize("device", DEVICES),
]


def test_a_job_computes_where_it_was_told_to(device: str) -> None:
    chosen = choose_device(device, Feedback())
    assert chosen == torch.device(device)
    if chosen.type == "cuda":
        assert torch.cuda.current_device() == chosen.index


def test_the_precision_of_the_card_is_close_to_float32(device: str) -> None:
    torch.manual_seed(0)
    chosen = choose_device(device, Feedback())
    pixels, network = torch.randn(2, 8, 64, 64), torch.nn.Conv2d(8, 16, 3)
    with torch.no_grad():
        wanted = network(pixels)
        with autocast(chosen, precision_of(chosen, Use.DECODER)):
            found = network.to(chosen)(pixels.to(chosen)).float().cpu()
    assert (found - wanted).abs().max() < 0.03


def test_deviations_in_float32_are_those_of_the_cpu(device: str) -> None:
    """They are what remains of numbers that nearly cancel: TF32, in which GPUs convolve by themselves, leaves nothing."""
    torch.manual_seed(0)
    chosen = choose_device(device, Feedback())
    pixels = 3.3 + 0.01 * torch.randn(1, 2, 64, 64)
    statistics = LocalStatistics(2)
    with torch.inference_mode():
        wanted = statistics(pixels)
        found = statistics.to(chosen)(pixels.to(chosen)).cpu()
    assert (found - wanted).abs().max() < 2e-3


def test_a_map_is_that_of_the_cpu_but_for_few_pixels(device: str, land: str, model: str, tmp_path: Path) -> None:
    maps = {}
    for where in ("cpu", device):
        run(Classify(land, model, str(tmp_path / f"{where[:3]}.tif"), device=where))
        with rasterio.open(tmp_path / f"{where[:3]}.tif") as file:
            maps[where] = file.read(1)
    assert np.mean(maps["cpu"] == maps[device]) > 0.99
    again = str(tmp_path / "again.tif")
    run(Classify(land, model, again, device=device))
    with rasterio.open(again) as file:
        assert (file.read(1) == maps[device]).all(), "all copies from the GPU were waited for"


@pytest.mark.parametrize("method", METHODS)
def test_pretraining_goes_through(device: str, method: str, land: str, tmp_path: Path) -> None:
    pretrains(device, method, max(2, METHOD_CLASSES[method].fewest_steps), land, tmp_path)


def test_pretraining_goes_on_where_it_was_interrupted(device: str, land: str, tmp_path: Path) -> None:
    encoder = tmp_path / "e.safetensors"
    settings: dict[str, Any] = {"preset": "quick", "backbone": "resnet10t", "weights": "none", "batch_size": 8}
    job = Pretrain((land,), str(encoder), steps=10, device=device, **settings)
    interrupt(job, 5)
    assert "Going on from step" in goes_on(job)
    assert encoder.stat().st_size > 0


@pytest.mark.parametrize("head", ["network", "linear", "texture"])
def test_fine_tuning_goes_through(device: str, head: str, land: str, labels: str, encoder: str, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    more: dict[str, Any] = {"preset": "quick", "steps": 3} if head == "network" else {}
    run(Finetune(land, labels, "cover", str(model), encoder=encoder, head=head, device=device, **more))
    run(Classify(land, str(model), str(tmp_path / "map.tif"), device=device))


def test_areas_are_classified_found_and_collected(device: str, tmp_path: Path) -> None:
    works_with_areas(device, tmp_path)


def test_change_is_found(device: str, tmp_path: Path) -> None:
    finds_change(device, tmp_path)


def test_a_session_shows_the_map_that_its_model_makes(device: str, land: str, tmp_path: Path) -> None:
    labels_in_a_session(device, land, tmp_path)
