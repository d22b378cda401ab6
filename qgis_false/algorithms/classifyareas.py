"""``false:classifyareas``: give areas of a raster a class from a few labelled ones."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingContext

from false_core import jobs
from qgis_false import class_field
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm, Values


class ClassifyAreas(JobAlgorithm):
    """Takes the classes' names and colours from the style of the label layer."""

    JOB = jobs.ClassifyAreas
    TITLE = "Classify areas"
    GROUP = groups.MAP
    TAGS = ("scene", "parcels", "objects", "grid", "cells", "polygons", "classification", "few labels")
    STYLED = ("output",)

    def warnings(self, parameters: Values, context: QgsProcessingContext) -> List[str]:
        return (
            class_field.warnings_about_run(self, parameters, "LABELS", "FIELD", context) if parameters.get("LABELS") else []
        )
