"""``false:exampledata``: make a scene to try everything on."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class ExampleData(JobAlgorithm):
    """Its labels are drawn in the colours of their classes."""

    JOB = jobs.ExampleData
    TITLE = "2. Make example data"
    GROUP = groups.START
    TAGS = ("example", "sample data", "demo", "tutorial", "test", "synthetic", "first steps")
    STYLED = ("labels",)
