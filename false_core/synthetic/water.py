"""A river and a pond."""

from __future__ import annotations

import numpy as np

from false_core.synthetic.canvas import Canvas, Colour, FloatArray, Points, turned
from false_core.synthetic.classes import MEADOW, WATER

_CLEAR: Colour = (430, 560, 520, 260)
_TURBID: Colour = (860, 930, 690, 560)
_BANK: Colour = (700, 900, 500, 3700)
_SAND: Colour = (2050, 1800, 1400, 2500)


def paint_water(canvas: Canvas, river: Points, pond: Points) -> FloatArray:
    """Paint a river along the line ``river`` and a pond at the point ``pond`` (2,), with their banks.

    Returns:
        (H, W) metres to the shore, negative in the water.
    """
    shore = _shore(canvas, river, pond)
    grass = 1 + np.float32(0.2) * canvas.noise(7) + np.float32(0.12) * canvas.noise(2)
    canvas.paint(shore < 6 + 3 * canvas.noise(24), MEADOW, _BANK, grass)
    canvas.paint((shore < 1.6) & (canvas.noise(16) > 0.4), MEADOW, _SAND, 1 + np.float32(0.08) * canvas.noise(2))
    water = shore < 0
    canvas.paint(water, WATER, _CLEAR, 1 + np.float32(0.06) * canvas.noise(30) + np.float32(0.03) * canvas.noise(2))
    shallow = np.exp(np.minimum(shore, 0) / 2.2) * np.clip(0.7 + 0.4 * canvas.noise(35), 0.1, 1)
    for band, value in zip(canvas.light, _TURBID):
        band[water] += (shallow * (value - band))[water]
    return shore


def _shore(canvas: Canvas, river: Points, pond: Points) -> FloatArray:
    rng = canvas.rng
    half_width = np.clip(7.0 + 2.2 * canvas.noise(70), 4.5, 13)
    radius = rng.uniform(16, 24) * (1 + 0.18 * canvas.noise(28))
    u, v = turned(canvas.x - pond[0], canvas.y - pond[1], rng.uniform(0, np.pi))
    to_pond = np.hypot(u, v * rng.uniform(1.2, 1.7)) - radius
    return np.asarray(np.minimum(canvas.distance_to(river) - half_width, to_pond) + 0.5 * canvas.noise(5), np.float32)
