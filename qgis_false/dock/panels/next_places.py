"""The next places to draw: one place after the other is zoomed to and marked."""

from __future__ import annotations

from typing import Optional, Sequence

from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtWidgets import QPushButton

from false_core.session_protocol import NO_CLASS, Place
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.line import Line
from qgis_false.dock.panels.panel import Panel
from qgis_false.dock.places import PlaceQueue
from qgis_false.translation import tr


class NextPlacePanel(Panel):
    """A button that leads to the next place, and a line that says what is asked there."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__()
        self._canvas = canvas
        self._queue: Optional[PlaceQueue] = None
        button = QPushButton(tr("Next place"))
        button.setToolTip(tr("Zooms to where a label would teach most. Key N."))
        button.clicked.connect(self.visit_next)
        self.line = Line()
        self.rows.addWidget(button)
        self.rows.addWidget(self.line)

    def begin(self, work: Labelling) -> None:
        """Begin with an empty queue."""
        super().begin(work)
        self._queue = PlaceQueue(self._canvas, work.raster.crs())
        work.conversation.places_found.connect(self._fill)
        work.conversation.no_places.connect(self.line.setText)

    def end(self) -> None:
        """Take the mark off the canvas."""
        super().end()
        if self._queue is not None:
            self._queue.dispose()
        self._queue = None

    def visit_next(self, *_: object) -> None:
        """Show the next place of the queue. An empty queue is filled first."""
        if self.work is not None and not self._visit():
            self.line.setText(tr("Looking for places..."))
            self.work.conversation.suggest()

    def _fill(self, places: Sequence[Place]) -> None:
        if self._queue is not None:
            self._queue.fill(places)
            if not self._visit():
                self.line.setText(tr("No place is known yet. It takes a map."))

    def _visit(self) -> bool:
        """Go to the next place that is waiting. Return whether there is one."""
        place = self._queue.visit_next() if self._queue is not None else None
        if place is None or self._queue is None or self.work is None:
            return False
        names = {one.code: one.name for one in self.work.classes}
        counted = tr("{number} of {total}:", number=self._queue.number, total=self._queue.total)
        likely, second = names.get(place.likely, ""), names.get(place.second, "")
        if NO_CLASS in (place.likely, place.second):
            self.line.setText(f"{counted} {likely}".strip())
        else:
            self.line.setText(counted + " " + tr("{likely} or {second}?", likely=likely, second=second))
        return True
