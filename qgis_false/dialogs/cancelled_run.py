"""The messages of a run to its dialog: all of it, but after a cancel no errors. A cancel is no failure."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingFeedback

from qgis_false.translation import tr


class CancelledRunFeedback(QgsProcessingFeedback):
    """Passes everything on to the feedback of a dialog.

    Attributes:
        errors: The errors that were passed on.
    """

    def __init__(self, dialog_feedback: QgsProcessingFeedback) -> None:
        super().__init__(False)
        self._dialog = dialog_feedback
        self._said = False
        self.errors: List[str] = []
        dialog_feedback.canceled.connect(self.cancel)
        self.progressChanged.connect(dialog_feedback.setProgress)

    def reportError(self, error: str, fatalError: bool = False) -> None:
        if not self.isCanceled():
            self.errors.append(error)
            self._dialog.reportError(error, fatalError)
        elif not self._said:
            self._said = True
            self._dialog.pushInfo(tr("Cancelled. Nothing that was there before has changed."))

    def setProgressText(self, text: str) -> None:
        self._dialog.setProgressText(text)

    def pushWarning(self, warning: str) -> None:
        self._dialog.pushWarning(warning)

    def pushInfo(self, info: str) -> None:
        self._dialog.pushInfo(info)

    def pushCommandInfo(self, info: str) -> None:
        self._dialog.pushCommandInfo(info)

    def pushDebugInfo(self, info: str) -> None:
        self._dialog.pushDebugInfo(info)

    def pushConsoleInfo(self, info: str) -> None:
        self._dialog.pushConsoleInfo(info)
