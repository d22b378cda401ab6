"""``false:comparemaps``: which share of two maps differs, from what to what, and where."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class CompareMaps(JobAlgorithm):
    """The map of what changed is drawn with the classes that it carries."""

    JOB = jobs.CompareMaps
    TITLE = "Compare two maps"
    GROUP = groups.CHECK
    STYLED = ("output",)
    TAGS = ("change", "difference", "from-to", "transition matrix", "cross tabulation", "before and after", "land cover")
