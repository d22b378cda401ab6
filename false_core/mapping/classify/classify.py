"""Classifying: a model and a raster in, a land-cover map out, however large, by however many processes."""

from __future__ import annotations

from typing import Any

from false_core.distributed import ALONE, World
from false_core.feedback import Feedback
from false_core.jobs import Classify
from false_core.mapping.classify.classification import Classification
from false_core.mapping.classify.on_dask import classify_on_dask
from false_core.mapping.classify.store import JobStart
from false_core.settings import scheduler_name


def classify(job: Classify, feedback: Feedback, world: World = ALONE) -> dict[str, Any]:
    """Run a ``Classify`` job: write the map and, if asked for, its confidence. Return its results by name.

    Of several processes each computes its share, and the first one writes. Where a scheduler of Dask is named, that has the
    parts of the map computed.
    """
    if scheduler_name():
        return classify_on_dask(job, feedback)
    start = JobStart.of([job.output], world)
    with Classification(job, start, world.share, feedback) as classification:
        classification.compute()
        return classification.finish() if classification.is_first else {}
