"""Jigsaw: a view is cut in cells that are put in another order, and that order is to be told.

Noroozi and Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV 2016, as compared for
remote sensing by Tao et al., IEEE GRSL 19, 2020, arXiv 2010.00882, after the abstract and the published code. Between cells
there is a gap of random width, so that edges do not tell. ``represent`` leaves nothing to chance but what the sampler drew,
so the published dropout is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from false_core.methods.method import Views
from false_core.methods.pictures import MarkedView, MarkedViews
from false_core.methods.pretext import VIEWS_SHOWN, PretextMethod
from false_core.models.encoder import STRIDE, channels_of
from false_core.presets import PretrainSettings
from false_core.sampling.views import SamplingRequirements

CELLS = 2
"""Cells along each side of a view."""
MOST_ORDERS = 1000
"""Orders that are told apart, of all that there are."""
SLOT = 75 / 64
"""Side of the square that a cell lies in, at random, in sides of the cell, as published."""


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
        width, cells = settings.hidden, CELLS**2
        self.register_buffer("orders", torch.from_numpy(far_orders(cells, MOST_ORDERS)).long(), persistent=False)
        self.of_cell = nn.Sequential(
            nn.Conv2d(channels_of(encoder)[-1], width, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(width, width), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.of_view = nn.Sequential(
            nn.Linear(cells * width, 4 * width), nn.ReLU(inplace=True), nn.Linear(4 * width, len(self.orders))
        )

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with views as large as their cells, whose sides the encoder asks for, and the gaps."""
        cell = max(STRIDE, settings.crop_size // CELLS // STRIDE * STRIDE)
        return replace(super().adapted(settings), crop_size=CELLS * round(SLOT * cell))

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Ask for what decides on the order, and on where each cell lies."""
        return SamplingRequirements(chance=1 + 2 * CELLS**2)

    def of_each(self, views: Views) -> dict[str, Tensor]:
        """Return the cross entropy of each view, and whether the order that is told is the right one."""
        cells, order = self._puzzle(views)
        count, of_each = len(order), cells.shape[1]
        features = self.of_cell(self.encoder(cells.flatten(0, 1))[-1])
        scores = self.of_view(features.view(count, of_each * features.shape[1]))
        precise = scores if scores.dtype == torch.float64 else scores.float()
        right = (precise.detach().argmax(dim=1) == order).to(precise.dtype)
        return {"loss": nn.functional.cross_entropy(precise, order, reduction="none"), "orders told right": right}

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
        slot = views.pixels.shape[-1] // CELLS
        cells = cut_cells(views.pixels, CELLS, max(STRIDE, int(slot / SLOT) // STRIDE * STRIDE), views.chance[:, 1:])
        return in_order(cells, self.orders[order]), order


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
