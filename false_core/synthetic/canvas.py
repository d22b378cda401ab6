"""The ground that everything is painted on, layer over layer.

Lengths and coordinates are metres, x to the east and y to the south of the centre of the scene. Colours are reflectance
times 10,000 in red, green, blue and near infrared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]
"""(N, 2): x, y in metres."""
Colour = tuple[float, float, float, float]


class Canvas:
    """The land cover and heights on the ground so far.

    Attributes:
        gsd: Metres per pixel.
        shape: (H, W).
        extent: Metres from west to east and from north to south, (2,).
        x, y: (H, W) coordinates of the pixels.
        light: (4, H, W) colours.
        cover: (H, W) class codes.
        height: (H, W) metres above the ground; what stands up casts a shadow.
    """

    def __init__(self, width: int, height: int, gsd: float, rng: np.random.Generator) -> None:
        self.gsd, self.rng, self.shape = gsd, rng, (height, width)
        self.extent = np.array([width * gsd, height * gsd])
        self.x, self.y = np.meshgrid(
            (np.arange(width, dtype=np.float32) - (width - 1) / 2) * np.float32(gsd),
            (np.arange(height, dtype=np.float32) - (height - 1) / 2) * np.float32(gsd),
        )
        self.light = np.zeros((4, height, width), np.float32)
        self.cover = np.zeros((height, width), np.uint8)
        self.height = np.zeros((height, width), np.float32)

    def noise(self, scale: float) -> FloatArray:
        """Return (H, W) smooth noise with bumps of about ``scale`` metres, mean 0, standard deviation 1."""
        pixels = max(scale / self.gsd, 1.0)
        weights = []
        for size in self.shape:
            knots = int(np.ceil(size / pixels)) + 6
            distance = np.arange(size)[:, None] / pixels - (np.arange(knots)[None, :] - 2.5)
            weights.append(np.exp(-2.0 * distance**2).astype(np.float32))
        rough = self.rng.standard_normal((weights[0].shape[1], weights[1].shape[1]), dtype=np.float32)
        smooth = weights[0] @ rough @ weights[1].T
        return np.asarray((smooth - smooth.mean()) / (smooth.std() + 1e-6), np.float32)

    def paint(self, where: Mask, cover: int, colour: Colour, brightness: FloatArray | float = 1.0) -> None:
        """Cover ``where`` (H, W) with a class and a colour; ``brightness`` multiplies it, per pixel or for all."""
        self.cover[where] = cover
        share = brightness[where] if isinstance(brightness, np.ndarray) else brightness
        for band, value in zip(self.light, colour):
            band[where] = value * share

    def distance_to(self, points: Points) -> FloatArray:
        """Return (H, W) metres from each pixel to the nearest of ``points``; infinite where none lies in the scene."""
        column, row = np.floor((points + self.extent / 2) / self.gsd).astype(int).T
        inside = (column >= 0) & (column < self.shape[1]) & (row >= 0) & (row < self.shape[0])
        if not inside.any():
            return np.full(self.shape, np.inf, np.float32)
        away = np.ones(self.shape, bool)
        away[row[inside], column[inside]] = False
        return np.asarray(ndimage.distance_transform_edt(away) * self.gsd, np.float32)

    def at(self, values: npt.NDArray[Any], points: Points) -> npt.NDArray[Any]:
        """Return the entries of ``values`` (H, W) at ``points``, (N,). Points outside take the nearest pixel."""
        column, row = np.floor((points + self.extent / 2) / self.gsd).astype(int).T
        found: npt.NDArray[Any] = values[np.clip(row, 0, self.shape[0] - 1), np.clip(column, 0, self.shape[1] - 1)]
        return found

    def window(self, x: float, y: float, reach: float) -> tuple[slice, slice]:
        """Return the rows and columns within ``reach`` metres of a point, cut at the border of the scene."""
        column, row = (np.array([x, y]) + self.extent / 2) / self.gsd
        cells = reach / self.gsd + 1
        return (
            slice(max(0, int(row - cells)), max(0, int(row + cells) + 1)),
            slice(max(0, int(column - cells)), max(0, int(column + cells) + 1)),
        )


def turned(x: Any, y: Any, angle: float) -> tuple[Any, Any]:
    """Return the coordinates along and across a direction ``angle`` radians from east."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def winding_line(canvas: Canvas, through: Points, angle: float, swing: float) -> Points:
    """Return points of a curve across the scene through the point ``through`` (2,) that winds ``swing`` metres aside."""
    rng = canvas.rng
    reach = float(np.hypot(*canvas.extent))
    along = np.arange(-reach, reach, canvas.gsd / 2)
    across = np.zeros_like(along)
    for length, share in ((520.0, 0.62), (190.0, 0.3), (75.0, 0.08)):
        across += share * swing * np.sin(2 * np.pi * along / (length * rng.uniform(0.8, 1.25)) + rng.uniform(0, 2 * np.pi))
    across -= across[len(across) // 2]
    cosine, sine = np.cos(angle), np.sin(angle)
    offsets = np.stack([along * cosine - across * sine, along * sine + across * cosine], 1)
    return np.asarray(through + offsets, np.float64)
