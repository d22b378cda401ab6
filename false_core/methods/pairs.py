"""Embeddings of two views, compared pair by pair. All pairs at once would be a matrix; here they come a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

SIMILARITIES_AT_A_TIME = 1 << 22
"""Similarities in memory at a time. A batch of up to 2048 embeddings is one block; memory is linear in larger ones."""
TILE, TILE_OF_A_GPU = (256, 2048), (4096, 4096)
"""Rows and columns of a tile of similarities: on the CPU what its cache holds, on a GPU what makes few launches."""


Others = Callable[[Tensor, slice], Tensor]
"""Chooses some of all 2B for each anchor of a block: takes their similarities (rows, 2B), which have no gradients, and which
anchors they are, and returns a mask of the same shape. Anchors themselves and their other views never count."""


def every_other(similarity: Tensor, rows: slice) -> Tensor:
    """Choose all others, as NT-Xent does for negatives."""
    return torch.ones_like(similarity, dtype=torch.bool)


def check_pairs(embeddings: Tensor, temperature: float = 1.0) -> None:
    """Raise ValueError unless ``embeddings`` can be two stacked views, and something can be divided by ``temperature``."""
    if embeddings.ndim != 2 or len(embeddings) < 2 or len(embeddings) % 2:
        raise ValueError(
            f"embeddings must have shape (2B, d), first views stacked on second views; it is {tuple(embeddings.shape)}"
        )
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0; it is {temperature}")


def directions(embeddings: Tensor) -> Tensor:
    """Return embeddings scaled to unit length, in float32 or better. Their products are cosine similarities."""
    precise = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    return torch.nn.functional.normalize(precise, dim=1)


def positives(anchors: int, device: torch.device) -> Tensor:
    """Return the index of each anchor's other view, of shape (2B,)."""
    return torch.arange(anchors, device=device).roll(anchors // 2)


def other_views(directions: Tensor) -> Tensor:
    """Return the direction of each anchor's other view, of the same shape (2B, d)."""
    return directions.roll(len(directions) // 2, dims=0)


def similarities(directions: Tensor, rows: slice) -> Tensor:
    """Return the cosine similarities of some anchors to all, of shape (rows, 2B)."""
    # Outside autocast, which would round the products to half precision.
    with torch.autocast(directions.device.type, enabled=False):
        return directions[rows] @ directions.T


def of_own_place(similarity: Tensor, rows: slice) -> Tensor:
    """Return which of the others are the anchors of a block themselves or their other views, as a mask (rows, 2B)."""
    mask = torch.zeros_like(similarity, dtype=torch.bool)
    block = torch.arange(len(similarity), device=similarity.device)
    mask[block, block + rows.start] = True
    mask[block, positives(similarity.shape[1], similarity.device)[rows]] = True
    return mask


def blocks(anchors: int, own: slice | None = None, others: int = 0) -> Iterator[slice]:
    """Yield the rows of blocks of at most ``SIMILARITIES_AT_A_TIME`` similarities.

    Args:
        own: Indices of the anchors; None: all.
        others: Number of embeddings that each is compared with; 0: all anchors.
    """
    start, stop = (own.start, own.stop) if own else (0, anchors)
    yield from _cut(start, stop, max(1, SIMILARITIES_AT_A_TIME // (others or anchors)))


def tiles(own: slice, anchors: int, device: torch.device) -> Iterator[tuple[slice, list[slice]]]:
    """Yield the rows of tiles of similarities, and the columns of all tiles in these rows."""
    height, width = TILE if device.type == "cpu" else TILE_OF_A_GPU
    for rows in _cut(own.start, own.stop, height):
        yield rows, list(_cut(0, anchors, width))


def _cut(start: int, stop: int, length: int) -> Iterator[slice]:
    # One without anything where there is nothing: a process may have no anchor, but goes along.
    for begin in range(start, max(stop, start + 1), length):
        yield slice(begin, min(begin + length, stop))


def mean_similarities(directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean similarity of positives and that of negatives (0 where there are none), without gradients."""
    with torch.no_grad():
        anchors = len(directions)
        of_positive = (directions * other_views(directions)).sum()
        # The sum over all pairs is the squared length of the sum of all directions.
        of_all = directions.sum(dim=0).square().sum()
        of_negative = of_all - directions.square().sum() - of_positive
        return of_positive / anchors, of_negative / max(1, anchors * (anchors - 2))
