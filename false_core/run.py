"""The one way in: ``run(job)``. The command line and the worker process call it too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from false_core import jobs
from false_core.errors import RequestError
from false_core.events import Artifact, Event
from false_core.feedback import Feedback
from false_core.publish import check_destinations


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
        FalseError: What is wrong and what to do. No output file is written in that case.
    """
    jobs.validate(job)
    check_destinations(job)
    feedback = Feedback(on_event, cancel)
    # Each job imports what it needs when it runs, so that a check or a bad request does not wait for everything.
    results: dict[str, Any]
    if isinstance(job, jobs.Pretrain):
        from false_core.training.pretrain import pretrain

        results = pretrain(job, feedback)
    elif isinstance(job, jobs.Finetune):
        from false_core.training.finetune import finetune

        results = finetune(job, feedback)
    elif isinstance(job, jobs.Classify):
        from false_core.mapping.classify import classify

        results = classify(job, feedback)
    elif isinstance(job, jobs.Check):
        from false_core.device import check

        results = check(job, feedback)
    else:
        raise RequestError(f"{type(job).__name__} is not a job.")
    written = jobs.outputs(job)
    for name, path in written.items():
        feedback.emit(Artifact(name, path))
    return {**written, **results}
