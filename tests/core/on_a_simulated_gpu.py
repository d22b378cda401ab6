"""Whole jobs on a device that is not the CPU: what lies there and what lies here never meet unasked, and the same comes out.

``test_on_a_simulated_gpu.py`` runs these tests in a process of their own, and the slow ones as slow tests. One alone:
pytest tests/core/on_a_simulated_gpu.py -k change
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from jobs_on_a_device import alike, finds_change, labels_in_a_session, pixels_of, pretrains, works_with_areas
from shapely import box
from simulated_gpu import OnSimulatedGpu, jobs_use_it
from small_jobs import SmallJobs, goes_on, interrupt, output_of
from small_world import textured_land, write_raster
from torch import Tensor
from torch.nn.functional import avg_pool2d

from false_core.areas.pooling import Pooling
from false_core.computing.precision import Use, autocast, precision_of
from false_core.dispatch import run
from false_core.feedback import Feedback
from false_core.jobs import METHODS, Classify, Embed, Finetune, SuggestLabels
from false_core.methods.fncc import FALSE
from false_core.methods.method import Views
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.area_classifier import FINEST_POOLED_STRIDE
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation

OF_EACH_KIND = ("false", "moco", "last", "inpainting")
"""Methods by points, with a momentum encoder, by a transformer and by painting. The others are slow tests."""
EVERY_METHOD = [method if method in OF_EACH_KIND else pytest.param(method, marks=pytest.mark.slow) for method in METHODS]
NUMBERS = ("float32", "bfloat16", "float16")
in_float32 = pytest.mark.parametrize("simulated_gpu", NUMBERS[:1], indirect=True)
in_bfloat16 = pytest.mark.parametrize("simulated_gpu", NUMBERS[1:2], indirect=True)
in_float16 = pytest.mark.parametrize("simulated_gpu", NUMBERS[2:], indirect=True)
in_all = pytest.mark.parametrize(
    "simulated_gpu", [n if n == "bfloat16" else pytest.param(n, marks=pytest.mark.slow) for n in NUMBERS], indirect=True
)
DEVICE = "mps"
"""The device as jobs name it."""


@pytest.fixture
def simulated_gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    with jobs_use_it(getattr(torch, request.param), monkeypatch) as device:
        yield device


class TestTheDevice:
    @in_bfloat16
    def test_complains_as_a_gpu_does(self, simulated_gpu: torch.device) -> None:
        there, here = torch.ones(3, device=simulated_gpu), torch.ones(3)
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(RuntimeError, match="numpy"):
            there.numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.rand(3, device=simulated_gpu, generator=torch.Generator())
        assert isinstance(there[torch.tensor([0, 2])], OnSimulatedGpu)
        with pytest.raises(RuntimeError, match="same device"):
            here[torch.zeros(1, dtype=torch.long, device=simulated_gpu)]
        assert (there.sum() + torch.tensor(1.0)).item() == 4.0

    @in_bfloat16
    def test_trains_and_has_numbers_of_its_own(self, simulated_gpu: torch.device) -> None:
        torch.manual_seed(0)
        network, pixels = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3)), torch.randn(2, 2, 8, 8)
        wanted = network(pixels).square().mean()
        wanted.backward()
        gradient = network[0].weight.grad.clone()
        network.zero_grad()
        with autocast(simulated_gpu, precision_of(simulated_gpu, Use.DECODER)):
            seen = network.to(simulated_gpu)(pixels.to(simulated_gpu))
        seen.float().square().mean().backward()
        assert seen.dtype == torch.bfloat16
        assert network[0].weight.grad.device == simulated_gpu
        torch.testing.assert_close(network[0].weight.grad.cpu(), gradient, atol=0.05, rtol=0.05)


class TestPretraining:
    @in_bfloat16
    @pytest.mark.parametrize("method", EVERY_METHOD)
    def test_goes_through_by_every_method(self, simulated_gpu: torch.device, method: str, land: str, tmp_path: Path) -> None:
        pretrains(DEVICE, method, max(2, METHOD_CLASSES[method].fewest_steps), land, tmp_path)

    @pytest.mark.slow
    @pytest.mark.parametrize("simulated_gpu", ["float32", "float16"], indirect=True)
    def test_goes_through_in_other_numbers(self, simulated_gpu: torch.device, land: str, tmp_path: Path) -> None:
        pretrains(DEVICE, "false", 2, land, tmp_path)


class TestATraining:
    @pytest.mark.slow
    @in_float16
    @pytest.mark.parametrize("kind", ["pretrain", "finetune"])
    def test_goes_on_where_it_was_interrupted(
        self, simulated_gpu: torch.device, kind: str, small_jobs: SmallJobs, often: None, cache: Path, tmp_path: Path
    ) -> None:
        job = replace(small_jobs.make(kind, tmp_path), device=DEVICE, steps=10)  # type: ignore[type-var,call-arg]
        interrupt(job, 5)
        assert "Going on from step" in goes_on(job)
        assert output_of(job).stat().st_size > 0

    @in_float16
    def test_goes_on_in_parts_where_memory_runs_out(
        self, simulated_gpu: torch.device, land: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look = FALSE.represent

        def small(method: FALSE, views: Views) -> dict[str, Tensor]:
            if len(views.pixels) > 8:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return look(method, views)

        monkeypatch.setattr(FALSE, "represent", small)
        pretrains(DEVICE, "false", 2, land, tmp_path)


class TestFineTuning:
    @pytest.mark.slow
    @in_float16
    @pytest.mark.parametrize("head", ["linear", "network"])
    def test_goes_through(
        self, simulated_gpu: torch.device, head: str, land: str, labels: str, encoder: str, tmp_path: Path
    ) -> None:
        model, found = str(tmp_path / "m.safetensors"), tmp_path / "map.tif"
        more: dict[str, Any] = {"preset": "quick", "steps": 3} if head == "network" else {}
        run(Finetune(land, labels, "cover", model, encoder=encoder, head=head, device=DEVICE, **more))
        run(Classify(land, model, str(found), device=DEVICE))
        assert len(np.unique(pixels_of(found))) == 4 if head == "linear" else len(np.unique(pixels_of(found))) > 1

    @in_float32
    @pytest.mark.parametrize("head", ["auto", "texture"])
    def test_fits_what_it_fits_on_the_cpu(
        self, simulated_gpu: torch.device, head: str, land: str, labels: str, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        models = {DEVICE: str(tmp_path / "there.safetensors"), "cpu": str(tmp_path / "here.safetensors")}
        if head == "auto":
            models["cpu"] = request.getfixturevalue("frozen_model")
        for where, model in models.items():
            if not Path(model).exists():
                run(Finetune(land, labels, "cover", model, head=head, device=where))
            run(Classify(land, model, str(tmp_path / f"{where}.tif"), device="cpu"))
        assert alike(tmp_path / f"{DEVICE}.tif", tmp_path / "cpu.tif") > 0.995


class TestMapping:
    @in_all
    @pytest.mark.parametrize("head", ["model", "frozen_model"])
    def test_gives_the_map_of_the_cpu_but_for_few_pixels(
        self, simulated_gpu: torch.device, head: str, land: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        model: str = request.getfixturevalue(head)
        for where in (DEVICE, "cpu"):
            confidence = str(tmp_path / f"{where} sure.tif")
            run(Classify(land, model, str(tmp_path / f"{where}.tif"), confidence=confidence, device=where))
        assert alike(tmp_path / f"{DEVICE}.tif", tmp_path / "cpu.tif") > 0.97

    @in_bfloat16
    def test_shows_features_and_where_to_label_next(
        self, simulated_gpu: torch.device, land: str, labels: str, encoder: str, frozen_model: str, tmp_path: Path
    ) -> None:
        for where in (DEVICE, "cpu"):
            run(Embed(land, encoder, str(tmp_path / f"{where}.tif"), device=where))
        assert np.abs(pixels_of(tmp_path / f"{DEVICE}.tif").astype(int) - pixels_of(tmp_path / "cpu.tif")).mean() < 3
        job = SuggestLabels(land, frozen_model, str(tmp_path / "next.gpkg"), labels=labels, count=3, size=12, device=DEVICE)
        assert run(job)["suggested"] == 3


class TestOtherJobs:
    @in_bfloat16
    def test_classify_find_and_collect_areas(self, simulated_gpu: torch.device, tmp_path: Path) -> None:
        works_with_areas(DEVICE, tmp_path)

    @in_bfloat16
    def test_find_change(self, simulated_gpu: torch.device, tmp_path: Path) -> None:
        finds_change(DEVICE, tmp_path)

    @in_bfloat16
    def test_label_in_a_session(self, simulated_gpu: torch.device, land: str, tmp_path: Path) -> None:
        labels_in_a_session(DEVICE, land, tmp_path)

    @in_float32
    def test_pool_features_of_several_tiles_at_once(
        self, simulated_gpu: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Averages:
            strides, channels = (FINEST_POOLED_STRIDE, 2 * FINEST_POOLED_STRIDE), (1, 1)

            def levels(self, pixels: Tensor) -> list[Tensor]:
                together.append(len(pixels))
                return [avg_pool2d(pixels, stride) for stride in self.strides]

        source = RasterSource(write_raster(tmp_path / "land.tif", textured_land(1900, 700, bands=1), nodata=0))
        areas = np.array([box(x, y, x + 90, y + 70) for x in range(5, 1800, 97) for y in (8, 300)])
        plain = Normalisation((0.0,), (1e3,), (50.0,), (30.0,))
        found = []
        for device in (simulated_gpu, torch.device("cpu")):
            together: list[int] = []
            pooling = Pooling(cast(Any, Averages()), source, plain, device, Feedback())
            found.append(list(pooling.over(areas)))
            assert together == ([1, 1, 1] if device.type == "cpu" else [3])
        for here, there in zip(*found, strict=True):
            assert here.numbers.tolist() == there.numbers.tolist()
            np.testing.assert_array_equal(here.features, there.features)
