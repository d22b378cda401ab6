"""``false:change``: where a place changed between two dates, and from what to what."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Change(JobAlgorithm):
    """The map and the polygons are drawn with the classes that they carry, whose names come from the style of the labels."""

    JOB = jobs.Change
    TITLE = "Find change"
    GROUP = groups.MAP
    STYLED = ("output", "polygons")
    LEARNS_CLASSES = True
    TAGS = ("change detection", "two dates", "before and after", "multitemporal", "season", "difference", "update", "years")
