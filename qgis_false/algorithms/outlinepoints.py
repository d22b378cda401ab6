"""``false:outlinepoints``: outline the objects at points."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class OutlinePoints(JobAlgorithm):
    """It needs nothing beside its job."""

    JOB = jobs.OutlinePoints
    TITLE = "Outline objects from points"
    GROUP = groups.MAP
    TAGS = ("click", "segment", "region growing", "object", "digitise", "labels", "boundary", "polygon")
