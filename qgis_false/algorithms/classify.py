"""``false:classify``: make a land-cover map of a raster with a model."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Classify(JobAlgorithm):
    """Its map is drawn with the classes that it carries."""

    JOB = jobs.Classify
    TITLE = "3. Classify a raster"
    GROUP = groups.MAP
    TAGS = ("map", "predict", "inference", "segmentation", "deep learning", "land cover", "classification")
    TRIED_ON_A_PART = True
    STYLED = ("output",)
