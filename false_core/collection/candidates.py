"""Candidates: squares of rasters that could be learned from, drawn anywhere or where map data says what is there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio.warp
import shapely
from rasterio.crs import CRS

from false_core.collection.places import PlacesOnRasters
from false_core.feedback import Feedback
from false_core.labels.annotation import clipped_to_raster, simple_shapes
from false_core.labels.placement import on_common_map, to_pixels
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.source import RasterSource, Window

Positions = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

MOST_OF_POLYGON = 100
"""Candidates in one polygon, and along one line."""
TRIES = 30
"""Times that points are drawn in the box around a polygon until enough lie in it."""
MARGIN_OF_BOUNDS = 0.05
"""Part of a raster's size by which its bounds are enlarged where they are looked up in another CRS."""


@dataclass(frozen=True)
class SearchedRasters:
    """The rasters that places are collected from.

    Attributes:
        sources: The rasters on their working grids, with the same bands.
        areas: The part of each that is looked at.
        sides: The side of a place in working pixels of each.
        side_m: The same in metres.
    """

    sources: Sequence[RasterSource]
    areas: Sequence[Window]
    sides: Sequence[int]
    side_m: float

    def room(self, number: int) -> Window | None:
        """Return where the centre of a place may lie in a raster, so that the place is within the area; None: nowhere."""
        area, side = self.areas[number], self.sides[number]
        if area.width < side or area.height < side:
            return None
        half = side // 2
        return Window(area.column + half, area.row + half, area.width - side + 1, area.height - side + 1)

    def windows(self, candidates: PlaceCandidates) -> list[Window]:
        """Return the pixels of each candidate."""
        return [
            Window(int(column) - self.sides[raster] // 2, int(row) - self.sides[raster] // 2, *[self.sides[raster]] * 2)
            for raster, (column, row) in zip(candidates.rasters, candidates.centres)
        ]


@dataclass(frozen=True)
class PlaceCandidates:
    """Squares by the pixel in their middle.

    Attributes:
        rasters: Number of the raster of each, of shape (n,).
        centres: Column and row of the pixel in its working grid, of shape (n, 2).
        classes: Number of the class of each among ``names``, of shape (n,).
        names: Names of the classes.
    """

    rasters: Numbers
    centres: Numbers
    classes: Numbers
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rasters)

    @property
    def middles(self) -> Positions:
        """The middle of each in pixel coordinates, of shape (n, 2)."""
        return np.asarray(self.centres + 0.5, np.float64)

    def of(self, chosen: npt.NDArray[np.bool_] | Numbers) -> PlaceCandidates:
        """Return some of the candidates."""
        return PlaceCandidates(self.rasters[chosen], self.centres[chosen], self.classes[chosen], self.names)


def scattered(searched: SearchedRasters, count: int, generator: np.random.Generator) -> PlaceCandidates:
    """Return candidates whose centres are drawn uniformly from the ground of all rasters, of one class without a name."""
    rooms = [searched.room(number) for number in range(len(searched.sources))]
    shares = np.array([
        0.0 if room is None else room.width * room.height / searched.sides[number] ** 2 for number, room in enumerate(rooms)
    ])  # fmt: skip
    if not shares.sum():
        return _none(("",))
    rasters = np.sort(generator.choice(len(rooms), count, p=shares / shares.sum()))
    centres = np.empty((count, 2), np.int64)
    for number in np.unique(rasters):
        mine, room = rasters == number, rooms[number]
        assert room is not None
        drawn = generator.integers((0, 0), (room.width, room.height), (int(mine.sum()), 2))
        centres[mine] = drawn + np.array([room.column, room.row])
    return PlaceCandidates(rasters, centres, np.zeros(count, np.int64), ("",))


def guided(guide: Guide, searched: SearchedRasters, generator: np.random.Generator, feedback: Feedback) -> PlaceCandidates:
    """Return candidates on the shapes of map data, with their classes.

    A point is one; a line gives one every side of a place; a polygon gives as many as places fit into its area, drawn
    uniformly from it, at most ``MOST_OF_POLYGON``.
    """
    found: list[tuple[int, Numbers, Numbers]] = []
    for number, shapes in guide.over(searched, feedback):
        room = searched.room(number)
        if room is None:
            continue
        points, of_shape = _points_of(shapes.parts, searched.sides[number], generator)
        pixels = np.floor(points).astype(np.int64)
        first, size = np.array([room.column, room.row]), (room.width, room.height)
        fits = ((pixels >= first) & (pixels < first + size)).all(axis=1)
        found.append((number, pixels[fits], shapes.classes[of_shape][fits]))
    if not found:
        return _none(guide.names)
    rasters = np.concatenate([np.full(len(centres), number, np.int64) for number, centres, _ in found])
    centres, classes = (np.concatenate(columns) for columns in zip(*(one[1:] for one in found)))
    return PlaceCandidates(rasters, centres, classes, guide.names)


def with_classes_of(guide: Guide, searched: SearchedRasters, places: PlacesOnRasters, feedback: Feedback) -> PlaceCandidates:
    """Return places with the class that a guide gives the middle of each; those beside its shapes are of a class more, the
    last one, without a name."""
    unknown = len(guide.names)
    classes = np.full(len(places.rasters), unknown, np.int64)
    centres = places.centres
    for number, shapes in guide.over(searched, feedback):
        mine = np.flatnonzero(places.rasters == number)
        if not len(mine) or not len(shapes.parts):
            continue
        near = shapely.STRtree(shapes.parts).query_nearest(
            shapely.points(centres[mine] + 0.5), max_distance=1.0, all_matches=False
        )
        classes[mine[near[0]]] = shapes.classes[near[1]]
    return PlaceCandidates(places.rasters, centres, classes, (*guide.names, ""))


def _none(names: tuple[str, ...]) -> PlaceCandidates:
    return PlaceCandidates(np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.int64), names)


@dataclass(frozen=True)
class _Shapes:
    """Shapes of a guide over a raster, in its pixels, with the number of the class of each."""

    parts: npt.NDArray[np.object_]
    classes: Numbers


@dataclass(frozen=True)
class Guide:
    """Map data that says what is where.

    Attributes:
        table: The shapes.
        classes: Number of the class of each among ``names``, of shape (n,).
        names: Names of the classes.
    """

    table: geopandas.GeoDataFrame
    classes: Numbers
    names: tuple[str, ...]

    @classmethod
    def of(cls, table: geopandas.GeoDataFrame, values: Sequence[str]) -> Guide:
        """Return the guide that has a class for each shape of a table."""
        names, classes = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
        return cls(table, classes.reshape(-1).astype(np.int64), tuple(names.tolist()))

    def over(self, searched: SearchedRasters, feedback: Feedback) -> Iterator[tuple[int, _Shapes]]:
        """Yield the number of each raster with the shapes over it."""
        told: set[CRS | None] = set()  # What is to be said of the guide is said for the first raster of each CRS alone.
        for number, source in enumerate(searched.sources):
            feedback.advance(number, len(searched.sources))
            near = _near(self.table, source)
            if not len(near):
                continue
            listener = Feedback() if source.crs in told else feedback
            told.add(source.crs)
            shapes, owners = simple_shapes(to_pixels(self.table.iloc[near], source, listener)[0], listener)
            parts, inside = clipped_to_raster(shapes, source.width, source.height)
            yield number, _Shapes(parts, self.classes[near[owners[inside]]])


def _near(guide: geopandas.GeoDataFrame, source: RasterSource) -> Numbers:
    """Return which shapes of a guide may lie over a raster. With a CRS that cannot be followed, all."""
    xmin, xmax, ymin, ymax = source.bounds
    if guide.crs is not None and source.crs is not None:
        try:
            target = guide.crs.to_wkt()
            xmin, ymin, xmax, ymax = rasterio.warp.transform_bounds(source.crs, target, xmin, ymin, xmax, ymax)
        except (*GDAL_ERRORS, ValueError):
            return np.arange(len(guide))
    if not np.isfinite((xmin, ymin, xmax, ymax)).all() or (guide.crs is not None and guide.crs.is_geographic and xmax > 180):
        return np.arange(len(guide))  # Longitudes may be counted otherwise in the guide.
    dx, dy = (xmax - xmin) * MARGIN_OF_BOUNDS, (ymax - ymin) * MARGIN_OF_BOUNDS
    return np.sort(guide.sindex.query(shapely.box(xmin - dx, ymin - dy, xmax + dx, ymax + dy))).astype(np.int64)


def _points_of(shapes: npt.NDArray[np.object_], side: float, generator: np.random.Generator) -> tuple[Positions, Numbers]:
    """Return points (n, 2) on shapes, and the number of the shape of each, of shape (n,)."""
    points: list[Positions] = []
    owners: list[Numbers] = []
    for number, drawn in enumerate(_drawn(shapes, side, generator)):
        points.append(drawn)
        owners.append(np.full(len(drawn), number, np.int64))
    if not points:
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    return np.concatenate(points), np.concatenate(owners)


def _drawn(shapes: npt.NDArray[np.object_], side: float, generator: np.random.Generator) -> Iterator[Positions]:
    for shape, dimension in zip(shapes, shapely.get_dimensions(shapes)):
        if dimension == 2:
            yield _in_polygon(shape, min(MOST_OF_POLYGON, math.ceil(shape.area / side**2)), generator)
        elif dimension == 1:
            wanted = min(MOST_OF_POLYGON, math.ceil(shape.length / side))
            steps = (np.arange(wanted) + generator.random()) * shape.length / wanted
            yield shapely.get_coordinates(shapely.line_interpolate_point(shape, steps))
        else:
            yield shapely.get_coordinates(shape)


def _in_polygon(polygon: shapely.Polygon, count: int, generator: np.random.Generator) -> Positions:
    """Return points drawn uniformly from a polygon; of one that fills hardly any of its box, fewer or a single one."""
    xmin, ymin, xmax, ymax = polygon.bounds
    shapely.prepare(polygon)
    kept: list[Positions] = []
    missing = count
    for _ in range(TRIES):
        drawn = generator.uniform((xmin, ymin), (xmax, ymax), (2 * missing + 2, 2))
        inside = drawn[shapely.contains_xy(polygon, drawn[:, 0], drawn[:, 1])][:missing]
        kept.append(inside)
        missing -= len(inside)
        if not missing:
            break
    points = np.concatenate(kept)
    return points if len(points) else shapely.get_coordinates(polygon.representative_point())


def squares(searched: SearchedRasters, candidates: PlaceCandidates, feedback: Feedback) -> geopandas.GeoSeries:
    """Return the candidates as polygons, in the CRS of the first raster that has one."""
    windows = searched.windows(candidates)
    boxes = shapely.box(*np.array([(w.column, w.row, w.column + w.width, w.row + w.height) for w in windows]).T)
    return on_common_map(boxes, candidates.rasters, searched.sources, feedback)
