"""The learning rate of pretraining over its steps, which may end before all of them are done."""

from __future__ import annotations

from false_core.training.flatness import tail_steps
from false_core.training.optimisers import published_schedule, warm_up_and_cosine


class RateSchedule:
    """The share of the highest learning rate at each step.

    Attributes:
        flat_at: The step from which the rate falls to zero in a straight line, as the training ends early; None where not.
    """

    def __init__(self, steps: int, is_published: bool) -> None:
        self._steps, self._course = steps, published_schedule if is_published else warm_up_and_cosine
        self.flat_at: int | None = None

    def share(self, step: int) -> float:
        """Return the share at ``step``."""
        if self.flat_at is None:
            return self._course(step, self._steps)
        return self._course(self.flat_at, self._steps) * (self.last_step - step) / (self.last_step - self.flat_at)

    @property
    def last_step(self) -> int:
        """The step at which training ends."""
        return self._steps if self.flat_at is None else self.flat_at + tail_steps(self._steps)

    def could_end_early(self, step: int) -> bool:
        """Return whether training could end from ``step`` on before all its steps are done, and does not yet."""
        return self.flat_at is None and step + tail_steps(self._steps) < self._steps
