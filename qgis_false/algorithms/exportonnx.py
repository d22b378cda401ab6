"""``false:exportonnx``: export a model in the form that the Deepness plugin opens."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class ExportOnnx(JobAlgorithm):
    """It needs nothing beside its job."""

    JOB = jobs.ExportOnnx
    TITLE = "Export a model for Deepness"
    GROUP = groups.FILES
    TAGS = ("onnx", "deepness", "convert", "share", "segmentation")
