"""``false:estimate``: how long a job will take that was exported, and how much memory and disk."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Estimate(JobAlgorithm):
    """It needs nothing beside its job. The button of the dialogs does the same without a file, see ``base``."""

    JOB = jobs.Estimate
    TITLE = "Estimate time, memory and disk"
    GROUP = groups.FILES
    TAGS = ("duration", "how long", "time", "memory", "disk", "cost", "speed", "exported job")
