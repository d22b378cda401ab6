"""``false:collectplaces``: choose the places that pretraining learns from."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class CollectPlaces(JobAlgorithm):
    """Its squares are drawn with their number and class, and then go to Pretrain."""

    JOB = jobs.CollectPlaces
    TITLE = "Choose places to learn from"
    GROUP = groups.IMPROVE
    TAGS = ("sampling", "balanced", "OpenStreetMap", "land cover", "archive", "core set", "diversity", "patches")
    STYLED = ("output",)
