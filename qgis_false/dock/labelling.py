"""Labelling a raster: its label layer, the session that learns from it, and the live map, brought together.

It goes on over the end of a session: a new one is started and told everything again. Nothing that a person made is kept here
alone; labels and classes are in the file.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, List, Optional, Sequence, Set

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsMapCanvas, QgsRubberBand
from qgis.PyQt.QtCore import QObject, Qt, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QColor

from false_core.events import WARNING, Failed, Message, Progress
from false_core.line_protocol import ProtocolError
from false_core.session_protocol import (
    SESSION_VERSION,
    SHOW_CLASSES,
    ChangeLabels,
    ClassEntry,
    Learned,
    Open,
    Opened,
    Outline,
    Outlined,
    Picture,
    Refused,
    Save,
    Saved,
    Score,
    SessionScores,
    SetClasses,
    Suggest,
    SuggestedPlaces,
    View,
    Withdraw,
)
from qgis_false.dock.label_classes import LabelClasses
from qgis_false.dock.label_edits import LabelEdits
from qgis_false.dock.label_file import LabelClass
from qgis_false.dock.label_watch import LabelChanges, LabelWatch
from qgis_false.dock.live_map import LiveMap
from qgis_false.dock.project_state import EncoderChoice, remember_work
from qgis_false.dock.session_process import SessionProcess, session_command
from qgis_false.environment.interpreters import NoEnvironment
from qgis_false.layers.sources import name_in_job
from qgis_false.translation import tr

SCORE_AFTER_MS = 1200
"""Wait after the labels have changed: scores cost more than a picture."""
RESTART_AFTER_MS = (500, 3000, 10_000)
"""Waits before each new try after the end of a session. A session that lasts begins the count anew."""
LASTING_S = 120.0
SILENCE_S = 60.0
"""Time after which a session that owes an answer is said to be stuck."""


class Labelling(QObject):
    """The work on one raster, from ``begin`` to ``close``.

    Attributes:
        needs_restart: True where nothing goes on unless ``restart`` is called.

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
    saved = pyqtSignal(str)
    not_saved = pyqtSignal(str)
    """The reason for which the model is not saved: the session has refused it or has ended, or a person wants it no more."""
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
        self._command = command
        self._process: Optional[SessionProcess] = None
        self._restarts, self._started_at, self._heard_at = 0, 0.0, 0.0
        self._is_over = False
        self.needs_restart = False
        self._owed = False
        self._not_open = ("", False)
        """The words said last of the session when none was open, and whether they need attention."""
        self._looks_ahead = ""
        """Words for how far the session is with what nobody waits for."""
        self.opened: Optional[Opened] = None
        self.learned: Optional[Learned] = None
        self.scores: Optional[SessionScores] = None
        self.shows = SHOW_CLASSES
        self._saving = 0
        """Number of the request for the model file, 0 while none is owed."""
        self._outlining = self._told_by = 0
        """Numbers of the last requests for an outline, and with labels."""
        self._tellings: Set[int] = set()
        """Numbers of all requests with labels."""
        self._more_to_tell, self._labels_refused = False, ""
        """True where more labels follow the last ones; the refusal of labels since the last first ones."""
        self._adopts = False
        self.edits = LabelEdits(labels, self)
        self.watch = LabelWatch(labels, raster.crs(), self)
        self.edits.begun.connect(self.watch.look_for_others)
        self.edits.edited.connect(self.watch.look_at)
        self.watch.changed.connect(self._send_labels)
        self._waiting = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self._waiting.setStrokeColor(QColor("#808080"))
        self._waiting.setFillColor(QColor(128, 128, 128, 60))
        self._waiting.setLineStyle(Qt.PenStyle.DashLine)
        self.edits.waiting_changed.connect(self._show_waiting)
        self.live = LiveMap(canvas, raster, self)
        self.live.wanted.connect(self.ask_for_view)
        self._score_later = self._timer(self._ask_for_scores, SCORE_AFTER_MS)
        self.label_classes = LabelClasses(labels, self)
        self.label_classes.changed.connect(self._take_classes)
        self.label_classes.not_stored.connect(lambda problem: self.said.emit(problem, True))
        self.label_classes.tried_again.connect(self._say_state)
        self.live.set_classes(self.classes)
        self.watch.looking.connect(self.label_classes.follow_file)
        labels.willBeDeleted.connect(self._lose_layer)
        raster.willBeDeleted.connect(self._lose_layer)
        self._restart_later = self._timer(self._start, 0)
        self._silence = QTimer(self)
        self._silence.timeout.connect(self._look_for_silence)
        self._silence.start(5000)
        remember_work(raster, labels, encoder_choice)

    def begin(self) -> None:
        """Start the session. What it says is heard by those who are connected by now."""
        self.watch.look()  # So that labels are counted before it is open.
        self._start()

    # --- What a person does ---------------------------------------------------------------------------------------------

    def add_label(self, shape: QgsGeometry, crs: QgsCoordinateReferenceSystem, code: int) -> None:
        """Add a label, given in some CRS.

        Raises:
            QgsProcessingException: It is no area, or the file does not take it.
        """
        geometry = QgsGeometry(shape)
        way = self._way(crs, self.labels.crs())
        if way is not None:
            try:
                geometry.transform(way)
            except QgsCsException:
                geometry = QgsGeometry()
        self.edits.add([(geometry, code)])

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
        if point is not None and self._process is not None:
            at = point.asPoint()
            self._outlining = self._ask(Outline, x=at.x(), y=at.y(), reach=reach)

    def suggest(self) -> None:
        """Ask for places to label next."""
        self._ask(Suggest)

    def save_model(self, path: Path) -> None:
        """Ask for the model file of the map as it is."""
        self._saving = self._ask(Save, path=str(path), labels=self.labels.source().split("|")[0], field="class")
        if not self._saving:
            self.not_saved.emit(self._not_open[0])

    def drop_model(self) -> None:
        """Let go of the model that is being saved, so that no file of it appears."""
        if self._saving:
            self._ask(Withdraw, asked=self._saving)
        self._do_without_model(tr("Cancelled."))

    def show_as(self, shows: str) -> None:
        """Show classes, confidence or change."""
        self.shows = shows
        self.ask_for_view()

    def ask_for_view(self) -> None:
        """Ask for a picture of what the canvas shows."""
        view = self.live.view()
        if view is not None and self.opened is not None:
            extent, width, height = view
            self._ask(View, extent=extent, width=width, height=height, shows=self.shows)

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
        return _moved(geometry, self._way(crs, self.raster.crs()))

    def from_raster(self, geometry: QgsGeometry, crs: QgsCoordinateReferenceSystem) -> Optional[QgsGeometry]:
        """Return a shape of the raster in another CRS, or None where there is no way to it."""
        return _moved(geometry, self._way(self.raster.crs(), crs))

    def restart(self) -> None:
        """Begin with a new session."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        self._restarts = 0
        self._start()

    def reopen(self, encoder_choice: EncoderChoice, adopt_classes: bool = False) -> None:
        """Go on with another encoder, or with a model, whose classes come in place of those that there are if wanted."""
        self.encoder_choice, self._adopts = encoder_choice, adopt_classes
        remember_work(self.raster, self.labels, encoder_choice)
        self.restart()

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
            for timer in (self._score_later, self._restart_later, self._silence):
                timer.stop()
            self.live.remove()
            self.watch.stop()
            self.label_classes.stop()
            self.canvas.scene().removeItem(self._waiting)
            if self._process is not None:
                self._process.close()
                self._process = None
        if told:
            self.said.emit(told, True)

    @property
    def classes(self) -> List[LabelClass]:
        """The classes of now."""
        return self.label_classes.known

    @property
    def process_id(self) -> int:
        """Number of the process of the session, or 0."""
        return self._process.process_id if self._process is not None else 0

    # --- The session ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.opened = self.learned = None
        self.needs_restart = False
        self._looks_ahead, self._told_by = "", 0
        self._tellings.clear()
        self._more_to_tell, self._labels_refused = False, ""
        self._do_without_model(tr("Cancelled."))
        try:
            name = name_in_job(self.raster, QgsProcessingFeedback(False))
            self._process = SessionProcess(self._command(), self)
        except (NoEnvironment, QgsProcessingException) as error:
            self.needs_restart = True
            self._say_not_open(str(error), True)
            return
        self._process.answered.connect(self._hear)
        self._process.ended.connect(self._mourn)
        self._started_at = self._heard_at = time.monotonic()
        self._say_not_open(tr("The session starts..."), False)
        encoder_choice = self.encoder_choice
        self._ask(
            Open, raster=name, encoder=encoder_choice.encoder, model=encoder_choice.model, weights=encoder_choice.weights
        )

    def _ask(self, kind: Any, **values: Any) -> int:
        if self._process is None:
            return 0
        if not self._owed:
            self._heard_at = time.monotonic()
        self._owed = True
        return self._process.ask(kind, **values)

    def _hear(self, answer: Any) -> None:
        self._heard_at = time.monotonic()
        self.needs_restart = False
        self._owed = isinstance(answer, (Message, Progress)) and self._owed
        handle = {
            Opened: self._on_opened, Learned: self._on_learned, Picture: self._on_picture, SessionScores: self._on_scores,
            SuggestedPlaces: self._on_places, Outlined: self._on_outlined, Saved: self._on_saved, Refused: self._on_refused,
            Failed: self._on_failed, Message: self._on_message, Progress: self._on_progress,
        }.get(type(answer))  # fmt: skip
        if handle is not None:
            handle(answer)

    def _on_opened(self, answer: Opened) -> None:
        if answer.protocol != SESSION_VERSION:
            self._give_up(tr("The library of the compute environment speaks another version. Set the environment up again."))
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
        self.learned = answer
        self._score_later.start()
        self._say_state()

    def _on_picture(self, answer: Picture) -> None:
        try:
            self.live.show(answer)
        except ProtocolError as error:
            self._mourn(tr("The computing process said something that is no answer: {error}.", error=error))
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

    def _on_saved(self, answer: Saved) -> None:
        if answer.number == self._saving:
            self._saving = 0
            self.saved.emit(answer.path)

    def _on_refused(self, answer: Refused) -> None:
        why = f"{answer.what} {answer.remedy}".strip()
        if answer.number == self._saving:
            self._do_without_model(why)
        if answer.number in self._tellings:  # Nothing else is said of these labels.
            self._labels_refused = why
            self._told_by = 0 if answer.number == self._told_by else self._told_by
        self.said.emit(why, True)

    def _on_failed(self, answer: Failed) -> None:
        # Such as a raster that cannot be read: a new session would say the same.
        self._give_up(f"{answer.what} {answer.remedy}".strip())

    def _on_message(self, answer: Message) -> None:
        if answer.level == WARNING:  # The others speak of parameters that a dialog has.
            self.said.emit(answer.text, True)

    def _on_progress(self, answer: Progress) -> None:
        told = f"{answer.stage} {answer.fraction:.0%}"
        if self.opened is None:
            self._say_not_open(told, False)
        else:  # Beside what to do next, which says more.
            self._looks_ahead = told if answer.fraction < 1 else ""
            self._say_state()

    def _give_up(self, why: str) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
        self.opened = None
        self._do_without_model(why)
        self.needs_restart = True
        self._say_not_open(why, True)

    def _do_without_model(self, why: str) -> None:
        if self._saving:
            self._saving = 0
            self.not_saved.emit(why)

    def _say_not_open(self, text: str, attention: bool) -> None:
        self._not_open = (text, attention)
        self.said.emit(text, attention)

    def _mourn(self, how: str) -> None:
        """The session has ended, or talks nonsense: begin another one, unless that keeps happening."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._is_over:
            return
        self.opened = None
        first_line = how.partition("\n")[0]
        self._do_without_model(first_line)
        if time.monotonic() - self._started_at > LASTING_S:
            self._restarts = 0
        if self._restarts >= len(RESTART_AFTER_MS):
            self.needs_restart = True
            self._say_not_open(tr("The session has ended several times. Press Start again.") + f"\n{how}", True)
            return
        self._say_not_open(tr("{how} No label is lost; it starts again.", how=first_line), True)
        self._restart_later.start(RESTART_AFTER_MS[self._restarts])
        self._restarts += 1

    def _look_for_silence(self) -> None:
        if self._process is not None and self._owed and time.monotonic() - self._heard_at > SILENCE_S:
            self.needs_restart = True
            self.said.emit(tr("The session has not answered for a minute. Wait, or press Start again."), True)

    def _take_classes(self) -> None:
        self.live.set_classes(self.classes)
        self._send_classes()

    def _send_classes(self) -> None:
        if self.opened is not None:
            self._ask(SetClasses, classes=tuple(ClassEntry(one.code, one.name, one.color) for one in self.classes))

    def _send_labels(self, changes: LabelChanges) -> None:
        if self.opened is not None:
            changed, removed, more = changes.changed, changes.removed, self.watch.has_more
            self._labels_refused = self._labels_refused if self._more_to_tell else ""
            self._more_to_tell = more
            self._told_by = self._ask(ChangeLabels, changed=changed, removed=removed, more=more)
            self._tellings.add(self._told_by)
            self._say_state()
        self.counted.emit()

    def _ask_for_scores(self) -> None:
        if self.learned is not None and not self.learned.problem:
            self._ask(Score)

    def _show_waiting(self) -> None:
        self._waiting.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        for geometry in self.edits.waiting():
            self._waiting.addGeometry(geometry, self.labels)
        self._say_state()

    def _lose_layer(self) -> None:
        self.closed.emit()  # First, so that what the end of the work says is not said on its page.
        self.close()

    def _say_state(self) -> None:
        text, waiting = self._state(), len(self.edits.waiting())
        file = Path(self.labels.source().split("|")[0]).name
        if waiting and self.edits.problem:
            text = f"{self.edits.problem} {text}"
        elif waiting:
            told = tr(
                "{number} labels wait until another program lets go of {file}: a second QGIS that edits it, a database "
                "browser or a synchronised folder. Save or end the editing there.",
                number=waiting,
                file=file,
            )
            text = f"{told} {text}"
        elif self.label_classes.are_waiting:
            told = self.label_classes.problem or tr("The classes are not in {file} yet. It is tried again.", file=file)
            text = f"{told} {text}"
        attention = bool(self._labels_refused) if self.opened is not None else self._not_open[1]
        self.said.emit(text, attention or bool(waiting) or self.label_classes.are_waiting)

    def _state(self) -> str:
        """Return in words what the session is at."""
        if self.opened is None:
            return self._not_open[0]
        if self._labels_refused:
            return self._labels_refused
        if not self.classes:
            return tr("The raster is open. Add a class for each land cover, with Add... or From...")
        if self.learned is None:
            return tr("The raster is open. Draw labels of at least two classes.")
        if self.learned.problem and self.learned.number < self._told_by:
            return tr("The labels are being looked at.")  # It is an answer from before it was told of them.
        parts = [self.learned.problem or tr("Learned from {number} labels.", number=self.learned.labels)]
        if self.learned.waiting:
            parts.append(tr("{number} labels wait for their part of the raster.", number=self.learned.waiting))
        if self.learned.outside:
            parts.append(tr("{number} labels lie outside of the raster.", number=self.learned.outside))
        picture = self.live.picture
        if picture is not None and picture.known < 1 and not self.learned.problem:
            parts.append(tr("{percent} % of the view is computed.", percent=round(100 * picture.known)))
        elif self._looks_ahead and not self.learned.problem:
            parts.append(f"{self._looks_ahead}.")
        return " ".join(parts)

    def _timer(self, do: Callable[[], None], after_ms: int) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(after_ms)
        timer.timeout.connect(do)
        return timer

    def _way(
        self, source: QgsCoordinateReferenceSystem, target: QgsCoordinateReferenceSystem
    ) -> Optional[QgsCoordinateTransform]:
        if not source.isValid() or not target.isValid() or source == target:
            return None
        return QgsCoordinateTransform(source, target, QgsProject.instance().transformContext())


def _moved(geometry: QgsGeometry, way: Optional[QgsCoordinateTransform]) -> Optional[QgsGeometry]:
    moved = QgsGeometry(geometry)
    try:
        if way is not None:
            moved.transform(way)
    except QgsCsException:
        return None
    return moved
