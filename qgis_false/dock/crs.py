"""Shapes in another CRS."""

from __future__ import annotations

from typing import Optional

from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsCsException, QgsGeometry, QgsProject


def in_crs(
    geometry: QgsGeometry, source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
) -> Optional[QgsGeometry]:
    """Return a shape of one CRS in another, or None where there is no way to it. A CRS that is not known is any other."""
    shape = QgsGeometry(geometry)
    if source.isValid() and target.isValid() and source != target:
        try:
            shape.transform(QgsCoordinateTransform(source, target, QgsProject.instance().transformContext()))
        except QgsCsException:
            return None
        if not shape.boundingBox().isFinite():  # PROJ says so of places that are on no map.
            return None
    return shape
