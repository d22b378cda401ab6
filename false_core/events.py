"""The events that a running job sends: one JSON object per line.

The order is fixed: ``started``, then any number of ``progress``, ``metric``, ``message`` and ``artifact``, then exactly
one of ``finished`` or ``failed``. Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Union, get_args

from false_core.errors import presentable
from false_core.line_protocol import Vocabulary
from false_core.untrusted import on_one_line

INFO, WARNING = "info", "warning"
CANCEL_DEADLINE_S = 1.2
"""Seconds after which a process that was told to cancel its job has ended. Both programs count on it."""
LONGEST_LINE = 1_000_000
"""Characters. A longer line is not an event of ours."""
LONGEST_MESSAGE = 20_000
"""Characters. Of a longer message the middle is left out."""


@dataclass(frozen=True)
class Started:
    """The job was understood and begins.

    Attributes:
        job: Its name, for example ``"pretrain"``.
        version: Version of ``false_core`` that runs it.
        pid: Process that runs it.
    """

    job: str
    version: str
    pid: int


@dataclass(frozen=True)
class Progress:
    """The progress of the job.

    Attributes:
        fraction: Share of the whole job that is done, 0 to 1. Never falls.
        stage: Name of the work that is being done now, for a person.
        eta_s: Seconds left in the whole job as far as can be told, or None.
        rate: Speed of the stage with its unit, for example ``"212 crops/s"``, or empty.
    """

    fraction: float
    stage: str
    eta_s: Optional[float] = None
    rate: str = ""

    def __post_init__(self) -> None:
        # Names of files get into it, and these may hold what moves the cursor of a terminal.
        object.__setattr__(self, "stage", on_one_line(presentable(self.stage)))


@dataclass(frozen=True)
class Metric:
    """One number worth a curve: ``value`` of ``name`` at training step ``step``; NaN crosses the border as null."""

    step: int
    name: str
    value: float = field(metadata={"gap": True})


@dataclass(frozen=True)
class Message:
    """One sentence for a person. ``level`` is ``"info"`` or ``"warning"``."""

    level: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", presentable(self.text, LONGEST_MESSAGE))


@dataclass(frozen=True)
class Artifact:
    """A file was written. ``kind`` is the name of the job's output, for example ``"report"``."""

    kind: str
    path: str


@dataclass(frozen=True)
class Finished:
    """The job is done. ``outputs`` maps output names to paths and numbers."""

    outputs: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """The job ended early.

    Attributes:
        what: Description of what happened.
        remedy: A way to mend it; may be empty.
        code: Kind of error (``false_core.errors``), ``"cancelled"``, or ``"bug"`` for an unforeseen error.
        details: Traceback for a bug report; empty for errors that were foreseen.
    """

    what: str
    remedy: str = ""
    code: str = "error"
    details: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "remedy", "details"):
            object.__setattr__(self, name, presentable(getattr(self, name), LONGEST_MESSAGE))


Event = Union[Started, Progress, Metric, Message, Artifact, Finished, Failed]

EVENTS = Vocabulary("event", get_args(Event), LONGEST_LINE)


def encode(event: Event) -> str:
    """Return ``event`` as one line of JSON, without the line break; what is no finite number as null."""
    return EVENTS.encode(event)


def decode(line: str) -> Event:
    """Return the event written in ``line``.

    Raises:
        ProtocolError: The line is not JSON, not an event, or a field is missing, unknown or of the wrong type.
    """
    event: Event = EVENTS.decode(line)
    return event
