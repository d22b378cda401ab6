"""``false:assess``: compare a map with reference labels or a truth raster."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingFeedback

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm
from qgis_false.legend import LabelStyle, LegendEntry


class Assess(JobAlgorithm):
    """All it makes are a report, a table and numbers."""

    JOB = jobs.Assess
    TITLE = "Assess a map"
    GROUP = groups.CHECK
    TAGS = ("accuracy", "validation", "confusion matrix", "error matrix", "kappa", "area", "Olofsson", "ground truth")

    def legend_entries(self, style: LabelStyle, feedback: QgsProcessingFeedback) -> List[LegendEntry]:
        """Return what the style calls the classes. What it lacks is no matter: the map has names and colours of its own."""
        return style.entries(QgsProcessingFeedback(False))
