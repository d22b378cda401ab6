"""Villages and farms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from false_core.synthetic.canvas import Canvas, FloatArray, Mask, turned
from false_core.synthetic.classes import ROAD, ROOF
from false_core.synthetic.parcels import Parcels
from false_core.synthetic.roads import GRAVEL

_TILES = ((1720, 980, 720, 2250), (1950, 1250, 900, 2600), (1300, 960, 760, 1850), (1150, 820, 660, 1600))
_GREYS = ((820, 820, 840, 1050), (1250, 1240, 1230, 1450), (1900, 1890, 1850, 2150), (2900, 2880, 2800, 3000))
_ROW_SPACING, _CROSS_SPACING = 38.0, 104.0
"""Metres between parallel streets of a village."""
_VILLAGE_REACH = 180.0


@dataclass(frozen=True)
class House:
    """A building: centre, half length and half width in metres, direction in radians, height of the eaves in metres."""

    x: float
    y: float
    half_length: float
    half_width: float
    angle: float
    eaves: float
    flat: bool
    colour: NDArray[np.float64]


@dataclass(frozen=True)
class Village:
    """A village: its centre, the direction of its streets in radians, and (H, W) the ground it stands on."""

    x: float
    y: float
    angle: float
    ground: Mask

    def distance_to_street(self, canvas: Canvas) -> FloatArray:
        """Return (H, W) metres to the middle of the nearest street, as if the village had no end."""
        u, v = turned(canvas.x - self.x, canvas.y - self.y, self.angle)
        v = v + _sway(u)
        u = u + 4 * np.sin(v / 37)
        rows = np.abs(np.mod(v + _ROW_SPACING / 2, _ROW_SPACING) - _ROW_SPACING / 2)
        crossings = np.abs(np.mod(u + _CROSS_SPACING / 2, _CROSS_SPACING) - _CROSS_SPACING / 2)
        return np.asarray(np.minimum(rows, crossings), np.float32)

    def houses(self, canvas: Canvas, blocked: Mask) -> Iterator[House]:
        """Yield houses along the streets wherever the ground is free, and block their ground."""
        rng = canvas.rng
        outermost = int(_VILLAGE_REACH // _ROW_SPACING)
        for row in range(-outermost, outermost + 1):
            for side in (-1, 1):
                u = -_VILLAGE_REACH
                while u < _VILLAGE_REACH:
                    u += rng.uniform(11, 19)
                    house = self._house_at(u, row * _ROW_SPACING, side, rng)
                    if rng.random() < 0.9 and _is_free(canvas, house, blocked, self.ground):
                        yield house

    def _house_at(self, u: float, street: float, side: int, rng: np.random.Generator) -> House:
        """Draw a house ``u`` metres along a street, on one side of it, more often than not in line with it."""
        big = rng.random() < 0.1
        half_length = rng.uniform(7, 11) if big else rng.uniform(4.6, 7.2)
        half_width = rng.uniform(5, 6.5) if big else rng.uniform(3.6, 4.8)
        v = street + side * (3.5 + half_width + rng.uniform(1.5, 4.5)) - _sway(u)
        x, y = turned(u, v, -self.angle)
        along = self.angle + np.arctan(-7 / 48 * np.cos(u / 48)) + rng.normal(0, 0.05)
        across = np.pi / 2 if rng.random() < 0.35 else 0.0
        flat = bool(rng.random() < (0.5 if big else 0.12))
        colour = _roof_colour(rng, _GREYS if flat else _TILES + _GREYS[:2])
        return House(self.x + x, self.y + y, half_length, half_width, along + across, rng.uniform(3.2, 5.5), flat, colour)


def _sway(u: FloatArray | float) -> FloatArray | float:
    """Return how far a street leaves its line, ``u`` metres along it."""
    swayed: FloatArray | float = 7 * np.sin(u / 48)
    return swayed


def _roof_colour(rng: np.random.Generator, among: tuple[tuple[int, ...], ...]) -> NDArray[np.float64]:
    return np.array(among[rng.integers(len(among))]) * rng.uniform(0.85, 1.15) * rng.normal(1, 0.03, 4)


def build_farms(canvas: Canvas, parcels: Parcels, blocked: Mask) -> Iterator[House]:
    """Paint gravel yards beside lanes, where the ground is free, and yield the two long barns of each."""
    rng = canvas.rng
    wanted = max(1, round(float(np.prod(canvas.extent)) / 330**2))
    for x, y in rng.uniform(-0.44, 0.44, (40 * wanted, 2)) * canvas.extent:
        place = np.array([[x, y]])
        parcel = int(canvas.at(parcels.number, place)[0])
        if not wanted or not 16 < canvas.at(parcels.lane, place)[0] < 30 or parcels.uses[parcel].trees:
            continue
        angle = parcels.angle[parcel] + rng.normal(0, 0.05)
        yard = House(x, y, rng.uniform(19, 27), rng.uniform(14, 19), angle, 0.0, True, np.array(GRAVEL))
        if not _is_free(canvas, yard, blocked):
            continue
        _paint_yard(canvas, yard)
        yield from (_barn(yard, side, rng) for side in (-1, 1))
        wanted -= 1


def _barn(yard: House, side: int, rng: np.random.Generator) -> House:
    shift = side * (yard.half_width - rng.uniform(5, 7.5))
    x, y = turned(0.0, shift, -yard.angle)
    length, width = yard.half_length * rng.uniform(0.55, 0.9), rng.uniform(4.5, 6)
    flat = bool(rng.random() < 0.3)
    return House(
        yard.x + x, yard.y + y, length, width, yard.angle, rng.uniform(4, 6.5), flat, _roof_colour(rng, _TILES + _GREYS)
    )  # fmt: skip


def _paint_yard(canvas: Canvas, yard: House) -> None:
    window, _, ground = _footprint(canvas, yard)
    worn = (0.92 + 0.07 * canvas.noise(7) + 0.05 * canvas.noise(1.5))[window]
    canvas.cover[window][ground] = ROAD
    for band, value in zip(canvas.light, yard.colour):
        band[window][ground] = (value * worn)[ground]


def paint_house(canvas: Canvas, house: House, sun: NDArray[np.float64], weathering: FloatArray) -> None:
    """Paint a roof. ``sun`` (2,) points towards the sun; ``weathering`` (H, W) multiplies the colour."""
    window, v, roof = _footprint(canvas, house)
    brightness = weathering[window].copy()
    height = np.full_like(v, house.eaves)
    if not house.flat:
        # A gable: two planes that fall away from the ridge at about 35 degrees, one of them turned to the sun.
        across = np.array([-np.sin(house.angle), np.cos(house.angle)])
        brightness *= 1 + 0.42 * np.sign(v) * np.float32(across @ sun)
        brightness *= np.where(np.abs(v) < 0.3, np.float32(1.1), np.float32(1.0))
        if canvas.gsd < 0.6:
            brightness *= 1 + np.float32(0.05) * np.sin(2 * np.pi * v / np.float32(1.3))
        height += 0.7 * (house.half_width - np.abs(v))
    canvas.height[window][roof] = height[roof]
    canvas.cover[window][roof] = ROOF
    for band, value in zip(canvas.light, house.colour):
        band[window][roof] = (value * brightness)[roof]


def _footprint(canvas: Canvas, house: House, margin: float = 0.0) -> tuple[tuple[slice, slice], FloatArray, Mask]:
    """Return a window, metres across the house in it, and the mask of the house grown by ``margin`` metres."""
    window = canvas.window(house.x, house.y, house.half_length + house.half_width + margin)
    u, v = turned(canvas.x[window] - np.float32(house.x), canvas.y[window] - np.float32(house.y), house.angle)
    return window, v, (np.abs(u) < house.half_length + margin) & (np.abs(v) < house.half_width + margin)


def _is_free(canvas: Canvas, house: House, blocked: Mask, ground: Mask | None = None) -> bool:
    """Return whether a house may stand here, in full on ``ground`` where that is given; if so, block its plot."""
    window, _, plot = _footprint(canvas, house, margin=1.0)
    if not plot.any() or blocked[window][plot].any() or not (ground is None or ground[window][plot].all()):
        return False
    blocked[window] |= plot
    return True
