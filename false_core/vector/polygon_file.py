"""Polygons of classes on disk: code, name, colour and area of each, and a style for QGIS."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
from rasterio.crs import CRS

from false_core.errors import OutputError
from false_core.outputs.publish import published
from false_core.raster.classes import LandCoverClass
from false_core.vector.layer_file import DRIVER_OPTIONS, GEOPACKAGE, SHAPEFILE, driver_of, layer_name, not_written
from false_core.vector.layer_style import keep_style, style_of_classes

CODE_FIELD, NAME_FIELD, COLOR_FIELD, AREA_FIELD = "code", "name", "color", "area"
"""Fields. A Shapefile holds no names of more than 10 letters."""
_GROW = (GEOPACKAGE, SHAPEFILE, "SQLite")
"""Formats that take more features later. For all others, the polygons wait for each other."""


@contextmanager
def polygon_file(path: str, raster: str, crs: CRS | None, classes: Sequence[LandCoverClass]) -> Iterator[PolygonFile]:
    """Give a file of polygons to write to. It appears, with what belongs to it, when all is written.

    With it comes a style for QGIS, see ``keep_style``.

    Args:
        path: The path of the file. Its ending says the format.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    driver = driver_of(path)
    with published(path, with_sidecars=True) as (scratch,):
        file = PolygonFile(scratch, driver, crs, classes)
        yield file
        file.complete()
        keep_style(style_of_classes(CODE_FIELD, classes), scratch, path, raster)


class PolygonFile:
    """A file of polygons being written some at a time."""

    def __init__(self, path: Path, driver: str, crs: CRS | None, classes: Sequence[LandCoverClass]) -> None:
        self._path, self._driver, self._crs = path, driver, crs
        self._classes = pd.DataFrame(
            {NAME_FIELD: [c.name for c in classes], COLOR_FIELD: [c.color for c in classes]}, index=[c.code for c in classes]
        )
        self._waiting: list[Any] = []
        self._begun = False

    def write(
        self,
        codes: npt.NDArray[np.int64],
        polygons: Any,
        areas: npt.NDArray[np.float64],
        more: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        """Write polygons with their class codes and areas, and values of more fields by their names."""
        known = self._classes.loc[codes]
        table = geopandas.GeoDataFrame(
            {
                CODE_FIELD: codes,
                NAME_FIELD: known[NAME_FIELD].to_numpy(),
                COLOR_FIELD: known[COLOR_FIELD].to_numpy(),
                AREA_FIELD: areas,
                **(more or {}),
            },
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
        options = {} if self._begun else DRIVER_OPTIONS.get(self._driver, {})
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="'crs' was not provided")
                pyogrio.write_dataframe(
                    table,
                    self._path,
                    layer=layer_name(self._path, self._driver),
                    driver=self._driver,
                    append=self._begun,
                    geometry_type="Polygon",
                    **options,
                )
        except (RuntimeError, OSError) as error:
            name = self._path.name
            raise not_written(name, self._path, error) or OutputError(
                f"{name} cannot be written: {error}.", "Is the disk full?"
            ) from error
        self._begun = True
