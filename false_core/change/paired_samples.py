"""Features of random positions at both dates: what the correlation of the dates is measured from."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from false_core.change.date_pair import PairedPixels
from false_core.change.paired_encoder import MOST_TILES_TRIED, PairedEncoder, valid_features
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.inference.features import FEATURE_STRIDE
from false_core.training.heads.samples import sampled_levels

FloatArray = npt.NDArray[np.float32]

SAMPLED_PAIRS = 8_192
"""Feature pixels that are looked at."""
MOST_SAMPLED_TILES = 24
"""Tiles they come from. More would say the same again."""


@dataclass(frozen=True)
class PairedSamples:
    """Features of the same positions at two dates.

    Attributes:
        before, after: Features of each date, of shape (n, channels).
        positions: Positions of them, in working pixels, x first, of shape (n, 2).
    """

    before: FloatArray
    after: FloatArray
    positions: npt.NDArray[np.float64]


def sample_pairs(encoder: PairedEncoder, least: int, seed: int, feedback: Feedback) -> PairedSamples:
    """Return features of random positions that are valid at both dates.

    Args:
        least: The number of positions below which nothing can be said.
        seed: Seed of the draw of positions.

    Raises:
        InputError: There are fewer that are valid at both dates.
    """
    plan, chance = encoder.plan(), np.random.default_rng(seed)
    order = chance.permutation(len(plan))[:MOST_TILES_TRIED]
    each = -(-SAMPLED_PAIRS // min(len(plan), MOST_SAMPLED_TILES))
    found: list[PairedSamples] = []

    def take(before: list[Tensor], after: list[Tensor], pixels: PairedPixels) -> PairedSamples:
        positions = _positions(pixels, encoder.halo, each, chance)
        first, second = (
            sampled_levels([level[None] for level in levels], pixels.valid.shape, positions) for levels in (before, after)
        )
        return PairedSamples(first, second, positions)

    tiles = (plan.tile(int(number) % plan.columns, int(number) // plan.columns) for number in order)
    with closing(encoder.over(tiles, take)) as computed:
        for item in computed:
            feedback.advance(len(found), min(len(order), MOST_SAMPLED_TILES), "tiles")
            if item.result is not None:
                corner = item.tile.window.column, item.tile.window.row
                found.append(replace(item.result, positions=item.result.positions + corner))
            if len(found) == MOST_SAMPLED_TILES:
                break
    number = sum(len(some.before) for some in found)
    if number < least:
        raise InputError(
            f"{encoder.pair.before.name} and {encoder.pair.after.source.name} have too little ground in common that is "
            f"valid at both dates: {number * FEATURE_STRIDE**2:,} pixels.",
            "Choose rasters that overlap more, a smaller working pixel size, or less of a mask of clouds.",
        )
    return PairedSamples(
        np.concatenate([some.before for some in found]),
        np.concatenate([some.after for some in found]),
        np.concatenate([some.positions for some in found]),
    )


def _positions(pixels: PairedPixels, halo: int, most: int, chance: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the middles of random feature pixels of a tile without its halo that are valid, x first, of shape (n, 2)."""
    valid = valid_features(pixels.valid[halo:-halo, halo:-halo])
    rows, columns = np.nonzero(valid)
    chosen = chance.permutation(len(rows))[:most]
    inside = np.stack([columns[chosen], rows[chosen]], axis=1).astype(np.float64)
    return (inside + 0.5) * FEATURE_STRIDE + halo
