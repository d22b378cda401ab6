"""Outlining the objects at points: the clicks of a labelling session, as a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import shapely

from false_core.errors import InputError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import OutlinePoints
from false_core.labels.label_file import read_layer
from false_core.labels.placement import to_pixels
from false_core.raster.grid import moved
from false_core.session.kept_tiles import KeptTiles
from false_core.session.outline import Outliner
from false_core.session.session_labels import tiles_of
from false_core.session.session_raster import SessionRaster, open_session_raster
from false_core.session_protocol import Open
from false_core.vector.layer_file import write_vector

FEWEST_CLASSES = 2
"""Classes for which a session plans its tiles before it has any."""


def outline_points(job: OutlinePoints, feedback: Feedback) -> dict[str, Any]:
    """Run an ``OutlinePoints`` job: write the polygons. Return its results by name.

    Raises:
        RequestError: It names both an encoder and a model.
        InputError: There is no point that something can be outlined around.
        OutputError: The polygons cannot be written.
    """
    if job.encoder and job.model:
        raise RequestError("An encoder and a model are given, but only one can look at the raster.", "Leave one out.")
    points = _points(job.points, feedback)
    asked = Open(0, job.raster, job.encoder or "", job.model or "", job.weights, job.bands, job.device)
    with feedback.stage("Starting", 0.3):
        raster = open_session_raster(asked, feedback)
    with feedback.stage("Outlining", 0.65):
        places = shapely.get_coordinates(to_pixels(points, raster.source, feedback)[0])
        shapes = np.full(len(points), None, object)
        for done, (number, shape) in enumerate(_outlined(raster, places, job.reach, feedback), start=1):
            feedback.advance(done, len(points), "points")
            shapes[number] = shape
    outlined = np.array([shape is not None and not shape.is_empty for shape in shapes])
    if not outlined.any():
        raise InputError(
            f"Nothing is outlined: each point of {job.points} lies beyond the raster or where that has no data.",
            "Choose points on the raster.",
        )
    if not outlined.all():
        feedback.warn(
            f"{int((~outlined).sum())} points lie beyond the raster or where it has no data. They have no outline."
        )
    with feedback.stage("Writing", 0.05):
        fields = points.drop(columns=points.geometry.name)[outlined].reset_index(drop=True)
        write_vector(job.output, geopandas.GeoDataFrame(fields, geometry=shapes[outlined], crs=raster.source.crs))
    return {"outlines": int(outlined.sum())}


def _points(path: str, feedback: Feedback) -> geopandas.GeoDataFrame:
    """Return the points of a layer with their fields, each part of several by itself."""
    table = read_layer(path, feedback)
    table = table[~table.geometry.isna()].explode(ignore_index=True)
    are_points = (shapely.get_type_id(table.geometry.to_numpy()) == 0) & ~table.geometry.is_empty.to_numpy()
    if not are_points.any():
        raise InputError(f"{path} holds no point.", "Choose a layer of points, one in each object.")
    if not are_points.all():
        feedback.warn(f"{int((~are_points).sum())} shapes of {path} are no points. They are left out.")
    return table[are_points].reset_index(drop=True)


def _outlined(
    raster: SessionRaster, places: npt.NDArray[np.float64], reach: float, feedback: Feedback
) -> Iterator[tuple[int, shapely.Geometry]]:
    """Yield the number of each point on the raster with its outline, tile by tile, so that each is looked at once.

    Args:
        places: Points in working pixels.
    """
    outliner, plan = Outliner(raster, KeptTiles(raster)), raster.plan(FEWEST_CLASSES)

    def interrupted() -> bool:
        feedback.stop_if_cancelled()
        return False

    inside = np.flatnonzero(((places >= 0) & (places < (raster.source.width, raster.source.height))).all(axis=1))
    columns, rows = tiles_of(plan, places[inside]).T
    for number in inside[np.lexsort((columns, rows))].tolist():
        x, y = moved(raster.source.transform, places[number : number + 1])[0]
        yield number, outliner.outline(float(x), float(y), reach, plan, interrupted)
