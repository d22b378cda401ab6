"""Sample points: they are filled in one after the other, and tell how good a finished map is."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from qgis.core import QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtGui import QResizeEvent
from qgis.PyQt.QtWidgets import QPushButton

from qgis_false.dock.background_run import BackgroundRun
from qgis_false.dock.finished_maps import assessed_by, class_rasters, hide_layers, maps_of_points, show_layers
from qgis_false.dock.labelling import Labelling
from qgis_false.dock.line import Line
from qgis_false.dock.panels.panel import Panel
from qgis_false.dock.project_state import hidden_maps, remember_hidden
from qgis_false.dock.sample_queue import SampleQueue, point_layers
from qgis_false.translation import in_percent, in_time, tr

FEWEST_POINTS = 2
"""Sample points that are filled in, from which on it is said how good the map is."""


class SamplesPanel(Panel):
    """Goes through the sample points of a layer.

    Attributes:
        queue: The points, None while none are filled in.

    Args:
        canvas: Canvas that shows them.
        run_algorithm: Opens the dialog of an algorithm.
    """

    filling_in = pyqtSignal(bool)
    """True where points are filled in from now on. Nobody should be led by the map meanwhile."""
    grown = pyqtSignal()
    """More is said here than before."""

    def __init__(self, canvas: QgsMapCanvas, run_algorithm: Callable[[str], None]) -> None:
        super().__init__()
        self._canvas, self._run_algorithm = canvas, run_algorithm
        self.queue: Optional[SampleQueue] = None
        self._map: Optional[QgsRasterLayer] = None
        self._estimate: Optional[BackgroundRun] = None
        self.button = QPushButton(tr("Fill in sample points..."))
        self.button.setToolTip(
            tr("Goes from one sample point to the next: 1 to 9 say its class, 0 that it cannot be told, Del goes back.")
        )
        self.button.clicked.connect(self._begin_or_leave)
        self.rows.addWidget(self.button)
        self.line, self.estimate_line = Line(), Line()
        self.keys_line = Line(tr("Keys: 1 to 9 for its class, 0 where it cannot be told, N goes on, Del back, Esc ends it."))
        for line in (self.line, self.keys_line, self.estimate_line):
            self.rows.addWidget(line)
        self.keys_line.hide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Tell where it is said more, which may be out of sight."""
        super().resizeEvent(event)
        if self.queue is not None and event.size().height() > event.oldSize().height():
            self.grown.emit()

    def begin(self, work: Labelling) -> None:
        """Show the maps again that were hidden when QGIS ended."""
        super().begin(work)
        _show_hidden()

    def end(self) -> None:
        """Leave the points as they are filled in."""
        self.leave()
        super().end()

    def fill_in(self, layer: QgsVectorLayer) -> None:
        """Go through the sample points of a layer."""
        if self.work is None:
            return
        self.leave()
        self.filling_in.emit(True)
        self.queue = SampleQueue(self._canvas, layer, self.work.raster)
        self.keys_line.show()
        self.button.setText(tr("Stop filling in"))
        remember_hidden(hide_layers([one.id() for one in class_rasters()]))
        maps = maps_of_points(layer)
        self._map = self.ask_for_map(tr("Of which map are these points?"), maps) if maps else None
        self._estimate_accuracy()
        self._canvas.setFocus()
        self.visit_next()

    def hide_map(self, the_map: str, *_: object) -> None:
        """Hide a map that comes in while points are filled in: nobody should be led by it."""
        if self.queue is not None:
            remember_hidden([*hidden_maps(), *hide_layers([the_map])])

    def visit_next(self) -> None:
        """Go to the next point without an answer, and say how many are left."""
        queue = self.queue
        if queue is None:
            return
        there_is_one = queue.visit_next()
        counted = tr("{number} of {total} {total:point|points} {number:is|are} filled in.",
                     number=queue.filled, total=queue.total)  # fmt: skip
        told = tr("At {number} more the class cannot be told.", number=len(queue.passed)) if queue.passed else ""
        end = _time_in_words(queue) if there_is_one else tr("There are no more. Assess a map takes them now.")
        self.line.setText(" ".join(filter(None, (counted, told, end))))

    def visit_previous(self) -> None:
        """Go back by one point."""
        if self.queue is not None:
            self.queue.visit_previous()

    def answer(self, number: int) -> bool:
        """Say that the class of a row, counted from 1, is at the point. Return whether there is one."""
        if self.work is None or self.queue is None or number > len(self.work.classes):
            return False
        queue, name = self.queue, self.work.classes[number - 1].name
        self.attempt(lambda: queue.answer(name))
        self._estimate_accuracy()
        self.visit_next()
        return True

    def pass_over(self) -> bool:
        """Say that nobody can tell what is at the point. Return whether there is one."""
        if self.queue is None:
            return False
        self.attempt(self.queue.pass_over)
        self.visit_next()
        return True

    def leave(self) -> None:
        """Stop filling in."""
        if self.queue is None:
            return
        self.queue.dispose()
        self.queue = None
        self.keys_line.hide()
        _show_hidden()
        self.estimate_line.setText("")
        self.button.setText(tr("Fill in sample points..."))
        self.filling_in.emit(False)

    def _begin_or_leave(self) -> None:
        if self.queue is not None:
            self.leave()
            return
        layers = point_layers()
        if not layers:
            self.line.setText(tr("No layer of the project holds sample points yet. Have them drawn first."))
            self._run_algorithm("samplepoints")
            layers = point_layers()
        if not layers:
            return
        layer = layers[0] if len(layers) == 1 else self.ask_for_layer(tr("Sample points"), tr("Layer"), layers)
        if layer is not None:
            self.fill_in(layer)

    def _estimate_accuracy(self) -> None:
        """Have the library say how good the map is by the points so far. Points that come in meanwhile count next time."""
        queue, the_map = self.queue, self._map
        if queue is None or the_map is None or self._estimate is not None or queue.filled < FEWEST_POINTS:
            return
        self._estimate = BackgroundRun("assess", assessed_by(queue.layer, the_map), self)
        filled = queue.filled
        self._estimate.ended.connect(lambda well, results, _: self._show_estimate(filled, results if well else {}))
        self._estimate.start()

    def _show_estimate(self, filled: int, results: Dict[str, Any]) -> None:
        self._estimate = None
        if self.queue is None:
            return
        known = [results.get(name) for name in ("ADJUSTED_OA", "ADJUSTED_OA_ERROR")]
        accuracy, half_width = (one if isinstance(one, float) else float("nan") for one in known)
        if accuracy == accuracy and half_width == half_width:
            told = tr("By {number} points {accuracy} ± {error} of the map are right, in 95 of 100 cases.",
                      number=filled, accuracy=in_percent(accuracy, 1), error=in_percent(half_width, 1))  # fmt: skip
        else:
            told = tr("How good the map is can be told from two points in each class on.")
        self.estimate_line.setText(told)
        if self.queue.filled > filled and results:
            self._estimate_accuracy()


def _time_in_words(queue: SampleQueue) -> str:
    """Return how long a point takes and all that wait; nothing while that is not known."""
    seconds = queue.seconds_a_point
    if seconds is None:
        return ""
    return tr(
        "A point takes about {time}, the rest about {rest}.", time=in_time(seconds), rest=in_time(seconds * queue.waiting)
    )


def _show_hidden() -> None:
    show_layers(hidden_maps())
    remember_hidden([])
