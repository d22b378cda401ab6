"""GraSS: gradients say which part of a patch makes it what it is, and contrast goes on with that part.

Zhang et al., "GraSS: Contrastive Learning with Gradient Guided Sampling Strategy for Remote Sensing Image Semantic
Segmentation", IEEE TGRS 2023, arXiv 2306.15868.

First, as a warm-up, patches are told apart by NT-Xent. After that each step looks at its batch twice. The gradients of the
loss at the coarsest features, averaged over the patch, are the weights of the channels; the weighted mean of the channels
is the attention. It is enlarged and cut half-way between its lowest and its highest value. Cells above that touch, if only
at a corner, are a region. The bounding box of the region with the highest attention is cut out of the view and enlarged to
its size by repeating pixels, and these crops are what the step trains on.

All of that is done for the whole batch at once, on the device. Choices of ours:

- Boxes lie on a grid of 4 pixels.
- The strongest region is the one that holds the highest value. The published code takes the last one whose box holds it,
  which is hardly ever another.
- Where embeddings stand for points, those that both crops of a patch see take part. Where there are none, its views stay
  whole.
- The warm-up takes ``WHOLE_PATCH_SHARE`` of the steps; the description at hand gives no number.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from false_core.methods.calibration import Calibration
from false_core.methods.fncc import contrast
from false_core.methods.method import FirstLook, Outcome, PairMethod, Views
from false_core.methods.pictures import SHOWN_PATCHES, MarkedView, MarkedViews
from false_core.methods.simclr import nt_xent
from false_core.presets import POINTS, PretrainSettings

WHOLE_PATCH_SHARE = 0.25
"""Share of the steps that look at whole patches."""
CELL = 4
"""Pixels of a view per cell of the attention, along each axis."""
AT_A_TIME = 8
"""Cells that a region grows by before the CPU asks whether it still grows."""


class GraSS(PairMethod):
    """Contrast of the parts of patches that the gradients of contrast point at."""

    paradigm = "self-supervised, contrastive"
    signal = "another view of the part that matters most, against other places"

    warmed_up: Tensor

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        self.register_buffer("warmed_up", torch.zeros((), dtype=torch.bool))

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` without distances on the ground, which the parts of patches do not know."""
        return replace(settings, apart=0.0)

    @property
    def looks_twice(self) -> bool:
        """Return whether the warm-up is over."""
        return bool(self.warmed_up)

    def after_step(self, step: int, steps: int) -> None:
        """End the warm-up when it is time."""
        self.warmed_up.fill_(step >= WHOLE_PATCH_SHARE * steps)

    def compare(self, embeddings: Tensor) -> Outcome:
        """Return the NT-Xent loss of embeddings (2N, d), or the FNCC loss where false negatives are asked for."""
        s = self.settings
        if s.false_negatives:
            return contrast(embeddings, s.temperature, Calibration.of(s), world=self.world)
        return nt_xent(embeddings, s.temperature, self.world)

    def first_look(self, views: Views) -> FirstLook:
        """Return the embeddings of whole views and the coarsest features under them."""
        with torch.no_grad():
            features = self.encoder(views.pixels)
        last = features[-1].detach().requires_grad_()
        return FirstLook(self.heads([*features[:-1], last], views.points, views.kept), last)

    def focus(self, views: Views, features: Tensor, gradients: Tensor) -> Tensor:
        """Return the parts of the views to look at, of shape (2B, 4): left, top, right and bottom from -1 to 1."""
        height, width = (side // CELL for side in views.pixels.shape[-2:])
        boxes = strongest_regions(_enlarged(attention(features, gradients), height, width))
        size = boxes.new_tensor([width, height, width, height])
        parts = boxes / size * 2 - 1
        if POINTS in self.heads:
            alone = ~_shared(views, parts).any(dim=1).repeat(2)
            parts = torch.where(alone[:, None], parts.new_tensor([-1.0, -1.0, 1.0, 1.0]), parts)
        return parts

    def focused(self, views: Views, focus: Tensor) -> Views:
        """Return the parts of the views, enlarged to the size of a view, and the points that both parts of a pair see."""
        middle, half = (focus[:, :2] + focus[:, 2:]) / 2, (focus[:, 2:] - focus[:, :2]) / 2
        maps = torch.cat([torch.diag_embed(half), middle[:, :, None]], dim=2).to(views.pixels.dtype)
        grid = torch.nn.functional.affine_grid(maps, list(views.pixels.shape), align_corners=False)
        pixels = torch.nn.functional.grid_sample(
            views.pixels, grid, mode="nearest", align_corners=False, padding_mode="border"
        )
        points = (views.points - middle[:, None].to(views.points.dtype)) / half[:, None].to(views.points.dtype)
        kept = _shared(views, focus).flatten().nonzero()[:, 0]
        kept = torch.cat([kept, kept + len(views.points) // 2 * views.points.shape[1]])
        return replace(
            views, pixels=pixels.contiguous(memory_format=torch.channels_last), points=points, kept=kept
        )  # fmt: skip

    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return the attention of some views and the crops it leads to."""
        with torch.enable_grad():
            look = self.first_look(views)
            (gradients,) = torch.autograd.grad(self.compare_all(look.representations).loss, look.features)
        size = views.pixels.shape[-1]
        shown = _enlarged(attention(look.features.detach(), gradients), size, size)
        lowest, highest = shown.amin(dim=(1, 2), keepdim=True), shown.amax(dim=(1, 2), keepdim=True)
        shown = ((shown - lowest) / (highest - lowest).clamp(min=1e-12)).float().cpu()
        focus = self.focus(views, look.features.detach(), gradients)
        crops = self.focused(views, focus).pixels.float().cpu()
        boxes = ((focus + 1) * (size / 2)).tolist()
        columns = []
        for view in range(min(SHOWN_PATCHES, len(boxes) // 2)):
            pixels, box = views.pixels[view].float().cpu(), (boxes[view][0], boxes[view][1], boxes[view][2], boxes[view][3])
            columns.append((MarkedView(pixels, boxes=(box,)), MarkedView(pixels, shown[view]), MarkedView(crops[view])))
        text = (
            "The columns are views, the attention that the gradients of the loss give, from dark to bright, and the crop "
            "that is trained on after the warm-up, where attention is highest. It should hold one kind of land cover more "
            "often than the view does."
        )
        return [MarkedViews("Where the gradients look", text, ("View", "Attention", "Crop"), tuple(columns))]


@torch.no_grad()
def attention(features: Tensor, gradients: Tensor) -> Tensor:
    """Return the attention of views, of shape (B, height, width).

    The weights of the channels are their mean gradients; the attention is the mean of the weighted channels, divided by its
    highest value. Where that is not above 0 it is left as it is: dividing by it would turn it upside down.

    Args:
        features: A tensor of shape (B, channels, height, width).
        gradients: The gradients of the loss there.
    """
    precise = features.dtype if features.dtype == torch.float64 else torch.float32
    weights = gradients.to(precise).mean(dim=(2, 3), keepdim=True)
    # Slopes of a mean over a batch are tiny: brought to size first, so that nothing is lost in half precision.
    weights = weights / weights.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)
    weighted = (weights * features.to(precise)).mean(dim=1)
    highest = weighted.amax(dim=(1, 2), keepdim=True)
    return torch.where(highest > 0, weighted / highest, weighted)


@torch.no_grad()
def strongest_regions(attention: Tensor) -> Tensor:
    """Return the bounding box of the strongest region of each view, of shape (B, 4).

    A region is what hangs together, corners included, above the mean of the lowest and the highest attention. The strongest
    is the one with the highest attention; of several equals the first cell, row by row, decides.

    Args:
        attention: A tensor of shape (B, height, width).

    Returns:
        Left, top, right and bottom edge in cells; right and bottom are those of the last cell.
    """
    height, width = attention.shape[1:]
    middle = (attention.amin(dim=(1, 2)) + attention.amax(dim=(1, 2))) / 2
    # At least: where all is the same, all is one region.
    inside = attention >= middle[:, None, None]
    seed = attention.flatten(1).argmax(dim=1)
    region = torch.zeros_like(attention, dtype=torch.bool).flatten(1).scatter_(1, seed[:, None], True).view_as(attention)
    while True:
        grown = region
        for _ in range(AT_A_TIME):
            grown = _spread(grown) & inside
        if grown.equal(region):
            break
        region = grown
    columns, rows = region.any(dim=1).to(attention.dtype), region.any(dim=2).to(attention.dtype)
    edges = (columns.argmax(1), rows.argmax(1), width - columns.flip(1).argmax(1), height - rows.flip(1).argmax(1))
    return torch.stack(edges, dim=1).to(attention.dtype)


def _spread(region: Tensor) -> Tensor:
    """Return a region and the cells around it."""
    return torch.nn.functional.max_pool2d(region[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0


def _shared(views: Views, parts: Tensor) -> Tensor:
    """Return which points both views saw and both parts (2B, 4) hold, of shape (B, points)."""
    pairs, points = len(views.points) // 2, views.points.shape[1]
    seen = torch.zeros(2 * pairs * points, dtype=torch.bool, device=views.points.device)
    seen[views.kept] = True
    low, high = parts[:, None, :2].to(views.points.dtype), parts[:, None, 2:].to(views.points.dtype)
    held = ((views.points >= low) & (views.points <= high)).all(dim=2)
    shared: Tensor = (held & seen.view(2 * pairs, points)).view(2, pairs, points).all(dim=0)
    return shared


def _enlarged(attention: Tensor, height: int, width: int) -> Tensor:
    shape = (height, width)
    return torch.nn.functional.interpolate(attention[:, None], size=shape, mode="bilinear", align_corners=False)[:, 0]
