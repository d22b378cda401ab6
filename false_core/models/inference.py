"""A segmenter rewritten so that it computes the same with less work. For using a model; training needs it as it was."""

from __future__ import annotations

import copy
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from false_core.models.encoder import STRIDE

TOLERANCE = 1e-3
"""Largest difference of scores, relative to how far they vary, at which two networks count as equal. Rounding gives 1e-6."""


def for_inference(segmenter: nn.Module, bands: int) -> nn.Module:
    """Return a network that gives the same scores as ``segmenter``, up to rounding, in less time and memory.

    Batch norms are folded into the convolutions before them. The decoder of SegFormer, which is linear up to its only
    activation, multiplies its matrices once, and its features before they are enlarged instead of after. Scores are
    enlarged with one class after the other in memory, as softmax wants them.

    What the rewritten network gives is compared with what it should give; where it differs, ``segmenter`` is returned.

    Args:
        segmenter: As ``build_segmenter`` makes it, in evaluation mode, on the CPU.
        bands: Number of input bands.
    """
    example = torch.randn(1, bands, 2 * STRIDE, 2 * STRIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = segmenter(example)
    rewritten = copy.deepcopy(segmenter)
    with torch.no_grad():
        # Before anything is folded, as it takes the decoder's batch norm for itself.
        if isinstance(rewritten, smp.Segformer):
            rewritten.decoder = _LinearSegformer(rewritten.decoder)
        _fold_batch_norms(rewritten, example)
        head: Any = getattr(rewritten, "segmentation_head", None)
        if isinstance(head, nn.Sequential):
            rewritten.segmentation_head = nn.Sequential(head[0], _ClassByClass(), *list(head)[1:])
    with torch.inference_mode():
        difference = (rewritten(example) - wanted).abs().max()
    return rewritten if difference <= TOLERANCE * wanted.std() else segmenter


class _ClassByClass(nn.Module):
    """Brings scores into memory class by class, from pixel by pixel."""

    def forward(self, scores: Tensor) -> Tensor:
        return scores.contiguous()


class _LinearSegformer(nn.Module):
    """The decoder of SegFormer (Xie et al. 2021, Eq. 4) at the finest stride that it uses, 4.

    Each level goes through a matrix, is brought to the finest size and goes through its part of a second one. Resizing
    weighs pixels and the matrices weigh channels, so their order does not matter: both matrices are one here, and each
    level is multiplied where it has the fewest pixels.
    """

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        fuse, norm = fuse_conv_bn_eval(decoder.fuse_stage[0], decoder.fuse_stage[1]), decoder.fuse_stage[2]
        parts = fuse.weight[:, :, 0, 0].chunk(len(decoder.mlp_stage), dim=1)
        bias = fuse.bias.clone()
        levels = []
        for level, part in zip(decoder.mlp_stage, parts):
            weight = part @ level.linear.weight
            bias += part @ level.linear.bias
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False)
            conv.weight = nn.Parameter(weight[:, :, None, None].contiguous())
            levels.append(conv)
        self.levels, self.activation = nn.ModuleList(levels), norm
        self.bias = nn.Parameter(bias[:, None, None])

    def forward(self, features: list[Tensor]) -> Tensor:
        size = features[0].shape[2] // 4, features[0].shape[3] // 4
        coarsest_first = (features[2:] if features[1].shape[1] == 0 else features[1:])[::-1]
        total: Tensor = self.bias
        for level, project in zip(coarsest_first, self.levels):
            if level.shape[2] > size[0]:
                total = total + project(_resized(level, size))
            else:
                total = total + _resized(project(level), size)
        result: Tensor = self.activation(total)
        return result


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if values.shape[2:] == size:
        return values
    return nn.functional.interpolate(values, size=size, mode="bilinear", align_corners=False)


def _fold_batch_norms(network: nn.Module, example: Tensor) -> None:
    """Fold each batch norm that takes the result of a convolution as it is into that convolution."""
    results: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def after(conv: nn.Module, given: Any, result: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        results[id(result)] = conv, result  # The tensor too, so that no other one gets its identity.

    def before(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        if id(given[0]) in results:
            pairs.append((results[id(given[0])][0], norm))

    hooks = [m.register_forward_hook(after) for m in network.modules() if type(m) is nn.Conv2d]
    hooks += [m.register_forward_pre_hook(before) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    network(example)
    for hook in hooks:
        hook.remove()
    names = {module: name for name, module in network.named_modules()}
    for conv, norm in pairs:
        folded = fuse_conv_bn_eval(conv, norm)
        conv.weight = folded.weight
        conv.bias = folded.bias
        # timm has batch norms that bring their activation along.
        kept = [getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)]
        parent, _, leaf = names[norm].rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Sequential(*kept) if kept else nn.Identity())
