"""``false:checkenvironment``: say whether the compute environment works, and what it computes on."""

from __future__ import annotations

from qgis.core import QgsProcessingContext, QgsProcessingFeedback

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm, Values
from qgis_false.translation import tr


class CheckEnvironment(JobAlgorithm):
    """What it finds goes to the log as well as to the outputs: there is no layer to look at."""

    JOB = jobs.Check
    NAME = "checkenvironment"
    TITLE = "Check the compute environment"
    GROUP = groups.START
    TAGS = ("gpu", "cuda", "torch", "install", "version", "diagnose")

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        results = super().carry_out(parameters, context, feedback)
        for result in self.JOB.RESULTS:
            feedback.pushInfo(f"{tr(result.label)}: {results.get(result.name.upper())}")
        return results
