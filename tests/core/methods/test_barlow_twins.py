"""Barlow Twins: the cross-correlation of the two views' embeddings is to be the identity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightly.loss import BarlowTwinsLoss

from false_core.methods.barlow_twins import barlow_twins


def views(
    pairs: int, dimensions: int = 5, seed: int = 0, noise: float = 0.7, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """Return (2B, d) embeddings with means of their own and dimensions that have something in common."""
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(pairs, dimensions)) @ generator.normal(size=(dimensions, dimensions)) + 3
    second = first + noise * generator.normal(size=first.shape)
    # Of large deviation, beside which the floor that keeps a constant dimension finite does not count.
    return torch.from_numpy(1000 * np.concatenate([first, second])).to(dtype)


def naive_barlow_twins(z: np.ndarray, redundancy_weight: float) -> float:
    """Eqs. 1 and 2 of the paper as they stand there, on embeddings centred over the batch."""
    first, second = z[: len(z) // 2], z[len(z) // 2 :]
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    total = 0.0
    for i in range(z.shape[1]):
        for j in range(z.shape[1]):
            shared = sum(a * b for a, b in zip(first[:, i], second[:, j]))
            lengths = sum(a * a for a in first[:, i]) ** 0.5 * sum(b * b for b in second[:, j]) ** 0.5
            correlation = shared / lengths
            total += (1 - correlation) ** 2 if i == j else redundancy_weight * correlation**2
    return float(total)


class TestByHand:
    # Two dimensions over four patches, both of mean 0 and deviation 1, that have nothing in common.
    A, B = [1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]

    @pytest.mark.parametrize(
        ("second", "wanted"),
        [
            ([A, B], 0.0),  # The identity: nothing left to do.
            ([B, A], 2 + 2 * 0.005),  # Each dimension says what the other one should.
            ([A, A], 1 + 0.005),  # Both say the same: the second not what it should, the first twice.
            ([[-x for x in A], B], 4.0),  # One is turned around: (1 - -1) squared.
        ],
        ids=["identical", "swapped", "redundant", "opposite"],
    )
    def test_the_loss_of_four_patches(self, second: list[list[float]], wanted: float) -> None:
        z = 1000 * torch.tensor([self.A, self.B], dtype=torch.float64).T
        other = 1000 * torch.tensor(second, dtype=torch.float64).T
        assert barlow_twins(torch.cat([z, other])).loss.item() == pytest.approx(wanted, abs=1e-9)


class TestAgainstTheEquations:
    @pytest.mark.parametrize("redundancy_weight", [0.0, 5e-3, 1.0])
    @pytest.mark.parametrize("pairs", [2, 7, 20])
    def test_a_plain_loop_gives_the_same(self, pairs: int, redundancy_weight: float) -> None:
        z = views(pairs, seed=pairs)
        wanted = naive_barlow_twins(z.numpy(), redundancy_weight)
        assert barlow_twins(z, redundancy_weight).loss.item() == pytest.approx(wanted, rel=1e-8)

    @pytest.mark.parametrize("redundancy_weight", [5e-3, 0.1])
    def test_so_does_another_library(self, redundancy_weight: float) -> None:
        z = views(32, dtype=torch.float32)
        theirs = BarlowTwinsLoss(lambda_param=redundancy_weight)(z[:32], z[32:])
        assert barlow_twins(z, redundancy_weight).loss.item() == pytest.approx(theirs.item(), rel=1e-4)

    def test_gradients_match_finite_differences(self) -> None:
        z = (views(6) / 1000).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: barlow_twins(x, 0.1).loss, (z,))


class TestTheLoss:
    def test_does_not_depend_on_the_order_of_pairs_or_of_views(self) -> None:
        z = views(12)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
        wanted = barlow_twins(z).loss.item()
        assert barlow_twins(z[torch.cat([order, order + 12])]).loss.item() == pytest.approx(wanted, rel=1e-10)
        assert barlow_twins(z.roll(12, dims=0)).loss.item() == pytest.approx(wanted, rel=1e-10)

    def test_does_not_depend_on_the_scale_and_the_mean_of_a_dimension(self) -> None:
        z = views(12)
        moved = z * torch.tensor([1.0, 2.0, 0.5, -3.0, 10.0]) + torch.tensor([0.0, 1.0, -500.0, 2000.0, 30.0])
        assert barlow_twins(moved).loss.item() == pytest.approx(barlow_twins(z).loss.item(), rel=1e-8)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_is_computed_in_single_precision(self, dtype: torch.dtype) -> None:
        z = views(64, 8, dtype=torch.float32) / 1000
        wanted = barlow_twins(z).loss.item()
        with torch.autocast("cpu", dtype):
            assert barlow_twins(z).loss.item() == pytest.approx(wanted, abs=1e-6)
        half = barlow_twins(z.to(dtype)).loss
        assert half.dtype == torch.float32
        assert half.item() == pytest.approx(wanted, abs=1e-3)

    def test_stays_finite_for_a_dimension_that_says_nothing(self) -> None:
        z = views(6, dtype=torch.float32)
        z[:, 2] = 7.0
        z = z.requires_grad_()
        loss = barlow_twins(z).loss
        torch.autograd.backward(loss)
        assert loss.item() >= 1, "it cannot correlate with itself"
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()

    def test_needs_two_stacked_views(self) -> None:
        with pytest.raises(ValueError, match="first views stacked on second views"):
            barlow_twins(torch.zeros(3, 2))
