"""The messages of a job or a session, in the language of the user: events and errors on their way to a person."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from false_core.errors import FalseError
from false_core.language.catalogue import localised

SENTENCE_FIELDS = ("stage", "rate", "text", "what", "remedy", "problem", "reason")
"""Fields of events that hold sentences for a person. All others are names, codes, numbers and details for programmers."""
Said = TypeVar("Said")


def localised_event(event: Said) -> Said:
    """Return an event, or a part of one, with its sentences in the language of the user."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(event):  # type: ignore[arg-type]
        value = getattr(event, field.name)
        if isinstance(value, str) and field.name in SENTENCE_FIELDS:
            changed[field.name] = localised(value)
        elif isinstance(value, tuple) and value and all(map(dataclasses.is_dataclass, value)):
            changed[field.name] = tuple(map(localised_event, value))
    return dataclasses.replace(event, **changed) if changed else event  # type: ignore[type-var]


def error_for_user(error: FalseError) -> tuple[str, str]:
    """Return what is wrong and what to do, in the language of the user."""
    return localised(error.what), localised(error.remedy)
