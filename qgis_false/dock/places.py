"""The queue of places where a label would teach most: one after the other is zoomed to and marked."""

from __future__ import annotations

from typing import List, Optional, Sequence

from qgis.core import QgsCoordinateReferenceSystem, QgsGeometry, QgsRectangle, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from false_core.session_protocol import Place
from qgis_false.dock.live_map import in_crs_of_canvas

AROUND = 4.0
"""The factor by which the view is larger than the place."""


class PlaceQueue:
    """Places to label, and the mark of the one that is visited."""

    def __init__(self, canvas: QgsMapCanvas, crs: QgsCoordinateReferenceSystem) -> None:
        self._canvas, self._crs = canvas, crs
        self._waiting: List[Place] = []
        self.number, self.total = 0, 0
        self._mark = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self._mark.setFillColor(QColor(0, 0, 0, 0))
        self._mark.setStrokeColor(QColor("#ffff00"))
        self._mark.setSecondaryStrokeColor(QColor("#000000"))  # Seen on yellow ground, too.
        self._mark.setWidth(3)
        self._mark.setLineStyle(Qt.PenStyle.DashLine)

    def fill(self, places: Sequence[Place]) -> None:
        """Begin anew with these places."""
        self._waiting = list(places)
        self.number, self.total = 0, len(self._waiting)

    def visit_next(self) -> Optional[Place]:
        """Zoom to the next place, mark it and return it; None where the queue is empty."""
        if not self._waiting:
            self.clear()
            return None
        place = self._waiting.pop(0)
        self.number += 1
        xmin, xmax, ymin, ymax = place.extent
        extent = QgsRectangle(xmin, ymin, xmax, ymax)
        there = in_crs_of_canvas(extent, self._crs, self._canvas)
        self._mark.setToGeometry(QgsGeometry.fromRect(there), None)
        there.scale(AROUND)
        self._canvas.setExtent(there)
        self._canvas.refresh()
        return place

    def clear(self) -> None:
        """Take the mark away."""
        self._mark.reset(QgsWkbTypes.GeometryType.PolygonGeometry)

    def dispose(self) -> None:
        """Take the mark off the canvas for good."""
        self._canvas.scene().removeItem(self._mark)
