"""The way from one CRS to another, the same for shapes and for pixels: the most accurate one that is known here."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import pyproj.exceptions
import pyproj.network
import shapely
from pyproj.enums import TransformDirection
from pyproj.transformer import AreaOfInterest, TransformerGroup
from rasterio.crs import CRS

from false_core.errors import InputError
from false_core.feedback import Feedback
from false_core.raster.grid import RasterGrid
from false_core.raster.in_words import describe_crs

Positions = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CoordinateOperation:
    """The operation that brings coordinates from one CRS to another.

    Attributes:
        theirs, ours: CRSs that the coordinates come from and go to, without heights.
        transformer: Transformer that brings coordinates there, x first; None where both CRSs are the same.
        pipeline: Definition of the same for GDAL, in the order of axes that each CRS has.
        accuracy: Distance in metres by which a point may be off; None where nobody knows.
        is_guess: True where it passes over that the two count from different datums.
        missing: A grid file without which a better operation cannot be used; empty where there is none.
    """

    theirs: pyproj.CRS
    ours: pyproj.CRS
    transformer: pyproj.Transformer | None = None
    pipeline: str = ""
    accuracy: float | None = 0.0
    is_guess: bool = False
    missing: str = ""

    def there(self, places: Positions) -> Positions:
        """Return places (n, 2), x first, in our CRS; infinite where there are none."""
        return self._transformed(places, TransformDirection.FORWARD)

    def back(self, places: Positions) -> Positions:
        """Return places (n, 2), x first, in their CRS; infinite where there are none."""
        return self._transformed(places, TransformDirection.INVERSE)

    def shapes_there(self, shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """Return shapes in our CRS."""
        if self.transformer is None:
            return shapes
        moved_there: npt.NDArray[np.object_] = shapely.transform(shapes, self.there)
        return moved_there

    @property
    def for_gdal(self) -> tuple[CRS, CRS, dict[str, Any]]:
        """Both CRSs, and the options with which GDAL takes this way when it warps pixels, not one of its own choice."""
        ours = CRS.from_wkt(self.ours.to_wkt())
        if self.transformer is None:
            return ours, ours, {}
        return CRS.from_wkt(self.theirs.to_wkt()), ours, {"COORDINATE_OPERATION": self.pipeline}

    def is_doubtful(self, pixel: float | None) -> bool:
        """Return whether places may be off by more than half a ``pixel``, in metres."""
        return self.is_guess or (self.accuracy is not None and pixel is not None and self.accuracy > pixel / 2)

    @property
    def wanted(self) -> str:
        """A sentence on what a better way needs, or nothing."""
        return f" A better way needs the grid file {self.missing}, which is not installed." if self.missing else ""

    def _transformed(self, places: Positions, direction: TransformDirection) -> Positions:
        if self.transformer is None:
            return places
        return np.column_stack(self.transformer.transform(places[:, 0], places[:, 1], direction=direction))


def operation_between(theirs: Any, ours: Any, around: RasterGrid) -> CoordinateOperation:
    """Return the most accurate way from one CRS to another over a raster, everywhere alike, with what is on this machine.

    Args:
        theirs: A CRS of pyproj or of rasterio.
        ours: The CRS to go to.
        around: A raster that lies where the way is gone.

    Raises:
        pyproj.exceptions.ProjError: There is none.
    """
    # What a register knows of a CRS counts more than the one way to WGS 84 that a program attached to it, as in QGIS.
    theirs, ours = (_as_registered(_horizontal(pyproj.CRS.from_user_input(crs))) for crs in (theirs, ours))
    same = theirs if theirs.is_bound and ours.is_bound else _unbound(theirs)
    if same.equals(ours if same is theirs else _unbound(ours), ignore_axis_order=True):
        return CoordinateOperation(theirs, ours)
    pyproj.network.set_network_enabled(active=False)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That a grid file is missing is said where it matters.
        area = _area(around)
        group = TransformerGroup(theirs, ours, always_xy=True, area_of_interest=area)
        for_gdal = TransformerGroup(theirs, ours, area_of_interest=area)
    if not group.transformers:
        raise pyproj.exceptions.ProjError("there is no way from the one to the other")
    best = group.transformers[0]
    accuracy = best.accuracy if best.accuracy is not None and best.accuracy >= 0 else None
    missing = ""
    for better in group.unavailable_operations:
        if better.accuracy >= 0 and (accuracy is None or better.accuracy < accuracy):
            missing = next((grid.short_name for grid in better.grids if not grid.available), "")
            break
    is_guess = "ballpark" in best.description.lower()
    return CoordinateOperation(theirs, ours, best, _pipeline(for_gdal.transformers[0]), accuracy, is_guess, missing)


def operation_to_grid(other: RasterGrid, grid: RasterGrid, feedback: Feedback) -> CoordinateOperation:
    """Return the way from a raster to the one that it is looked up on; none where one of them has no CRS.

    Warns where that is so, and where the way is not as accurate as half a pixel of ``grid``.

    Raises:
        InputError: There is none.
    """
    theirs, ours = other.crs, grid.crs
    if theirs is None or ours is None:
        if theirs is not ours:
            feedback.warn(
                f"{other.name} has {describe_crs(theirs)}, {grid.name} has {describe_crs(ours)}: they are taken to be "
                "in the same coordinates."
            )
        common = pyproj.CRS.from_user_input(ours or theirs or "EPSG:3857")
        return CoordinateOperation(common, common)
    try:
        operation = operation_between(theirs, ours, grid)
    except pyproj.exceptions.ProjError as error:
        raise cannot_be_brought(other, grid, error) from error
    pixel = grid.ground_sample_distance
    if operation.is_guess:
        feedback.warn(
            f"It is not known how {describe_crs(theirs)}, the CRS of {other.name}, lies to {describe_crs(ours)}, that of "
            f"{grid.name}: one may lie beside the other, by up to some 100 m.{operation.wanted} Check where both lie, and "
            "save them in one CRS."
        )
    elif operation.is_doubtful(pixel):
        feedback.warn(
            f"{other.name} is brought from {describe_crs(theirs)} to {describe_crs(ours)}, which is right within about "
            f"{operation.accuracy:g} m; a pixel of {grid.name} is {pixel:.2g} m.{operation.wanted} Check that both lie on "
            "top of each other. Where QGIS knows a better way, save them there in one CRS."
        )
    return operation


def cannot_be_brought(other: RasterGrid, grid: RasterGrid, error: Exception) -> InputError:
    """Return the error that says that a raster cannot be looked up on the grid of another one."""
    return InputError(
        f"{other.name} cannot be brought to the grid of {grid.name}: {error}.",
        "Check that both rasters have the right CRS.",
    )


def _pipeline(transformer: pyproj.Transformer) -> str:
    """Return what a transformer does, for a library that may not know where the grid files are."""
    text = transformer.definition
    for operation in transformer.operations or ():
        for grid in operation.grids:
            if grid.full_name:
                text = re.sub(rf"(?<=grids=){re.escape(grid.short_name)}(?!\S)", grid.full_name.replace("\\", r"\\"), text)
    return text


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without heights."""
    while crs.is_compound:
        crs = crs.sub_crs_list[0]
    return crs if crs.is_bound else crs.to_2d()


def _as_registered(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS as the register has it, where it does.

    The library that reads rasters brings a register of its own, in which the same CRS may hang on another datum.
    """
    named = _unbound(crs)
    own = named.to_json_dict().get("id")
    code = (str(own["authority"]), str(own["code"])) if own else named.to_authority()
    try:
        return crs if code is None else _horizontal(pyproj.CRS.from_authority(*code))
    except pyproj.exceptions.CRSError:
        return crs  # A newer one than this register knows.


def _unbound(crs: pyproj.CRS) -> pyproj.CRS:
    """Return a CRS without a way to WGS 84 that is attached to it (``TOWGS84``)."""
    return crs.source_crs.to_2d() if crs.is_bound and crs.source_crs is not None else crs


def _area(raster: RasterGrid) -> AreaOfInterest | None:
    """Return where a raster lies, in degrees; None where that cannot be told."""
    try:
        to_degrees = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(raster.crs), "OGC:CRS84", always_xy=True)
        left, right, bottom, top = raster.bounds
        degrees: Any = to_degrees.transform_bounds(left, bottom, right, top)
    except pyproj.exceptions.ProjError:
        return None
    west, south, east, north = degrees
    if not all(map(math.isfinite, degrees)) or not (-90 <= south <= north <= 90):
        return None
    if east - west >= 360:
        return AreaOfInterest(-180, south, 180, north)
    # An area across the date line begins in the east and ends in the west.
    west, east = ((longitude + 180) % 360 - 180 if abs(longitude) > 180 else longitude for longitude in (west, east))
    return AreaOfInterest(west, south, east, north)
