"""GLCNet: the style of a patch as a whole, and small windows of it, each against all others; encoder and decoder both learn.

Li et al., "Global and Local Contrastive Self-Supervised Learning for Semantic Segmentation of HR Remote Sensing Images",
IEEE TGRS 60, 2022, arXiv 2106.10605.

- Global style: mean and variance over a patch, joined and projected: of what the pyramid of DeepLab makes of the coarsest
  features, as published, where the decoder has one (preset paper), and of the coarsest features themselves where not.
- Local matching: in each pair of views some windows at positions that both see. What the decoder makes of the views is
  averaged over each window and projected.

Both are compared by NT-Xent, and weigh the same. (The paper's equation has the negatives alone in the denominator; the code
published with it has the positive there too, as NT-Xent has, and so has this: FNCC then differs in its numerator alone.)
Windows are squares of the
same size in both views; they match in their middles, as the views are turned and scaled. The patch counts as a level of its
own whatever the preset says, and the windows are its points. The decoder is that of fine-tuning with the same preset,
without its dropout: ``represent`` leaves nothing to chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from false_core.errors import RequestError
from false_core.methods.calibration import Calibration
from false_core.methods.fncc import contrast
from false_core.methods.method import Method, Outcome, Views, average
from false_core.methods.pictures import SHOWN_PATCHES, MarkedView, MarkedViews
from false_core.methods.simclr import nt_xent
from false_core.models.deeplab import CHANNELS, DilatedDecoder
from false_core.models.encoder import channels_of, sampled_at
from false_core.models.segmenter import build_segmenter
from false_core.presets import BOTH, IMAGE, POINTS, PretrainSettings
from false_core.sampling.views import SamplingRequirements

LOCAL_WINDOWS = 4
"""The number of windows in each pair of views."""
DECODER_STRIDE = 4
"""Pixels of a view per pixel of what a decoder makes of it, along each axis."""


class GLCNet(Method):
    """Contrast of style and of windows."""

    paradigm = "self-supervised, contrastive"
    signal = "the style of another view and the same windows in it, against other places"

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        channels = channels_of(encoder)
        network = build_segmenter(settings.encoder, settings.decoder, channels[0], 1)
        # Of the network, as some decoders want an encoder that is put together in another way, with the same weights.
        network.encoder.load_state_dict(encoder.state_dict())
        super().__init__(network.encoder, settings)
        self.decoder = _without_dropout(network.decoder)
        decoded = int(network.segmentation_head[0].in_channels)
        styled = CHANNELS if isinstance(self.decoder, DilatedDecoder) else channels[-1]
        self.style = _projector(2 * styled, settings)
        self.local = _projector(decoded, settings)

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with the levels and windows of GLCNet, which does not know where its windows lie."""
        if 2 * settings.window > settings.crop_size:
            raise RequestError(
                f"Windows of {settings.window} pixels are too large for patches of {settings.crop_size} pixels.",
                "Set window to at most half of that.",
            )
        return replace(settings, level=BOTH, points=LOCAL_WINDOWS, apart=0.0)

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Ask for windows that lie in both views."""
        return SamplingRequirements(margin=settings.window / 2)

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings of the patches (2B, d) and of the windows (2N, d)."""
        return self.embed(views)

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return half the loss of the styles and half that of the windows."""
        # There may be no window that both views of a pair hold.
        some = {level: embeddings for level, embeddings in representations.items() if len(embeddings)}
        return average({level: self._compare(embeddings) for level, embeddings in some.items()})

    def embed(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings of the patches (2B, d) and of the windows (2N, d)."""
        assert self.decoder is not None
        features = self.encoder(views.pixels)
        if isinstance(self.decoder, DilatedDecoder):
            coarse = self.decoder.context(features)
            decoded = self.decoder.join(coarse, features)
        else:
            coarse, decoded = features[-1], self.decoder(features)
        windows = window_means(decoded, views.points, self.settings.window / DECODER_STRIDE)
        return {IMAGE: self.style(style(coarse)), POINTS: self.local(windows.flatten(0, 1)[views.kept])}

    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return the windows that are matched."""
        count, size = len(views.points) // 2, views.pixels.shape[-1]
        middles = ((views.points.cpu() + 1) * (size / 2)).view(2, count, -1, 2)
        # Fewer than asked for where the views of a patch hardly overlap.
        seen = torch.zeros(views.points.shape[:2]).flatten()
        seen[views.kept.cpu()] = 1
        seen = seen.view(2, count, -1)
        half = self.settings.window / 2
        columns = []
        for patch in range(min(SHOWN_PATCHES, count)):
            marked = []
            for view in (0, 1):
                shown = middles[view, patch][seen[view, patch] > 0].tolist()
                boxes = tuple((x - half, y - half, x + half, y + half) for x, y in shown)
                marked.append(MarkedView(views.pixels[view * count + patch].float().cpu(), boxes=boxes))
            columns.append(tuple(marked))
        text = (
            "The rows are two views of some patches. Windows of the same colour show the same place and are to have the "
            "same features, different from those of all other windows."
        )
        return [MarkedViews("Windows that were matched", text, ("View", "Other view"), tuple(columns))]

    def _compare(self, embeddings: Tensor) -> Outcome:
        s = self.settings
        if s.false_negatives:
            return contrast(embeddings, s.temperature, Calibration.of(s), world=self.world)
        return nt_xent(embeddings, s.temperature, self.world)


def style(features: Tensor) -> Tensor:
    """Return mean and variance over the patch of features (B, channels, height, width), of shape (B, 2 * channels).

    They are computed in float32, as the variance of features of half precision would be mostly rounding.
    """
    precise = features if features.dtype == torch.float64 else features.float()
    variance, mean = torch.var_mean(precise, dim=(2, 3), correction=0)
    return torch.cat([mean, variance], dim=1)


def window_means(decoded: Tensor, middles: Tensor, side: float) -> Tensor:
    """Return the means over windows, of shape (B, windows, channels).

    Args:
        decoded: Features of shape (B, channels, height, width).
        middles: The middles of the windows, of shape (B, windows, 2), x first, from -1 to 1 across the patch.
        side: The side of the windows in pixels of ``decoded``. As many samples are taken along each axis, at least one.
    """
    height, width = decoded.shape[-2:]
    count = max(1, round(side))
    offsets = (torch.arange(count, device=middles.device, dtype=middles.dtype) + 0.5) * (side / count) - side / 2
    across, down = offsets * (2 / width), offsets * (2 / height)
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).flatten(0, 1)
    positions = middles[:, :, None] + grid
    return sampled_at(decoded, positions).mean(dim=3).transpose(1, 2)


def _projector(width: int, settings: PretrainSettings) -> nn.Module:
    return nn.Sequential(
        nn.Linear(width, settings.hidden), nn.ReLU(inplace=True), nn.Linear(settings.hidden, settings.dimensions)
    )


def _without_dropout(decoder: nn.Module) -> nn.Module:
    for module in decoder.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return decoder
