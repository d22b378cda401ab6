"""``false:editmap``: paint over parts of a map, and merge or rename its classes."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingFeedback

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm
from qgis_false.legend import LabelStyle, LegendEntry


class EditMap(JobAlgorithm):
    """Its map is drawn with the classes that it carries."""

    JOB = jobs.EditMap
    TITLE = "Correct a map"
    GROUP = groups.MAP
    STYLED = ("output",)
    TAGS = ("edit", "repaint", "overwrite", "merge classes", "rename", "reclassify", "recode", "patch", "land cover")

    def legend_entries(self, style: LabelStyle, feedback: QgsProcessingFeedback) -> List[LegendEntry]:
        """Return what the style calls the classes. What it lacks is no matter: the map has names and colours of its own."""
        return style.entries(QgsProcessingFeedback(False))
