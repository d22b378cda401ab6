"""From probabilities on the working grid to classes at the pixels of the file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

MOST_PROBABILITIES = 16_000_000
"""Most probabilities at the pixels of the file that are held at once."""
MOST_MIXED = 4_000_000
"""The same on the CPU, where those of a large tile would otherwise be the most that a map takes in memory."""


@dataclass(frozen=True)
class Mapped:
    """A window of a map.

    Attributes:
        codes: Codes of the likeliest class, uint8 of shape (height, width).
        percent: Its probability in percent, of the same shape, or None where it is not wanted.
    """

    codes: Tensor
    percent: Tensor | None


def upsample(probabilities: Tensor, factor: int, codes: Tensor, with_percent: bool) -> Mapped:
    """Return the class of the highest probability, bilinearly interpolated, at each pixel of the file.

    Args:
        probabilities: A tensor of shape (classes, height + 2, width + 2) in working pixels, one around what is mapped.
        codes: Codes of the classes, uint8 of shape (classes,).
        with_percent: True where the probabilities are wanted too.

    Returns:
        The map, of shape (height * factor, width * factor).
    """
    if factor == 1:
        return _likeliest(probabilities[:, 1:-1, 1:-1], codes, with_percent)
    # Looking up which pixels to compute makes a GPU wait; computing all of them makes a CPU slow.
    every = _mixed_only if probabilities.device.type == "cpu" else _everywhere
    return every(probabilities, factor, codes, with_percent)


def _likeliest(probabilities: Tensor, codes: Tensor, with_percent: bool) -> Mapped:
    best, index = probabilities.max(dim=0)
    return Mapped(codes[index], _in_percent(best) if with_percent else None)


def _everywhere(probabilities: Tensor, factor: int, codes: Tensor, with_percent: bool) -> Mapped:
    classes, height, width = probabilities.shape
    step = max(1, MOST_PROBABILITIES // (classes * width * factor * factor) - 2)
    inner = slice(factor, -factor)
    rows_of_map = [
        _likeliest(
            interpolate(probabilities[None, :, row : row + step + 2], scale_factor=factor, mode="bilinear")[
                0, :, inner, inner
            ],
            codes,
            with_percent,
        )
        for row in range(0, height - 2, step)
    ]
    percent = [rows.percent for rows in rows_of_map if rows.percent is not None]
    return Mapped(torch.cat([rows.codes for rows in rows_of_map]), torch.cat(percent) if percent else None)


def _mixed_only(probabilities: Tensor, factor: int, codes: Tensor, with_percent: bool) -> Mapped:
    """Interpolate only between working pixels of different classes.

    Four neighbours of one class have that class everywhere between them: what is highest in each of them is highest in every
    weighted mean of them.
    """
    classes, height, width = probabilities.shape
    best, index = probabilities.max(dim=0)
    # Between four working pixels lie factor x factor pixels of the file. These quads lie at [row, :, column].
    quads = codes[index][:-1, :-1].repeat_interleave(factor, 1).repeat_interleave(factor, 0)
    quads = quads.view(height - 1, factor, width - 1, factor)
    upper, lower = index[:-1], index[1:]
    first = upper[:, :-1]
    mixed = (first != upper[:, 1:]) | (first != lower[:, :-1]) | (first != lower[:, 1:])
    before = factor // 2  # Pixels of the file from the border of a working pixel to the first one after its middle.
    percent = None
    if with_percent:
        inside = slice(before, before + (height - 1) * factor), slice(before, before + (width - 1) * factor)
        # Without a name for what is in between, which would stay in memory.
        percent = _in_percent(interpolate(best[None, None], scale_factor=factor, mode="bilinear")[0, 0][inside])
        percent = percent.view(height - 1, factor, width - 1, factor)
    weights = _corner_weights(factor)
    rows, columns = mixed.nonzero(as_tuple=True)
    step = max(1, MOST_MIXED // (classes * factor * factor))
    for y, x in zip(torch.split(rows, step), torch.split(columns, step)):
        corners = torch.stack(
            [probabilities[:, y + down, x + right].flatten() for down in (0, 1) for right in (0, 1)]
        )  # fmt: skip
        values = (weights @ corners).view(factor * factor, classes, len(y))
        highest, winner = values.max(dim=1)
        quads[y, :, x] = codes[winner].T.reshape(-1, factor, factor)
        if percent is not None:
            percent[y, :, x] = _in_percent(highest).T.reshape(-1, factor, factor)
    start = factor - before
    inner = slice(start, start + (height - 2) * factor), slice(start, start + (width - 2) * factor)
    size = (height - 1) * factor, (width - 1) * factor
    return Mapped(quads.view(size)[inner], percent.view(size)[inner] if percent is not None else None)


def _corner_weights(factor: int) -> Tensor:
    """Return the weights of four neighbours, row by row, at the pixels between them, of shape (factor * factor, 4)."""
    right = (torch.arange(factor) + (0.0 if factor % 2 else 0.5)) / factor
    along = torch.stack([1 - right, right], dim=1)
    return torch.einsum("ya,xb->yxab", along, along).reshape(-1, 4)


def _in_percent(probability: Tensor) -> Tensor:
    """Return probabilities in percent, in place of what is given: of a large tile, copies are too much memory."""
    return probability.mul_(100).round_().clamp_(0, 100).to(torch.uint8)
