"""What the tests look at: small rasters, label layers, models that were hardly trained, and a listener."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine

from false_core import events
from false_core.events import Event
from false_core.feedback import Feedback

CRS = "EPSG:32633"
LEFT, TOP = 500_000.0, 5_600_000.0
GRID = Affine(1.0, 0.0, LEFT, 0.0, -1.0, TOP)
"""Pixels of 1 m, north up."""

WIDTH, HEIGHT, BORDER = 170, 120, 9
"""Of the raster that the main job runs on, and the width of its border without data."""
CLASS_NAMES = ("field", "forest", "water")

FROM_NOTHING: dict[str, Any] = {"preset": "quick", "backbone": "test_resnet", "weights": "none", "device": "cpu"}
"""Of a pretraining that is quick: the small ResNet that timm has for tests, from random weights."""


@dataclass
class Listener:
    """Keeps every event of a job."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def feedback(self) -> Feedback:
        return Feedback(self)

    def all(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def warnings(self) -> str:
        return "\n".join(message.text for message in self.all(events.Message) if message.level == events.WARNING)

    @property
    def infos(self) -> str:
        return "\n".join(message.text for message in self.all(events.Message) if message.level == events.INFO)


def write_raster(path: Path, pixels: np.ndarray, mask: np.ndarray | None = None, **profile: Any) -> str:
    """Write a GeoTIFF of (bands, height, width), with an internal mask (0 where invalid) if there is one."""
    profile = {"driver": "GTiff", "crs": CRS, "transform": GRID, "photometric": "minisblack", "alpha": "no"} | profile
    profile = {key: value for key, value in profile.items() if value is not None}
    bands, height, width = pixels.shape
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", count=bands, height=height, width=width, dtype=pixels.dtype, **profile) as f,
    ):
        f.write(pixels)
        if mask is not None:
            f.write_mask(mask)
    return str(path)


def write_labels(
    path: Path,
    values: Sequence[Any],
    geometries: Sequence[shapely.Geometry],
    crs: Any = CRS,
    field: str = "cover",
    layer: str = "labels",
) -> str:
    """Write a GeoPackage with one feature per value."""
    table = geopandas.GeoDataFrame({field: list(values)}, geometry=list(geometries), crs=crs)
    table.to_file(path, layer=layer, driver="GPKG", engine="pyogrio")
    return str(path)


def name_values(path: str, field: str, names: dict[str, str], layer: str = "labels") -> None:
    """Have a GeoPackage call the values of a field so, as GDAL and QGIS write it: by a coded domain."""
    with closing(sqlite3.connect(path)) as database, database:
        about = "table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT, mime_type TEXT"
        database.execute(f"CREATE TABLE gpkg_data_columns ({about}, constraint_name TEXT)")
        limits = "min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN"
        database.execute(
            "CREATE TABLE gpkg_data_column_constraints "
            f"(constraint_name TEXT, constraint_type TEXT, value TEXT, {limits}, description TEXT)"
        )
        database.execute("INSERT INTO gpkg_data_columns VALUES (?, ?, NULL, NULL, 'about', NULL, 'd')", (layer, field))
        for value, name in names.items():
            database.execute(
                "INSERT INTO gpkg_data_column_constraints VALUES ('d', 'enum', ?, 0, 0, 0, 0, ?)", (value, name)
            )


def on_map(geometry: shapely.Geometry, grid: Affine = GRID) -> shapely.Geometry:
    """Return a geometry in pixel coordinates (x = column, y = row) as it lies on the map."""
    return shapely.transform(geometry, lambda xy: np.array([grid * (x, y) for x, y in xy]))


def pixel_box(column: float, row: float, width: float, height: float) -> shapely.Polygon:
    """Return a rectangle in pixel coordinates."""
    return shapely.box(column, row, column + width, row + height)


def textured_land(width: int = WIDTH, height: int = HEIGHT, bands: int = 4, dtype: str = "uint16") -> np.ndarray:
    """Return (bands, height, width): stripes, speckle and a plain, side by side, around them a border of 0."""
    generator = np.random.default_rng(7)
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    kind = column * 3 // width
    pattern = np.choose(kind, [60 * ((row // 3) % 2), generator.integers(0, 90, column.shape), np.zeros(column.shape, int)])
    level = np.array([90, 60, 30])[kind]
    noise = generator.integers(0, 12, (bands, *column.shape))
    land: np.ndarray = (level + pattern + noise + 5 * np.arange(bands)[:, None, None] + 1).astype(dtype)
    land[:, :BORDER] = land[:, -BORDER:] = 0
    land[:, :, :BORDER] = land[:, :, -BORDER:] = 0
    return land


def label_boxes(width: int = WIDTH, height: int = HEIGHT) -> tuple[list[str], list[shapely.Polygon]]:
    """Return class names and rectangles in pixel coordinates, four per class, for ``textured_land``."""
    names, boxes = [], []
    for number, name in enumerate(CLASS_NAMES):
        for x in (0.3, 0.7):
            for y in (0.25, 0.7):
                names.append(name)
                boxes.append(pixel_box(round((number + x) * width / 3) - 5, round(y * height) - 5, 10, 10))
    return names, boxes
