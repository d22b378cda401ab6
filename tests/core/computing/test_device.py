from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from jobs_on_a_device import labels_in_a_session
from small_world import Listener
from two_gpus import Event, TwoGpus

from false_core.cluster import take_own_gpu
from false_core.computing.device import choose_device, is_out_of_memory, processor
from false_core.computing.device_limits import WEEK_S, DeviceLimit
from false_core.computing.threads import BackgroundWriter, prefetch
from false_core.dispatch import run
from false_core.feedback import Feedback
from false_core.inference.upsample import Mapped
from false_core.jobs import (
    Change,
    Classify,
    ClassifyAreas,
    CollectPlaces,
    Embed,
    FindSimilar,
    Finetune,
    Pretrain,
    SuggestLabels,
)
from false_core.mapping.classify.compute import _on_its_way

SECOND = torch.device("cuda", 1)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> TwoGpus:
    return TwoGpus(monkeypatch)


@pytest.fixture
def second_of_two_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)


class TestTheDeviceOfAJob:
    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "kind", ["pretrain", "finetune", "classify", "embed", "suggest", "areas", "similar", "places", "change"]
    )
    def test_is_the_current_one_in_every_thread(
        self, kind: str, gpus: TwoGpus, land: str, labels: str, encoder: str, model: str, tmp_path: Path
    ) -> None:
        settings: dict[str, Any] = {"preset": "quick", "device": "cuda:1"}
        job = {
            "pretrain": Pretrain(
                (land,),
                str(tmp_path / "e.safetensors"),
                backbone="test_resnet",
                weights="none",
                steps=2,
                batch_size=4,
                **settings,
            ),
            "finetune": Finetune(
                land, labels, "cover", str(tmp_path / "m.safetensors"), encoder=encoder, head="linear", **settings
            ),
            "classify": Classify(land, model, str(tmp_path / "map.tif"), device="cuda:1"),
            "embed": Embed(land, encoder, str(tmp_path / "embedded.tif"), device="cuda:1"),
            "suggest": SuggestLabels(land, model, str(tmp_path / "next.gpkg"), count=2, size=12.0, device="cuda:1"),
            "areas": ClassifyAreas(
                land, str(tmp_path / "areas.gpkg"), areas=labels, labels=labels, field="cover", device="cuda:1"
            ),
            "similar": FindSimilar((land,), labels, str(tmp_path / "alike.gpkg"), device="cuda:1"),
            "places": CollectPlaces(
                (land,), str(tmp_path / "places.gpkg"), size=16.0, count=3, choice="features", device="cuda:1"
            ),
            "change": Change(land, land, str(tmp_path / "change.tif"), device="cuda:1"),
        }[kind]
        run(job)
        assert not gpus.astray()
        # These two make work for a GPU in one thread alone.
        assert (len(gpus.threads()) > 1) == (kind not in ("places", "change"))

    @pytest.mark.thorough
    def test_is_that_of_a_session_too(
        self, gpus: TwoGpus, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("false_core.training.preset_choice._flop_per_s", lambda device, feedback: 1e12)
        labels_in_a_session("cuda:1", land, tmp_path)
        assert gpus.notes and not gpus.astray()
        assert len(gpus.threads()) > 1

    @pytest.mark.thorough
    @pytest.mark.parametrize("kind", ["pretrain", "finetune"])
    def test_is_the_current_one_where_a_loss_is_scaled(
        self, kind: str, monkeypatch: pytest.MonkeyPatch, land: str, labels: str, encoder: str, tmp_path: Path
    ) -> None:
        gpus = TwoGpus(monkeypatch, (7, 5), "Tesla T4")
        settings: dict[str, Any] = {"preset": "quick", "device": "cuda:1", "steps": 2}
        made = str(tmp_path / "made.safetensors")
        if kind == "pretrain":
            run(Pretrain((land,), made, backbone="test_resnet", weights="none", batch_size=4, **settings))
        else:
            run(Finetune(land, labels, "cover", made, encoder=encoder, head="network", **settings))
        assert not gpus.astray()

    @pytest.mark.parametrize("named", ["auto", "cuda", "cuda:0", "cuda:1"])
    def test_is_a_gpu_of_its_own_under_torchrun(self, named: str, gpus: TwoGpus, second_of_two_ranks: None) -> None:
        told = Listener()
        assert choose_device(named, Feedback(told)) == SECOND
        assert gpus.current() == 1
        assert ("was named, but each process" in told.infos) == (":" in named)

    @pytest.mark.parametrize("named", ["auto", "cuda:0", "cuda:1"])
    def test_is_a_gpu_of_its_own_in_a_worker_of_dask_on_this_computer(
        self, named: str, gpus: TwoGpus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        distributed = pytest.importorskip("distributed", reason="dask is missing: pip install -e '.[test]'.")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
        for number in (0, 1):
            monkeypatch.setenv("LOCAL_RANK", "0")
            monkeypatch.setattr(distributed, "get_worker", lambda number=number: SimpleNamespace(name=number))
            take_own_gpu()
            assert choose_device(named, Feedback()) == torch.device("cuda", number)

    def test_is_the_named_one_where_each_computer_has_one_process(
        self, gpus: TwoGpus, second_of_two_ranks: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
        monkeypatch.setenv("LOCAL_RANK", "0")
        assert choose_device("cuda:1", Feedback()) == SECOND

    def test_is_that_of_the_thread_that_starts_threads(self, gpus: TwoGpus) -> None:
        torch.cuda.set_device(SECOND)
        found: list[int] = []
        assert list(prefetch(lambda key: gpus.current(), range(3), threads=2)) == [1, 1, 1]
        writer = BackgroundWriter(1)
        writer.add(lambda: found.append(gpus.current()))
        writer.finish()
        writer.close()
        assert found == [1]


def test_the_copy_of_a_map_is_waited_for_on_its_own_gpu(gpus: TwoGpus) -> None:
    class OnSimulatedGpu(SimpleNamespace):
        """The classes of a tile on the second GPU."""

    layer = OnSimulatedGpu(device=SECOND, shape=(2, 2), dtype=torch.uint8)
    empty = torch.empty
    host = SimpleNamespace(copy_=lambda layer, non_blocking: empty(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", lambda *shape, **named: host)
        _, ready = _on_its_way(Mapped(layer, None))  # type: ignore[arg-type]
    assert isinstance(ready, Event)
    assert ready.device == SECOND


class TestOutOfMemory:
    @pytest.mark.parametrize(
        "words",
        [
            "CUDA out of memory. Tried to allocate 2.00 GiB.",
            "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
            "CUDA driver error: out of memory",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
            "NCCL error: unhandled cuda error. Last error:\nCuda failure 2 'out of memory'",
            "Triton Error [CUDA]: out of memory",
            "HIP out of memory. Tried to allocate 2.00 GiB.",
            "MPS backend out of memory (MPS allocated: 8.00 GB)",
            "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
        ],
    )
    def test_is_known_in_all_its_spellings(self, words: str) -> None:
        assert is_out_of_memory(RuntimeError(words))

    @pytest.mark.parametrize(
        "words", ["CUDA error: unspecified launch failure", "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", "NCCL timeout"]
    )
    def test_is_not_seen_in_other_failures(self, words: str) -> None:
        assert not is_out_of_memory(RuntimeError(words))


def test_a_limit_is_that_of_one_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path))
    cpu, told = torch.device("cpu"), tmp_path / "cpuinfo"

    def on(name: str) -> DeviceLimit:
        told.write_text(f"processor\t: 0\nmodel name\t: {name}\ncpu MHz\t\t: 2000.5\n")
        monkeypatch.setattr("false_core.computing.device.PROCESSORS", told)
        processor.cache_clear()
        return DeviceLimit("nanoseconds", cpu)

    try:
        on("EPYC 9654").remember(7)
        assert [on(name).number() for name in ("EPYC 9654", "EPYC 7763")] == [7, None]
    finally:
        processor.cache_clear()


class TestALimitFoundAsMemoryRanOut:
    def test_is_doubled_every_week_up_to_what_was_wanted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path))
        now = [1e9]
        monkeypatch.setattr("time.time", lambda: now[0])
        limit = DeviceLimit("patches at a time", torch.device("cpu"))
        limit.remember_shortage(4, 12)

        def after(weeks: float) -> int | None:
            now[0] = 1e9 + weeks * WEEK_S
            return limit.number()

        assert [after(weeks) for weeks in (0, 0.9, 1, 2, 90, 9000)] == [4, 4, 8, 12, 12, 12]
        limit.remember_shortage(6, 8)
        assert limit.number() == 6
        assert [after(weeks) for weeks in (9000, 9001)] == [6, 12], "what was wanted at first is not forgotten"
        limit.remember(5)
        assert after(9010) == 5, "what was measured stays"
