"""``false:diagnostics``: all a maintainer needs to know of a computer where something does not work."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterFileDestination,
)

from qgis_false.algorithms.base import FalseAlgorithm
from qgis_false.environment.diagnosis import diagnose

REPORT = "REPORT"


class Diagnostics(FalseAlgorithm):
    """Works where nothing else does: it needs no environment, and what it cannot find out it says."""

    TITLE = "Diagnostics"
    TAGS = ("report", "bug", "error", "versions", "gpu", "cuda", "environment", "help")

    def name(self) -> str:
        return "diagnostics"

    def shortDescription(self) -> str:
        return "Make a report about this computer, for when something does not work."

    def shortHelpString(self) -> str:
        return (
            "Collects versions, paths, graphics cards, the state of the compute environment, the environment variables that "
            "matter, and the last errors into a text that can be put into a bug report.\n\n"
            "It holds no passwords and no keys, and the name of the user is left out of paths. Read it before you pass it "
            "on. Nothing is sent anywhere."
        )

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        self.addParameter(
            QgsProcessingParameterFileDestination(
                REPORT, "Report", "Text files (*.txt)", optional=True, createByDefault=True
            )
        )

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        text = diagnose(feedback)
        feedback.pushInfo(text)
        path = self.parameterAsFileOutput(parameters, REPORT, context)
        if not path:
            return {}
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise QgsProcessingException(f"The report cannot be written to {path}: {error.strerror}.") from error
        return {REPORT: path}
