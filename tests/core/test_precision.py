from __future__ import annotations

import pytest
import torch
from two_cards import TwoCards

from false_core.device import choose_device, describe
from false_core.feedback import Feedback
from false_core.precision import autocast, precision_of

CARDS = {
    "GTX 1080": ((6, 1), torch.float32), "V100": ((7, 0), torch.float32), "T4": ((7, 5), torch.float32),
    "A100": ((8, 0), torch.bfloat16), "RTX 3060": ((8, 6), torch.bfloat16), "L4": ((8, 9), torch.bfloat16),
    "H100": ((9, 0), torch.bfloat16), "RTX 5090": ((12, 0), torch.bfloat16),
}  # fmt: skip


@pytest.mark.parametrize("card", CARDS)
def test_a_card_computes_with_what_it_was_built_for(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    capability, wanted = CARDS[card]
    TwoCards(monkeypatch, capability)
    # Which says yes where bfloat16 is emulated, too.
    assert torch.cuda.is_bf16_supported()
    device = choose_device("cuda:1", Feedback())
    assert precision_of(device) == wanted
    assert describe(device) == f"No Such Card (cuda:1, {str(wanted).removeprefix('torch.')})"
    given: list[bool] = []
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: given.append(enabled))
    autocast(device)
    autocast(device, enabled=False)
    assert given == [wanted == torch.bfloat16, False]


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_other_devices_compute_in_float32(device: str) -> None:
    assert precision_of(torch.device(device)) == torch.float32
