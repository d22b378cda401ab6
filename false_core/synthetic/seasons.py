"""Seasons: what the same land looks like at another time of the year. No place changes its class with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from false_core.synthetic.canvas import Canvas, Colour
from false_core.synthetic.classes import MEADOW, TREE, WATER
from false_core.synthetic.parcels import BEETS, MAIZE, PLOUGHED, RAPESEED, RIPE_GRAIN, STUBBLE, YOUNG_CEREAL, LandUse


@dataclass(frozen=True)
class Season:
    """A time of the year.

    Attributes:
        uses: Uses that a parcel shows in place of those of summer.
        tints: Factors of the four bands of each class.
        later, lower: Angles by which the sun has gone on to the west, and by which it stands lower, in radians.
    """

    uses: Mapping[LandUse, LandUse] = field(default_factory=dict)
    tints: Mapping[int, Colour] = field(default_factory=dict)
    later: float = 0.0
    lower: float = 0.0

    def shows(self, use: LandUse) -> LandUse:
        """Return what a parcel of a use shows."""
        return self.uses.get(use, use)

    def tint(self, canvas: Canvas) -> None:
        """Bring what was painted to the colours of the season, class by class."""
        for cover, shares in self.tints.items():
            where = canvas.cover == cover
            for band, share in zip(canvas.light, shares):
                band[where] *= share


SUMMER = Season()
AUTUMN = Season(
    uses={
        RIPE_GRAIN: STUBBLE,
        YOUNG_CEREAL: PLOUGHED,
        MAIZE: STUBBLE,
        BEETS: PLOUGHED,
        STUBBLE: YOUNG_CEREAL,
        PLOUGHED: YOUNG_CEREAL,
        RAPESEED: PLOUGHED,
    },
    tints={MEADOW: (1.35, 1.08, 1.15, 0.8), TREE: (1.9, 1.2, 1.05, 0.75), WATER: (1.25, 1.2, 1.1, 1.1)},
    later=0.35,
    lower=0.2,
)
"""Fields are harvested or sown anew, leaves turn, grass dries, and shadows are longer and fall elsewhere."""
