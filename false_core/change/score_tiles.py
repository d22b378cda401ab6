"""From features of two dates to a score for each working pixel: that of the best of small shifts, averaged within edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from false_core.change.canonical import CanonicalPair, principal_projection
from false_core.change.date_pair import PairedPixels
from false_core.change.guided_filter import averaged, guided_average, reach_of_window
from false_core.change.paired_encoder import valid_features
from false_core.change.paired_samples import PairedSamples
from false_core.inference.features import FEATURE_STRIDE, Projection
from false_core.raster.source import FloatArray

MOST_OF_A_PLACE = 20.0
"""The largest score of a feature pixel, and the least with the opposite sign. One odd place says no more than that, however
odd: the densities are those of a normal, and the tails of what is seen are not. It still makes change likely where hardly
anything changed."""
SIGMA_OF_SHIFTS = 2.0
"""Standard deviation of the Gaussian window in which the best shift is chosen, in feature pixels."""
SCORE_SIGMA, SCORE_SMOOTHING = 3.0, 0.025
"""Window of the guided filter in feature pixels, and the part of the variance of a date that shows no edges."""
COMPONENTS_OF_EDGES = 3
"""Principal components of the bands of each date that show edges."""
SCORE_MARGIN = 2 * reach_of_window(SCORE_SIGMA) + 2
"""Feature pixels around a tile that its scores depend on: two windows, a shift, and the interpolation to pixels. What the
window of the shifts adds is too far away to count."""


def edges_of_dates(samples: PairedSamples, bands: int, device: torch.device) -> tuple[Projection, Projection]:
    """Return the projections of the bands, which come last in the samples, of each date to what shows its edges."""
    before, after = (date[:, -bands:] for date in (samples.before, samples.after))
    number = COMPONENTS_OF_EDGES
    return principal_projection(before, number, device), principal_projection(after, number, device)


@dataclass(frozen=True)
class ScoreOfTiles:
    """Scores of tiles, made of their features.

    Attributes:
        canonical: The projections of both dates.
        edges: Projections of the bands of both dates to what shows where things end.
        halo: Working pixels that a tile has around it.
        shift: Working pixels by which the dates may be shifted against each other, at most ``FEATURE_STRIDE``.
    """

    canonical: CanonicalPair
    edges: tuple[Projection, Projection]
    halo: int
    shift: float

    def of(self, before: list[Tensor], after: list[Tensor], pixels: PairedPixels) -> FloatArray:
        """Return the scores of a tile without its halo, of shape (side, side), NaN where a date has no data.

        Args:
            before, after: Features of each level, each (channels, height, width), halo included; the bands last.
            pixels: Pixels of both dates that the features were computed from.
        """
        cut = self.halo // FEATURE_STRIDE - SCORE_MARGIN
        inside = slice(None), slice(cut, -cut), slice(cut, -cut)
        u, v = self.canonical.before.of(before)[inside], self.canonical.after.of(after)[inside]
        valid = torch.from_numpy(valid_features(pixels.valid)[inside[1:]]).to(u)
        guide = torch.cat([edges.of(date[-1:])[inside] for edges, date in zip(self.edges, (before, after))])
        scores = guided_average(self._least(u, v, valid), guide, valid, SCORE_SIGMA, SCORE_SMOOTHING)
        fine = interpolate(scores[None, None], scale_factor=FEATURE_STRIDE, mode="bilinear", align_corners=False)[0, 0]
        margin = SCORE_MARGIN * FEATURE_STRIDE
        found: FloatArray = fine[margin:-margin, margin:-margin].cpu().numpy()
        inner = pixels.valid[self.halo : -self.halo, self.halo : -self.halo]
        return np.where(inner, found, np.float32(np.nan))

    def _least(self, before: Tensor, after: Tensor, valid: Tensor) -> Tensor:
        """Return the scores (height, width) of components of both dates, each at the shift that fits best around it."""
        least: Tensor | None = None
        for down, across in self._shifts():
            scores = self.canonical.score(before, shifted(after, down, across)).clamp(-MOST_OF_A_PLACE, MOST_OF_A_PLACE)
            both = torch.stack([averaged(scores[None], valid, SIGMA_OF_SHIFTS)[0], scores])
            least = both if least is None else torch.where(both[0] < least[0], both, least)
        assert least is not None
        return least[1]

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
