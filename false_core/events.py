"""What a running job says back: one JSON object per line.

The order is fixed: ``started``, then any number of ``progress``, ``metric``, ``message`` and ``artifact``, then exactly
one of ``finished`` or ``failed``. Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple, Type, Union

from false_core.errors import presentable
from false_core.untrusted import on_one_line, parse_json

INFO, WARNING = "info", "warning"
CANCEL_DEADLINE_S = 1.2
"""Seconds after which a process that was told to cancel its job has ended. Both programs count on it."""
LONGEST_LINE = 1_000_000
"""Characters. A longer line is not an event of ours."""
LONGEST_MESSAGE = 20_000
"""Characters. Of a longer message the middle is left out."""


class ProtocolError(ValueError):
    """A line that is not an event."""


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
    """How far the job is.

    Attributes:
        fraction: Share of the whole job that is done, 0 to 1. Never falls.
        stage: What is being done now, for a person.
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
    """One number worth a curve: ``value`` of ``name`` at training step ``step``."""

    step: int
    name: str
    value: float


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
        what: What happened.
        remedy: What to do about it; may be empty.
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

_KINDS: Dict[str, Type[Any]] = {
    kind.__name__.lower(): kind for kind in (Started, Progress, Metric, Message, Artifact, Finished, Failed)
}
# What each annotation above admits. bool is an int in Python, so numbers are checked apart.
_TYPES: Dict[str, Tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "Optional[float]": (int, float, type(None)),
    "Dict[str, Any]": (dict,),
}


def encode(event: Event) -> str:
    """Return ``event`` as one line of JSON, without the line break.

    Numbers that are not finite become null in optional places, so that the line is JSON every reader accepts.
    """
    body = {"event": type(event).__name__.lower()}
    for key, value in dataclasses.asdict(event).items():
        body[key] = _finite(value)
    return json.dumps(body, ensure_ascii=True, allow_nan=False)


def decode(line: str) -> Event:
    """Return the event written in ``line``.

    Raises:
        ProtocolError: The line is not JSON, not an event, or a field is missing, unknown or of the wrong type.
    """
    if len(line) > LONGEST_LINE:
        raise ProtocolError(f"a line of {len(line)} characters is not an event")
    try:
        body = parse_json(line, finite=True)
    except ValueError as error:
        raise ProtocolError(f"not JSON: {line[:200]!r}") from error
    kind = _KINDS.get(str(body.pop("event", ""))) if isinstance(body, dict) else None
    if kind is None:
        raise ProtocolError(f"not an event: {line[:200]!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name, value in body.items():
        if name not in fields:
            raise ProtocolError(f"{kind.__name__} has no field {name!r}")
        admitted = _TYPES[str(fields[name].type)]
        is_gap = value is None and kind is Metric and name == "value"
        is_impossible = isinstance(value, (int, float)) and not abs(value) <= sys.float_info.max
        if not is_gap and (is_impossible or isinstance(value, bool) or not isinstance(value, admitted)):
            raise ProtocolError(f"{kind.__name__}.{name} cannot be {value!r}")
    if kind is Metric and body.get("value", 0.0) is None:
        body["value"] = math.nan
    try:
        return kind(**body)  # type: ignore[no-any-return]
    except TypeError as error:
        raise ProtocolError(str(error)) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
