"""``false:change``: where a place changed between two dates, and from what to what."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingContext

from false_core import jobs
from qgis_false import class_field
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm, Values


class Change(JobAlgorithm):
    """The map and the polygons are drawn with the classes that they carry, whose names come from the style of the labels."""

    JOB = jobs.Change
    TITLE = "Find change"
    GROUP = groups.MAP
    STYLED = ("output", "polygons")
    TAGS = ("change detection", "two dates", "before and after", "multitemporal", "season", "difference", "update", "years")

    def warnings(self, parameters: Values, context: QgsProcessingContext) -> List[str]:
        return (
            class_field.warnings_about_run(self, parameters, "LABELS", "FIELD", context) if parameters.get("LABELS") else []
        )
