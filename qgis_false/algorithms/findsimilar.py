"""``false:findsimilar``: find the places that look like a few examples."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class FindSimilar(JobAlgorithm):
    """Its cells are drawn with their rank and score; those that are wrong go back in as what is not meant."""

    JOB = jobs.FindSimilar
    TITLE = "Find similar places"
    GROUP = groups.MAP
    TAGS = ("search", "retrieval", "likeness", "more like this", "examples", "objects", "query", "archive")
    STYLED = ("output",)
