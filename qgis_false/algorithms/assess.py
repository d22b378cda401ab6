"""``false:assess``: compare a map with reference labels or a truth raster."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Assess(JobAlgorithm):
    """All it makes are a report, a table and numbers."""

    JOB = jobs.Assess
    TITLE = "Assess a map"
    GROUP = groups.CHECK
    CARRIES_CLASSES = True
    TAGS = ("accuracy", "validation", "confusion matrix", "error matrix", "kappa", "area", "Olofsson", "ground truth")
