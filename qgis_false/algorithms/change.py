"""``false:change``: where a place changed between two dates."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Change(JobAlgorithm):
    """The map of change is drawn with the classes that it carries."""

    JOB = jobs.Change
    TITLE = "Find change"
    GROUP = groups.MAP
    STYLED = ("output",)
    TAGS = ("change detection", "two dates", "before and after", "multitemporal", "season", "difference", "update", "years")
