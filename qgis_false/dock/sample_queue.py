"""The queue of sample points: one after the other is zoomed to, and a key says what is really there.

It fills in the points that ``false:samplepoints`` draws. Each answer is in the file before the next point is shown.
"""

from __future__ import annotations

import json
import statistics
from time import monotonic
from typing import Any, List, Optional, Set

from qgis.core import (
    QgsCoordinateTransform,
    QgsCsException,
    QgsFeature,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtGui import QColor

from qgis_false.dock.busy_file import check_not_busy
from qgis_false.dock.label_file import CLASS_FIELD
from qgis_false.dock.live_map import in_crs_of_canvas
from qgis_false.layers.sources import is_null
from qgis_false.translation import failure

MOST_SEEN_PX = 400
"""Pixels of the raster across the view in which the first point is shown, or fewer: more would show none of them."""
MARK_PX = 27
PLACE_DIGITS = 9
"""Digits behind the point of a place, also in degrees."""
POINT_ID = "id"
"""The field by which points are in random order."""
FEWEST_TIMED = 3
"""Answers, from which on it is known how long one takes."""
PASSED_PROPERTY = "false/cannot_tell"
"""Property of a layer of points: a list of the places of those of which nobody could tell. Ids change with the file."""


def point_layers() -> List[QgsVectorLayer]:
    """Return the layers of the project that hold sample points."""
    return [
        one
        for one in QgsProject.instance().mapLayers().values()
        if isinstance(one, QgsVectorLayer)
        and one.geometryType() == QgsWkbTypes.GeometryType.PointGeometry
        and min(one.fields().lookupField(name) for name in (POINT_ID, CLASS_FIELD)) >= 0
    ]


class SampleQueue:
    """The points of one layer, in their random order. The first one is zoomed to; then the scale is what a person makes it.

    Attributes:
        passed: Ids of the points of which the person could not tell what is there. The layer remembers them.
    """

    def __init__(self, canvas: QgsMapCanvas, layer: QgsVectorLayer, raster: QgsRasterLayer) -> None:
        self._canvas, self.layer = canvas, layer
        whole = in_crs_of_canvas(raster.extent(), raster.crs(), canvas)
        self._zoom = min(1.0, MOST_SEEN_PX * whole.width() / max(1, raster.width()) / canvas.extent().width())
        self._field = layer.fields().lookupField(CLASS_FIELD)
        points = sorted(layer.getFeatures(), key=lambda one: one[POINT_ID])
        self._places = {one.id(): _place(one.geometry()) for one in points}
        self._ids = list(self._places)
        self._done = {one.id() for one in points if not _is_empty(one[CLASS_FIELD])}
        before = _passed_before(layer)
        self.passed: Set[int] = {one for one, place in self._places.items() if place in before} - self._done
        self._now: Optional[int] = None
        self._shown_at = 0.0
        self._times: List[float] = []
        self._mark = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PointGeometry)
        self._mark.setIcon(QgsRubberBand.IconType.ICON_BOX)  # What is in it stays visible.
        self._mark.setIconSize(MARK_PX)
        self._mark.setStrokeColor(QColor("#ffff00"))
        self._mark.setSecondaryStrokeColor(QColor("#000000"))  # Seen on yellow ground, too.
        self._mark.setWidth(3)

    @property
    def total(self) -> int:
        """The number of points."""
        return len(self._ids)

    @property
    def filled(self) -> int:
        """The number of points with a class."""
        return len(self._done)

    @property
    def waiting(self) -> int:
        """The number of points without an answer."""
        return self.total - self.filled - len(self.passed)

    @property
    def seconds_a_point(self) -> Optional[float]:
        """The time that an answer takes: the median, so that a break counts little. None where there are few answers."""
        return statistics.median(self._times) if len(self._times) >= FEWEST_TIMED else None

    def visit_next(self) -> bool:
        """Go to the next point without an answer. Return whether there is one."""
        start = self._ids.index(self._now) + 1 if self._now is not None else 0
        turned = [*self._ids[start:], *self._ids[:start]]
        waiting = [one for one in turned if one not in self._done and one not in self.passed]
        return self._visit(waiting[0] if waiting else None)

    def visit_previous(self) -> bool:
        """Go back by one point, to look again or to answer otherwise. Return whether there is one."""
        place = self._ids.index(self._now) if self._now is not None else len(self._ids)
        return self._visit(self._ids[place - 1]) if place > 0 else False

    def answer(self, name: str) -> None:
        """Say what is at the point, in the file.

        Raises:
            QgsProcessingException: The file does not take it.
        """
        if self._now is not None:
            self._write(self._now, name)
            self._done.add(self._now)
            self.passed.discard(self._now)
            self._remember_passed()

    def pass_over(self) -> None:
        """Nobody can tell what is at the point: it stays empty."""
        if self._now is not None:
            self._write(self._now, None)
            self._done.discard(self._now)
            self.passed.add(self._now)
            self._remember_passed()

    def dispose(self) -> None:
        """Take the mark off the canvas."""
        self._canvas.scene().removeItem(self._mark)

    def _remember_passed(self) -> None:
        text = json.dumps(sorted(self._places[one] for one in self.passed))
        if self.layer.customProperty(PASSED_PROPERTY, "[]") != text:
            self.layer.setCustomProperty(PASSED_PROPERTY, text)
            QgsProject.instance().setDirty()  # It is saved with the project.

    def _write(self, point: int, value: Any) -> None:
        check_not_busy(self.layer.source())
        provider = self.layer.dataProvider()
        if not provider.changeAttributeValues({point: {self._field: value}}):
            reason = "; ".join(provider.errors())
            provider.clearErrors()
            raise failure("The class cannot be written to {path}: {reason}.", path=self.layer.source(), reason=reason)
        self._times.append(monotonic() - self._shown_at)
        self.layer.triggerRepaint()

    def _visit(self, point: Optional[int]) -> bool:
        self._now, self._shown_at = point, monotonic()
        self._mark.reset(QgsWkbTypes.GeometryType.PointGeometry)
        if point is None:
            return False
        feature: QgsFeature = self.layer.getFeature(point)
        geometry: QgsGeometry = feature.geometry()
        way = QgsCoordinateTransform(
            self.layer.crs(), self._canvas.mapSettings().destinationCrs(), QgsProject.instance().transformContext()
        )
        try:
            geometry.transform(way)
        except QgsCsException:
            return True  # It lies where the canvas cannot show it.
        self._mark.setToGeometry(geometry, None)
        centre, extent = geometry.asPoint(), self._canvas.extent()
        extent.scale(self._zoom)
        self._zoom = 1.0
        self._canvas.setExtent(QgsRectangle.fromCenterAndSize(centre, extent.width(), extent.height()))
        self._canvas.refresh()
        return True


def _place(point: QgsGeometry) -> str:
    """Return what tells a point from others in any order, file or edited table: where it is, in the CRS of its layer."""
    return "" if point.isEmpty() else str(point.asWkt(PLACE_DIGITS))


def _passed_before(layer: QgsVectorLayer) -> Set[str]:
    """Return the places that a layer remembers as those of points of which nobody could tell."""
    try:
        return {str(one) for one in json.loads(layer.customProperty(PASSED_PROPERTY, "[]")) if one}
    except (TypeError, ValueError):  # Another program's.
        return set()


def _is_empty(value: Any) -> bool:
    return is_null(value) or not str(value).strip()
