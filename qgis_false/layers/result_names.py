"""The names of results, after what they are of and when they were made: many of them lie side by side in a project."""

from __future__ import annotations

import time
from pathlib import Path

from qgis.core import QgsProcessingContext

from false_core import jobs
from qgis_false.layers.result_metadata import ResultLayer, metadata_of
from qgis_false.layers.sources import is_temporary
from qgis_false.translation import tr


def name_layers(job: jobs.Job, context: QgsProcessingContext, is_trial: bool = False) -> None:
    """Name the layers that a job is to bring into the project, and have them say what made them.

    Args:
        job: The job.
        context: Knows which of its results are to be loaded.
        is_trial: True where the job was done on a part alone.
    """
    about = metadata_of(job)
    declared = jobs.parameters(job)
    for output, path in jobs.outputs(job).items():
        if declared[output].kind.layer and context.willLoadLayerOnCompletion(path):
            details = context.layerToLoadOnCompletionDetails(path)
            what = tr(declared[output].label)
            details.name = name_of_layer(tr("Trial, {what}", what=what) if is_trial else what, subject_of(job))
            details.forceName = True  # Or it would be called after its file.
            processor = details.postProcessor()
            if isinstance(processor, ResultLayer):
                processor.metadata = about


def name_of_layer(what: str, subject: str) -> str:
    """Return the name of a layer that is made now, such as "Classified raster: scene, 2026-11-29 14:05"."""
    about = f"{what}: {subject}" if subject else what
    return f"{about}, {time.strftime('%Y-%m-%d %H:%M')}"


def subject_of(job: jobs.Job) -> str:
    """Return what a job is about in one word: the name of its first raster, or of its model."""
    declared = jobs.parameters(job)
    for wanted in (lambda kind: kind.is_raster, lambda kind: kind == jobs.MODEL, lambda kind: kind.is_output):
        for name, parameter in declared.items():
            paths = parameter.kind.paths(getattr(job, name)) if wanted(parameter.kind) else []
            if paths:
                return stem_of(jobs.raster_name(paths[0]).path)
    return ""


def stem_of(path: str) -> str:
    """Return the name of a file without folder and ending; nothing for a temporary one, whose name says nothing."""
    return "" if is_temporary(path) else Path(path.rstrip("/\\")).stem
