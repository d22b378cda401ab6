"""SimCLR: NT-Xent pulls the two views of a patch together and pushes all others apart."""

from __future__ import annotations

import math

import naive_contrast
import numpy as np
import pytest
import torch
from lightly.loss import NTXentLoss

from false_core.methods.fncc import fncc_loss
from false_core.methods.simclr import nt_xent


def views(pairs: int, dimensions: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return (2B, d) embeddings, first views stacked on second views that differ from them by noise."""
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(pairs, dimensions))
    second = first + 0.7 * generator.normal(size=first.shape)
    return torch.from_numpy(np.concatenate([first, second])).to(dtype)


def naive_nt_xent(z: np.ndarray, temperature: float) -> float:
    """Eq. 1 of the paper, one anchor after the other, and their mean as in Algorithm 1."""
    rows = [naive_contrast.unit(row) for row in z.tolist()]
    total = 0.0
    for i, row in enumerate(rows):
        e = [math.exp(naive_contrast.cosine(row, other) / temperature) for other in rows]
        total -= math.log(e[(i + len(rows) // 2) % len(rows)] / (sum(e) - e[i]))
    return total / len(rows)


class TestByHand:
    def test_two_pairs_at_right_angles(self) -> None:
        # Views of a pair are identical (cosine 1), pairs have nothing in common (cosine 0).
        z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
        for temperature in (0.1, 1.0):
            wanted = -math.log(math.exp(1 / temperature) / (math.exp(1 / temperature) + 2))
            assert nt_xent(z, temperature).loss.item() == pytest.approx(wanted, rel=1e-12)

    def test_embeddings_that_are_all_the_same_leave_chance(self) -> None:
        assert nt_xent(torch.ones(10, 3), 0.2).loss.item() == pytest.approx(math.log(9))

    def test_a_single_pair_has_nothing_to_tell_apart(self) -> None:
        assert nt_xent(views(1)).loss.item() == pytest.approx(0.0, abs=1e-12)


class TestAgainstTheEquation:
    @pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
    @pytest.mark.parametrize("pairs", [2, 3, 9])
    def test_a_plain_loop_gives_the_same(self, pairs: int, temperature: float) -> None:
        z = views(pairs, seed=pairs)
        assert nt_xent(z, temperature).loss.item() == pytest.approx(naive_nt_xent(z.numpy(), temperature), rel=1e-10)

    @pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
    def test_so_does_another_library(self, temperature: float) -> None:
        z = views(16, dtype=torch.float32)
        theirs = NTXentLoss(temperature)(z[:16], z[16:])
        assert nt_xent(z, temperature).loss.item() == pytest.approx(theirs.item(), rel=1e-5)

    @pytest.mark.parametrize("temperature", [0.05, 0.5])
    def test_false_that_trusts_no_false_negative_is_simclr(self, temperature: float) -> None:
        z = views(20)
        assert nt_xent(z, temperature).loss.item() == pytest.approx(
            fncc_loss(z, temperature, threshold=0.5, confidence=0.0).item(), rel=1e-12
        )

    def test_gradients_match_finite_differences(self) -> None:
        assert torch.autograd.gradcheck(lambda z: nt_xent(z, 0.3).loss, (views(5).requires_grad_(),))


class TestTheLoss:
    def test_does_not_depend_on_the_order_of_pairs_or_of_views(self) -> None:
        z = views(12)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
        wanted = nt_xent(z, 0.2).loss.item()
        assert nt_xent(z[torch.cat([order, order + 12])], 0.2).loss.item() == pytest.approx(wanted, rel=1e-12)
        assert nt_xent(z.roll(12, dims=0), 0.2).loss.item() == pytest.approx(wanted, rel=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_is_computed_in_single_precision(self, dtype: torch.dtype) -> None:
        z = views(64, 32, dtype=torch.float32)
        wanted = nt_xent(z, 0.5).loss.item()
        with torch.autocast("cpu", dtype):
            assert nt_xent(z, 0.5).loss.item() == pytest.approx(wanted, abs=1e-6)
        half = nt_xent(z.to(dtype), 0.5).loss
        assert half.dtype == torch.float32
        assert half.item() == pytest.approx(wanted, abs=1e-3)

    def test_stays_finite_at_low_temperature_and_for_embeddings_without_length(self) -> None:
        z = views(6, dtype=torch.float32)
        z[2] = 0.0
        z = z.requires_grad_()
        torch.autograd.backward(nt_xent(z, 0.01).loss)
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()

    def test_refuses_a_temperature_that_means_nothing(self) -> None:
        with pytest.raises(ValueError, match="temperature"):
            nt_xent(views(4), 0.0)

    def test_needs_two_stacked_views(self) -> None:
        with pytest.raises(ValueError, match="first views stacked on second views"):
            nt_xent(torch.zeros(3, 2))
