"""The wire between running code and its listener: progress, messages, metrics, and the question whether to stop.

Standard library only. Code that computes takes a ``Feedback`` and knows nothing of bars, dialogs or processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from false_core import events
from false_core.cancellation import raise_if_set

SHORTEST_INTERVAL_S = 0.2
"""Seconds between two progress events. More would only keep the reader busy."""
MANY_A_SECOND = 10
"""A rate from which on decimals say nothing more."""


class Feedback:
    """Turns what computing code reports into events, and carries the wish to stop the other way.

    Args:
        on_event: Called with every event, from the thread that reports it.
        cancel: An event that any thread may set at any time to end the job at its next step.
    """

    def __init__(
        self, on_event: Callable[[events.Event], None] = lambda event: None, cancel: threading.Event | None = None
    ) -> None:
        self.warnings: list[str] = []
        self._on_event = on_event
        self._cancel = cancel if cancel is not None else threading.Event()
        self._from, self._to, self._stage = 0.0, 1.0, ""
        # When something was first reported, and how much had been done by then: before an interruption, for example.
        self._stage_since: tuple[float, float] | None = None
        self._parts_since: tuple[float, float] | None = None
        self._last_sent = 0.0
        self._fraction = 0.0
        self._said_by_parts: set[str] = set()

    def emit(self, event: events.Event) -> None:
        """Pass on ``event`` as it is."""
        self._on_event(event)

    def info(self, text: str) -> None:
        """Tell the user something."""
        self._on_event(events.Message(events.INFO, text))

    def warn(self, text: str) -> None:
        """Tell the user something that may spoil the result. Reports repeat it, from ``warnings``."""
        self.warnings.append(text)
        self._on_event(events.Message(events.WARNING, text))

    def metric(self, step: int, name: str, value: float) -> None:
        """Report one point of a curve."""
        self._on_event(events.Metric(step, name, value))

    def stop_if_cancelled(self) -> None:
        """Raise ``Cancelled`` if the job was asked to stop. Cheap: call it at every step."""
        raise_if_set(self._cancel)

    @contextmanager
    def stage(self, name: str, share: float) -> Iterator[None]:
        """Enter a stage that is expected to take ``share`` (0 to 1) of the whole job's time. Stages do not nest."""
        self.stop_if_cancelled()
        self._from, self._to = self._to if self._stage else 0.0, 0.0
        self._to = min(1.0, self._from + share)
        self._stage, self._stage_since = name, None
        self._send(self._from, None, "")
        yield
        self._send(self._to, None, "")

    def advance(self, done: float, total: float, unit: str = "") -> None:
        """Report that ``done`` of ``total`` of the present stage is done, and stop here if cancelled.

        Args:
            done: Work done so far in this stage.
            total: All work of this stage, in the same unit.
            unit: Unit of what is counted, for the rate shown, for example ``"crops"``. Empty: no rate.
        """
        self.stop_if_cancelled()
        now = time.monotonic()
        if self._stage_since is None:
            self._stage_since = now, done
        if now - self._last_sent < SHORTEST_INTERVAL_S and done < total:
            return
        share = min(1.0, done / total) if total else 1.0
        seconds, newly_done = now - self._stage_since[0], done - self._stage_since[1]
        rate = ""
        if unit and seconds > 0 and newly_done > 0:
            speed = newly_done / seconds
            rate = f"{speed:,.0f} {unit}/s" if speed >= MANY_A_SECOND else f"{speed:.2g} {unit}/s"
        # Time left: this stage at its own pace, the rest of the job at the pace its shares promise for it.
        eta = None
        if newly_done > 0 and seconds > 1.0:
            whole_stage = seconds * total / newly_done
            rest = (1.0 - self._to) / (self._to - self._from) * whole_stage if self._to > self._from else 0.0
            eta = whole_stage * (1 - share) + rest
        self._send(self._from + share * (self._to - self._from), eta, rate)

    def part(self, title: str, start: float, share: float) -> Feedback:
        """Return a feedback for a job within this job. What an earlier one has said word by word is not said again.

        Args:
            title: Text before the names of its stages.
            start: Share of this job that was done before, 0 to 1.
            share: Share that it is itself.
        """

        def pass_on(event: events.Event) -> None:
            if isinstance(event, events.Progress):
                self._from = self._to = start + event.fraction * share
                if self._parts_since is None:
                    self._parts_since = time.monotonic(), self._to
                self._stage = f"{title}: {event.stage}"
                self._send(self._to, self._time_left(), event.rate)
            elif isinstance(event, events.Message):
                if event.text not in said:
                    self._said_by_parts.add(event.text)
                    self._pass_on_message(event)
            else:
                self._on_event(event)

        said = frozenset(self._said_by_parts)
        return Feedback(pass_on, self._cancel)

    def aside(self) -> Feedback:
        """Return a feedback for a job within this job, of whose progress this one tells itself."""

        def pass_on(event: events.Event) -> None:
            if isinstance(event, events.Message):
                self._pass_on_message(event)
            elif not isinstance(event, events.Progress):
                self._on_event(event)

        return Feedback(pass_on, self._cancel)

    def _pass_on_message(self, event: events.Message) -> None:
        if event.level == events.WARNING:
            self.warn(event.text)
        else:
            self._on_event(event)

    def _time_left(self) -> float | None:
        """Return the seconds left if all goes on at the pace so far; None where it is too early to say."""
        if self._parts_since is None:
            return None
        seconds, newly_done = time.monotonic() - self._parts_since[0], self._to - self._parts_since[1]
        return seconds * (1 - self._to) / newly_done if newly_done > 0.01 and seconds > 1 else None

    def _send(self, fraction: float, eta_s: float | None, rate: str) -> None:
        self._last_sent = time.monotonic()
        self._fraction = max(self._fraction, min(1.0, fraction))
        self._on_event(events.Progress(self._fraction, self._stage, eta_s, rate))
