"""Where labels lie on a raster: brought to its CRS, and to the pixels of its working grid."""

from __future__ import annotations

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj.exceptions
import shapely

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.source import RasterSource, describe_crs, moved


def to_pixels(
    table: geopandas.GeoDataFrame, source: RasterSource, feedback: Feedback
) -> tuple[npt.NDArray[np.object_], tuple[float, float, float, float]]:
    """Return the geometries in pixel coordinates, and their extent (xmin, xmax, ymin, ymax) in their own CRS."""
    xmin, ymin, xmax, ymax = (float(v) for v in table.total_bounds)
    if table.crs is None and source.crs is not None:
        feedback.warn(f"The labels have no CRS; they are taken to be in that of the raster, {describe_crs(source.crs)}.")
    elif table.crs is not None and source.crs is None:
        feedback.warn("The raster has no CRS; the labels are taken to be in its coordinates as they are.")
    elif table.crs is not None and source.crs is not None:
        try:
            table = table.to_crs(source.crs.to_wkt())
        except pyproj.exceptions.ProjError as error:
            raise InputError(
                f"The labels [{describe_crs(table.crs)}] cannot be brought to the CRS of the raster, "
                f"{describe_crs(source.crs)}: {error}.",
                "Save them in that CRS.",
            ) from error
    geometries = shapely.force_2d(table.geometry.to_numpy())
    # Coordinates that cannot be reprojected come back infinite; such shapes lie nowhere near the raster.
    finite = np.isfinite(shapely.bounds(geometries)).all(axis=1)
    on_grid = np.full(len(geometries), shapely.Point(), dtype=object)
    on_grid[finite] = shapely.transform(geometries[finite], lambda xy: moved(~source.transform, xy))
    return on_grid, (xmin, xmax, ymin, ymax)
