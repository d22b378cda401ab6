"""``false:setupenvironment``: make the Python that computes, or repair it, or use one that is there."""

from __future__ import annotations

from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback

from false_core import jobs
from qgis_false import tasks
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import FalseAlgorithm, Values
from qgis_false.compute import last_errors
from qgis_false.environment.processes import ProcessingCancelled
from qgis_false.translation import tr


class SetUpEnvironment(FalseAlgorithm):
    """Runs no job of the library: without an environment there is nothing that could."""

    JOB = tasks.SetUpEnvironment
    TITLE = "1. Set up the compute environment"
    GROUP = groups.START
    TAGS = ("install", "repair", "update", "python", "torch", "cuda", "gpu", "uv", "pip", "environment")

    def prepareAlgorithm(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> bool:
        from qgis_false.installation.network import network_of_qgis  # Not before: the start of QGIS must not wait for it.

        self._network = network_of_qgis()  # Here, because this is the main thread.
        return True

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        from qgis_false.installation.install import set_up  # Not before: the start of QGIS must not wait for it.

        self.warn_of_unknown(parameters, feedback)
        request = tasks.SetUpEnvironment(
            existing_python=self.parameterAsFile(parameters, "EXISTING_PYTHON", context) or None,
            build=self.parameterAsEnumString(parameters, "BUILD", context),
            from_scratch=self.parameterAsBoolean(parameters, "FROM_SCRATCH", context),
        )
        try:
            ready = set_up(request, feedback, self._network)
        except ProcessingCancelled:
            raise
        except QgsProcessingException as error:
            last_errors.remember_error(self.name(), str(error))
            raise
        results = {"INTERPRETER": ready.python}
        feedback.pushInfo(tr("Ready. It computes with {path}.", path=ready.python))
        for result in jobs.Check.RESULTS:
            results[result.name.upper()] = ready.results.get(result.name)
            feedback.pushInfo(f"{tr(result.label)}: {ready.results.get(result.name)}")
        return results
