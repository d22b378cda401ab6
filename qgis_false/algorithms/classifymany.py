"""``false:classifymany``: make a land-cover map of each of many rasters with one model."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class ClassifyMany(JobAlgorithm):
    """Its maps are in a folder, each with its classes; none is loaded."""

    JOB = jobs.ClassifyMany
    TITLE = "Classify many rasters"
    GROUP = groups.MAP
    TAGS = ("map", "predict", "inference", "folder", "batch", "tiles", "land cover", "classification")
