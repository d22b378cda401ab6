"""Files that another program is writing to: found out in a moment, where QGIS would wait for seconds at each statement."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator

from osgeo import gdal
from qgis.core import QgsProcessingException

from qgis_false.layers.sources import gdal_option
from qgis_false.translation import tr

PATIENCE_MS = 250
"""Time that another program may take to end what it writes, before its file counts as busy."""


class FileIsBusy(QgsProcessingException):  # type: ignore[misc]
    """Another program holds a file. The text says what to do."""


def check_not_busy(source: str, patience_ms: int = PATIENCE_MS) -> None:
    """Check that no other program holds the GeoPackage of a layer. Layers in other formats pass.

    It asks through GDAL, as QGIS does: two copies of SQLite in one process would lose each other's locks.

    Raises:
        FileIsBusy: One does.
    """
    path = source.split("|")[0]
    if path.lower().endswith(".gpkg") and os.path.isfile(path) and not _is_free(path, patience_ms):
        raise FileIsBusy(
            tr(
                "{file} is held by another program, such as a second QGIS that edits it, a database browser or a "
                "synchronised folder. Save or end the editing there.",
                file=os.path.basename(path),
            )
        )


def _is_free(path: str, patience_ms: int) -> bool:
    file = None
    with quiet_gdal():
        try:
            with gdal_option("SQLITE_BUSY_TIMEOUT", str(patience_ms)):
                file = gdal.OpenEx(path, gdal.OF_VECTOR | gdal.OF_UPDATE, ["GPKG"])
            file.ExecuteSQL(f"PRAGMA busy_timeout = {patience_ms}")
            file.ExecuteSQL("BEGIN IMMEDIATE")
            file.ExecuteSQL("ROLLBACK")
        except RuntimeError as error:
            return "locked" not in str(error)  # Whatever else is wrong with it, the edit itself will say.
        finally:
            file = None
    return True


@contextmanager
def quiet_gdal() -> Iterator[None]:
    """Have GDAL raise its errors, and print none, for a while."""
    used_exceptions = gdal.GetUseExceptions()
    gdal.UseExceptions()
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        yield
    finally:
        gdal.PopErrorHandler()
        if not used_exceptions:
            gdal.DontUseExceptions()
