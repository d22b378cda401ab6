"""Labelling a raster: its label layer, the session that learns from it, and the live map, brought together.

It goes on over the end of a session: a new one is started and told everything again. Nothing that a person made is kept here
alone; labels and classes are in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QObject, pyqtSignal

from qgis_false.dock.busy_file import check_not_busy
from qgis_false.dock.conversation import Conversation
from qgis_false.dock.crs import in_crs
from qgis_false.dock.label_classes import LabelClasses
from qgis_false.dock.label_edits import LabelEdits
from qgis_false.dock.label_file import CLASS_FIELD, LabelClass
from qgis_false.dock.label_watch import LabelWatch
from qgis_false.dock.lasting_session import LastingSession
from qgis_false.dock.live_map import LiveMap
from qgis_false.dock.model_saving import ModelSaving
from qgis_false.dock.project_state import EncoderChoice, remember_work
from qgis_false.dock.rescue_file import labels_elsewhere, rescued_labels
from qgis_false.dock.session_process import session_command
from qgis_false.dock.waiting_labels import WaitingLabels
from qgis_false.layers.sources import is_null, name_in_job
from qgis_false.translation import tr


class Labelling(QObject):
    """The work on one raster, from ``begin`` to ``close``.

    Attributes:
        session: The session that learns from the labels.
        conversation: The conversation with it.

    Args:
        canvas: Canvas that shows the map.
        raster: The raster.
        labels: Its label layer, of ``label_file``.
        encoder_choice: Encoder, or model, that looks at the raster.
        command: Returns what to start in place of a session in the compute environment.
    """

    said = pyqtSignal(str, bool)
    """The state of the work, for a person; whether it needs attention."""
    taken_up = pyqtSignal(str)
    """Labels that waited for the file when the work ended the last time, and where they are now."""
    waits_elsewhere = pyqtSignal(object)
    """Labels wait in a file of a QGIS on another computer, of which only a person can tell whether it still runs."""
    closed = pyqtSignal()
    """The layers are gone, and nothing is left to work on."""

    def __init__(
        self,
        canvas: QgsMapCanvas,
        raster: QgsRasterLayer,
        labels: QgsVectorLayer,
        encoder_choice: EncoderChoice,
        command: Callable[[], Sequence[str]] = session_command,
        parent: Optional[QObject] = None,
    ) -> None:
        super().__init__(parent)
        self.canvas, self.raster, self.labels, self.encoder_choice = canvas, raster, labels, encoder_choice
        self.session = LastingSession(self._opening, command, self)
        self.session.said.connect(self.said)
        self.model_saving = ModelSaving(self.session, labels, self)
        self._is_over = False
        self.edits = LabelEdits(labels, self)
        self.watch = LabelWatch(labels, raster.crs(), self)
        self.edits.begun.connect(self.watch.look_for_others)
        self.edits.edited.connect(self.watch.look_at)
        self.live = LiveMap(canvas, raster, self)
        self.label_classes = LabelClasses(labels, self)
        self.conversation = Conversation(self.session, self.watch, self.label_classes, self.live, self.model_saving, self)
        self.conversation.said.connect(self.said)
        self.conversation.went_on.connect(self._say_state)
        self.edits.edited.connect(self._bring_classes_back)
        self._waiting = WaitingLabels(canvas, labels, self.edits.waiting, self.label_classes)
        self.edits.waiting.changed.connect(self._show_waiting)
        self.label_classes.not_stored.connect(lambda problem: self.said.emit(problem, True))
        self.label_classes.tried_again.connect(self._say_state)
        self.watch.looking.connect(self.label_classes.follow_file)
        labels.willBeDeleted.connect(self._lose_layer)
        raster.willBeDeleted.connect(self._lose_layer)
        remember_work(raster, labels, encoder_choice)

    def begin(self) -> None:
        """Start the session. What it says is heard by those who are connected by now."""
        self.watch.look()  # So that labels are counted before it is open.
        self.take_up_rescued()
        for waiting in labels_elsewhere(self.labels):
            self.waits_elsewhere.emit(waiting)
        self.session.start()

    def add_label(self, shape: QgsGeometry, crs: QgsCoordinateReferenceSystem, code: int) -> None:
        """Add a label, given in some CRS.

        Raises:
            QgsProcessingException: It is no area, or the file does not take it.
        """
        geometry = in_crs(shape, crs, self.labels.crs())
        self.edits.add([(QgsGeometry() if geometry is None else geometry, code)])

    def remove_class(self, code: int, into: Optional[int]) -> None:
        """Take a class away. Its labels become labels of another one; or they are removed too, where it is None.

        Raises:
            QgsProcessingException: The file does not take it.
        """
        labels = self.edits.of_class(code)
        if into is None:
            self.edits.remove(labels)
        else:
            self.edits.reclassify(labels, into)
        self.label_classes.change(lambda known: [one for one in known if one.code != code])

    def outline(self, place: QgsPointXY, reach: float) -> None:
        """Ask what is like a place of the canvas."""
        point = self._in_raster(QgsGeometry.fromPointXY(place), self.canvas.mapSettings().destinationCrs())
        if point is not None:
            self.conversation.outline(point.asPoint(), reach)

    def pixel_at(self, place: QgsPointXY) -> Optional[QgsGeometry]:
        """Return the square of one pixel that is computed on, around a place, both in the CRS of the canvas."""
        crs = self.canvas.mapSettings().destinationCrs()
        point, opened = self._in_raster(QgsGeometry.fromPointXY(place), crs), self.conversation.opened
        if point is None or opened is None:
            return None
        at, half = point.asPoint(), opened.working_pixel / 2
        square = QgsGeometry.fromRect(QgsRectangle(at.x() - half, at.y() - half, at.x() + half, at.y() + half))
        return self.from_raster(square, crs)

    def from_raster(self, geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[QgsGeometry]:
        """Return a shape of the raster in another CRS, or None where there is no way to it."""
        return in_crs(geometry, self.raster.crs(), crs)

    def reopen(self, encoder_choice: EncoderChoice, adopt_classes: bool = False) -> None:
        """Go on with another encoder, or with a model, whose classes come in place of those that there are if wanted."""
        self.encoder_choice, self.conversation.adopts_classes = encoder_choice, adopt_classes
        remember_work(self.raster, self.labels, encoder_choice)
        self.session.restart()

    def close(self) -> None:
        """End it. What waits for the file is written into it, or into another one."""
        if self._is_over:
            return
        self._is_over = True
        try:
            told = self.edits.waiting.close()
        except QgsProcessingException as error:
            told = str(error)
        finally:
            self.conversation.stop()
            self.live.remove()
            self.watch.stop()
            self.label_classes.stop()
            self._waiting.remove()
            self.session.close()
        if told:
            self.said.emit(told, True)

    @property
    def classes(self) -> List[LabelClass]:
        """The classes of now."""
        return self.label_classes.known

    def take_up_rescued(self, given_up: Sequence[Path] = ()) -> None:
        """Write labels into the file that waited for it when QGIS, or the work, ended.

        Args:
            given_up: Files of other computers, of which a person says that no QGIS there has them any more.
        """
        file = Path(self.labels.source().split("|")[0]).name
        for rescued in rescued_labels(self.labels, given_up):
            try:
                check_not_busy(self.labels.source())
                used = {label[CLASS_FIELD] for label in rescued.labels if not is_null(label[CLASS_FIELD])}
                codes = self.label_classes.join([one for one in rescued.classes if one.code in used])
                number = self.edits.take_up(rescued.labels, rescued.crs, codes)
                rescued.remove()
            except QgsProcessingException as error:
                told = tr(
                    "{number} {number:label of the last time still waits|labels of the last time still wait} in {path}. "
                    "{number:It is|They are} taken up when this raster is labelled again. {reason}",
                    number=len(rescued.labels), path=rescued.path, reason=error,
                )  # fmt: skip
                self.taken_up.emit(told)
            else:
                if number:
                    told = tr(
                        "{number} {number:label|labels} that still waited for {file} when the work ended {number:is|are} "
                        "in it now.",
                        number=number, file=file,
                    )  # fmt: skip
                    self.taken_up.emit(told)

    def _opening(self) -> Dict[str, Any]:
        choice = self.encoder_choice
        name = name_in_job(self.raster, QgsProcessingFeedback(False))
        return {"raster": name, "encoder": choice.encoder, "model": choice.model, "weights": choice.weights}

    def _bring_classes_back(self, ids: Sequence[int]) -> None:
        """Have labels that were undone to a class that is gone find it again."""
        self.label_classes.bring_back({self.watch.code_of(one) for one in ids} - {one.code for one in self.classes})

    def _show_waiting(self) -> None:
        self._waiting.show()
        self._say_state()

    def _lose_layer(self) -> None:
        self.closed.emit()  # First, so that what the end of the work says is not said on its page.
        self.close()

    def _say_state(self) -> None:
        text, attention = self.conversation.words()
        waiting = self._waiting.words()
        self.said.emit(f"{waiting} {text}" if waiting else text, attention or bool(waiting))

    def _in_raster(self, geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[QgsGeometry]:
        """Return a shape in the CRS of the raster, or None where there is no way to it."""
        return in_crs(geometry, crs, self.raster.crs())
