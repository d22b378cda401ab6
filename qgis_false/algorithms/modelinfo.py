"""``false:modelinfo``: say what a model or encoder file is."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class ModelInfo(JobAlgorithm):
    """It needs nothing beside its job."""

    JOB = jobs.ModelInfo
    TITLE = "About a model file"
    GROUP = groups.FILES
    TAGS = ("describe", "metadata", "classes", "bands", "encoder", "report", "info")
