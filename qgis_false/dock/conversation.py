"""The conversation with a session: it is told of labels and classes, and its answers are shown, or passed on."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from qgis.core import QgsPointXY
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
from qgis_false.dock.label_classes import LabelClasses
from qgis_false.dock.label_file import LabelClass
from qgis_false.dock.label_watch import LabelChanges, LabelWatch
from qgis_false.dock.lasting_session import LastingSession
from qgis_false.dock.learning_state import LearningState
from qgis_false.dock.live_map import LiveMap
from qgis_false.dock.model_saving import ModelSaving
from qgis_false.translation import in_percent, tr

SCORE_AFTER_MS = 1200
"""Wait after the labels have changed: scores cost more than a picture."""


class Conversation(QObject):
    """Tells a session of labels and classes, asks it, and hears it, until ``stop``. A new session is told everything again.

    Attributes:
        opened: Answer of the session that the raster is open; None where it is not.
        scores: Its last scores.
        shows: The kind of picture that it is asked for.
        adopts_classes: True where the classes of a model come in place of those that there are, once.

    Args:
        session: The session.
        watch: The labels, as they are now.
        label_classes: The classes of the labels.
        live: The live map, which shows its pictures.
        model_saving: The model file that it may be asked for.
    """

    said = pyqtSignal(str, bool)
    """Something that the session has said, for a person; whether it needs attention."""
    went_on = pyqtSignal()
    """The state of the session is another one; see ``words``."""
    scored = pyqtSignal(object)
    """The scores of the map; None where those of before do not hold any more."""
    places_found = pyqtSignal(object)
    no_places = pyqtSignal(str)
    """The reason for which no places come that were asked for; empty where the session that was asked is gone."""
    outlined = pyqtSignal(object)

    def __init__(
        self,
        session: LastingSession,
        watch: LabelWatch,
        label_classes: LabelClasses,
        live: LiveMap,
        model_saving: ModelSaving,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._watch, self._label_classes = session, watch, label_classes
        self._live, self._model_saving = live, model_saving
        self.opened: Optional[Opened] = None
        self._state = LearningState()
        self.scores: Optional[SessionScores] = None
        self.shows = SHOW_CLASSES
        self.adopts_classes = False
        self._outlining = 0
        """Number of the last request for an outline."""
        self._suggesting = 0
        """Number of the request for places that is owed, or 0."""
        self._score_later = QTimer(self)
        self._score_later.setSingleShot(True)
        self._score_later.setInterval(SCORE_AFTER_MS)
        self._score_later.timeout.connect(self._ask_for_scores)
        session.begun.connect(self._forget_session)
        session.answered.connect(self._hear)
        session.ended.connect(self._lose_session)
        watch.changed.connect(self._send_labels)
        label_classes.changed.connect(self._take_classes)
        live.wanted.connect(self.ask_for_view)
        live.set_classes(label_classes.known)

    @property
    def learned(self) -> Optional[Learned]:
        """The last answer of the session on what it has learned."""
        return self._state.learned

    def words(self) -> Tuple[str, bool]:
        """Return in words what the session is at, and whether that needs attention."""
        if self.opened is None:
            return self._session.last_words
        return self._state.words(bool(self._label_classes.known), self._live.picture), bool(self._state.refusal)

    def stop(self) -> None:
        """Ask no more."""
        self._score_later.stop()

    def outline(self, place: QgsPointXY, reach: float) -> None:
        """Ask what is like a place, which is in the CRS of the raster."""
        self._outlining = self._session.ask(Outline, x=place.x(), y=place.y(), reach=reach)

    def suggest(self) -> None:
        """Ask for places to label next."""
        self._suggesting = self._session.ask(Suggest)
        if not self._suggesting:
            self.no_places.emit("")

    def show_as(self, shows: str) -> None:
        """Show classes, confidence or change."""
        self.shows = shows
        self.ask_for_view()

    def ask_for_view(self) -> None:
        """Ask for a picture of what the canvas shows."""
        view = self._live.view()
        if view is not None and self.opened is not None:
            extent, width, height = view
            has_map = bool(self.opened.classes) or (self.learned is not None and not self.learned.problem)
            self._session.ask(View, has_map, extent=extent, width=width, height=height, shows=self.shows)

    def _forget_session(self) -> None:
        self.opened, self._state = None, LearningState()
        self._model_saving.begin()
        self._expect_no_places("")
        self._forget_scores()

    def _lose_session(self, why: str) -> None:
        self.opened = None
        self._model_saving.end(why)
        self._expect_no_places("")

    def _expect_no_places(self, why: str) -> None:
        if self._suggesting:
            self._suggesting = 0
            self.no_places.emit(why)

    def _forget_scores(self) -> None:
        self.scores = None
        self.scored.emit(None)

    def _hear(self, answer: Any) -> None:
        handle = {
            Opened: self._on_opened, Learned: self._on_learned, Picture: self._on_picture, SessionScores: self._on_scores,
            SuggestedPlaces: self._on_places, Outlined: self._on_outlined, Saved: self._model_saving.take,
            Refused: self._on_refused, Message: self._on_message, Progress: self._on_progress,
        }.get(type(answer))  # fmt: skip
        if handle is not None:
            handle(answer)

    def _on_opened(self, answer: Opened) -> None:
        if answer.protocol != SESSION_VERSION:
            self._session.give_up(
                tr("The library of the compute environment speaks another version. Set the environment up again.")
            )
            return
        self.opened = answer
        if answer.classes and (self.adopts_classes or not self._label_classes.known):
            adopts, self.adopts_classes = self.adopts_classes, False
            offered = [LabelClass(one.code, one.name, one.color) for one in answer.classes]
            self._label_classes.change(lambda known: offered if adopts or not known else known)
        else:
            self._send_classes()
        self._watch.reset()
        self.ask_for_view()
        self.went_on.emit()

    def _on_learned(self, answer: Learned) -> None:
        self._state.learn(answer)
        if self.opened is not None and not self.opened.classes and self._state.has_no_map():
            self._live.clear()
        self._score_later.start()
        self.went_on.emit()

    def _on_picture(self, answer: Picture) -> None:
        try:
            self._live.show(answer)
        except ProtocolError as error:
            self._session.start_again(tr("The computing process said something that is no answer: {error}.", error=error))
            return
        self.went_on.emit()

    def _on_scores(self, answer: SessionScores) -> None:
        self.scores = answer
        self.scored.emit(answer)

    def _on_places(self, answer: SuggestedPlaces) -> None:
        self._suggesting = 0
        self.places_found.emit(answer.places)

    def _on_outlined(self, answer: Outlined) -> None:
        if answer.number == self._outlining:
            self.outlined.emit(answer)

    def _on_refused(self, answer: Refused) -> None:
        why = f"{answer.what} {answer.remedy}".strip()
        self._model_saving.refuse(answer.number, why)
        self._state.refuse(answer.number, why)
        if answer.number == self._suggesting:
            self._expect_no_places(why)
        self.said.emit(why, True)

    def _on_message(self, answer: Message) -> None:
        if answer.level == WARNING:  # The others speak of parameters that a dialog has.
            self.said.emit(answer.text, True)

    def _on_progress(self, answer: Progress) -> None:
        told = f"{answer.stage} {in_percent(answer.fraction)}"
        if self.opened is None:
            self._session.say(told, False)
        else:  # Beside what to do next, which says more.
            self._state.progress = told if answer.fraction < 1 else ""
            self.went_on.emit()

    def _take_classes(self) -> None:
        self._live.set_classes(self._label_classes.known)
        self._send_classes()

    def _send_classes(self) -> None:
        if self.opened is not None:
            entries = tuple(ClassEntry(one.code, one.name, one.color) for one in self._label_classes.known)
            self._state.send_classes(self._session.ask(SetClasses, classes=entries))

    def _send_labels(self, changes: LabelChanges) -> None:
        if self.opened is not None:
            changed, removed, more = changes.changed, changes.removed, self._watch.has_more
            self._state.send(self._session.ask(ChangeLabels, changed=changed, removed=removed, more=more), more)
            self.went_on.emit()

    def _ask_for_scores(self) -> None:
        if self.learned is not None and not self.learned.problem:
            self._session.ask(Score)
        else:
            self._forget_scores()  # They are those of a map that is gone.
