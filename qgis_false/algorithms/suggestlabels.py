"""``false:suggestlabels``: suggest where to digitise next."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class SuggestLabels(JobAlgorithm):
    """Its squares are drawn with their number and the reason for each."""

    JOB = jobs.SuggestLabels
    TITLE = "Where to digitise next"
    GROUP = groups.IMPROVE
    TAGS = ("active learning", "uncertainty", "labels", "training data", "sampling", "digitise", "annotate")
    STYLED = ("output",)
