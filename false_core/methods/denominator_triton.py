"""The kernels of ``denominator`` for NVIDIA GPUs, in Triton: no similarity ever leaves the chip.

Each program takes a few anchors and walks over all embeddings. Forward it keeps a running log-sum-exp (Milakov & Gimelshein,
"Online normalizer calculation for softmax", 2018) and the best candidate so far; backward it makes the similarities anew.
"""

# What Triton compiles is no Python for a type checker.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK_ROWS, BLOCK_COLUMNS = 64, 64
"""Rows and columns of the similarities that a program has at hand at a time."""
MOST_DIMENSIONS = 256
"""The largest length of an embedding. Longer ones do not fit on the chip."""


def scan(directions: Tensor, temperature: float, find: bool) -> tuple[Tensor, Tensor]:
    """Return what ``log_denominator`` returns, for one neighbour (``find``) or none, without gradients.

    Args:
        directions: Unit vectors of shape (2B, d), float32, d at most ``MOST_DIMENSIONS``.
        temperature: tau.
        find: Whether to look for the possible false negatives.
    """
    z = directions.contiguous()
    anchors, dimensions = z.shape
    denominator = z.new_empty(anchors)
    nearest = torch.empty(anchors, min(int(find), anchors - 2), dtype=torch.long, device=z.device)
    _scan[(triton.cdiv(anchors, BLOCK_ROWS),)](
        z, denominator, nearest, anchors, 1 / temperature, dimensions,
        FIND=nearest.shape[1] > 0, WIDTH=_width(dimensions), ROWS=BLOCK_ROWS, COLUMNS=BLOCK_COLUMNS,
    )  # fmt: skip
    return denominator, nearest


def gradient(directions: Tensor, denominator: Tensor, grad_output: Tensor, temperature: float) -> Tensor:
    """Return the gradient at ``directions`` (2B, d) for the gradient ``grad_output`` (2B,) at their denominators (2B,)."""
    z = directions.contiguous()
    anchors, dimensions = z.shape
    out = torch.empty_like(z)
    _gradient[(triton.cdiv(anchors, BLOCK_ROWS),)](
        z, denominator.contiguous(), grad_output.contiguous(), out, anchors, 1 / temperature, dimensions,
        WIDTH=_width(dimensions), ROWS=BLOCK_ROWS, COLUMNS=BLOCK_COLUMNS,
    )  # fmt: skip
    return out


def _width(dimensions: int) -> int:
    return max(16, 1 << (dimensions - 1).bit_length())


@triton.jit
def _load(z, rows, anchors, dimensions, WIDTH: tl.constexpr):
    d = tl.arange(0, WIDTH)
    inside = (rows[:, None] < anchors) & (d[None, :] < dimensions)
    return tl.load(z + rows[:, None].to(tl.int64) * dimensions + d[None, :], mask=inside, other=0.0)


@triton.jit
def _scan(
    z, denominator, nearest, anchors, scale, dimensions,
    FIND: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    own = _load(z, rows, anchors, dimensions, WIDTH)
    positive = (rows + anchors // 2) % anchors
    of_positive = tl.sum(own * _load(z, positive, anchors, dimensions, WIDTH), axis=1)
    highest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    closest = tl.full([ROWS], float("inf"), tl.float32)
    candidate = tl.zeros([ROWS], tl.int64)
    for start in range(0, anchors, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        others = _load(z, columns, anchors, dimensions, WIDTH)
        # Not in TF32, which rounds to three digits.
        similarity = tl.dot(own, tl.trans(others), input_precision="ieee")
        counts = (columns[None, :] < anchors) & (columns[None, :] != rows[:, None])
        logits = tl.where(counts, similarity * scale, float("-inf"))
        risen = tl.maximum(highest, tl.max(logits, axis=1))
        # Nothing has been seen yet where the highest is still -inf: there is nothing to scale then.
        base = tl.where(risen == float("-inf"), 0.0, risen)
        total = total * tl.exp(highest - base) + tl.sum(tl.exp(logits - base[:, None]), axis=1)
        highest = risen
        if FIND:
            is_negative = counts & (columns[None, :] != positive[:, None])
            distance = tl.where(is_negative, tl.abs(similarity - of_positive[:, None]), float("inf"))
            least = tl.min(distance, axis=1)
            # Strictly closer, and the first of equals within a block: the lowest index wins a tie.
            closer = least < closest
            candidate = tl.where(closer, start + tl.argmin(distance, axis=1).to(tl.int64), candidate)
            closest = tl.where(closer, least, closest)
    tl.store(denominator + rows, highest + tl.log(total), mask=rows < anchors)
    if FIND:
        tl.store(nearest + rows, candidate, mask=rows < anchors)


@triton.jit
def _gradient(
    z, denominator, grad_output, out, anchors, scale, dimensions,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    own = _load(z, rows, anchors, dimensions, WIDTH)
    own_denominator = tl.load(denominator + rows, mask=rows < anchors, other=0.0)
    own_grad = tl.load(grad_output + rows, mask=rows < anchors, other=0.0)
    gathered = tl.zeros([ROWS, WIDTH], tl.float32)
    for start in range(0, anchors, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        others = _load(z, columns, anchors, dimensions, WIDTH)
        their_denominator = tl.load(denominator + columns, mask=columns < anchors, other=0.0)
        their_grad = tl.load(grad_output + columns, mask=columns < anchors, other=0.0)
        logits = tl.dot(own, tl.trans(others), input_precision="ieee") * scale
        # A pair is in the denominators of both its anchors.
        weights = tl.exp(logits - own_denominator[:, None]) * own_grad[:, None]
        weights += tl.exp(logits - their_denominator[None, :]) * their_grad[None, :]
        counts = (columns[None, :] < anchors) & (columns[None, :] != rows[:, None])
        weights = tl.where(counts, weights, 0.0)
        gathered += tl.dot(weights, others, input_precision="ieee")
    d = tl.arange(0, WIDTH)
    inside = (rows[:, None] < anchors) & (d[None, :] < dimensions)
    tl.store(out + rows[:, None].to(tl.int64) * dimensions + d[None, :], gathered * scale, mask=inside)
