"""Time of the FNCC loss, forward and backward, in blocks against the whole matrix of similarities at once.

    python benchmarks/contrastive_loss.py

Both forms are timed in turn, and the best of several rounds counts. The ratio is what to look at.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from false_core.methods.fncc import fncc_loss

SIZES = ((512, 128), (1536, 64), (4096, 128))
"""Embeddings and their dimensions."""
TEMPERATURE, THRESHOLD = 0.2, 0.9
ROUNDS = 7


def whole_matrix(embeddings: Tensor) -> Tensor:
    """Return the loss with confidence 1 and one neighbour, in the plainest form that autograd can differentiate."""
    z = torch.nn.functional.normalize(embeddings, dim=1)
    similarity = z @ z.T
    own = torch.arange(len(z), device=z.device)
    positive = own.roll(len(z) // 2)
    of_positive = similarity[own, positive]
    distance = (similarity.detach() - of_positive.detach()[:, None]).abs()
    distance[own, own] = distance[own, positive] = torch.inf
    of_nearest = similarity[own, distance.argmin(dim=1)]
    logits = similarity / TEMPERATURE
    denominator = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf).logsumexp(dim=1)
    both = torch.logaddexp(of_positive / TEMPERATURE, of_nearest / TEMPERATURE)
    return (denominator - torch.where(of_positive > THRESHOLD, both, of_positive / TEMPERATURE)).mean()


def in_blocks(embeddings: Tensor) -> Tensor:
    """Return the loss of the library."""
    return fncc_loss(embeddings, TEMPERATURE, THRESHOLD, 1.0)


def seconds(loss: Callable[[Tensor], Tensor], embeddings: Tensor) -> float:
    """Return the processor time of one forward and backward pass."""
    began = time.process_time()
    torch.autograd.backward(loss(embeddings))
    return time.process_time() - began


def main() -> None:
    """Print one line per size."""
    print(f"{torch.get_num_threads()} threads, processor time in ms, best of {ROUNDS}")
    for count, dimensions in SIZES:
        embeddings = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(0)).requires_grad_()
        torch.testing.assert_close(in_blocks(embeddings), whole_matrix(embeddings), rtol=1e-5, atol=1e-5)
        rounds = [(seconds(whole_matrix, embeddings), seconds(in_blocks, embeddings)) for _ in range(ROUNDS)]
        whole, blocks = (1e3 * min(column) for column in zip(*rounds))
        print(
            f"{count:6d} x {dimensions:<4d} whole {whole:8.1f}   blocks {blocks:8.1f}   whole / blocks {whole / blocks:.2f}"
        )


if __name__ == "__main__":
    main()
