"""Lanes between fields, village streets and main roads."""

from __future__ import annotations

import numpy as np

from false_core.synthetic.canvas import Canvas, Colour, FloatArray, Mask
from false_core.synthetic.classes import MEADOW, ROAD, WATER
from false_core.synthetic.parcels import VERGE

GRAVEL: Colour = (1760, 1520, 1180, 2250)
_ASPHALT: Colour = (1180, 1170, 1150, 1480)
_WORN_ASPHALT: Colour = (1560, 1520, 1450, 1850)
_GRASS_STRIP: Colour = (1150, 1200, 800, 2700)
_HALF_LANE, _HALF_STREET, _HALF_ROAD = 2.1, 2.4, 3.4
"""Half widths in metres."""
_FINEST_MARKING_GSD = 0.6


def paint_roads(canvas: Canvas, lanes: FloatArray, streets: FloatArray, main: FloatArray) -> FloatArray:
    """Paint roads, given (H, W) metres to the middle of the nearest lane, street and main road.

    Returns:
        (H, W) metres to the edge of the nearest of them all, negative on it.
    """
    rough = 1 + np.float32(0.05) * canvas.noise(1.0) + np.float32(0.05) * canvas.noise(8)
    to_lane = lanes + np.float32(0.35) * canvas.noise(4) - np.float32(_HALF_LANE)
    _paint_lanes(canvas, to_lane, rough)
    canvas.paint(main < 6.5, MEADOW, VERGE, rough * (1 + np.float32(0.12) * canvas.noise(3)))
    wear = np.clip(0.5 + 0.25 * canvas.noise(30) + 0.15 * canvas.noise(4), 0, 1)
    paved = (streets < _HALF_STREET) | (main < _HALF_ROAD)
    canvas.cover[paved] = ROAD
    for band, new, worn in zip(canvas.light, _ASPHALT, _WORN_ASPHALT):
        band[paved] = ((new + wear * (worn - new)) * rough)[paved]
    if canvas.gsd <= _FINEST_MARKING_GSD:
        dashes = (main < 0.2) & (np.mod(canvas.x + canvas.y, 9) < 4)
        canvas.light[:, dashes | (np.abs(main - 3.05) < 0.15)] *= 1.35
    return np.asarray(np.minimum(np.minimum(to_lane, streets - _HALF_STREET), main - _HALF_ROAD), np.float32)


def _paint_lanes(canvas: Canvas, to_lane: FloatArray, rough: FloatArray) -> None:
    land: Mask = canvas.cover != WATER  # Lanes end at the water; the other roads cross it on a bridge.
    canvas.paint(land & (to_lane < 1.5), MEADOW, VERGE, rough * (1 + np.float32(0.12) * canvas.noise(3)))
    canvas.paint(land & (to_lane < 0), ROAD, GRAVEL, rough * (np.float32(0.95) + np.float32(0.08) * canvas.noise(20)))
    between_wheels = land & (to_lane < 0.35 - _HALF_LANE) & (canvas.noise(25) > 0)
    canvas.paint(between_wheels, ROAD, _GRASS_STRIP, rough)
