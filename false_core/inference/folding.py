"""A segmenter rewritten so that it computes the same with less work. For using a model; training needs it as it was."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from false_core.computing.backbone_libraries import Conv2dSame
from false_core.models.encoder import STRIDE, SmallMapConv2d
from false_core.models.fused import FeatureParts, FusedSegmenter
from false_core.models.segformer import FoldedDecoder, SummingDecoder
from false_core.models.segmenter import stride_of

FOLDING_TOLERANCE = 1e-3
"""Largest difference of scores, relative to how far they vary, at which two networks count as equal. Rounding gives 1e-6."""


def for_inference(segmenter: nn.Module, bands: int) -> nn.Module:
    """Return a network that gives the same scores as ``segmenter``, up to rounding, in less time and memory.

    Batch norms are folded into the convolutions before them, and the matrices of SegFormer's decoder into one for each
    level. Convolutions pad by themselves what would be copied for that. Scores are enlarged with one class after the other
    in memory, as softmax wants them.

    What the rewritten network gives is compared with what it should give; where it differs, ``segmenter`` is returned.

    Args:
        segmenter: A network that ``build_segmenter`` made, in evaluation mode, on the CPU.
    """
    if isinstance(segmenter, FusedSegmenter):
        fused = copy.deepcopy(segmenter)
        fused.features = parts_for_inference(segmenter.features)
        return fused
    example = _example(bands, 2 * stride_of(segmenter))
    with torch.inference_mode():
        wanted = segmenter(example)
    rewritten = copy.deepcopy(segmenter)
    with torch.no_grad():
        # Before anything is folded, as it takes the decoder's batch norm for itself.
        decoder = getattr(rewritten, "decoder", None)
        if isinstance(decoder, SummingDecoder):
            rewritten.decoder = FoldedDecoder(decoder)
        _pad_within_convolutions(rewritten)
        _fold_batch_norms(rewritten, example)
        head: Any = getattr(rewritten, "segmentation_head", None)
        if isinstance(head, nn.Sequential):
            rewritten.segmentation_head = nn.Sequential(head[0], _ClassByClass(), *list(head)[1:])
    with torch.inference_mode():
        difference = (rewritten(example) - wanted).abs().max()
    return rewritten if difference <= FOLDING_TOLERANCE * wanted.std() else segmenter


def parts_for_inference(parts: FeatureParts) -> FeatureParts:
    """Return features that are the same, up to rounding, of encoders that take less time; as ``for_inference`` does."""
    rewritten = copy.deepcopy(parts)
    rewritten.encoders = nn.ModuleList([_rewritten_encoder(encoder, parts.bands) for encoder in parts.encoders])
    return rewritten.eval()


def _rewritten_encoder(encoder: nn.Module, bands: int) -> nn.Module:
    example = _example(bands, 2 * STRIDE)
    rewritten = copy.deepcopy(encoder)
    with torch.no_grad():
        _pad_within_convolutions(rewritten)
        _fold_batch_norms(rewritten, example)
    with torch.inference_mode():
        pairs = list(zip(rewritten(example), encoder(example)))
    is_same = all((new - old).abs().max() <= FOLDING_TOLERANCE * old.std() for new, old in pairs if old.numel())
    return rewritten if is_same else copy.deepcopy(encoder)


def _example(bands: int, side: int) -> Tensor:
    return torch.randn(1, bands, side, side, generator=torch.Generator().manual_seed(0))


class _ClassByClass(nn.Module):
    """Brings scores into memory class by class, from pixel by pixel."""

    def forward(self, scores: Tensor) -> Tensor:
        return scores.contiguous()


def _pad_within_convolutions(network: nn.Module) -> None:
    """Replace convolutions of stride 2 that add a row and a column less before an image of even sides than after it.

    TensorFlow pads like that. PyTorch has it copy the whole image; a kernel that begins with zeros does not.
    """
    for name, conv in list(network.named_modules()):
        kernel, stride = getattr(conv, "kernel_size", (0, 0)), getattr(conv, "stride", (0, 0))
        if not isinstance(conv, Conv2dSame) or stride != (2, 2) or kernel not in ((3, 3), (5, 5)) or conv.dilation != (1, 1):
            continue
        padding = kernel[0] // 2
        wider = (kernel[0] + 1, kernel[1] + 1)
        plain = nn.Conv2d(conv.in_channels, conv.out_channels, wider, 2, padding, 1, conv.groups, conv.bias is not None)
        plain.weight.copy_(nn.functional.pad(conv.weight, (1, 0, 1, 0)))
        if plain.bias is not None and conv.bias is not None:
            plain.bias.copy_(conv.bias)
        parent, _, leaf = name.rpartition(".")
        setattr(network.get_submodule(parent), leaf, plain.requires_grad_(False).eval())


def _fold_batch_norms(network: nn.Module, example: Tensor) -> None:
    """Fold each batch norm that takes the result of a convolution as it is into that convolution."""
    results: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}

    def after(conv: nn.Module, given: Any, result: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        results[id(result)] = conv, result  # The tensor too, so that no other one gets its identity.

    def before(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        if id(given[0]) in results:
            pairs[norm] = results[id(given[0])][0]

    hooks = [m.register_forward_hook(after) for m in network.modules() if type(m) in (nn.Conv2d, SmallMapConv2d)]
    hooks += [m.register_forward_pre_hook(before) for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    network(example)
    for hook in hooks:
        hook.remove()
    names = {module: name for name, module in network.named_modules()}
    for norm, conv in pairs.items():
        folded = fuse_conv_bn_eval(conv, norm)
        conv.weight = folded.weight
        conv.bias = folded.bias
        # timm has batch norms that bring their activation along.
        kept = [getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)]
        parent, _, leaf = names[norm].rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Sequential(*kept) if kept else nn.Identity())
