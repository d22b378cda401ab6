from __future__ import annotations

import importlib.util
import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_rows_are_filled_by_what_a_gpu_showed_and_by_nothing_else(
    device: str, gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(part: str, *_: Any) -> dict[str, Any]:
        return {"problem": "lost"} if part == "tests" else dict.fromkeys(gpu.ROWS[part], 12.5)

    monkeypatch.setattr(gpu, "measured", measured)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path), "--device", device])
    gpu.main()
    rows = [line for line in (tmp_path / "gpu.md").read_text("utf-8").splitlines() if line.startswith("| ")]
    empty = [row for row in rows if row.endswith("| not measured |")]
    total = sum(map(len, gpu.ROWS.values()))
    assert len([row for row in rows if row != "| | |"]) == total
    assert len(empty) == (total if device == "cpu" else len(gpu.ROWS["tests"]))
    found = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert found["tests"] == {"problem": "lost"}
    assert found["device"] == device


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["GPU", "pretraining quick", "classifying"])
def test_what_calls_the_library_still_can(part: str, gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, which has imported most of it already. All parts run as slow tests."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setenv("GDAL_CACHEMAX", "160")  # As one of them sets it for good.
    assert set(gpu.ROWS[part]) <= gpu.PARTS[part]("cpu", True).keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        "GPU", "tests", "pretraining quick", "contrastive loss", "peers", "fine-tuning", "classifying",
        "peers in classifying", "two GPUs",
    ],
)  # fmt: skip
def test_each_part_can_be_rehearsed_on_the_cpu(part: str, gpu: ModuleType) -> None:
    """The other one, ``pretraining standard``, is ``pretraining quick`` with a network that takes minutes."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    found = gpu.measured(part, Namespace(device="cpu", short=True), {**os.environ, "PYTHONPATH": paths}, 600.0)
    missing = set(gpu.ROWS[part]) - found.keys()
    assert missing <= {"torchgeo, patches/s", "lightly, patches/s", "torchgeo, Mpx/s", "geoai, Mpx/s"}, found
    assert not found.get("failed"), found


def test_every_file_with_tests_of_a_gpu_is_run(gpu: ModuleType) -> None:
    marked = {"test_with_a_gpu.py", "test_denominator.py", "test_global_batch_norm.py"}
    assert {Path(name).name for name in gpu.files_with_tests()} == marked


def test_the_map_of_one_gpu_is_not_compared_with_that_of_two(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert gpu.two_gpus("cuda", True) == {}


@pytest.mark.parametrize(
    ("wheel", "there"),
    [
        ("torch-9.9-cp311-cp311-linux_x86_64.whl", True),
        ("nvidia_nccl_cu12-2.0-py3-none-any.whl", True),
        ("numpy-9.9-cp311-cp311-linux_x86_64.whl", True),
        ("segmentation_models_pytorch-9.9-py3-none-any.whl", True),
        ("no_such_package-1.0-py3-none-any.whl", False),
    ],
)
def test_wheels_do_not_shadow_what_the_machine_has(wheel: str, there: bool, gpu: ModuleType) -> None:
    assert gpu.is_there(wheel) == there


def test_a_part_that_fails_or_has_no_time_says_why(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Namespace(device="cpu", short=True)
    assert gpu.measured("GPU", asked, {}, 0.0) == {"problem": "there was no time left"}
    monkeypatch.setattr(gpu, "__file__", str(ROOT / "no" / "such" / "file.py"))
    assert "No such file" in gpu.measured("GPU", asked, {}, 60.0)["problem"]
