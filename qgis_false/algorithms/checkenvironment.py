"""``false:checkenvironment``: say whether the compute environment works, and what it computes on."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class CheckEnvironment(JobAlgorithm):
    """It needs nothing beside its job."""

    JOB = jobs.Check
    NAME = "checkenvironment"
    TITLE = "Check the compute environment"
    GROUP = groups.START
    TAGS = ("gpu", "cuda", "torch", "install", "version", "diagnose")
