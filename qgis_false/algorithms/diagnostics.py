"""``false:diagnostics``: all a maintainer needs to know of a computer where something does not work."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis import utils
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback

from qgis_false import tasks
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import FalseAlgorithm, Values
from qgis_false.translation import failure, tr
from qgis_false.whole_file import write_whole

REPORT = "REPORT"


def put_into_clipboard(text: str) -> bool:
    """Put ``text`` where a bug report is one paste away. Return whether there is such a place: on the desktop alone."""
    if utils.iface is None:
        return False
    QgsApplication.clipboard().setText(text)
    return True


class Diagnostics(FalseAlgorithm):
    """Works where nothing else does: it needs no environment, and what it cannot find out it says."""

    JOB = tasks.Diagnostics
    TITLE = "Diagnostics"
    GROUP = groups.START
    TAGS = ("report", "bug", "error", "versions", "gpu", "cuda", "environment", "help")

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        super().initAlgorithm(configuration)
        # It may be left out, but it is what the dialog is opened for.
        self.parameterDefinition(REPORT).setCreateByDefault(True)

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        from qgis_false.installation.diagnosis import diagnose  # Not before: the start of QGIS must not wait for it.

        self.warn_of_unknown(parameters, feedback)
        self._text = text = diagnose(feedback)
        feedback.pushInfo(text)
        path = self.parameterAsFileOutput(parameters, REPORT, context)
        if not path:
            return {}
        try:
            write_whole(path, text)
        except OSError as error:
            raise failure("The report cannot be written to {path}: {reason}.", path=path, reason=error.strerror) from error
        return {REPORT: path}

    def postProcessAlgorithm(self, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Dict[str, Any]:
        # Here, as this is the main thread, which the clipboard belongs to.
        if self._text and put_into_clipboard(self._text):
            feedback.pushInfo(tr("The report is in the clipboard: paste it into your bug report."))
        return {}
