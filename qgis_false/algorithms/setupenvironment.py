"""``false:setupenvironment``: make the Python that computes, or repair it, or use one that is there."""

from __future__ import annotations

from typing import Any, Dict, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
)

from false_core import jobs
from qgis_false import last_errors
from qgis_false.algorithms.base import FalseAlgorithm
from qgis_false.environment import install, torch_build

EXISTING, BUILD, FROM_SCRATCH, INTERPRETER = "EXISTING_PYTHON", "BUILD", "FROM_SCRATCH", "INTERPRETER"


class SetUpEnvironment(FalseAlgorithm):
    """Runs no job of the library: without an environment there is nothing that could."""

    TITLE = "Set up the compute environment"
    TAGS = ("install", "repair", "update", "python", "torch", "cuda", "gpu", "uv", "pip", "environment")

    def name(self) -> str:
        return "setupenvironment"

    def shortDescription(self) -> str:
        return "Make, repair or update the Python that computes."

    def shortHelpString(self) -> str:
        return (
            "FALSE computes in a Python of its own, beside QGIS, with PyTorch and what else it needs. This makes it: it "
            "finds or gets a Python, downloads the packages (1 to 3 GB), computes something with them and says on what "
            "device.\n\n"
            "Run it again at any time. It goes on where it was cancelled, repairs what is broken, brings an environment of "
            "another version of the plugin up to date, and is done in a moment where nothing is to be done. The "
            "packages come from the index that pip or uv are set to.\n\n"
            "Where a Python with all that is needed is there already, for example of conda, a cluster or a container, name "
            "it. It is used as it is; nothing is installed into it."
        )

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        python = QgsProcessingParameterFile(EXISTING, "Python to use as it is", optional=True, fileFilter="All files (*)")
        python.setHelp("A Python of at least 3.10 that has the packages. Empty: an environment is made.")
        build = QgsProcessingParameterEnum(
            BUILD, "Build of PyTorch", list(torch_build.WANTED), defaultValue=torch_build.AUTO, usesStaticStrings=True
        )
        build.setHelp(
            "auto: by the graphics card and its driver. cuda: for NVIDIA cards. cpu: without, smaller. index: what the "
            "package index has for this system, where only that can be reached."
        )
        scratch = QgsProcessingParameterBoolean(FROM_SCRATCH, "Remove what is there first", False)
        scratch.setHelp("Seldom needed: what is broken is found and repaired.")
        for parameter in (build, scratch):
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        for parameter in (python, build, scratch):
            self.addParameter(parameter)
        self.addOutput(QgsProcessingOutputString(INTERPRETER, "Python that computes"))
        for result in jobs.Check.RESULTS:
            output = QgsProcessingOutputNumber if result.kind == jobs.NUMBER else QgsProcessingOutputString
            self.addOutput(output(result.name.upper(), result.label))

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        request = install.Request(
            python=self.parameterAsFile(parameters, EXISTING, context),
            build=self.parameterAsEnumString(parameters, BUILD, context),
            from_scratch=self.parameterAsBoolean(parameters, FROM_SCRATCH, context),
        )
        try:
            ready = install.set_up(request, feedback)
        except QgsProcessingException as error:
            if str(error) != install.STOPPED:
                last_errors.remember("setupenvironment", str(error))
            raise
        results = {INTERPRETER: ready.python}
        feedback.pushInfo(f"Ready. It computes with {ready.python}.")
        for result in jobs.Check.RESULTS:
            results[result.name.upper()] = ready.results.get(result.name)
            feedback.pushInfo(f"{result.label}: {ready.results.get(result.name)}")
        return results
