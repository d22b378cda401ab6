"""``false:embed``: show what the encoder sees."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Embed(JobAlgorithm):
    """Takes an encoder file as well as a model file: there is an encoder in both."""

    JOB = jobs.Embed
    TITLE = "What the encoder sees"
    GROUP = groups.CHECK
    TAGS = ("features", "embedding", "principal components", "pca", "encoder", "deep learning")
    TRIED_ON_A_PART = True
