"""Labels and classes that wait for the label file, which another program holds: shown in grey, and said."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsVectorLayer, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QColor

from qgis_false.dock.label_classes import LabelClasses
from qgis_false.dock.waiting_edits import WaitingEdits
from qgis_false.translation import tr


class WaitingLabels:
    """The labels and classes that are not in their file yet.

    Args:
        canvas: Canvas that shows them.
        labels: The label layer.
        edits: The edits of it that wait.
        classes: Its classes, which may wait too.
    """

    def __init__(self, canvas: QgsMapCanvas, labels: QgsVectorLayer, edits: WaitingEdits, classes: LabelClasses) -> None:
        self._canvas, self._labels, self._edits, self._classes = canvas, labels, edits, classes
        self.shapes = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self.shapes.setStrokeColor(QColor("#808080"))
        self.shapes.setFillColor(QColor(128, 128, 128, 60))
        self.shapes.setLineStyle(Qt.PenStyle.DashLine)

    def show(self) -> None:
        """Show the labels that wait now."""
        self.shapes.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        for label in self._edits.labels():
            self.shapes.addGeometry(label.geometry(), self._labels)

    def remove(self) -> None:
        """Show none any more."""
        self._canvas.scene().removeItem(self.shapes)

    def words(self) -> str:
        """Return in words what waits; nothing where nothing does."""
        waiting, file = len(self._edits.labels()), Path(self._labels.source().split("|")[0]).name
        if waiting:
            why = self._edits.problem or tr(
                "{number} {number:label waits|labels wait} until another program lets go of {file}: a second QGIS that "
                "edits it, a database browser or a synchronised folder. Save or end the editing there.",
                number=waiting,
                file=file,
            )
            return f"{why} {self._where(waiting)}"
        if self._classes.are_waiting:
            return self._classes.problem or tr("The classes are not in {file} yet. It is tried again.", file=file)
        return ""

    def _where(self, number: int) -> str:
        """Return in words where the labels are that wait, which are so many."""
        path = self._edits.path
        if path is None:
            return tr("Until then {number:it is|they are} in the memory of QGIS alone. {reason}",
                      number=number, reason=self._edits.unsafe)  # fmt: skip
        is_beside = path.parent == Path(self._labels.source().split("|")[0]).parent
        return tr("Until then {number:it is|they are} in {path}.", number=number, path=path.name if is_beside else path)
