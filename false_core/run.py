"""The one way in: ``run(job)``. The command line and the worker process call it too."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from false_core import jobs
from false_core.errors import OutOfMemoryError, RequestError
from false_core.events import Artifact, Event
from false_core.feedback import Feedback
from false_core.publish import check_destinations

GDAL_CACHE_MB = 256
"""For decoded blocks of rasters. GDAL's own default, 5 % of the memory, is more than all the rest on a large computer."""

# Threads of a computation that wait for each other sleep instead of spinning. Where two programs share the cores, spinning
# made a training step two to four times slower. It counts only where it is set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def run(
    job: jobs.Job, on_event: Callable[[Event], None] = lambda event: None, cancel: threading.Event | None = None
) -> dict[str, Any]:
    """Run ``job`` to its end in this process.

    Args:
        job: What to do.
        on_event: Called with ``Progress``, ``Metric``, ``Message`` and ``Artifact`` events as the job goes on.
        cancel: Set it from another thread to end the job at its next step.

    Returns:
        The outputs by name: paths of the files written, and the numbers in the job's ``RESULTS``.

    Raises:
        FalseError: What is wrong and what to do. No output file is written in that case, unless the disk fills up between
            one output and the next: a model that took hours is kept then.
    """
    jobs.validate(job)
    check_destinations(job)
    feedback = Feedback(on_event, cancel)
    # In the environment, where every thread finds it. GDAL looks once, when it reads its first block.
    os.environ.setdefault("GDAL_CACHEMAX", str(GDAL_CACHE_MB))
    try:
        results = _do(job, feedback)
    except (MemoryError, RuntimeError) as error:
        from false_core.device import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            "The memory ran out.", "Close other programs, or choose a smaller batch size or the quick preset."
        ) from error
    written = jobs.outputs(job)
    for name, path in written.items():
        feedback.emit(Artifact(name, path))
    return {**written, **results}


def _do(job: jobs.Job, feedback: Feedback) -> dict[str, Any]:
    # Each job imports what it needs when it runs, so that a check or a bad request does not wait for everything.
    if isinstance(job, jobs.Pretrain):
        from false_core.training.pretrain import pretrain

        return pretrain(job, feedback)
    if isinstance(job, jobs.Finetune):
        from false_core.training.finetune import finetune

        return finetune(job, feedback)
    if isinstance(job, jobs.Classify):
        from false_core.mapping.classify import classify

        return classify(job, feedback)
    if isinstance(job, jobs.ClassifyMany):
        from false_core.mapping.classify_many import classify_many

        return classify_many(job, feedback)
    if isinstance(job, jobs.SamplePoints):
        from false_core.evaluation.sample_points import sample_points

        return sample_points(job, feedback)
    if isinstance(job, jobs.Assess):
        from false_core.evaluation.assess import assess

        return assess(job, feedback)
    if isinstance(job, jobs.SuggestLabels):
        from false_core.mapping.suggest_labels import suggest_labels

        return suggest_labels(job, feedback)
    if isinstance(job, jobs.ExportOnnx):
        from false_core.models.onnx_file import export_onnx

        return export_onnx(job, feedback)
    if isinstance(job, jobs.ModelInfo):
        from false_core.evaluation.model_info import model_info

        return model_info(job, feedback)
    if isinstance(job, jobs.Polygonise):
        from false_core.mapping.polygonise import polygonise

        return polygonise(job, feedback)
    if isinstance(job, jobs.Embed):
        from false_core.mapping.embed import embed

        return embed(job, feedback)
    if isinstance(job, jobs.Check):
        from false_core.device import check

        return check(job, feedback)
    raise RequestError(f"{type(job).__name__} is not a job.")
