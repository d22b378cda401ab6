"""Saving the model of a session: one file at a time, which is asked for, and may be wanted no more."""

from __future__ import annotations

from pathlib import Path
from typing import Set

from qgis.core import QgsVectorLayer
from qgis.PyQt.QtCore import QObject, pyqtSignal

from false_core.session_protocol import Save, Saved, Withdraw
from qgis_false.dock.lasting_session import LastingSession
from qgis_false.translation import tr


class ModelSaving(QObject):
    """The model file that a session is asked for.

    Args:
        session: The session.
        labels: The label layer that it learns from.
    """

    saved = pyqtSignal(str)
    not_saved = pyqtSignal(str)
    """The reason for which the model is not saved: the session has refused it or has ended, or a person wants it no more."""
    saved_late = pyqtSignal(str)
    """The file of a model that is wanted no more: it was being written already."""

    def __init__(self, session: LastingSession, labels: QgsVectorLayer, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._labels = session, labels
        self._number = 0
        """Number of the request, 0 while none is owed."""
        self._withdrawn: Set[int] = set()
        """Numbers of the requests to this session that were taken back, which a file may answer all the same."""

    def ask(self, path: Path) -> None:
        """Ask for the model file of the map as it is."""
        labels = self._labels.source().split("|")[0]
        self._number = self._session.ask(Save, path=str(path), labels=labels)
        if not self._number:
            self.not_saved.emit(self._session.last_words[0])

    def withdraw(self) -> None:
        """Want it no more. A file of it appears only where it is being written already; that is told."""
        if self._number:
            self._withdrawn.add(self._number)
            self._session.ask(Withdraw, asked=self._number)
        self.end(tr("Cancelled."))

    def take(self, answer: Saved) -> None:
        """Take in that a model was saved."""
        if answer.number == self._number:
            self._number = 0
            self.saved.emit(answer.path)
        elif answer.number in self._withdrawn:
            self.saved_late.emit(answer.path)

    def begin(self) -> None:
        """Know of no request: the session is a new one."""
        self._withdrawn.clear()
        self.end(tr("Cancelled."))

    def refuse(self, number: int, why: str) -> None:
        """Take in that a request was refused, if it is this one."""
        if number == self._number:
            self.end(why)

    def end(self, why: str) -> None:
        """Wait for it no longer, if it was asked for."""
        if self._number:
            self._number = 0
            self.not_saved.emit(why)
