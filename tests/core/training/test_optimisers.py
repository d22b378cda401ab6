"""The optimiser as published with FALSE, and how fast each preset learns when."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.presets import PRETRAIN
from false_core.training.checkpoint import Checkpoint
from false_core.training.optimisers import (
    LARC,
    clip_each,
    fused_on,
    parameter_groups,
    polynomial,
    published_schedule,
    restore,
    warm_up_and_cosine,
)


def test_clipping_shortens_each_gradient_that_is_too_long_by_itself() -> None:
    long, short, none = torch.tensor([6.0, 8.0]), torch.tensor([[0.6], [0.8]]), torch.zeros(3)
    wanted = [nn.Parameter(torch.zeros_like(one)) for one in (long, short, none)]
    for parameter, gradient in zip(wanted, (long, short, none)):
        parameter.grad = gradient.clone()
        nn.utils.clip_grad_norm_([parameter], 3.0)
    clip_each([long, short, none], 3.0)
    for parameter, found in zip(wanted, (long, short, none)):
        torch.testing.assert_close(found, parameter.grad)
    assert long.norm().item() == pytest.approx(3.0)
    clip_each([], 3.0)


def naive_larc(
    weights: np.ndarray, gradients: list[np.ndarray], rates: list[float], momentum: float, decay: float
) -> np.ndarray:
    """Layer-wise adaptive rates as You et al. write them (Algorithm 1), for one layer: trust 0.001."""
    velocity = np.zeros_like(weights)
    for gradient, rate in zip(gradients, rates):
        length, slope = np.linalg.norm(weights), np.linalg.norm(gradient)
        local_rate = 0.001 * length / (slope + decay * length + 1e-8)
        velocity = momentum * velocity + local_rate * (gradient + decay * weights)
        weights = weights - rate * velocity
    return weights


def with_gradient(weights: Tensor, gradient: Tensor) -> nn.Parameter:
    parameter = nn.Parameter(weights.clone())
    parameter.grad = gradient.clone()
    return parameter


class TestLARC:
    @pytest.mark.parametrize("decay", [0.0, 1e-6, 0.1])
    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_a_plain_loop_gives_the_same_weights(self, momentum: float, decay: float) -> None:
        generator = np.random.default_rng(0)
        layers = [generator.normal(size=shape) for shape in ((4, 3), (5,), (2, 3, 2, 2))]
        gradients = [[10.0**size * generator.normal(size=layer.shape) for size in (-3, 0, 2)] for layer in layers]
        rates = [0.6, 4.8, 0.1]
        parameters = [nn.Parameter(torch.from_numpy(layer.copy())) for layer in layers]
        optimiser = LARC(parameters, 1.0, momentum, decay)
        for step, rate in enumerate(rates):
            optimiser.param_groups[0]["lr"] = rate
            for parameter, own in zip(parameters, gradients):
                parameter.grad = torch.from_numpy(own[step].copy())
            optimiser.step()
        for parameter, layer, own in zip(parameters, layers, gradients):
            wanted = naive_larc(layer, own, rates, momentum, decay)
            np.testing.assert_allclose(parameter.detach().numpy(), wanted, rtol=1e-10)
            assert np.abs(wanted - layer).max() > 1e-5

    @pytest.mark.thorough
    def test_timm_s_gives_the_same_weights_as_long_as_every_layer_has_a_gradient(self) -> None:
        from timm.optim import Lars  # Some seconds, which each run of the tests would wait for.

        torch.manual_seed(0)
        ours = nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 2)).double()
        theirs = copy.deepcopy(ours)
        optimisers = (
            LARC(ours.parameters(), 0.6, weight_decay=1e-6),
            Lars(theirs.parameters(), 0.6, momentum=0.9, weight_decay=1e-6, always_adapt=True),
        )
        for _ in range(10):
            batch = torch.randn(8, 6, dtype=torch.float64)
            for network, optimiser in zip((ours, theirs), optimisers):
                optimiser.zero_grad()
                network(batch).square().mean().backward()
                optimiser.step()
        for own, other in zip(ours.parameters(), theirs.parameters()):
            torch.testing.assert_close(own, other, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
    def test_the_length_of_a_step_depends_on_the_weights_and_not_on_the_gradient(self, scale: float) -> None:
        weights, gradient = torch.full((3, 3), 2.0), scale * torch.ones(3, 3)
        parameter = with_gradient(weights, gradient)
        LARC([parameter], lr=5.0, momentum=0.0).step()
        assert (parameter - weights).norm().item() == pytest.approx(5.0 * 0.001 * 6.0, rel=1e-3)

    def test_groups_decay_each_at_its_own_rate(self) -> None:
        ones, gradient = torch.ones(4), torch.tensor([1.0, 0.0, 0.0, 0.0])
        decays, still = with_gradient(ones, gradient), with_gradient(ones, gradient)
        groups = [{"params": [decays], "weight_decay": 0.5}, {"params": [still], "weight_decay": 0.0}]
        optimiser = LARC(groups, lr=1.0)
        optimiser.step()
        assert (decays[1:] < 1).all()
        assert (still[1:] == 1).all()
        assert [group["weight_decay"] for group in optimiser.param_groups] == [0.5, 0.0], "the next step needs them again"

    def test_a_layer_of_zeros_can_leave_zero(self) -> None:
        parameter = with_gradient(torch.zeros(3), torch.ones(3))
        LARC([parameter], lr=0.5, weight_decay=0.1).step()
        assert parameter.tolist() == pytest.approx([-0.5] * 3)

    def test_a_layer_without_a_gradient_stays_where_it_is(self) -> None:
        flat, unused = with_gradient(torch.ones(3), torch.zeros(3)), nn.Parameter(torch.ones(3))
        LARC([flat, unused], lr=0.5, weight_decay=0.1).step()
        assert flat.tolist() == [1.0] * 3
        assert unused.tolist() == [1.0] * 3


class TestAFusedOptimiser:
    @pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
    def test_goes_on_as_if_it_had_not_been_saved(self, kind: Callable[..., torch.optim.Optimizer], tmp_path: Path) -> None:
        """It goes by the memory, in which weights of convolutions lie otherwise than in a file."""

        def new() -> tuple[nn.Module, torch.optim.Optimizer]:
            torch.manual_seed(0)
            network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            momentum = {"momentum": 0.9} if kind is torch.optim.SGD else {}
            return network, kind(network.parameters(), 0.1, fused=True, **momentum)

        def step(network: nn.Module, optimiser: torch.optim.Optimizer, number: int) -> None:
            optimiser.zero_grad()
            images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(number))
            network(images).square().mean().backward()
            optimiser.step()

        whole, its = new()
        step(whole, its, 0)
        asked, cpu = Pretrain(("land.tif",), "e"), torch.device("cpu")
        checkpoint = Checkpoint(asked, PRETRAIN["quick"], cpu, torch.float32, Feedback())
        checkpoint.path = tmp_path / "c.safetensors"
        checkpoint.save({"step": 1, "network": whole.state_dict(), "optimiser": its.state_dict()})
        step(whole, its, 1)
        saved = checkpoint.load()
        assert saved
        resumed, other = new()
        resumed.load_state_dict(saved["network"])
        restore(other, saved["optimiser"])
        step(resumed, other, 1)
        for own, wanted in zip(resumed.parameters(), whole.parameters()):
            assert torch.equal(own, wanted)

    def test_is_for_cards_of_nvidia(self) -> None:
        assert [fused_on(torch.device(name)) for name in ("cuda:1", "cpu", "mps")] == [True, None, None]


class TestParameterGroups:
    def test_weights_decay_and_biases_and_normalisation_do_not(self) -> None:
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 2))
        decay, rest = parameter_groups(network, weight_decay=0.1)
        assert (decay["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
        assert {id(p) for p in decay["params"]} == {id(network[0].weight), id(network[2].weight)}
        assert len(decay["params"]) + len(rest["params"]) == len(list(network.parameters()))

    def test_as_published_for_pretraining_biases_decay_too_and_normalisation_does_not(self) -> None:
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)))
        decay, rest = parameter_groups(network, weight_decay=0.1, decays="biases")
        inner = network[2]
        layers = (network[0].weight, network[0].bias, inner[1].weight, inner[1].bias)
        assert {id(p) for p in decay["params"]} == {id(p) for p in layers}
        assert {id(p) for p in rest["params"]} == {id(p) for p in (*network[1].parameters(), *inner[0].parameters())}

    def test_as_published_for_fine_tuning_all_decay(self) -> None:
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
        decay, rest = parameter_groups(network, weight_decay=5e-4, decays="all")
        assert (len(decay["params"]), rest["params"]) == (4, [])

    def test_what_is_not_trained_is_left_out(self) -> None:
        network = nn.Linear(3, 2)
        network.weight.requires_grad_(False)
        decay, rest = parameter_groups(network, weight_decay=0.1)
        assert decay["params"] == []
        assert len(rest["params"]) == 1


class TestThePolynomialSchedule:
    @pytest.mark.parametrize("step", [0, 1, 13, 650, 1299])
    def test_is_that_of_the_published_configuration(self, step: int) -> None:
        """``poly`` from 0.01 to 1e-4 with a power of 0.9 over 1,300 steps: (0.01 - 1e-4) (1 - t / T)^0.9 + 1e-4."""
        wanted = (0.01 - 1e-4) * (1 - step / 1300) ** 0.9 + 1e-4
        assert 0.01 * polynomial(step, 1300, lowest=0.01) == pytest.approx(wanted, rel=1e-12)


class TestThePublishedSchedule:
    """Read off the configuration published with FALSE, with its own numbers, for 1000 steps."""

    @pytest.mark.parametrize(
        ("step", "rate"),
        [
            (0, 0.6),
            (50, 0.6 + (4.8 - 0.6) / 2),
            # After the rise, the height of a cosine from 4.8 to 0.0048 that is 0.334 of its way down.
            (100, 0.0048 + 0.5 * (4.8 - 0.0048) * (1 + math.cos(0.334 * math.pi))),
            # Half down the first wave.
            (100 + 0.167 * 900, 0.0048 + 0.25 * (4.8 - 0.0048) * (1 + math.cos(0.334 * math.pi))),
            (100 + 0.334 * 900, 0.0048),
            # The crest of the second wave, the height of that cosine 0.668 of its way down.
            (100 + 0.668 * 900, 0.0048 + 0.5 * (4.8 - 0.0048) * (1 + math.cos(0.668 * math.pi))),
            (1000, 0.0048),
        ],
    )
    def test_goes_through_its_points(self, step: float, rate: float) -> None:
        assert 4.8 * published_schedule(step, 1000) == pytest.approx(rate, abs=2e-4)  # type: ignore[arg-type]

    def test_rises_falls_in_a_jump_and_a_wave_rises_again_and_falls(self) -> None:
        rates = [published_schedule(step, 1000) for step in range(1000)]
        turns = [n + 1 for n, (a, b, c) in enumerate(zip(rates, rates[1:], rates[2:])) if (b - a) * (c - b) < 0]
        assert turns == [99, 401, 701]
        assert max(rates) < 1.0

    @pytest.mark.parametrize("steps", [1, 2, 7])
    def test_works_for_very_short_runs(self, steps: int) -> None:
        assert all(0 < published_schedule(step, steps) <= 1 for step in range(steps))


class TestWarmUpAndCosine:
    def test_a_plain_formula_gives_the_same(self) -> None:
        for step in range(100):
            falling = 0.5 * (1 + math.cos(math.pi * (step - 10) / 90))
            assert warm_up_and_cosine(step, 100) == pytest.approx((step + 1) / 10 if step < 10 else falling)

    @pytest.mark.parametrize("steps", [1, 2, 7, 500])
    def test_is_never_zero_and_reaches_the_highest_rate_once(self, steps: int) -> None:
        rates = [warm_up_and_cosine(step, steps) for step in range(steps)]
        assert all(rate > 0 for rate in rates)
        assert max(rates) == 1.0
        highest = rates.index(1.0)
        assert all(a < b for a, b in itertools.pairwise(rates[: highest + 1]))
