"""``false:importresults``: bring what an exported job made into the project."""

from __future__ import annotations

from typing import Any, Dict, Optional, Set

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputHtml,
    QgsProcessingOutputMapLayer,
    QgsProcessingOutputRasterLayer,
    QgsProcessingUtils,
)

from false_core import jobs
from qgis_false import settings, tasks
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import FalseAlgorithm, Values
from qgis_false.layers.class_styles import class_style
from qgis_false.layers.confidence_style import confidence_style
from qgis_false.layers.result_metadata import metadata_of
from qgis_false.layers.result_names import name_of_layer, subject_of
from qgis_false.translation import tr

_LAYERS = {
    jobs.NEW_RASTER: QgsProcessingUtils.LayerHint.Raster,
    jobs.NEW_VECTOR: QgsProcessingUtils.LayerHint.Vector,
}


class ImportResults(FalseAlgorithm):
    """Has the outputs of every job, under their names. Which of them a run has depends on the job in the file."""

    JOB = tasks.ImportResults
    TITLE = "Import results"
    GROUP = groups.FILES
    TAGS = ("export", "load", "cluster", "slurm", "torchrun", "remote", "job", "map", "model", "report")

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        super().initAlgorithm(configuration)
        for name, kinds in output_kinds().items():
            if kinds == {jobs.NEW_REPORT}:
                self.addOutput(QgsProcessingOutputHtml(name.upper(), tr("Report")))
            elif kinds == {jobs.NEW_RASTER}:
                self.addOutput(QgsProcessingOutputRasterLayer(name.upper(), _label(name)))
            elif kinds & set(_LAYERS):
                # A raster, a vector layer, or, of few jobs, a file or a folder.
                self.addOutput(QgsProcessingOutputMapLayer(name.upper(), tr("Result")))
            else:
                self.addOutput(QgsProcessingOutputFile(name.upper(), _label(name)))

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        # Not needed when QGIS starts.
        from qgis_false.compute.exported_job import made_by
        from qgis_false.compute.path_mapping import parse_mapping

        self.warn_of_unknown(parameters, feedback)
        mapping = parse_mapping(self.parameterAsString(parameters, "PATHS", context).strip() or settings.PATHS.value())
        job, found = made_by(self.parameterAsFile(parameters, "JOB", context), mapping, feedback)
        declared = jobs.parameters(job)
        for name in found:
            path = getattr(job, name)
            feedback.pushInfo(f"{tr(declared[name].label)}: {path}")
            if declared[name].kind in _LAYERS and context.project() is not None:
                details = QgsProcessingContext.LayerDetails(
                    name_of_layer(tr(declared[name].label), subject_of(job)), context.project(), name.upper(),
                    _LAYERS[declared[name].kind],
                )  # fmt: skip
                details.forceName = True
                style = confidence_style() if name == "confidence" else class_style()
                style.metadata = metadata_of(job)
                details.setPostProcessor(style)
                context.addLayerToLoadOnCompletion(path, details)
        return {"KIND": job.NAME, **{name.upper(): getattr(job, name) for name in found}}


def output_kinds() -> Dict[str, Set[jobs.Kind]]:
    """Return the outputs that jobs have, by name, each with its kinds."""
    found: Dict[str, Set[jobs.Kind]] = {}
    for job in jobs.JOBS.values():
        for name, parameter in jobs.parameters(job).items():
            if parameter.kind.is_output:
                found.setdefault(name, set()).add(parameter.kind)
    return found


def _label(name: str) -> str:
    return next(tr(jobs.parameters(job)[name].label) for job in jobs.JOBS.values() if name in jobs.parameters(job))
