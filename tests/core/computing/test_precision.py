from __future__ import annotations

import pytest
import torch
from small_world import Listener
from two_gpus import TwoGpus

from false_core.computing.device import choose_device, describe, tell_precision
from false_core.computing.precision import (
    Use,
    autocast,
    digits_of,
    loss_scaler,
    numbers_with,
    precision_of,
    precisions_in_training,
)
from false_core.errors import RequestError
from false_core.feedback import Feedback

GPUS = {
    "NVIDIA GeForce GTX 1080": ((6, 1), torch.float32), "Tesla V100-SXM2-16GB": ((7, 0), torch.float16),
    "Tesla T4": ((7, 5), torch.float16), "NVIDIA T4G": ((7, 5), torch.float16), "NVIDIA TITAN RTX": ((7, 5), torch.float16),
    "NVIDIA GeForce RTX 2080 Ti": ((7, 5), torch.float16), "NVIDIA GeForce GTX 1660 Ti": ((7, 5), torch.float32),
    "NVIDIA T400": ((7, 5), torch.float32), "NVIDIA GeForce MX450": ((7, 5), torch.float32),
    "NVIDIA A100-SXM4-40GB": ((8, 0), torch.bfloat16), "NVIDIA GeForce RTX 3060": ((8, 6), torch.bfloat16),
    "NVIDIA L4": ((8, 9), torch.bfloat16), "NVIDIA H100 PCIe": ((9, 0), torch.bfloat16),
    "NVIDIA GeForce RTX 5090": ((12, 0), torch.bfloat16),
}  # fmt: skip


@pytest.fixture(autouse=True)
def as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FALSE_PRECISION")


@pytest.mark.parametrize("gpu", GPUS)
def test_a_gpu_computes_with_what_it_was_built_for(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capability, wanted = GPUS[gpu]
    TwoGpus(monkeypatch, capability, gpu)
    # Which says yes where bfloat16 is emulated, too.
    assert torch.cuda.is_bf16_supported()
    device = choose_device("cuda:1", Feedback())
    assert precision_of(device, Use.FEATURES) == wanted
    assert describe(device) == f"{gpu} (cuda:1)"
    given: list[tuple[torch.dtype, bool]] = []
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: given.append((dtype, enabled)))
    autocast(device, precision_of(device, Use.FEATURES))
    autocast(device, precision_of(device, Use.FEATURES, "float32"))
    assert [enabled for _, enabled in given] == [wanted != torch.float32, False]
    assert wanted in (given[0][0], torch.float32)


@pytest.mark.parametrize("gpu", GPUS)
def test_a_loss_is_scaled_where_gradients_would_be_lost(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capability, wanted = GPUS[gpu]
    TwoGpus(monkeypatch, capability, gpu)
    device = torch.device("cuda", 1)
    assert precisions_in_training(device, mixed=True) == (wanted,)
    assert loss_scaler(device, wanted).is_enabled() == (wanted == torch.float16)
    assert precisions_in_training(device, mixed=False) == (torch.float32,)
    monkeypatch.setenv("FALSE_PRECISION", "float32")
    assert precisions_in_training(device, mixed=True) == (torch.float32,)


@pytest.mark.parametrize(("numbers", "digits"), [(torch.float32, 24), (torch.float16, 11), (torch.bfloat16, 8)])
def test_numbers_are_told_apart_by_their_digits(numbers: torch.dtype, digits: int) -> None:
    assert digits_of(numbers) == digits
    assert numbers_with(digits) == numbers
    assert torch.tensor(2.0**digits, dtype=numbers) + 1 == 2.0**digits
    assert torch.tensor(2.0 ** (digits - 1), dtype=numbers) + 1 > 2.0 ** (digits - 1)


def test_the_gpu_of_apple_computes_in_float32() -> None:
    assert precision_of(torch.device("mps"), Use.DECODER) == torch.float32


@pytest.mark.parametrize(
    ("instructions", "wanted"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        # Those of most laptops, which emulate it.
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_vnni": True}, torch.float32),
        (None, torch.float32),
    ],
)
def test_a_processor_computes_with_what_it_was_built_for(
    instructions: dict[str, bool] | None, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    if instructions is None:  # As in earlier versions of PyTorch.
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions, raising=False)
    assert precision_of(cpu, Use.DECODER) == wanted
    assert precision_of(cpu, Use.DECODER, "float32") == precision_of(cpu, Use.FEATURES) == torch.float32
    # A test of speed chooses.
    both = (torch.float32,) if wanted == torch.float32 else (torch.float32, wanted)
    assert precisions_in_training(cpu, mixed=True) == both
    assert precisions_in_training(cpu, mixed=False) == (torch.float32,)
    monkeypatch.setenv("FALSE_PRECISION", "float32")
    assert precision_of(cpu, Use.DECODER) == torch.float32
    assert precisions_in_training(cpu, mixed=True) == (torch.float32,)


def test_the_log_names_the_numbers_that_a_job_computes_with(listener: Listener) -> None:
    for what, kind in (("float32", "cuda"), ("bfloat16", "cpu"), ("float32", "cpu")):
        tell_precision(what, torch.device(kind), listener.feedback)
    assert listener.infos == "The network computes in float32.\nThe network computes in bfloat16."


def test_a_precision_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_PRECISION", "half")
    with pytest.raises(RequestError, match="FALSE_PRECISION is 'half'"):
        precision_of(torch.device("cpu"), Use.DECODER)
