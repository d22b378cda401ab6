"""``false:classifyareas``: give areas of a raster a class from a few labelled ones."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class ClassifyAreas(JobAlgorithm):
    """Takes the classes' names and colours from the style of the label layer."""

    JOB = jobs.ClassifyAreas
    TITLE = "Classify areas"
    GROUP = groups.MAP
    LEARNS_CLASSES = True
    TAGS = ("scene", "parcels", "objects", "grid", "cells", "polygons", "classification", "few labels")
    STYLED = ("output",)
