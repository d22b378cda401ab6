"""``false:editmap``: paint over parts of a map, and merge or rename its classes."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class EditMap(JobAlgorithm):
    """Its map is drawn with the classes that it carries."""

    JOB = jobs.EditMap
    TITLE = "Correct a map"
    GROUP = groups.MAP
    STYLED = ("output",)
    CARRIES_CLASSES = True
    TAGS = ("edit", "repaint", "overwrite", "merge classes", "rename", "reclassify", "recode", "patch", "land cover")
