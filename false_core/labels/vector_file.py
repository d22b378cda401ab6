"""Vector layers on disk: a table of geometries in, one file out, or the few files that its format is made of."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import geopandas
import pyogrio
import pyogrio.errors

from false_core.errors import OutputError
from false_core.publish import published

REMEDY = "Choose a name that ends in .gpkg, for example."
WRITING_ERRORS = (
    pyogrio.errors.DataSourceError,
    pyogrio.errors.DataLayerError,
    pyogrio.errors.FeatureError,
    pyogrio.errors.FieldError,
    pyogrio.errors.GeometryError,
    pyogrio.errors.CRSError,
    OSError,
)


def write_vector(path: str, table: geopandas.GeoDataFrame) -> None:
    """Write ``table`` as a layer, whole or not at all. The extension decides the format: ``.gpkg``, ``.shp`` and others.

    A file that is there already is replaced, with all the layers in it.

    Raises:
        OutputError: No format with geometries has that extension, or the file cannot be written.
    """
    target = Path(path)
    driver = driver_of(path)
    # Made elsewhere first: only then it is known which files belong to it, as a shapefile is several.
    with tempfile.TemporaryDirectory(prefix="false-") as folder:
        made = Path(folder) / target.name
        try:
            table.to_file(made, driver=driver, engine="pyogrio")
            keeps_geometries = pyogrio.read_info(made)["geometry_type"] is not None
        except WRITING_ERRORS as error:
            raise OutputError(f"{target.name} cannot be written as {driver}: {error}.", REMEDY) from error
        if not keeps_geometries:
            raise OutputError(f"{target.name}: {driver} keeps no geometries.", REMEDY)
        files = sorted(Path(folder).iterdir(), key=lambda file: file != made)
        with published(*(target.parent / file.name for file in files)) as partial:
            for file, scratch in zip(files, partial):
                try:
                    shutil.copyfile(file, scratch)
                except OSError as error:
                    raise OutputError(f"{target} cannot be written: {error.strerror}.", "Is the disk full?") from error


def driver_of(path: str) -> str:
    """Return the GDAL driver that writes files with the extension of ``path``. Raises OutputError where there is none."""
    try:
        return str(pyogrio.detect_write_driver(path))
    except ValueError as error:
        raise OutputError(f"{Path(path).name}: no vector format has that extension.", REMEDY) from error
