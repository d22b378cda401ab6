"""A trial: a run on a small part first, so that a minute shows what a long one would make. Nothing of it is kept.

The part is what the map view shows of the raster, cut to ``MOST_TRIAL_PX`` around its middle.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsPointXY,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsReferencedRectangle,
)
from qgis.gui import QgsMapCanvas

MOST_TRIAL_PX = 1024
"""Pixels of the raster along a side of the part: classifying them takes seconds on a CPU."""
TRIAL_STEPS = 20
"""Steps of a training."""
EXTENT_NAME, STEPS_NAME = "EXTENT", "STEPS"


def trial_values(
    algorithm: QgsProcessingAlgorithm, values: Dict[str, Any], raster: QgsRasterLayer, canvas: Optional[QgsMapCanvas]
) -> Dict[str, Any]:
    """Return the values of parameters with which an algorithm does a part in little time, and writes to temporary files.

    Args:
        algorithm: An algorithm with a parameter for the extent.
        values: The values that the user has entered.
        raster: The raster that is looked at.
        canvas: The map view, if there is one.
    """
    changed = dict(values)
    changed[EXTENT_NAME] = QgsReferencedRectangle(part_in_view(raster, canvas), raster.crs())
    if algorithm.parameterDefinition(STEPS_NAME) is not None:
        changed[STEPS_NAME] = TRIAL_STEPS
    for definition in algorithm.destinationParameterDefinitions():
        if changed.get(definition.name()):
            changed[definition.name()] = QgsProcessing.TEMPORARY_OUTPUT
    return changed


def part_in_view(raster: QgsRasterLayer, canvas: Optional[QgsMapCanvas]) -> QgsRectangle:
    """Return the part of a raster that a trial looks at, in its CRS. Where the view shows none of it, that is its middle."""
    whole = raster.extent()
    part = QgsRectangle(whole)
    if canvas is not None and not canvas.extent().isEmpty():
        seen = _in_crs_of(raster, canvas)
        if seen is not None and seen.intersects(whole):
            part = seen.intersect(whole)
    middle: QgsPointXY = part.center()
    width = min(part.width(), MOST_TRIAL_PX * raster.rasterUnitsPerPixelX())
    height = min(part.height(), MOST_TRIAL_PX * raster.rasterUnitsPerPixelY())
    return QgsRectangle.fromCenterAndSize(middle, width, height)


def _in_crs_of(raster: QgsRasterLayer, canvas: QgsMapCanvas) -> Optional[QgsRectangle]:
    crs = canvas.mapSettings().destinationCrs()
    if not crs.isValid() or not raster.crs().isValid():
        return canvas.extent()
    try:
        way = QgsCoordinateTransform(crs, raster.crs(), QgsProject.instance().transformContext())
        return way.transformBoundingBox(canvas.extent())
    except QgsCsException:
        return None
