"""Ends a process whose job was told to stop and does not come to a step where it could. Standard library only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from false_core.errors import FalseError
from false_core.feedback import Stop
from false_core.publish import discard_unfinished

GRACE_S = 1.2
"""Seconds a cancelled job has to reach its next step before the process ends itself."""
TIDYING_S = 0.3
"""Seconds for its last words, and for what it was writing. A pipe that nobody empties, or a disk that does not answer, takes
longer."""


def end_when_overdue(cancel: Stop, tell: Callable[[FalseError], None]) -> None:
    """Have this process end some time after ``cancel`` is set, whatever it does then, and what it was writing removed.

    Args:
        cancel: The wish to end the job.
        tell: Called with the reason before the process ends, if there is time.
    """
    # A daemon, which dies with a process that ends in time.
    threading.Thread(target=_wait, args=(cancel, tell), daemon=True, name="overdue").start()


def _wait(cancel: Stop, tell: Callable[[FalseError], None]) -> None:
    cancel.wait()
    threading.Event().wait(GRACE_S)
    # Still here: the job is deep in a long computation or a slow read.
    last = [
        threading.Thread(target=tell, args=(cancel.reason,), daemon=True),
        threading.Thread(target=discard_unfinished, daemon=True),
    ]
    for thread in last:
        thread.start()
    for thread in last:
        thread.join(TIDYING_S)
    os._exit(cancel.reason.exit_code)
