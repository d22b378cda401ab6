"""Fields, meadows, orchards and woods: the land divided into parcels, each with its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from false_core.synthetic.canvas import Canvas, Colour, FloatArray, turned
from false_core.synthetic.classes import CROPLAND, MEADOW

VERGE: Colour = (860, 1020, 600, 3300)
"""Grass that nobody sows, beside roads and between fields."""
_BARE_SOIL: Colour = (1500, 1250, 930, 2100)
_VIGOUR = (-0.9, -0.35, -0.6, 0.9)
"""The change of each band where plants do better."""
_FAR = 1e4


@dataclass(frozen=True)
class LandUse:
    """The crop or cover of a parcel.

    Attributes:
        row_period: Metres from row to row.
        row_strength: Change of brightness across rows, as a share.
        tramlines: Share of soil that shows in the wheel tracks, 0 to 1.
        patchiness: Change of brightness from patch to patch, as a share.
        trees: ``"dense"``, ``"rows"``, ``"few"`` or none.
    """

    cover: int
    colour: Colour
    row_period: float = 0.0
    row_strength: float = 0.0
    tramlines: float = 0.0
    patchiness: float = 0.08
    trees: str = ""


RIPE_GRAIN = LandUse(CROPLAND, (1850, 1500, 900, 2900), 1.5, 0.03, 0.16, 0.07)
YOUNG_CEREAL = LandUse(CROPLAND, (700, 960, 520, 3800), 1.5, 0.05, 0.25, 0.10)
MAIZE = LandUse(CROPLAND, (520, 800, 400, 4300), 2.2, 0.16, 0.0, 0.10)
BEETS = LandUse(CROPLAND, (820, 1080, 520, 3900), 2.6, 0.14, 0.12, 0.14)
PLOUGHED = LandUse(CROPLAND, (1380, 1090, 800, 1950), 3.0, 0.06, 0.0, 0.16)
STUBBLE = LandUse(CROPLAND, (1780, 1500, 1080, 2500), 5.5, 0.06, 0.0, 0.09)
RAPESEED = LandUse(CROPLAND, (1500, 1460, 480, 4000), 1.5, 0.03, 0.2, 0.08)
GRASS = LandUse(MEADOW, (760, 1000, 540, 3750), patchiness=0.18)
MOWN_GRASS = LandUse(MEADOW, (1000, 1180, 660, 3500), 7.0, 0.05, 0.0, 0.14)
PASTURE = LandUse(MEADOW, (980, 1060, 620, 3100), patchiness=0.26, trees="few")
ORCHARD = LandUse(MEADOW, (820, 1020, 560, 3600), patchiness=0.15, trees="rows")
WOOD = LandUse(MEADOW, (520, 640, 420, 2400), patchiness=0.2, trees="dense")
_DECK = (
    RIPE_GRAIN, YOUNG_CEREAL, MAIZE, GRASS, PLOUGHED, WOOD, STUBBLE, MOWN_GRASS, BEETS, RIPE_GRAIN, PASTURE,
    YOUNG_CEREAL, RAPESEED, MAIZE, ORCHARD, PLOUGHED, GRASS, WOOD,
)  # fmt: skip
"""Land uses are dealt to parcels from this deck, so that every one turns up before any comes again."""


@dataclass
class Parcels:
    """Parcels of land. ``uses`` and ``angle`` are indexed by the parcel number.

    Attributes:
        number: (H, W) parcel of each pixel.
        along, across: (H, W) metres along and across the parcel's rows.
        edge: (H, W) metres to the parcel's border.
        lane: (H, W) metres to the nearest border that a lane runs along.
        hedge: (H, W) metres to the nearest border with a hedge.
        uses: Crop or cover of each parcel.
        angle: Direction of the rows of each parcel, radians.
    """

    number: NDArray[np.int32]
    along: FloatArray
    across: FloatArray
    edge: FloatArray
    lane: FloatArray
    hedge: FloatArray
    uses: list[LandUse]
    angle: list[float]

    def that_grow(self, trees: str) -> NDArray[np.bool_]:
        """Return (H, W) where the parcel's use grows trees in this way."""
        return np.array([use.trees == trees for use in self.uses])[self.number]


def divide_land(canvas: Canvas) -> Parcels:
    """Divide the scene into districts, each with a direction of its own, and these into parcels."""
    rng, shape = canvas.rng, canvas.shape
    bent_x, bent_y = canvas.x + 5 * canvas.noise(110), canvas.y + 5 * canvas.noise(110)
    count = max(2, round(float(np.prod(canvas.extent)) / 330**2))
    centres = rng.uniform(-0.5, 0.5, (count, 2)) * canvas.extent
    district, border = _nearest_centre(bent_x, bent_y, centres)

    far = np.full(shape, _FAR, np.float32)
    parcels = Parcels(np.zeros(shape, np.int32), far.copy(), far.copy(), border.copy(), border, far, [], [])
    base = rng.uniform(0, np.pi)
    for index in range(count):
        angle = base + rng.normal(0, 0.35)
        u, v = turned(bent_x, bent_y, angle)
        pixels = np.flatnonzero(district == index)
        if pixels.size:
            _divide(canvas, parcels, pixels, u.ravel(), v.ravel(), angle)
    rounds = len(parcels.angle) // len(_DECK) + 1
    parcels.uses = [_DECK[card] for _ in range(rounds) for card in rng.permutation(len(_DECK))][: len(parcels.angle)]
    return parcels


def _nearest_centre(x: FloatArray, y: FloatArray, centres: NDArray[np.float64]) -> tuple[NDArray[np.int32], FloatArray]:
    """Return (H, W) the nearest of ``centres`` (N, 2), and metres to the line where another one becomes the nearest."""
    nearest, least = np.zeros(x.shape, np.int32), np.full(x.shape, np.inf, np.float32)
    for index, (cx, cy) in enumerate(centres):
        squared = (x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2
        closer = squared < least
        nearest[closer], least[closer] = index, squared[closer]
    border = np.full(x.shape, _FAR, np.float32)
    for index, (cx, cy) in enumerate(centres):
        # Distance to the perpendicular bisector between this centre and the pixel's own.
        apart = 2 * np.hypot(*(centres - (cx, cy)).T).astype(np.float32)[nearest]
        squared = (x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2
        other = nearest != index
        border[other] = np.minimum(border[other], (squared - least)[other] / apart[other])
    return nearest, border


def _divide(canvas: Canvas, parcels: Parcels, pixels: NDArray[np.intp], u: FloatArray, v: FloatArray, angle: float) -> None:
    """Halve a piece of land across its longer side until parcels remain; long cuts become lanes, some others hedges."""
    rng = canvas.rng
    inside_u, inside_v = u[pixels], v[pixels]
    size_u, size_v = np.ptp(inside_u) + canvas.gsd, np.ptp(inside_v) + canvas.gsd
    lengthwise = bool(size_u >= size_v)
    if pixels.size * canvas.gsd**2 < rng.uniform(5000, 15000) or min(size_u, size_v) < 25:
        parcels.number.flat[pixels] = len(parcels.angle)
        parcels.along.flat[pixels] = inside_u if lengthwise else inside_v
        parcels.across.flat[pixels] = inside_v if lengthwise else -inside_u
        parcels.angle.append(angle if lengthwise else angle + np.pi / 2)
        return
    coordinate, size = (inside_u, size_u) if lengthwise else (inside_v, size_v)
    cut = coordinate.min() + size * rng.uniform(0.36, 0.64)
    distance = np.abs(coordinate - cut)
    parcels.edge.flat[pixels] = np.minimum(parcels.edge.flat[pixels], distance)
    if size > 235:
        parcels.lane.flat[pixels] = np.minimum(parcels.lane.flat[pixels], distance)
    elif rng.random() < 0.3:
        parcels.hedge.flat[pixels] = np.minimum(parcels.hedge.flat[pixels], distance)
    for half in (coordinate < cut, coordinate >= cut):
        if half.any():
            _divide(canvas, parcels, pixels[half], u, v, angle)


def paint_parcels(canvas: Canvas, parcels: Parcels) -> None:
    """Paint what grows on every parcel, with rows, wheel tracks, patches, and grass between the parcels."""
    rng, number, uses = canvas.rng, parcels.number, parcels.uses
    count = len(uses)

    def spread(per_parcel: Any) -> FloatArray:
        return np.asarray(per_parcel, np.float32)[number]

    patches = 0.6 * canvas.noise(28) + 0.5 * canvas.noise(9) + 0.5 * canvas.noise(2.5)
    patchiness = spread([use.patchiness for use in uses]) * spread(rng.uniform(0.6, 1.4, count))
    level = spread(rng.uniform(0.84, 1.18, count))
    rows, tracks = _rows_and_tracks(canvas, parcels)
    brightness = level * np.clip(1 + patchiness * patches + rows, 0.4, 1.8)

    vigour = spread(rng.normal(0, 0.07, count)) + 0.07 * canvas.noise(45) * spread([use.patchiness / 0.1 for use in uses])
    colours = np.array([use.colour for use in uses], np.float32) * rng.normal(1, 0.035, (count, 4)).astype(np.float32)
    canvas.cover[:] = np.array([use.cover for use in uses], np.uint8)[number]
    for band, (change, soil) in enumerate(zip(_VIGOUR, _BARE_SOIL)):
        plants = colours[:, band][number] * brightness * np.clip(1 + change * vigour, 0.5, 1.6)
        canvas.light[band] = plants + tracks * (soil - plants) * 1.6

    margin = parcels.edge + 0.3 * canvas.noise(6) < 1.0
    canvas.paint(margin, MEADOW, VERGE, 1 + np.float32(0.15) * patches)


def _rows_and_tracks(canvas: Canvas, parcels: Parcels) -> tuple[FloatArray, FloatArray]:
    """Return (H, W) the change of brightness by rows, and the share of soil seen in wheel tracks."""
    rng, number, uses = canvas.rng, parcels.number, parcels.uses
    # On the headland, where the tractor turns, rows run along the border.
    across = np.where(parcels.edge < 9, parcels.edge, parcels.across)
    period = np.array([use.row_period for use in uses]) * rng.uniform(0.85, 1.2, len(uses))
    visible = period > 2.2 * canvas.gsd  # Finer rows than pixels can show would alias.
    strength = np.array([use.row_strength for use in uses]) * visible * rng.uniform(0.6, 1.3, len(uses))
    wave = 2 * np.pi * (across + 0.35 * canvas.noise(9)) / np.where(visible, period, 1.0)[number]
    spacing = rng.uniform(16, 27, len(uses))[number]
    wheel = np.abs(np.abs(np.mod(across, spacing) - spacing / 2) - 0.95) < 0.3 + 0.1 * canvas.gsd
    tracks = np.array([use.tramlines for use in uses])[number] * wheel
    return (strength[number] * np.sin(wave)).astype(np.float32), tracks.astype(np.float32)
