"""``false:finetune``: train a land-cover model from an encoder and a few labels."""

from __future__ import annotations

from false_core import jobs
from qgis_false.algorithms import groups
from qgis_false.algorithms.base import JobAlgorithm


class Finetune(JobAlgorithm):
    """Takes the classes' names and colours from the style of the label layer."""

    JOB = jobs.Finetune
    TITLE = "2. Fine-tune a model (few labels)"
    GROUP = groups.MAP
    LEARNS_CLASSES = True
    TAGS = ("train", "training", "supervised", "segmentation", "deep learning", "land cover", "classification")
