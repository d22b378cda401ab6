"""The denominator of contrastive losses: anchors against all others, in blocks, so that memory is linear in the batch."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from false_core.methods import pairs
from false_core.methods.denominator import log_denominator
from false_core.methods.false_negatives import Search, determine_false_negatives
from false_core.methods.fncc import fncc_loss


def embeddings(count: int, dimensions: int = 8, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return (2B, d) embeddings of which some pairs are alike."""
    generator = torch.Generator().manual_seed(count)
    first = torch.randn(count // 2, dimensions, generator=generator, dtype=dtype)
    second = first + torch.linspace(0.05, 1.5, count // 2, dtype=dtype)[:, None] * torch.randn(
        count // 2, dimensions, generator=generator, dtype=dtype
    )
    return torch.cat([first, second])


def plain(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the denominators from the whole matrix."""
    logits = z @ z.T / temperature
    return logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf).logsumexp(dim=1)


@pytest.mark.parametrize("rows", [1, 3, 7, 20])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_blocks_of_any_size_give_what_the_whole_matrix_gives(
    rows: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = embeddings(20)
    monkeypatch.setattr(pairs, "SIMILARITIES_AT_A_TIME", 20 * rows)
    assert len(list(pairs.blocks(20))) == -(-20 // rows)
    mine = pairs.directions(z).requires_grad_()
    theirs = mine.detach().clone().requires_grad_()
    # Anchors of different weight, so that a mistake in which gradient belongs to whom shows.
    weights = torch.linspace(-1, 2, 20, dtype=torch.float64)
    denominator, nearest = log_denominator(mine, temperature, 3)
    wanted = plain(theirs, temperature)
    torch.testing.assert_close(denominator, wanted, rtol=1e-12, atol=1e-12)
    assert torch.equal(nearest, determine_false_negatives(z, Search(0.9, 3)).indices)
    torch.autograd.backward((denominator * weights).sum())
    torch.autograd.backward((wanted * weights).sum())
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-10, atol=1e-12)


def test_single_precision_differs_by_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    z = embeddings(600, 64, torch.float32).requires_grad_()
    precise = z.detach().double().requires_grad_()
    monkeypatch.setattr(pairs, "SIMILARITIES_AT_A_TIME", 600 * 100)
    loss, wanted = fncc_loss(z, 0.2, 0.9, 1.0), fncc_loss(precise, 0.2, 0.9, 1.0)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    torch.autograd.backward(loss)
    torch.autograd.backward(wanted)
    assert z.grad is not None
    assert precise.grad is not None
    torch.testing.assert_close(z.grad.double(), precise.grad, rtol=1e-3, atol=1e-6 * precise.grad.abs().max().item())


def test_gradients_match_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "SIMILARITIES_AT_A_TIME", 24)
    z = embeddings(12, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: log_denominator(x, 0.5)[0], (z,))


MEASURE = """
import resource, torch
from false_core.methods.fncc import fncc_loss
z = torch.randn(8192, 64, requires_grad=True)
fncc_loss(z[:64].detach(), 0.1, 0.9, 1.0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fncc_loss(z, 0.1, 0.9, 1.0).backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is not there")
def test_a_large_batch_needs_far_less_memory_than_its_matrix() -> None:
    # 8,192 embeddings have 256 MiB of similarities, and a loss written plainly keeps several such matrices.
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    kilobytes = int(done.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 200 * 1024
