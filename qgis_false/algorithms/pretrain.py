"""``false:pretrain``: learn an encoder from rasters without labels."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Pretrain(JobAlgorithm):
    """Takes any number of rasters, which is why its bands are a text and not a picker."""

    JOB = jobs.Pretrain
    TITLE = "1. Pretrain an encoder (no labels)"
    GROUP = groups.MAP
    TAGS = ("self-supervised", "contrastive", "unlabelled", "encoder", "deep learning", "land cover")
    TRIED_ON_A_PART = True
