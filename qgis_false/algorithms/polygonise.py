"""``false:polygonise``: turn a map into polygons."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Polygonise(JobAlgorithm):
    """Its polygons are drawn with the classes that they carry."""

    JOB = jobs.Polygonise
    TITLE = "Map to polygons"
    GROUP = groups.MAP
    TAGS = ("polygonize", "vectorize", "vectorise", "simplify", "smooth", "sieve", "minimum mapping unit", "land cover")
    STYLED = ("output",)
