"""The progress of a cell of an experiment, as a part of the progress of the whole."""

from __future__ import annotations

import time
from collections.abc import Callable

from false_core.events import WARNING, Event, Message, Progress

_SHARES = {"pretrain": 0.5, "finetune": 0.35, "classify": 0.15}
"""Shares of a cell's time, for the progress shown."""
LEAST_TO_JUDGE_BY = 0.02
"""Share of the experiment after which the time left is told."""


class CellProgress:
    """Turns the progress of the jobs of one cell into progress of the whole experiment. Warnings are passed on once."""

    def __init__(
        self, on_event: Callable[[Event], None], number: int, cells: int, title: str, began: float, said: set[str]
    ) -> None:
        self._on_event, self._number, self._cells, self._title = on_event, number, cells, title
        self._began, self._said = began, said
        self._from = self._share = 0.0

    def enter(self, stage: str, number: int = 0, jobs_of_stage: int = 1) -> None:
        """Say that the ``number``-th of some jobs of a stage begins, counted from 0."""
        names = list(_SHARES)
        self._share = _SHARES[stage] / jobs_of_stage
        self._from = sum(_SHARES[name] for name in names[: names.index(stage)]) + number * self._share

    def __call__(self, event: Event) -> None:
        """Take an event of a job."""
        if isinstance(event, Progress):
            done = (self._number + self._from + event.fraction * self._share) / self._cells
            seconds = time.monotonic() - self._began
            left = seconds * (1 - done) / done if done > LEAST_TO_JUDGE_BY else None
            stage = f"{self._number + 1} of {self._cells}: {self._title}: {event.stage}"
            # Rounded, as progress must not fall by the last digit of a sum either.
            self._on_event(Progress(min(1.0, round(done, 6)), stage, left, event.rate))
        elif isinstance(event, Message) and event.level == WARNING:
            self.pass_on(event)

    def pass_on(self, event: Event) -> None:
        """Pass on a message unless it was said before."""
        if isinstance(event, Message) and event.text not in self._said:
            self._said.add(event.text)
            self._on_event(event)
