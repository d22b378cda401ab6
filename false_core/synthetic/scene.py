"""From a seed to a scene: what is built in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from false_core.synthetic.buildings import Village, build_farms, paint_house
from false_core.synthetic.canvas import Canvas, Colour, FloatArray, Mask, Points, winding_line
from false_core.synthetic.classes import MEADOW
from false_core.synthetic.light import cast_shadows, flown_over, take_picture
from false_core.synthetic.parcels import Parcels, divide_land, paint_parcels
from false_core.synthetic.roads import paint_roads
from false_core.synthetic.seasons import SUMMER, Season
from false_core.synthetic.trees import grow_trees
from false_core.synthetic.water import paint_water

BAND_NAMES = ("red", "green", "blue", "nir")
SCENE_NODATA = 0
MIN_SCENE_SIDE_PX = 64
"""Pixels on the shorter side."""
SMALLEST_EXTENT = 300.0
"""Metres on the shorter side that it takes to show every class."""
_FINEST_GSD = 0.5
_GARDEN: Colour = (800, 1010, 570, 3500)


@dataclass(frozen=True)
class Scene:
    """A generated scene.

    Attributes:
        image: (4, H, W) uint16, reflectance times 10,000 in the order of ``BAND_NAMES``; 0 in all bands is nodata.
        truth: (H, W) uint8, class codes of ``CLASSES``; 0 where the image has no data.
        gsd: Ground sample distance, metres per pixel.
    """

    image: NDArray[np.uint16]
    truth: NDArray[np.uint8]
    gsd: float


def generate(width: int = 1024, height: int = 1024, seed: int = 0, gsd: float | None = None, border: bool = True) -> Scene:
    """Generate a scene.

    Args:
        width, height: Pixels, at least ``MIN_SCENE_SIDE_PX``.
        seed: The same seed gives the same scene.
        gsd: Metres per pixel. None: 0.5, and more for small scenes, so that they show every class.
        border: True where an irregular border is left without data.

    Raises:
        ValueError: The size is smaller than ``MIN_SCENE_SIDE_PX``.
    """
    if min(width, height) < MIN_SCENE_SIDE_PX:
        raise ValueError(
            f"A scene is at least {MIN_SCENE_SIDE_PX} x {MIN_SCENE_SIDE_PX} pixels; {width} x {height} were asked for."
        )
    ground = build_ground(width, height, seed, gsd or finest_gsd(width, height), SUMMER)
    return picture_of(ground, border)


def finest_gsd(width: int, height: int) -> float:
    """Return the metres per pixel of a scene that shows every class: 0.5, and more where it is small."""
    return max(_FINEST_GSD, SMALLEST_EXTENT / min(width, height))


@dataclass
class LandUnderSun:
    """All that is on the ground, before light falls on it.

    Attributes:
        canvas: The ground as it is painted.
        parcels: The parcels that the land is divided into.
        sun: (2,) towards the sun.
        elevation: The height of the sun over the horizon, radians.
    """

    canvas: Canvas
    parcels: Parcels
    sun: NDArray[np.float64]
    elevation: float


def build_ground(width: int, height: int, seed: int, gsd: float, season: Season) -> LandUnderSun:
    """Build what is on the ground. The same seed gives the same ground in every season."""
    rng = np.random.default_rng(seed)
    canvas = Canvas(width, height, gsd, rng)
    azimuth, elevation = rng.uniform(-0.4, 0.5) + season.later, rng.uniform(0.68, 0.86) - season.lower
    sun = np.array([np.sin(azimuth), np.cos(azimuth)])  # In the south, as at noon on the northern half of the globe.

    parcels = divide_land(canvas)
    parcels.uses = [season.shows(use) for use in parcels.uses]
    paint_parcels(canvas, parcels)
    flow = rng.uniform(0, 2 * np.pi)
    downstream = np.array([np.cos(flow), np.sin(flow)]) * canvas.extent
    aside = np.array([-np.sin(flow), np.cos(flow)]) * canvas.extent
    river = winding_line(canvas, aside * rng.uniform(0.2, 0.3), flow, 32)
    shore = paint_water(canvas, river, downstream * 0.2 - aside * 0.36)
    _settle(canvas, parcels, shore, -aside * rng.uniform(0.08, 0.16), flow + np.pi / 2, sun)
    season.tint(canvas)
    return LandUnderSun(canvas, parcels, sun, elevation)


def picture_of(ground: LandUnderSun, border: bool) -> Scene:
    """Take the picture of what is on the ground; see ``generate``."""
    canvas = ground.canvas
    cast_shadows(canvas, ground.sun, ground.elevation)
    image, truth = take_picture(canvas), canvas.cover
    if border:
        empty = ~flown_over(canvas)
        image[:, empty] = SCENE_NODATA
        truth[empty] = 0
    return Scene(image, truth, canvas.gsd)


def _settle(
    canvas: Canvas, parcels: Parcels, shore: FloatArray, first: Points, direction: float, sun: NDArray[np.float64]
) -> None:
    """Add what people made, villages, roads and farms, and then the trees around all of it.

    Args:
        shore: (H, W) metres to the water.
        first: (2,) where the first village lies.
        direction: The direction in which main roads run, about, in radians.
        sun: (2,) towards the sun.
    """
    villages, streets, main = _found_villages(canvas, shore, first, direction)
    gardens = np.any([village.ground for village in villages], 0)
    _paint_gardens(canvas, gardens)
    lanes = np.where(gardens, np.float32(np.inf), parcels.lane)
    road = paint_roads(canvas, lanes, streets, main)

    weathering = 1 + np.float32(0.05) * canvas.noise(3) + np.float32(0.04) * canvas.noise(0.8)
    blocked = road < 1.2
    for village in villages:
        for house in village.houses(canvas, blocked):
            paint_house(canvas, house, sun, weathering)
    blocked |= gardens | (shore < 8) | (main < 12)
    for barn in build_farms(canvas, parcels, blocked):
        paint_house(canvas, barn, sun, weathering)
    grow_trees(canvas, parcels, shore, road, main, gardens, sun)


def _found_villages(
    canvas: Canvas, shore: FloatArray, first: Points, direction: float
) -> tuple[list[Village], FloatArray, FloatArray]:
    """Return villages, one per 36 ha, and (H, W) metres to the middle of the nearest street and main road."""
    rng = canvas.rng
    count = max(1, round(float(np.prod(canvas.extent)) / 600**2))
    more = rng.uniform(-0.42, 0.42, (count - 1, 2)) * canvas.extent
    villages: list[Village] = []
    streets, main = np.full(canvas.shape, np.inf, np.float32), np.full(canvas.shape, np.inf, np.float32)
    taken: Mask = shore < 12
    for centre in (first, *more):
        angle = direction + rng.normal(0, 0.3)
        reach = min(105.0, 0.27 * canvas.extent.min()) * rng.uniform(0.85, 1.15)
        reach = reach * (1 + 0.2 * canvas.noise(70) + 0.08 * canvas.noise(25))
        ground = (np.hypot(canvas.x - centre[0], canvas.y - centre[1]) < reach) & ~taken
        taken = taken | ground
        village = Village(centre[0], centre[1], angle, ground)
        villages.append(village)
        streets = np.where(ground, village.distance_to_street(canvas), streets)
        main = np.minimum(main, canvas.distance_to(winding_line(canvas, centre, angle, 14)))
    return villages, streets, main


def _paint_gardens(canvas: Canvas, gardens: Mask) -> None:
    texture = 1 + np.float32(0.17) * canvas.noise(6) + np.float32(0.13) * canvas.noise(2)
    canvas.paint(gardens, MEADOW, _GARDEN, texture)
    for band, tint in zip(canvas.light, (0.1, 0.03, 0.06, -0.08)):
        band[gardens] *= (1 + tint * canvas.noise(12))[gardens]
