"""Trees: woods, orchards, hedges, avenues, gardens, river banks, and single ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from false_core.synthetic.canvas import Canvas, Colour, FloatArray, Mask, Points, turned
from false_core.synthetic.classes import CROPLAND, MEADOW, TREE
from false_core.synthetic.parcels import Parcels

_KINDS = np.array([(430, 660, 360, 4150), (350, 540, 330, 3600), (290, 430, 300, 2700)], np.float32)
"""Colours of two broadleaved kinds and of conifers."""
_CONIFER = 2
_FOREST_FLOOR: Colour = (330, 430, 290, 1900)
_PAIRS_AT_ONCE = 2_000_000
"""Pairs of a tree and a pixel that are worked on together; bounds the memory."""


def grow_trees(
    canvas: Canvas,
    parcels: Parcels,
    shore: FloatArray,
    road: FloatArray,
    main: FloatArray,
    village: Mask,
    sun: NDArray[np.float64],
) -> None:
    """Plant trees where they grow in such a land.

    Args:
        shore, road, main: (H, W) metres to the water, to the edge of any road, and to the middle of a main road.
        village: (H, W) gardens.
        sun: (2,) towards the sun.
    """
    rng = canvas.rng
    soil = ((canvas.cover == MEADOW) | (canvas.cover == CROPLAND)) & (canvas.height == 0)
    wood = (parcels.that_grow("dense") & (parcels.edge > 2)) | (canvas.noise(75) > 2.0)
    wood &= soil & ~village & (road > 1.5)
    floor = ndimage.binary_erosion(wood, iterations=max(1, round(2.5 / canvas.gsd)))
    canvas.paint(floor, TREE, _FOREST_FLOOR)  # Seen through gaps in the canopy.

    chance = np.zeros(canvas.shape, np.float32)
    chance[parcels.that_grow("few")] = 0.02
    chance[village] = 0.075
    chance[(shore > 0.5) & (shore < 8) & (canvas.noise(40) > 0.2)] = 0.4
    chance[(parcels.hedge < 2.2) & ~village] = 0.75
    chance[(np.abs(main - 6.0) < 1.6) & (canvas.noise(160) > 0.1)] = 0.3
    chance[wood] = 0.93
    chance[~soil | (road < 0.8)] = 0

    single = _scatter(canvas, 4.4, chance)
    in_wood = canvas.at(wood, single)
    radius = np.where(in_wood, rng.uniform(2.3, 4.6, len(single)), rng.gamma(9.0, 0.3, len(single)).clip(1.2, 5.5))
    conifer = in_wood & (canvas.at(canvas.noise(90), single) + rng.normal(0, 0.35, len(single)) > 0.35)
    kind = np.where(conifer, _CONIFER, rng.integers(0, _CONIFER, len(single)))
    rows = _orchard_rows(canvas, parcels)
    rows = rows[(canvas.at(road, rows) > 2) & ~canvas.at(village, rows) & (canvas.at(shore, rows) > 4)]
    points = np.concatenate([single, rows])
    radius = np.concatenate([radius, rng.uniform(1.5, 2.3, len(rows))]).clip(0.75 * canvas.gsd)
    if len(points):
        _plant(canvas, points, radius, np.concatenate([kind, rng.integers(0, _CONIFER, len(rows))]), sun)


def _scatter(canvas: Canvas, spacing: float, chance: FloatArray) -> Points:
    """Return points about ``spacing`` metres apart, each kept with the chance given at its pixel."""
    rng = canvas.rng
    xs, ys = (np.arange(-size / 2, size / 2, spacing) for size in canvas.extent)
    points = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2) + rng.uniform(0, spacing, (len(xs) * len(ys), 2))
    return np.asarray(points[rng.random(len(points)) < canvas.at(chance, points)])


def _orchard_rows(canvas: Canvas, parcels: Parcels) -> Points:
    """Return points in straight rows over the orchards."""
    planted = [np.zeros((0, 2))]
    for index, use in enumerate(parcels.uses):
        if use.trees != "rows":
            continue
        where = parcels.number == index
        u, v = turned(canvas.x[where], canvas.y[where], parcels.angle[index])
        grid = np.stack(np.meshgrid(np.arange(u.min(), u.max(), 5.0), np.arange(v.min(), v.max(), 7.0)), -1).reshape(-1, 2)
        grid = grid + canvas.rng.normal(0, 0.3, grid.shape)
        points = np.stack(turned(grid[:, 0], grid[:, 1], -parcels.angle[index]), 1)
        inside = (np.abs(points) <= canvas.extent / 2).all(1) & (canvas.rng.random(len(points)) < 0.93)
        inside &= (canvas.at(parcels.number, points) == index) & (canvas.at(parcels.edge, points) > 3)
        planted.append(points[inside])
    return np.concatenate(planted)


def _plant(
    canvas: Canvas, points: Points, radius: NDArray[np.float64], kind: NDArray[np.intp], sun: NDArray[np.float64]
) -> None:
    """Paint a crown of ``radius`` metres at each point; where crowns meet, the higher one is seen."""
    rng = canvas.rng
    conifer = kind == _CONIFER
    top = radius * rng.uniform(1.7, 2.6, len(points)) + np.where(conifer, 3.0, 0.0)
    lobes, phase = rng.integers(4, 8, len(points)), rng.uniform(0, 2 * np.pi, len(points))
    ragged = canvas.noise(1.6)
    reach = int(np.ceil(radius.max() * 1.4 / canvas.gsd)) + 1
    steps = np.stack(np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1)), -1).reshape(-1, 2)
    position = (points + canvas.extent / 2) / canvas.gsd
    owner = np.full(canvas.shape, -1, np.int32)
    for part in np.array_split(np.arange(len(points)), len(points) * len(steps) // _PAIRS_AT_ONCE + 1):
        tree = np.repeat(part, len(steps))
        pixel = np.floor(position[tree]).astype(int) + np.tile(steps, (len(part), 1))
        inside = ((pixel >= 0) & (pixel < canvas.shape[::-1])).all(1)
        tree, pixel = tree[inside], pixel[inside]
        away = (pixel + 0.5 - position[tree]) * canvas.gsd
        bearing = np.arctan2(away[:, 1], away[:, 0])
        edge = radius[tree] * (1 + 0.09 * np.sin(lobes[tree] * bearing + phase[tree]) + 0.05 * np.sin(11 * bearing))
        share = np.hypot(away[:, 0], away[:, 1]) / edge
        crown = share < 1 + 0.14 * ragged[pixel[:, 1], pixel[:, 0]]
        dome = np.where(conifer[tree], 1 - 0.75 * share, np.sqrt(np.clip(1 - 0.8 * share**2, 0, 1)))
        _keep_highest(canvas.height, owner, tree[crown], pixel[crown], (top[tree] * dome)[crown].astype(np.float32))
    _paint_crowns(canvas, owner, points, radius, kind, sun)


def _keep_highest(
    height: FloatArray, owner: NDArray[np.int32], tree: NDArray[np.intp], pixel: NDArray[np.intp], top: FloatArray
) -> None:
    """Raise ``height`` (H, W) to ``top`` (N,) at ``pixel`` (N, 2), and note in ``owner`` (H, W) whose crown is on top."""
    flat = pixel[:, 1] * height.shape[1] + pixel[:, 0]
    np.maximum.at(height.reshape(-1), flat, top)
    highest = height.reshape(-1)[flat] == top
    owner.reshape(-1)[flat[highest]] = tree[highest]


def _paint_crowns(
    canvas: Canvas,
    owner: NDArray[np.int32],
    points: Points,
    radius: NDArray[np.float64],
    kind: NDArray[np.intp],
    sun: NDArray[np.float64],
) -> None:
    rng = canvas.rng
    crown = owner >= 0
    tree = owner[crown]
    dx = (canvas.x[crown] - points[tree, 0]) / radius[tree]
    dy = (canvas.y[crown] - points[tree, 1]) / radius[tree]
    # A round crown turns one side to the sun; leaves and gaps between them break the light up.
    lit = np.clip(0.97 + 0.33 * (dx * sun[0] + dy * sun[1]), 0.45, 1.5) * np.clip(1 - 0.3 * np.hypot(dx, dy) ** 3, 0.5, 1)
    leaves = np.clip(1 + 0.16 * canvas.noise(1.1) + 0.13 * canvas.noise(2.4), 0.35, 1.7)[crown]
    colour = _KINDS[kind] * rng.normal(1, 0.09, (len(points), 1)) * rng.normal(1, 0.06, (len(points), 4))
    canvas.cover[crown] = TREE
    for band in range(4):
        canvas.light[band][crown] = colour[tree, band] * lit * leaves
