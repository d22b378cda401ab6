"""Places that a person has marked with polygons and points: what is looked for, and what is not."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from false_core.areas.layer import repaired
from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.labels.label_file import read_table
from false_core.labels.placement import to_pixels
from false_core.raster.source import RasterSource

Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Marks:
    """Polygons and points of a layer.

    Attributes:
        path: The layer.
        table: One polygon or point a row.
    """

    path: str
    table: geopandas.GeoDataFrame

    @classmethod
    def read(cls, path: str, feedback: Feedback) -> Marks:
        """Read a layer.

        Raises:
            InputError: It cannot be read, or holds neither polygons nor points.
        """
        table = read_table(path, None, feedback)
        table = table[~table.geometry.isna()].explode(ignore_index=True)
        dimensions = shapely.get_dimensions(table.geometry.to_numpy())
        usable = ((dimensions == 0) | (dimensions == 2)) & ~table.geometry.is_empty.to_numpy()
        if not usable.any():
            raise InputError(f"{path} holds no polygon and no point.", "Mark a place with one of them.")
        if not usable.all():
            feedback.warn(f"{int((~usable).sum())} shapes of {path} are no polygons and no points. They are left out.")
        return cls(path, table[usable].reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.table)

    def on(self, source: RasterSource, side: float, feedback: Feedback) -> Shapes:
        """Return the marks in working pixels of a raster, a point as the square around it; empty ones for those far away.

        Args:
            side: Side of the square of a point.
        """
        shapes = repaired(to_pixels(self.table, source, feedback)[0])
        points = np.flatnonzero((shapely.get_dimensions(shapes) == 0) & ~shapely.is_empty(shapes))
        x, y = shapely.get_coordinates(shapes[points]).T
        shapes[points] = shapely.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
        return shapes

    def typical_side(self, source: RasterSource, feedback: Feedback) -> float | None:
        """Return the side of a square as large as the median polygon, in working pixels; None without a polygon."""
        areas = shapely.area(self.on(source, 0.0, feedback))
        return float(np.sqrt(np.median(areas[areas > 0]))) if (areas > 0).any() else None
