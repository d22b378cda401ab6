from __future__ import annotations

import pytest
import torch
from two_cards import TwoCards

from false_core.device import choose_device, describe
from false_core.feedback import Feedback
from false_core.precision import autocast, digits_of, loss_scaler, precision_of

CARDS = {
    "NVIDIA GeForce GTX 1080": ((6, 1), torch.float32), "Tesla V100-SXM2-16GB": ((7, 0), torch.float16),
    "Tesla T4": ((7, 5), torch.float16), "NVIDIA T4G": ((7, 5), torch.float16), "NVIDIA TITAN RTX": ((7, 5), torch.float16),
    "NVIDIA GeForce RTX 2080 Ti": ((7, 5), torch.float16), "NVIDIA GeForce GTX 1660 Ti": ((7, 5), torch.float32),
    "NVIDIA T400": ((7, 5), torch.float32), "NVIDIA GeForce MX450": ((7, 5), torch.float32),
    "NVIDIA A100-SXM4-40GB": ((8, 0), torch.bfloat16), "NVIDIA GeForce RTX 3060": ((8, 6), torch.bfloat16),
    "NVIDIA L4": ((8, 9), torch.bfloat16), "NVIDIA H100 PCIe": ((9, 0), torch.bfloat16),
    "NVIDIA GeForce RTX 5090": ((12, 0), torch.bfloat16),
}  # fmt: skip


@pytest.mark.parametrize("card", CARDS)
def test_a_card_computes_with_what_it_was_built_for(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capability, wanted = CARDS[card]
    TwoCards(monkeypatch, capability, card)
    # Which says yes where bfloat16 is emulated, too.
    assert torch.cuda.is_bf16_supported()
    device = choose_device("cuda:1", Feedback())
    assert precision_of(device) == wanted
    assert describe(device) == f"{card} (cuda:1, {str(wanted).removeprefix('torch.')})"
    given: list[tuple[torch.dtype, bool]] = []
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: given.append((dtype, enabled)))
    autocast(device)
    autocast(device, enabled=False)
    assert [enabled for _, enabled in given] == [wanted != torch.float32, False]
    assert wanted in (given[0][0], torch.float32)


@pytest.mark.parametrize("card", CARDS)
def test_a_loss_is_scaled_where_gradients_would_be_lost(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capability, wanted = CARDS[card]
    TwoCards(monkeypatch, capability, card)
    device = torch.device("cuda", 1)
    assert loss_scaler(device, True).is_enabled() == (wanted == torch.float16)
    assert not loss_scaler(device, False).is_enabled()


@pytest.mark.parametrize(("numbers", "digits"), [(torch.float32, 24), (torch.float16, 11), (torch.bfloat16, 8)])
def test_numbers_are_told_apart_by_their_digits(numbers: torch.dtype, digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("false_core.precision.precision_of", lambda device: numbers)
    assert digits_of(torch.device("cpu")) == digits
    assert torch.tensor(2.0**digits, dtype=numbers) + 1 == 2.0**digits
    assert torch.tensor(2.0 ** (digits - 1), dtype=numbers) + 1 > 2.0 ** (digits - 1)


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_other_devices_compute_in_float32(device: str) -> None:
    assert precision_of(torch.device(device)) == torch.float32
