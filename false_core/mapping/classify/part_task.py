"""The task that has a part of a map computed. Dask's scheduler reads this too: what computes is imported where it does."""

from __future__ import annotations

from false_core.mapping.classify.part import FinishedPart, MapPart


def compute_part(part: MapPart) -> FinishedPart:
    """Compute a part in a worker of Dask.

    Raises:
        FalseError: What is wrong, and on which worker.
    """
    from false_core.mapping.classify.part_worker import computed

    return computed(part)
