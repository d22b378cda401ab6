"""Map tools that draw labels: polygons, strokes with a width, points. Each gives a shape in the CRS of the canvas."""

from __future__ import annotations

from typing import Callable, List, Optional

from qgis.core import QgsGeometry, QgsPointXY, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool, QgsRubberBand, QgsSnapIndicator
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QCursor, QWheelEvent

DEFAULT_STROKE_PX = 12
ROUNDNESS = 6
"""Segments of a quarter of a circle at the end of a stroke."""
NEAREST_PX = 1.5
"""Least distance of two points of a stroke on the screen, in pixels."""


class LabelTool(QgsMapTool):
    """A tool that draws labels in the colour of the class that is chosen."""

    drawn = pyqtSignal(QgsGeometry)
    """A shape that is complete, in the CRS of the canvas."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.setCursor(QCursor(Qt.CursorShape.CrossCursor))
        self._band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self._band.setWidth(2)
        self.set_colour("#ff0000")

    def set_colour(self, color: str) -> None:
        """Draw in this colour."""
        line, fill = QColor(color), QColor(color)
        fill.setAlpha(60)
        self._band.setStrokeColor(line)
        self._band.setFillColor(fill)

    def is_drawing(self) -> bool:
        """Return whether something has been begun."""
        return False

    def complete(self) -> None:
        """Make a label of what has been begun, if it is enough for one: the key Enter."""

    def cancel(self) -> None:
        """Forget what has been begun: the key Esc."""

    def step_back(self) -> None:
        """Take back the last step of what has been begun: the keys Del and Ctrl+Z."""
        self.cancel()

    def deactivate(self) -> None:
        """Forget what has been begun, as another tool takes over."""
        self.cancel()
        super().deactivate()

    def dispose(self) -> None:
        """Take what it draws with off the canvas."""
        self.canvas().scene().removeItem(self._band)


class PolygonTool(LabelTool):
    """A click for each corner; Enter, a right click or a double click completes the polygon. It snaps as QGIS is told to."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self._corners: List[QgsPointXY] = []
        self._snap = QgsSnapIndicator(canvas)

    def is_drawing(self) -> bool:
        return bool(self._corners)

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        if event.button() == Qt.MouseButton.RightButton:
            self.complete()
        elif event.button() == Qt.MouseButton.LeftButton:
            point = event.snapPoint()
            if not self._corners or point != self._corners[-1]:
                self._corners.append(QgsPointXY(point))
            self._show(point)

    def canvasDoubleClickEvent(self, event: QgsMapMouseEvent) -> None:
        self.complete()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        point = event.snapPoint()
        self._snap.setMatch(event.mapPointMatch())
        if self._corners:
            self._show(point)

    def complete(self) -> None:
        corners, self._corners = self._corners, []
        self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        if len(corners) >= 3:
            self.drawn.emit(QgsGeometry.fromPolygonXY([corners]))

    def cancel(self) -> None:
        self._corners = []
        self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)

    def step_back(self) -> None:
        if self._corners:
            self._corners.pop()
            self._show(self._corners[-1] if self._corners else None)

    def _show(self, point: Optional[QgsPointXY]) -> None:
        self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        for corner in self._corners:
            self._band.addPoint(corner, False)
        if point is not None:
            self._band.addPoint(QgsPointXY(point), True)


class StrokeTool(LabelTool):
    """A stroke drawn with the button held down becomes a polygon. Its width is one on the screen, as of a brush."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.width_px = DEFAULT_STROKE_PX
        self._points: List[QgsPointXY] = []

    def is_drawing(self) -> bool:
        return bool(self._points)

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._points = [event.mapPoint()]
            self._show()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        if self._points and event.buttons() & Qt.MouseButton.LeftButton:
            point = event.mapPoint()
            if point.distance(self._points[-1]) >= NEAREST_PX * self.canvas().mapUnitsPerPixel():
                self._points.append(point)
                self._show()

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.complete()

    def complete(self) -> None:
        shape = self._shape()
        self.cancel()
        if shape is not None:
            self.drawn.emit(shape)

    def cancel(self) -> None:
        self._points = []
        self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)

    def _shape(self) -> Optional[QgsGeometry]:
        if not self._points:
            return None
        pixel = self.canvas().mapUnitsPerPixel()
        line = (
            QgsGeometry.fromPolylineXY(self._points) if len(self._points) > 1 else QgsGeometry.fromPointXY(self._points[0])
        )
        return line.buffer(self.width_px * pixel / 2, ROUNDNESS).simplify(pixel / 4)

    def _show(self) -> None:
        shape = self._shape()
        if shape is not None:
            self._band.setToGeometry(shape, None)


class PointTool(LabelTool):
    """A click labels one pixel that is computed on.

    Args:
        square: Returns that pixel as a shape in the CRS of the canvas, or None where there is none.
    """

    def __init__(self, canvas: QgsMapCanvas, square: Callable[[QgsPointXY], Optional[QgsGeometry]]) -> None:
        super().__init__(canvas)
        self._square = square

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            shape = self._square(event.mapPoint())
            if shape is not None:
                self.drawn.emit(shape)


REACH_STEP = 0.05
FIRST_REACH = 0.3


class OutlineTool(LabelTool):
    """A click outlines what is like that place; the wheel says how far; a click into it, or Enter, makes a label of it.

    Emits ``asked`` with the place in the CRS of the canvas and the reach. ``show_outline`` brings the answer.
    """

    asked = pyqtSignal(QgsPointXY, float)

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.reach = FIRST_REACH
        self._place: Optional[QgsPointXY] = None
        self._outline = QgsGeometry()

    def is_drawing(self) -> bool:
        return self._place is not None

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        if event.button() == Qt.MouseButton.RightButton:
            self.complete()
        elif event.button() == Qt.MouseButton.LeftButton:
            point = event.mapPoint()
            if not self._outline.isEmpty() and self._outline.contains(point):
                self.complete()
            else:
                self.cancel()
                self._place = point
                self.asked.emit(point, self.reach)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._place is None:
            super().wheelEvent(event)  # Zooms.
            return
        steps = event.angleDelta().y() / 120
        self.reach = min(1.0, max(0.0, round(self.reach + REACH_STEP * steps, 3)))
        self.asked.emit(self._place, self.reach)
        event.accept()

    def show_outline(self, outline: QgsGeometry) -> None:
        """Show what the session found, in the CRS of the canvas."""
        if self._place is not None:
            self._outline = outline
            self._band.setToGeometry(outline, None)

    def complete(self) -> None:
        outline = QgsGeometry(self._outline)
        self.cancel()
        if not outline.isEmpty():
            self.drawn.emit(outline)

    def cancel(self) -> None:
        self._place, self._outline = None, QgsGeometry()
        self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
