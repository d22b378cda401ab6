"""The features of candidates: whether they hold data, and what an encoder sees in them.

They lie far apart, so each is read by itself, and not in the tiles of ``inference.tiled``.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from false_core.collection.candidates import PlaceCandidates, SearchedRasters
from false_core.computing.device import CPU
from false_core.computing.threads import prefetch
from false_core.feedback import Feedback
from false_core.inference.features import FINEST_LEVEL
from false_core.inference.tiled import readers_for
from false_core.models.encoder import STRIDE
from false_core.raster.source import BoolArray, FloatArray, Window
from false_core.raster.statistics import Normalisation

LEAST_VALID_SHARE = 0.9
"""Share of a place that must hold data."""
BATCH = 32
CROP_SHARE = 0.75
"""Side of the second view of a place, as a part of the first."""


@dataclass(frozen=True)
class PlaceEncoder:
    """An encoder that looks at places.

    Attributes:
        encoder: The encoder on ``device``, in evaluation mode.
        normalisation: The normalisation that it expects of the bands.
        side: Pixels to which a place is brought, a multiple of 32.
        two_views: True where each place is looked at twice, the second time at a part of it, turned or flipped.
    """

    encoder: nn.Module
    normalisation: Normalisation
    device: torch.device
    side: int
    two_views: bool

    def embeddings(self, pixels: Tensor, generator: np.random.Generator) -> list[FloatArray]:
        """Return unit vectors (batch, channels) of one view, or of two, of pixels (batch, bands, side, side)."""
        views = [pixels]
        if self.two_views:
            views.append(self._second(pixels, generator))
        return [self._embedding(view) for view in views]

    def _embedding(self, view: Tensor) -> FloatArray:
        with torch.inference_mode():
            levels = self.encoder(view.to(self.device).contiguous(memory_format=torch.channels_last))[FINEST_LEVEL:]
            # Each level counts the same, however many channels it has.
            means = [nn.functional.normalize(level.float().mean(dim=(2, 3)), dim=1) for level in levels]
        vectors: FloatArray = nn.functional.normalize(torch.cat(means, dim=1), dim=1).cpu().numpy()
        return vectors

    def _second(self, pixels: Tensor, generator: np.random.Generator) -> Tensor:
        crop = round(self.side * CROP_SHARE)
        views = []
        for place in pixels:
            x, y = generator.integers(0, self.side - crop + 1, 2)
            view = torch.rot90(place[:, y : y + crop, x : x + crop], int(generator.integers(4)), (1, 2))
            views.append(view.flip(2) if generator.random() < 0.5 else view)
        return _resized(torch.stack(views), self.side)


@dataclass(frozen=True)
class CandidateFeatures:
    """The features of candidates that were looked at.

    Attributes:
        valid: Mask of the candidates that hold enough data, of shape (n,).
        one, other: Embeddings of the first and of the second view of those, of shape (valid, channels); without an encoder,
            or without a second view, of no channel.
    """

    valid: BoolArray
    one: FloatArray
    other: FloatArray


def features_of_candidates(
    searched: SearchedRasters,
    candidates: PlaceCandidates,
    encoder: PlaceEncoder | None,
    generator: np.random.Generator,
    feedback: Feedback,
) -> CandidateFeatures:
    """Look at each candidate, those that lie near each other one after the other."""
    chunk = candidates.centres // 1024
    order = np.lexsort((candidates.centres[:, 0], chunk[:, 0], chunk[:, 1], candidates.rasters))
    windows = searched.windows(candidates)
    valid = np.zeros(len(candidates), bool)
    views: list[list[FloatArray]] = [[], []]
    seen: list[npt.NDArray[np.int64]] = []

    def read(index: np.int64) -> tuple[FloatArray, bool]:
        return _read(searched, int(candidates.rasters[index]), windows[index])

    with closing(prefetch(read, order, 4 * BATCH, readers_for(encoder.device if encoder else CPU))) as reading:
        for start in range(0, len(order), BATCH):
            feedback.advance(start, len(order), "places")
            batch = zip(order[start : start + BATCH], reading)
            kept = [(int(index), pixels) for index, (pixels, has_data) in batch if has_data]
            indices = np.array([index for index, _ in kept], np.int64)
            valid[indices] = True
            if encoder is None or not kept:
                continue
            seen.append(indices)
            pixels = torch.cat([_prepared(pixels, encoder) for _, pixels in kept])
            for view, vectors in zip(views, encoder.embeddings(pixels, generator)):
                view.append(vectors)
    back = np.argsort(np.concatenate(seen)) if seen else np.zeros(0, np.int64)
    nothing = np.zeros((int(valid.sum()), 0), np.float32)
    one, other = (np.concatenate(view)[back] if view else nothing for view in views)
    return CandidateFeatures(valid, one, other)


def _read(searched: SearchedRasters, raster: int, window: Window) -> tuple[FloatArray, bool]:
    source = searched.sources[raster]
    if source.is_hole(window):
        return np.zeros((0, 0, 0), np.float32), False
    pixels, valid = source.read_with_validity(window)
    return pixels, float(valid.mean()) >= LEAST_VALID_SHARE


def _prepared(pixels: FloatArray, encoder: PlaceEncoder) -> Tensor:
    return _resized(torch.from_numpy(encoder.normalisation.apply(pixels))[None], encoder.side)


def _resized(pixels: Tensor, side: int) -> Tensor:
    if pixels.shape[-1] == side:
        return pixels
    return nn.functional.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)


def side_for(pixels: float) -> int:
    """Return the side to which places of so many working pixels are brought: 64 to 256."""
    steps = min(8, max(2, round(float(pixels) / STRIDE)))
    return int(steps * STRIDE)
