"""Shadows, and what a sensor makes of the light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from false_core.synthetic.canvas import Canvas, Mask, turned

_SKYLIGHT = (0.36, 0.42, 0.52, 0.33)
"""Share of the light of each band that reaches a shadow: the blue of the sky, hardly any infrared."""
_HAZE = (60, 90, 150, 20)
_BLUR = 0.62
"""Standard deviation of the point-spread function in pixels."""


def cast_shadows(canvas: Canvas, sun: NDArray[np.float64], elevation: float) -> None:
    """Darken what lies behind something high.

    Args:
        sun: (2,) towards the sun, x east and y south, length 1.
        elevation: The height of the sun over the horizon, radians.
    """
    drop = np.tan(elevation) * canvas.gsd
    rows, columns = canvas.shape
    shadow = np.zeros(canvas.shape, np.float32)
    for step in range(1, min(int(canvas.height.max() / drop) + 2, rows, columns)):
        dx, dy = round(step * sun[0]), round(step * sun[1])
        here = slice(max(0, -dy), rows - max(0, dy)), slice(max(0, -dx), columns - max(0, dx))
        there = slice(max(0, dy), rows - max(0, -dy)), slice(max(0, dx), columns - max(0, -dx))
        covered = canvas.height[there] - step * drop - canvas.height[here]
        shadow[here] = np.maximum(shadow[here], np.clip(covered / 0.6, 0, 1))
    shadow = ndimage.gaussian_filter(shadow, 0.5)
    for band, share in zip(canvas.light, _SKYLIGHT):
        band *= 1 - (1 - share) * shadow


def take_picture(canvas: Canvas) -> NDArray[np.uint16]:
    """Return what a sensor sees: (4, H, W) from 1 to 10,000, with haze, uneven light, a little blur and noise."""
    rng = canvas.rng
    tilt = rng.uniform(-0.09, 0.09, 2) / canvas.extent
    evenness = 1 + tilt[0] * canvas.x + tilt[1] * canvas.y + 0.02 * canvas.noise(180)
    image = np.empty((4, *canvas.shape), np.uint16)
    for band, haze in enumerate(_HAZE):
        seen = ndimage.gaussian_filter(canvas.light[band] * evenness, _BLUR) + haze
        seen += rng.standard_normal(canvas.shape, dtype=np.float32) * (10 + 0.42 * np.sqrt(np.maximum(seen, 0)))
        image[band] = np.clip(np.round(seen), 1, 10_000)
    return image


def flown_over(canvas: Canvas) -> Mask:
    """Return (H, W) where there are data: a slightly turned rectangle with a stepped edge, as a mosaic leaves it."""
    rng = canvas.rng
    u, v = turned(canvas.x, canvas.y, rng.uniform(0.012, 0.03) * rng.choice((-1, 1)))
    stepped = 0.003 * canvas.extent.min() * np.sign(canvas.noise(40))
    inside = (np.abs(u) + stepped < 0.485 * canvas.extent[0]) & (np.abs(v) + stepped < 0.485 * canvas.extent[1])
    return np.asarray(inside, bool)
