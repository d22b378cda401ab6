"""From features of two dates to a score for each working pixel: averaged around it, and the least over small shifts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from false_core.change.canonical import CanonicalPair
from false_core.change.date_pair import PairedPixels
from false_core.change.paired_encoder import valid_features
from false_core.inference.features import FEATURE_STRIDE
from false_core.raster.source import FloatArray

SCORE_SIGMA = 2.0
"""Standard deviation of the Gaussian window in which scores are averaged, in feature pixels."""
SCORE_REACH = 6
"""Feature pixels of that window to each side of its middle: three standard deviations."""
SCORE_MARGIN = SCORE_REACH + 2
"""Feature pixels around a tile that its scores depend on: the window, a shift, and the interpolation to pixels."""


@dataclass(frozen=True)
class ScoreOfTiles:
    """Scores of tiles, made of their features.

    Attributes:
        canonical: The projections of both dates.
        halo: Working pixels that a tile has around it.
        shift: Working pixels by which the dates may lie beside each other, at most ``FEATURE_STRIDE``.
    """

    canonical: CanonicalPair
    halo: int
    shift: float

    def of(self, before: list[Tensor], after: list[Tensor], pixels: PairedPixels) -> FloatArray:
        """Return the scores of a tile without its halo, of shape (side, side), NaN where a date has no data.

        Args:
            before, after: Features of each level, each (channels, height, width), halo included.
            pixels: Pixels of both dates that the features were computed from.
        """
        u, v = self.canonical.before.of(before), self.canonical.after.of(after)
        cut = self.halo // FEATURE_STRIDE - SCORE_MARGIN
        u, v = (values[:, cut:-cut, cut:-cut] for values in (u, v))
        valid = torch.from_numpy(valid_features(pixels.valid)[cut:-cut, cut:-cut]).to(u)
        least: Tensor | None = None
        for down, across in self._shifts():
            scores = averaged(self.canonical.score(u, shifted(v, down, across)), valid)
            least = scores if least is None else torch.minimum(least, scores)
        assert least is not None
        fine = interpolate(least[None, None], scale_factor=FEATURE_STRIDE, mode="bilinear", align_corners=False)[0, 0]
        margin = SCORE_MARGIN * FEATURE_STRIDE
        found: FloatArray = fine[margin:-margin, margin:-margin].cpu().numpy()
        inner = pixels.valid[self.halo : -self.halo, self.halo : -self.halo]
        return np.where(inner, found, np.float32(np.nan))

    def _shifts(self) -> list[tuple[float, float]]:
        """Return the shifts that are tried, in feature pixels."""
        steps = (0.0,) if not self.shift else (0.0, -self.shift / FEATURE_STRIDE, self.shift / FEATURE_STRIDE)
        return [(down, across) for down in steps for across in steps]


def shifted(values: Tensor, down: float, across: float) -> Tensor:
    """Return values (channels, height, width) as they are a part of a pixel, -1 to 1, further down and across."""
    for axis, step in ((1, down), (2, across)):
        if step:
            beside = torch.roll(values, -1 if step > 0 else 1, dims=axis)
            values = torch.lerp(values, beside, abs(step))
    return values


def averaged(scores: Tensor, valid: Tensor) -> Tensor:
    """Return scores (height, width) averaged in a Gaussian window over what is valid; 0 where nothing in it is."""
    steps = torch.arange(-SCORE_REACH, SCORE_REACH + 1, device=scores.device)
    weights = torch.exp(-0.5 * (steps / SCORE_SIGMA) ** 2)
    both = torch.stack([scores * valid, valid])[:, None]
    reach = SCORE_REACH
    down = conv2d(pad(both, (0, 0, reach, reach)), weights.view(1, 1, -1, 1))
    total, share = conv2d(pad(down, (reach, reach, 0, 0)), weights.view(1, 1, 1, -1))[:, 0]
    return torch.where(share > 0, total / share.clamp(min=1e-6), torch.zeros_like(total))
