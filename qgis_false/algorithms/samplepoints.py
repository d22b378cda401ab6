"""``false:samplepoints``: draw the points at which to look up what is really there."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class SamplePoints(JobAlgorithm):
    """Its points are filled in by hand and then go to Assess."""

    JOB = jobs.SamplePoints
    TITLE = "Sample points to assess a map"
    GROUP = groups.CHECK
    STYLED = ("output",)
    TAGS = ("accuracy", "validation", "stratified", "random", "sampling design", "reference", "ground truth")
