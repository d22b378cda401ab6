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


@pytest.mark.thorough
@pytest.mark.parametrize("tile", [(1, 1), (3, 7), (7, 20), (20, 3), (256, 256)])
@pytest.mark.parametrize("temperature", [0.01, 0.05, 0.5])
def test_tiles_of_any_size_give_what_the_whole_matrix_gives(
    tile: tuple[int, int], temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    z = embeddings(20)
    monkeypatch.setattr(pairs, "TILE", tile)
    cut = list(pairs.tiles(slice(0, 20), 20, z.device))
    assert (len(cut), len(cut[0][1])) == (-(-20 // tile[0]), -(-20 // tile[1]))
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
    monkeypatch.setattr(pairs, "TILE", (100, 70))
    loss, wanted = fncc_loss(z, 0.2, 0.9, 1.0), fncc_loss(precise, 0.2, 0.9, 1.0)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    torch.autograd.backward(loss)
    torch.autograd.backward(wanted)
    assert z.grad is not None
    assert precise.grad is not None
    torch.testing.assert_close(z.grad.double(), precise.grad, rtol=1e-3, atol=1e-6 * precise.grad.abs().max().item())


def test_gradients_match_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "TILE", (5, 4))
    z = embeddings(12, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: log_denominator(x, 0.5)[0], (z,))


def test_of_equals_the_lowest_index_is_found_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "TILE", (3, 3))
    same = torch.ones(8, 3) / 3**0.5
    assert log_denominator(same, 0.5, 2)[1][:6].tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [1, 2], [0, 2]]
    assert log_denominator(same, 0.5, 9)[1][0].tolist() == [1, 2, 3, 5, 6, 7]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_on_every_card_it_is_that_of_double_precision_and_needs_no_matrix() -> None:
    for number in range(torch.cuda.device_count()):
        card = torch.device("cuda", number)
        z = embeddings(12_000, 128, torch.float32)
        mine = pairs.directions(z.to(card)).requires_grad_()
        precise = pairs.directions(z.double().to(card)).requires_grad_()
        torch.cuda.reset_peak_memory_stats(card)
        before = torch.cuda.memory_allocated(card)
        denominator, nearest = log_denominator(mine, 0.2, 1)
        torch.autograd.backward(denominator.mean())
        assert torch.cuda.max_memory_allocated(card) - before < 4 * len(z) ** 2
        wanted, wanted_nearest = log_denominator(precise, 0.2, 1)
        torch.autograd.backward(wanted.mean())
        assert mine.grad is not None
        assert precise.grad is not None
        torch.testing.assert_close(denominator.double(), wanted, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(mine.grad.double(), precise.grad, rtol=1e-3, atol=1e-9)
        # Two that are nearly as close may change places.
        assert (nearest == wanted_nearest).double().mean() > 0.99


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
