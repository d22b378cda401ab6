"""``false:diagnostics``: all a maintainer needs to know of a computer where something does not work."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback

from qgis_false import tasks
from qgis_false.algorithms.base import FalseAlgorithm
from qgis_false.translation import tr

REPORT = "REPORT"


class Diagnostics(FalseAlgorithm):
    """Works where nothing else does: it needs no environment, and what it cannot find out it says."""

    JOB = tasks.Diagnostics
    TITLE = "Diagnostics"
    TAGS = ("report", "bug", "error", "versions", "gpu", "cuda", "environment", "help")

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        super().initAlgorithm(configuration)
        # It may be left out, but it is what the dialog is opened for.
        self.parameterDefinition(REPORT).setCreateByDefault(True)

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        from qgis_false.environment.diagnosis import diagnose  # Not before: the start of QGIS must not wait for it.

        self.warn_of_unknown(parameters, feedback)
        text = diagnose(feedback)
        feedback.pushInfo(text)
        path = self.parameterAsFileOutput(parameters, REPORT, context)
        if not path:
            return {}
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise QgsProcessingException(
                tr("The report cannot be written to {path}: {reason}.", path=path, reason=error.strerror)
            ) from error
        return {REPORT: path}
