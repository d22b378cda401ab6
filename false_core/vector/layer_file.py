"""Vector layers on disk: a table of geometries in, one file out, or the few files that its format is made of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas
import pyogrio
import pyogrio.errors

from false_core.errors import OutputError
from false_core.outputs.publish import published
from false_core.untrusted.names import is_name_read_otherwise

REMEDY = "Choose a name that ends in .gpkg, .shp, .geojson, .fgb, .gml, .kml, .tab or .sqlite."
GEOPACKAGE, SHAPEFILE = "GPKG", "ESRI Shapefile"
DRIVER_OPTIONS = {
    # Version 1.2, which the GDAL of older QGIS releases knows too.
    GEOPACKAGE: {"VERSION": "1.2"},
    SHAPEFILE: {"ENCODING": "UTF-8"},
    "SQLite": {"LAUNDER": "NO"},
}
"""Options for the drivers that create a file."""
_OWN_COLUMNS = {
    GEOPACKAGE: {"FID": "fid", "GEOMETRY_NAME": "geom"},
    "SQLite": {"FID": "ogc_fid", "GEOMETRY_NAME": "GEOMETRY"},
}
"""Columns that a database has beside the fields of a layer, by the options that name them."""
_WHOLE = (
    GEOPACKAGE, SHAPEFILE, "GeoJSON", "GeoJSONSeq", "FlatGeobuf", "GML", "LIBKML", "MapInfo File", "SQLite", "JML",
    "OGR_GMT", "MBTiles", "PMTiles",
)  # fmt: skip
"""Drivers that keep polygons, lines and points together with fields of any name. GDAL has others for tables without
geometries (CSV, spreadsheets) and for drawings without fields (DXF, GPX)."""
_SMALL_ENDINGS = (SHAPEFILE, "MapInfo File")
"""Drivers that write several files, and give all of them endings in small letters whatever the name says."""
_TABLES = ("CSV", "XLSX", "ODS", "VDV")
_ALSO = {".json": "GeoJSON", ".kml": "LIBKML"}
"""Extensions that pyogrio leaves open because several drivers write such files."""
LITTLE_ROOM = 1_000_000
"""Bytes left on a disk where a file that could not be written is said to have found no room."""
_FULL = re.compile("disk is full|No space left", re.IGNORECASE)
_NO_START = "`~!@#$%^&*()+-={}|[]\\:\";'<>?,./"
WRITING_ERRORS = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.FieldError,
    pyogrio.errors.GeometryError,
    pyogrio.errors.CRSError,
    OSError,
)


def write_vector(
    path: str, table: geopandas.GeoDataFrame, layer: str = "", finish: Callable[[Path], None] = lambda scratch: None
) -> None:
    """Write ``table`` as a layer, whole or not at all. The extension decides the format: ``.gpkg``, ``.shp`` and others.

    A file that is there already is replaced, with all the layers in it.

    Args:
        layer: Name of the layer in formats that hold several. Empty: that of the file.
        finish: Adds to the file what else belongs in it or beside it, before it appears.

    Raises:
        OutputError: No format with geometries has that extension, or the file cannot be written.
    """
    driver = driver_of(path)
    name = Path(path).name
    with published(path, with_sidecars=True) as (scratch,):
        try:
            table.to_file(
                scratch,
                driver=driver,
                engine="pyogrio",
                layer=layer or layer_name(scratch, driver),
                **DRIVER_OPTIONS.get(driver, {}),
                **_columns_apart(driver, table),
            )
            # Some drivers leave a file without a layer where they found nothing to write.
            keeps_geometries = any(geometry is not None for _, geometry in pyogrio.list_layers(scratch))
        except WRITING_ERRORS as error:
            raise not_written(name, scratch, error) or OutputError(
                f"{name} cannot be written as {driver}: {error}.", REMEDY
            ) from error
        if not keeps_geometries:
            raise OutputError(f"{name}: {driver} keeps no geometries.", REMEDY)
        finish(scratch)


def not_written(name: str, scratch: Path, error: Exception) -> OutputError | None:
    """Return the error for a file that the disk has no room for, in place of the words of its driver, which seldom say so.

    Args:
        name: Name of the file.
        scratch: Path of the part of it that is written so far.
        error: Error of the driver.

    Returns:
        None where the reason is another one.
    """
    if _FULL.search(str(error)) is None and shutil.disk_usage(scratch.parent).free > LITTLE_ROOM:
        return None
    return OutputError(f"{name} cannot be written: the disk is full.", "Make room, and run this again.")


def _columns_apart(driver: str, table: geopandas.GeoDataFrame) -> dict[str, str]:
    """Return options that give the columns of a database other names where the table has fields of their names."""
    taken = {str(name).lower() for name in table.columns if name != table.geometry.name}
    return {
        option: next(name for name in map(f"{own}_{{}}".format, range(1, len(taken) + 2)) if name.lower() not in taken)
        for option, own in _OWN_COLUMNS.get(driver, {}).items()
        if own.lower() in taken
    }


def layer_name(path: Path, driver: str) -> str:
    """Return what the layer in a file is called: as the file, but for signs with which GDAL lets none begin."""
    return (path.stem.lstrip(_NO_START) or "layer") if driver == GEOPACKAGE else path.stem


def driver_of(path: str) -> str:
    """Return the GDAL driver that writes files with the extension of ``path``.

    Raises:
        OutputError: There is none, or it keeps no geometries, or no fields beside them; or it would write another file.
    """
    name, extension = Path(path).name, Path(path).suffix.lower()
    if is_name_read_otherwise(path):
        raise OutputError(
            f"{path} cannot be written under this name: semicolons, line breaks, tabs, two slashes at the start and the "
            "start of an address are not understood.",
            "Choose another name.",
        )
    try:
        driver = _ALSO.get(extension) or str(pyogrio.detect_write_driver(Path(path).stem + extension))
    except ValueError as error:
        raise OutputError(f"{name}: no vector format has that extension.", REMEDY) from error
    if driver in _TABLES:
        raise OutputError(f"{name}: {driver} keeps no geometries.", REMEDY)
    if driver not in _WHOLE:
        raise OutputError(f"{name}: {driver} does not keep shapes together with their classes.", REMEDY)
    if driver in _SMALL_ENDINGS and Path(path).suffix != extension:
        raise OutputError(f"{name}: {driver} writes files whose endings have no capitals.", f"Write {extension} instead.")
    return driver
