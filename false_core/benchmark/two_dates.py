"""A scene at two dates: the same land in two seasons, where the use of some parcels has changed, and the known change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from false_core.synthetic.canvas import Mask
from false_core.synthetic.scene import LandUnderSun, Scene, build_ground, finest_gsd, picture_of
from false_core.synthetic.seasons import AUTUMN, SUMMER

_OTHER_LAND = 7919
"""A number that is added to the seed, for the land that changed parcels are taken from."""
_LEAST_PARCEL_M2 = 1500.0
_LEAST_NEW = 0.85
"""Share of a parcel that must be of another class afterwards, for it to be one of those that change."""


@dataclass(frozen=True)
class TwoDates:
    """A scene at two dates.

    Attributes:
        before, after: The scene in the first season, and in the second with what has changed.
        changed: (H, W) pixels of another class at the second date, where both have data.
    """

    before: Scene
    after: Scene
    changed: Mask


def generate_two_dates(
    width: int = 1024,
    height: int = 1024,
    seed: int = 0,
    changing: float = 0.08,
    gsd: float | None = None,
) -> TwoDates:
    """Generate a scene in summer and in autumn, built as by ``generate``; the first date is its very scene.

    Args:
        changing: About which share of the area changes, from 0. Whole parcels become what another land has there.
    """
    gsd = gsd or finest_gsd(width, height)
    first = build_ground(width, height, seed, gsd, SUMMER)
    second = build_ground(width, height, seed, gsd, AUTUMN)
    _change(second, build_ground(width, height, seed + _OTHER_LAND, gsd, AUTUMN), changing, seed)
    second.canvas.rng = np.random.default_rng((seed, 2))  # Another day: other noise, other unevenness of light.
    before, after = picture_of(first, border=True), picture_of(second, border=True)
    both = (before.truth > 0) & (after.truth > 0)
    return TwoDates(before, after, both & (before.truth != after.truth))


def _change(ground: LandUnderSun, other: LandUnderSun, share: float, seed: int) -> None:
    """Replace parcels of a ground by what another one has in their place, until about a share of the area has changed."""
    canvas, number = ground.canvas, ground.parcels.number
    wanted = share * number.size
    differs = canvas.cover != other.canvas.cover
    pixels, new = np.bincount(number.ravel()), np.bincount(number.ravel(), differs.ravel())
    able = (pixels * canvas.gsd**2 >= _LEAST_PARCEL_M2) & (new >= _LEAST_NEW * pixels)
    for parcel in np.random.default_rng((seed, 1)).permutation(np.flatnonzero(able)).tolist():
        if wanted < pixels[parcel] / 2:
            continue
        where = number == parcel
        canvas.cover[where] = other.canvas.cover[where]
        canvas.height[where] = other.canvas.height[where]
        canvas.light[:, where] = other.canvas.light[:, where]
        wanted -= pixels[parcel]
