"""What a job says, in the language of the user: events and errors on their way to a person."""

from __future__ import annotations

import dataclasses

from false_core.errors import FalseError
from false_core.events import Event, Failed, Message, Progress
from false_core.language.catalogue import localised


def localised_event(event: Event) -> Event:
    """Return ``event`` with its sentences in the language of the user. Names, codes, numbers and details stay."""
    if isinstance(event, Progress):
        return dataclasses.replace(event, stage=localised(event.stage), rate=localised(event.rate))
    if isinstance(event, Message):
        return dataclasses.replace(event, text=localised(event.text))
    if isinstance(event, Failed):
        return dataclasses.replace(event, what=localised(event.what), remedy=localised(event.remedy))
    return event


def error_for_user(error: FalseError) -> tuple[str, str]:
    """Return what is wrong and what to do, in the language of the user."""
    return localised(error.what), localised(error.remedy)
