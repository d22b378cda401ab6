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
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from false_core.events import WARNING, Message, Progress
from false_core.line_protocol import ProtocolError
from false_core.session_protocol import (
    SESSION_VERSION,
    SHOW_CLASSES,
    ChangeLabels,
    ClassEntry,
    Learned,
    Opened,
    Outline,
    Outlined,
    Picture,
    Refused,
    Saved,
    Score,
    SessionScores,
    SetClasses,
    Suggest,
    SuggestedPlaces,
    View,
)
from qgis_false.dock.busy_file import check_not_busy
from qgis_false.dock.crs import in_crs
from qgis_false.dock.label_classes import LabelClasses
from qgis_false.dock.label_edits import LabelEdits
from qgis_false.dock.label_file import CLASS_FIELD, LabelClass
from qgis_false.dock.label_watch import LabelChanges, LabelWatch
from qgis_false.dock.lasting_session import LastingSession
from qgis_false.dock.learning_state import LearningState
from qgis_false.dock.live_map import LiveMap
from qgis_false.dock.model_saving import ModelSaving
from qgis_false.dock.project_state import EncoderChoice, remember_work
from qgis_false.dock.rescue_file import labels_elsewhere, rescued_labels
from qgis_false.dock.session_process import session_command
from qgis_false.dock.waiting_labels import WaitingLabels
from qgis_false.layers.sources import is_null, name_in_job
from qgis_false.translation import in_percent, tr

SCORE_AFTER_MS = 1200
"""Wait after the labels have changed: scores cost more than a picture."""


class Labelling(QObject):
    """The work on one raster, from ``begin`` to ``close``.

    Attributes:
        session: The session that learns from the labels.
        opened: Answer of the session that the raster is open; None where it is not.

    Args:
        canvas: Canvas that shows the map.
        raster: The raster.
        labels: Its label layer, of ``label_file``.
        encoder_choice: Encoder, or model, that looks at the raster.
        command: Returns what to start in place of a session in the compute environment.
    """

    said = pyqtSignal(str, bool)
    """The state of the work, for a person; whether it needs attention."""
    counted = pyqtSignal()
    """The number of labels of a class is another one."""
    scored = pyqtSignal(object)
    places_found = pyqtSignal(object)
    outlined = pyqtSignal(object)
    pictured = pyqtSignal(object)
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
        self.session.begun.connect(self._forget_session)
        self.session.answered.connect(self._hear)
        self.session.ended.connect(self._lose_session)
        self.session.said.connect(self.said)
        self.model_saving = ModelSaving(self.session, labels, self)
        self._is_over = False
        self.opened: Optional[Opened] = None
        self._state = LearningState()
        self.scores: Optional[SessionScores] = None
        self.shows = SHOW_CLASSES
        self._outlining = 0
        """Number of the last request for an outline."""
        self._adopts = False
        self.edits = LabelEdits(labels, self)
        self.watch = LabelWatch(labels, raster.crs(), self)
        self.edits.begun.connect(self.watch.look_for_others)
        self.edits.edited.connect(self.watch.look_at)
        self.watch.changed.connect(self._send_labels)
        self.live = LiveMap(canvas, raster, self)
        self.live.wanted.connect(self.ask_for_view)
        self._score_later = QTimer(self)
        self._score_later.setSingleShot(True)
        self._score_later.setInterval(SCORE_AFTER_MS)
        self._score_later.timeout.connect(self._ask_for_scores)
        self.label_classes = LabelClasses(labels, self)
        self.label_classes.changed.connect(self._take_classes)
        self.edits.edited.connect(self._bring_classes_back)
        self._waiting = WaitingLabels(canvas, labels, self.edits, self.label_classes)
        self.edits.waiting_changed.connect(self._show_waiting)
        self.label_classes.not_stored.connect(lambda problem: self.said.emit(problem, True))
        self.label_classes.tried_again.connect(self._say_state)
        self.live.set_classes(self.classes)
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

    # --- What a person does ---------------------------------------------------------------------------------------------

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
        point = self.in_raster(QgsGeometry.fromPointXY(place), self.canvas.mapSettings().destinationCrs())
        if point is not None:
            at = point.asPoint()
            self._outlining = self.session.ask(Outline, x=at.x(), y=at.y(), reach=reach)

    def suggest(self) -> None:
        """Ask for places to label next."""
        self.session.ask(Suggest)

    def show_as(self, shows: str) -> None:
        """Show classes, confidence or change."""
        self.shows = shows
        self.ask_for_view()

    def ask_for_view(self) -> None:
        """Ask for a picture of what the canvas shows."""
        view = self.live.view()
        if view is not None and self.opened is not None:
            extent, width, height = view
            self.session.ask(View, extent=extent, width=width, height=height, shows=self.shows)

    def pixel_at(self, place: QgsPointXY) -> Optional[QgsGeometry]:
        """Return the square of one pixel that is computed on, around a place, both in the CRS of the canvas."""
        crs = self.canvas.mapSettings().destinationCrs()
        point = self.in_raster(QgsGeometry.fromPointXY(place), crs)
        if point is None or self.opened is None:
            return None
        at, half = point.asPoint(), self.opened.working_pixel / 2
        square = QgsGeometry.fromRect(QgsRectangle(at.x() - half, at.y() - half, at.x() + half, at.y() + half))
        return self.from_raster(square, crs)

    def in_raster(self, geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[QgsGeometry]:
        """Return a shape in the CRS of the raster, or None where there is no way to it."""
        return in_crs(geometry, crs, self.raster.crs())

    def from_raster(self, geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[QgsGeometry]:
        """Return a shape of the raster in another CRS, or None where there is no way to it."""
        return in_crs(geometry, self.raster.crs(), crs)

    def reopen(self, encoder_choice: EncoderChoice, adopt_classes: bool = False) -> None:
        """Go on with another encoder, or with a model, whose classes come in place of those that there are if wanted."""
        self.encoder_choice, self._adopts = encoder_choice, adopt_classes
        remember_work(self.raster, self.labels, encoder_choice)
        self.session.restart()

    def close(self) -> None:
        """End it. What waits for the file is written into it, or into another one."""
        if self._is_over:
            return
        self._is_over = True
        try:
            told = self.edits.close()
        except QgsProcessingException as error:
            told = str(error)
        finally:
            self._score_later.stop()
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

    @property
    def learned(self) -> Optional[Learned]:
        """The last answer of the session on what it has learned."""
        return self._state.learned

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
                    "{number} labels of the last time still wait in {path}. They are taken up when this raster is "
                    "labelled again. {reason}",
                    number=len(rescued.labels), path=rescued.path, reason=error,
                )  # fmt: skip
                self.taken_up.emit(told)
            else:
                if number:
                    told = tr(
                        "{number} labels that still waited for {file} when the work ended are in it now.",
                        number=number, file=file,
                    )  # fmt: skip
                    self.taken_up.emit(told)

    # --- The session ----------------------------------------------------------------------------------------------------

    def _opening(self) -> Dict[str, Any]:
        choice = self.encoder_choice
        name = name_in_job(self.raster, QgsProcessingFeedback(False))
        return {"raster": name, "encoder": choice.encoder, "model": choice.model, "weights": choice.weights}

    def _forget_session(self) -> None:
        self.opened, self._state = None, LearningState()
        self.model_saving.begin()

    def _lose_session(self, why: str) -> None:
        self.opened = None
        self.model_saving.end(why)

    def _hear(self, answer: Any) -> None:
        handle = {
            Opened: self._on_opened, Learned: self._on_learned, Picture: self._on_picture, SessionScores: self._on_scores,
            SuggestedPlaces: self._on_places, Outlined: self._on_outlined, Saved: self.model_saving.take,
            Refused: self._on_refused, Message: self._on_message, Progress: self._on_progress,
        }.get(type(answer))  # fmt: skip
        if handle is not None:
            handle(answer)

    def _on_opened(self, answer: Opened) -> None:
        if answer.protocol != SESSION_VERSION:
            self.session.give_up(
                tr("The library of the compute environment speaks another version. Set the environment up again.")
            )
            return
        self.opened = answer
        if answer.classes and (self._adopts or not self.classes):
            adopts, self._adopts = self._adopts, False
            offered = [LabelClass(one.code, one.name, one.color) for one in answer.classes]
            self.label_classes.change(lambda known: offered if adopts or not known else known)
        else:
            self._send_classes()
        self.watch.reset()
        self.ask_for_view()
        self._say_state()

    def _on_learned(self, answer: Learned) -> None:
        self._state.learn(answer)
        self._score_later.start()
        self._say_state()

    def _on_picture(self, answer: Picture) -> None:
        try:
            self.live.show(answer)
        except ProtocolError as error:
            self.session.start_again(tr("The computing process said something that is no answer: {error}.", error=error))
            return
        self._say_state()
        self.pictured.emit(answer)

    def _on_scores(self, answer: SessionScores) -> None:
        self.scores = answer
        self.scored.emit(answer)

    def _on_places(self, answer: SuggestedPlaces) -> None:
        self.places_found.emit(answer.places)

    def _on_outlined(self, answer: Outlined) -> None:
        if answer.number == self._outlining:
            self.outlined.emit(answer)

    def _on_refused(self, answer: Refused) -> None:
        why = f"{answer.what} {answer.remedy}".strip()
        self.model_saving.refuse(answer.number, why)
        self._state.refuse(answer.number, why)
        self.said.emit(why, True)

    def _on_message(self, answer: Message) -> None:
        if answer.level == WARNING:  # The others speak of parameters that a dialog has.
            self.said.emit(answer.text, True)

    def _on_progress(self, answer: Progress) -> None:
        told = f"{answer.stage} {in_percent(answer.fraction)}"
        if self.opened is None:
            self.session.say(told, False)
        else:  # Beside what to do next, which says more.
            self._state.progress = told if answer.fraction < 1 else ""
            self._say_state()

    def _take_classes(self) -> None:
        self.live.set_classes(self.classes)
        self._send_classes()

    def _send_classes(self) -> None:
        if self.opened is not None:
            entries = tuple(ClassEntry(one.code, one.name, one.color) for one in self.classes)
            self._state.send_classes(self.session.ask(SetClasses, classes=entries))

    def _send_labels(self, changes: LabelChanges) -> None:
        if self.opened is not None:
            changed, removed, more = changes.changed, changes.removed, self.watch.has_more
            self._state.send(self.session.ask(ChangeLabels, changed=changed, removed=removed, more=more), more)
            self._say_state()
        self.counted.emit()

    def _ask_for_scores(self) -> None:
        if self.learned is not None and not self.learned.problem:
            self.session.ask(Score)

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
        is_open, picture = self.opened is not None, self.live.picture
        text = self._state.words(bool(self.classes), picture) if is_open else self.session.last_words[0]
        attention = bool(self._state.refusal) if is_open else self.session.last_words[1]
        waiting = self._waiting.words()
        self.said.emit(f"{waiting} {text}" if waiting else text, attention or bool(waiting))
