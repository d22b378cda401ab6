"""Gradients of several processes are added up while earlier layers still compute theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from false_core.computing.distributed import ALONE, Share, World
from false_core.training import gradient_sum
from false_core.training.gradient_sum import GradientSum

LAYERS = 4


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Return a world that takes itself for one of several processes."""
    monkeypatch.setattr(World, "is_shared", True)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield World(Share())
    dist.destroy_process_group()


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what happens, in order. Each sum is twice what this process has, as if another one had the same."""
    happened: list[str] = []
    real = dist.all_reduce

    def watched(flat: Tensor, **named: Any) -> Any:
        happened.append(f"{flat.numel()} leave")
        flat.mul_(2)
        return real(flat, **named)

    monkeypatch.setattr(dist, "all_reduce", watched)
    return happened


def layers(happened: list[str], unused: int = -1) -> tuple[list[nn.Linear], Tensor]:
    """Return layers of 4 weights each, and a loss that depends on all of them but one."""
    torch.manual_seed(0)
    made = [nn.Linear(2, 2, bias=False) for _ in range(LAYERS)]
    values = torch.ones(1, 2)
    for number, layer in enumerate(made):
        if number != unused:
            values = layer(values)
            values.register_hook(lambda _, number=number: happened.append(f"layer {number}"))
    return made, values.sum()


def test_leave_before_the_first_layers_have_theirs(
    world: World, happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_sum, "BUCKET_BYTES", 2 * 4 * 4)
    made, loss = layers(happened)
    together = GradientSum([layer.weight for layer in made], world)
    alone = torch.autograd.grad(loss, [layer.weight for layer in made], retain_graph=True)
    happened.clear()
    with together.last_backward():
        torch.autograd.backward(loss)
    assert happened == ["layer 3", "layer 2", "8 leave", "layer 1", "layer 0", "8 leave"]
    for layer, own in zip(made, alone):
        torch.testing.assert_close(layer.weight.grad, 2 * own)


def test_of_parts_leave_with_the_last_one(world: World, happened: list[str]) -> None:
    made, loss = layers(happened)
    together = GradientSum([layer.weight for layer in made], world)
    torch.autograd.backward(loss, retain_graph=True)
    assert "16 leave" not in happened
    with together.last_backward():
        torch.autograd.backward(loss)
    assert happened.count("16 leave") == 1
    again, loss = layers([])
    for layer, own in zip(made, torch.autograd.grad(loss, [layer.weight for layer in again])):
        # Twice in this process, and as much in the other.
        torch.testing.assert_close(layer.weight.grad, 4 * own)


def test_that_are_not_there_hold_up_none_for_good(
    world: World, happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_sum, "BUCKET_BYTES", 4 * 4)
    made, loss = layers(happened, unused=2)
    with GradientSum([layer.weight for layer in made], world).last_backward():
        torch.autograd.backward(loss)
    assert happened == ["layer 3", "4 leave", "layer 1", "layer 0", "4 leave", "4 leave"]
    assert made[2].weight.grad is None


def test_of_one_process_stay_as_they_are(happened: list[str]) -> None:
    made, loss = layers(happened)
    with GradientSum([layer.weight for layer in made], ALONE).last_backward():
        torch.autograd.backward(loss)
    assert not [what for what in happened if "leave" in what]
