"""The task that has strips of a map computed. Dask's scheduler reads this too: what computes is imported where it does."""

from __future__ import annotations

from false_core.mapping.classify.strip_task import FinishedStrips, StripTask


def run_strip_task(task: StripTask) -> FinishedStrips:
    """Compute the strips of a task in a worker of Dask.

    Raises:
        FalseError: What is wrong, and on which worker.
    """
    from false_core.mapping.classify.strip_worker import computed

    return computed(task)
