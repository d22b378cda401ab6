"""Jigsaw: a view is cut in cells that are put in another order, and that order is to be told.

Noroozi and Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV 2016, as compared for
remote sensing by Tao et al., IEEE GRSL 19, 2020, arXiv 2010.00882, after the abstract and the published code. Between cells
there is a gap of random width, so that edges do not tell, and as in the former each cell has a mean of 0 and a deviation of
1 in each band, so that brightness and colour do not. ``represent`` leaves nothing to chance but what the sampler drew, so
the published dropout is left out.

An order is told by what lies beside what. The features of a cell at a stride of 16 become four directions of unit length:
what it is on its right r and its lower side b, and what it wants on its left l and above it a. With the cell i(p) that an
order puts in place p,

    score of an order = ( sum over places p, q side by side  r_i(p) . l_i(q)  +  sum over p above q  b_i(p) . a_i(q) ) / 0.1

and the loss is the cross entropy of the right one. The published classifier joins the averages of cells, which do not know
where in a cell something lies, and tells no order within a few hundred steps: see docs/methods.md.

Cells are normalised and small, and what uses the encoder shows it whole images. So batch norms measure whole views.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from math import ceil
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from false_core.methods.method import Views
from false_core.methods.pictures import MarkedView, MarkedViews
from false_core.methods.pretext import FLAT, VIEWS_SHOWN, PretextMethod
from false_core.models.encoder import STRIDE, channels_of
from false_core.presets import PretrainSettings
from false_core.sampling.views import SamplingRequirements

CELLS = 2
"""Cells along each side of a view."""
MOST_ORDERS = 1000
"""Orders that are told apart, of all that there are."""
SLOT = 75 / 64
"""Side of the square that a cell lies in, at random, in sides of the cell, as published."""
SEEN_LEVEL = 4
"""Level of the encoder whose features tell orders, at a stride of 16."""
REDUCED = 128
"""Channels that remain of its features."""
SIDES = 4
"""Sides of a cell."""
TEMPERATURE_OF_ORDERS = 0.1
"""The number that scores of orders are divided by."""


class Jigsaw(PretextMethod):
    """Tells in which order the cells of a view are."""

    paradigm = "self-supervised, predictive"
    signal = "the order of the cells that a view is cut in"

    curve_captions: ClassVar[Mapping[str, str]] = {
        "orders": "The curve of orders is the share of the puzzles that were solved. Who knows nothing solves 1 of 24."
    }

    orders: Tensor

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        orders = torch.from_numpy(far_orders(CELLS**2, MOST_ORDERS)).long()
        self.register_buffer("orders", orders, persistent=False)
        seen = side_of_cells(settings.crop_size) >> SEEN_LEVEL
        self.of_cell = nn.Sequential(
            nn.Conv2d(channels_of(encoder)[SEEN_LEVEL], REDUCED, 1), nn.BatchNorm2d(REDUCED), nn.ReLU(inplace=True),
            nn.Flatten(), nn.Linear(REDUCED * seen**2, settings.hidden), nn.ReLU(inplace=True),
            nn.Linear(settings.hidden, SIDES * settings.dimensions),
        )  # fmt: skip

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with views as large as their cells, whose sides the encoder asks for, and the gaps."""
        cell = max(STRIDE, settings.crop_size // CELLS // STRIDE * STRIDE)
        return replace(super().adapted(settings), crop_size=CELLS * ceil(SLOT * cell))

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Ask for what decides on the order, and on where each cell lies."""
        return SamplingRequirements(chance=1 + 2 * CELLS**2)

    def of_each(self, views: Views) -> dict[str, Tensor]:
        """Return the cross entropy of each view, and whether the order that is told is the right one."""
        cells, order = self._puzzle(views)
        with batch_norms_that_forget(self.encoder):
            seen = self.of_cell(self.encoder(normalised_cells(cells).flatten(0, 1))[SEEN_LEVEL])
        if self.training:
            whole = views.pixels.shape[-1] // STRIDE * STRIDE
            with torch.no_grad():
                self.encoder(views.pixels[..., :whole, :whole])
        exact = seen if seen.dtype == torch.float64 else seen.float()
        scores = scores_of_orders(exact.view(*cells.shape[:2], SIDES, -1), self.orders)
        right = (scores.detach().argmax(dim=1) == order).to(scores.dtype)
        return {"loss": nn.functional.cross_entropy(scores, order, reduction="none"), "orders told right": right}

    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return some views and their cells in the order in which the encoder gets them."""
        cells, _ = self._puzzle(views)
        columns = []
        for view, own in zip(views.pixels[:VIEWS_SHOWN], cells[:VIEWS_SHOWN]):
            rows = [torch.cat(list(own[row * CELLS : (row + 1) * CELLS]), dim=2) for row in range(CELLS)]
            columns.append((MarkedView(view.float().cpu()), MarkedView(torch.cat(rows, dim=1).float().cpu())))
        text = (
            "Each column is a view and its cells in another order, with gaps between them cut out. The order is to be told."
        )
        return [MarkedViews("Puzzles", text, ("View", "Puzzle"), tuple(columns))]

    def _puzzle(self, views: Views) -> tuple[Tensor, Tensor]:
        assert views.chance is not None
        order = (views.chance[:, 0] * len(self.orders)).long().clamp(max=len(self.orders) - 1)
        cells = cut_cells(views.pixels, CELLS, side_of_cells(views.pixels.shape[-1]), views.chance[:, 1:])
        return in_order(cells, self.orders[order]), order


def side_of_cells(view: int) -> int:
    """Return the side of the cells of a view so many pixels wide, a multiple of 32."""
    side: int = int(view // CELLS / SLOT) // STRIDE * STRIDE
    return side if side > STRIDE else int(STRIDE)


def normalised_cells(cells: Tensor) -> Tensor:
    """Return cells (..., side, side) with a mean of 0, and but for even ones a deviation of 1."""
    variance, mean = torch.var_mean(cells, dim=(-2, -1), correction=0, keepdim=True)
    return (cells - mean) / (variance + FLAT**2).sqrt()


def scores_of_orders(sides: Tensor, orders: Tensor) -> Tensor:
    """Return the score of each order, of shape (batch, orders), in single precision or better.

    Args:
        sides: The directions r, b, l and a of each cell, of any length, of shape (batch, cells, 4, d).
        orders: The orders, of shape (orders, cells): ``orders[k, i]`` is the cell that order k puts in place i.
    """
    right, below, left, above = nn.functional.normalize(sides, dim=-1).unbind(dim=2)
    beside, under = right @ left.transpose(1, 2), below @ above.transpose(1, 2)
    # Where in the puzzle the cell is that belongs at each place.
    lies = orders.argsort(dim=1).view(len(orders), CELLS, CELLS)
    side_by_side = beside[:, lies[:, :, :-1], lies[:, :, 1:]].sum(dim=(2, 3))
    one_below_other = under[:, lies[:, :-1], lies[:, 1:]].sum(dim=(2, 3))
    return (side_by_side + one_below_other) / TEMPERATURE_OF_ORDERS


@contextmanager
def batch_norms_that_forget(network: nn.Module) -> Iterator[None]:
    """Have batch norms normalise by the present batch without remembering it."""
    norms = [norm for norm in network.modules() if isinstance(norm, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum


def cut_cells(pixels: Tensor, along: int, side: int, chance: Tensor) -> Tensor:
    """Return the cells of views (batch, bands, size, size), row by row, of shape (batch, along^2, bands, side, side).

    Args:
        chance: Numbers from 0 to 1 that say where in its square each cell lies, of shape (batch, 2 * along^2), x first.
    """
    slot = pixels.shape[-1] // along
    offsets = (chance.view(len(pixels), along**2, 2) * (slot - side + 1)).long().clamp(max=slot - side)
    starts = slot * torch.stack(
        torch.meshgrid(torch.arange(along), torch.arange(along), indexing="xy"), dim=-1
    ).flatten(0, 1).to(pixels.device)  # fmt: skip
    columns, rows = ((offsets + starts)[..., axis, None] + torch.arange(side, device=pixels.device) for axis in (0, 1))
    views = torch.arange(len(pixels), device=pixels.device)[:, None, None, None]
    return pixels[views, :, rows[..., :, None], columns[..., None, :]].permute(0, 1, 4, 2, 3)


def in_order(cells: Tensor, orders: Tensor) -> Tensor:
    """Return ``cells`` (batch, cells, ...) with cell ``orders[:, i]`` in place i."""
    return cells[torch.arange(len(cells), device=cells.device)[:, None], orders]


@cache
def far_orders(cells: int, most: int) -> npt.NDArray[np.int8]:
    """Return orders of ``cells`` things that are far from each other, of shape (orders, cells); all where there are no more.

    Each is the one with the largest mean Hamming distance to those before it, the first of them where several are.
    """
    every: npt.NDArray[np.int8] = np.array(list(itertools.permutations(range(cells))), np.int8)
    if len(every) <= most:
        return every
    alike = np.zeros(len(every), np.int64)
    chosen = [0]
    while len(chosen) < most:
        alike += (every == every[chosen[-1]]).sum(axis=1)
        alike[chosen[-1]] = np.iinfo(np.int64).max // 2
        chosen.append(int(alike.argmin()))
    return every[chosen]
