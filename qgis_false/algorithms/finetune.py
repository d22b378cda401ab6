"""``false:finetune``: train a land-cover model from an encoder and a few labels."""

from __future__ import annotations

from typing import List

from qgis.core import QgsProcessingContext

from false_core import jobs
from qgis_false import class_field
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm, Values


class Finetune(JobAlgorithm):
    """Takes the classes' names and colours from the style of the label layer."""

    JOB = jobs.Finetune
    TITLE = "2. Fine-tune a model (few labels)"
    GROUP = groups.MAP
    TAGS = ("train", "training", "supervised", "segmentation", "deep learning", "land cover", "classification")

    def warnings(self, parameters: Values, context: QgsProcessingContext) -> List[str]:
        return class_field.warnings_about_run(self, parameters, "LABELS", "FIELD", context)
