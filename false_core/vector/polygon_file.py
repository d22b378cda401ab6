"""Polygons of classes on disk: code, name, colour and area of each, and a style for QGIS."""

from __future__ import annotations

import os
import sqlite3
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
from rasterio.crs import CRS

from false_core.errors import OutputError
from false_core.labels.classes import LandCoverClass
from false_core.publish import published
from false_core.vector.layer_file import GEOPACKAGE, OPTIONS, SHAPEFILE, driver_of

CODE, NAME, COLOR, AREA = "code", "name", "color", "area"
"""Fields. A Shapefile holds no names of more than 10 letters."""
_GROW = (GEOPACKAGE, SHAPEFILE, "SQLite")
"""Formats that take more features later. For all others, the polygons wait for each other."""
_TABLE_OF_STYLES = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))
"""


@contextmanager
def polygon_file(path: str, raster: str, crs: CRS | None, classes: Sequence[LandCoverClass]) -> Iterator[PolygonFile]:
    """Give a file of polygons to write to. It appears, with what belongs to it, when all is written.

    A GeoPackage holds its style for QGIS itself; beside any other file lies one of the same name that ends in ``.qml``,
    unless QGIS would take it for that of the raster the polygons were made from.

    Args:
        path: Of the file. Its ending says the format.
        raster: What the polygons were made from.
        crs: Of the polygons.
        classes: All classes there are.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    driver, style = driver_of(path), style_of(classes)
    beside, of_raster = Path(path).with_suffix(".qml"), Path(raster).with_suffix(".qml")
    with published(path, with_parts=True) as (scratch,):
        file = PolygonFile(scratch, driver, crs, classes)
        yield file
        file.complete()
        if driver == GEOPACKAGE:
            _keep_style(scratch, style)
        elif os.path.realpath(beside) != os.path.realpath(of_raster):
            scratch.with_suffix(".qml").write_bytes(style)


class PolygonFile:
    """A file of polygons being written some at a time."""

    def __init__(self, path: Path, driver: str, crs: CRS | None, classes: Sequence[LandCoverClass]) -> None:
        self._path, self._driver, self._crs = path, driver, crs
        self._classes = pd.DataFrame(
            {NAME: [c.name for c in classes], COLOR: [c.color for c in classes]}, index=[c.code for c in classes]
        )
        self._waiting: list[Any] = []
        self._begun = False

    def write(self, codes: npt.NDArray[np.int64], polygons: Any, areas: npt.NDArray[np.float64]) -> None:
        """Write polygons with their class codes and areas."""
        known = self._classes.loc[codes]
        table = geopandas.GeoDataFrame(
            {CODE: codes, NAME: known[NAME].to_numpy(), COLOR: known[COLOR].to_numpy(), AREA: areas},
            geometry=polygons,
            crs=self._crs.to_wkt() if self._crs else None,
        )
        if self._driver in _GROW:
            self._append(table)
        else:
            self._waiting.append(table)

    def complete(self) -> None:
        """Write what has had to wait."""
        if self._waiting:
            self._append(pd.concat(self._waiting))

    def _append(self, table: Any) -> None:
        options = {} if self._begun else OPTIONS.get(self._driver, {})
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="'crs' was not provided")
                pyogrio.write_dataframe(
                    table, self._path, driver=self._driver, append=self._begun, geometry_type="Polygon", **options
                )
        except (RuntimeError, OSError) as error:
            raise OutputError(f"{self._path.name} cannot be written: {error}.", "Is the disk full?") from error
        self._begun = True


def _keep_style(package: Path, style: bytes) -> None:
    """Put the style where QGIS looks for the default one of a layer."""
    try:
        with closing(sqlite3.connect(package)) as database, database:
            table, column = database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchone()
            database.execute(_TABLE_OF_STYLES)
            database.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)",
                ("layer_styles", "layer_styles"),
            )
            database.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
                "styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, ?, 'classes', ?, '', 1, ?, '')",
                (table, column, style.decode(), "Classes of the map"),
            )
    except sqlite3.Error as error:
        raise OutputError(f"{package.name} cannot be written: {error}.", "Is the disk full?") from error


def style_of(classes: Sequence[LandCoverClass]) -> bytes:
    """Return a style for QGIS that draws polygons with the names and colours of their classes."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=CODE, symbollevels="0", enableorderby="0")
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for number, c in enumerate(classes):
        ET.SubElement(categories, "category", symbol=str(number), value=str(c.code), label=c.name, render="true")
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(number), alpha="1", clip_to_extent="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        color = ",".join(map(str, (*bytes.fromhex(c.color[1:]), 255)))
        # An outline of the same colour, as between two areas without one the background would shine through.
        drawn = {"color": color, "style": "solid", "outline_color": color, "outline_style": "solid", "outline_width": "0.1"}
        for key, value in {**drawn, "outline_width_unit": "MM", "joinstyle": "bevel"}.items():
            ET.SubElement(layer, "prop", k=key, v=value)
    return ET.tostring(root, encoding="unicode").encode()
