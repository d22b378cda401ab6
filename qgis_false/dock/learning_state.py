"""The labels that a session was sent, what it has learned of them, and the words for it."""

from __future__ import annotations

from typing import Optional, Set

from false_core.session_protocol import Learned, Picture
from qgis_false.translation import tr


class LearningState:
    """The labels that a session was sent, and what it has said of them since it was opened.

    Attributes:
        learned: Its last answer on what it has learned.
        sent_by: Number of the last request with labels.
        refusal: The refusal of labels since the first ones of the last change; empty where there is none.
        progress: Words for how far the session is with what nobody waits for.
    """

    def __init__(self) -> None:
        self.learned: Optional[Learned] = None
        self.sent_by = 0
        self.refusal = self.progress = ""
        self._refused_by = 0
        """Number of the request whose refusal is told."""
        self._unanswered: Set[int] = set()
        """Numbers of the requests with labels, or with classes for them, that may still be refused."""
        self._more_follow = False

    def send(self, number: int, more: bool) -> None:
        """Note a request with labels.

        Args:
            more: True where more labels of the same change follow.
        """
        self.refusal = self.refusal if self._more_follow else ""
        self._more_follow, self.sent_by = more, number
        self._unanswered.add(number)

    def send_classes(self, number: int) -> None:
        """Note a request with classes. Labels that wait are looked at for it from now on, those that were refused again."""
        self._unanswered.add(number)
        if self.learned is not None and self.learned.waiting and self.learned.number == self._refused_by:
            self._refused_by = number

    def learn(self, answer: Learned) -> None:
        """Take in what was learned. Nothing more is said of requests from before.

        The request itself may still be refused while labels of it wait: those far from the view are looked at later.
        """
        self.learned = answer
        last = answer.number - 1 if answer.waiting else answer.number
        self._unanswered = {number for number in self._unanswered if number > last}
        if self._refused_by == answer.number and not answer.waiting:
            self.refusal = ""  # They could be looked at after all.

    def has_no_map(self) -> bool:
        """Return whether the session has looked at all labels that it was sent, and they make no map by themselves."""
        known = self.learned
        return known is not None and bool(known.problem) and not known.waiting and 0 < self.sent_by <= known.number

    def refuse(self, number: int, why: str) -> None:
        """Note that a request was refused, if it was one with labels: nothing else is said of these labels."""
        if number in self._unanswered:
            self._unanswered.remove(number)
            self.refusal, self._refused_by = why, number
            self.sent_by = 0 if number == self.sent_by else self.sent_by

    def words(self, has_classes: bool, picture: Optional[Picture]) -> str:
        """Return in words what the session is at, with a raster that is open.

        Args:
            has_classes: True where there are classes.
            picture: The last picture of the view.
        """
        learned = self.learned
        if self.refusal:
            return self.refusal
        if not has_classes:
            return tr("The raster is open. Add a class for each land cover, with Add... or From...")
        if learned is None:
            return tr("The raster is open. Draw labels of at least two classes.")
        if learned.problem and learned.number < self.sent_by:
            return tr("The labels are being looked at.")  # It is an answer from before it was told of them.
        parts = [learned.problem or tr("Learned from {number} labels.", number=learned.labels)]
        if learned.waiting:
            parts.append(tr("{number} {number:label waits for its|labels wait for their} part of the raster.",
                            number=learned.waiting))  # fmt: skip
        if learned.outside:
            parts.append(tr("{number} {number:label lies|labels lie} outside of the raster.", number=learned.outside))
        if picture is not None and picture.known < 1 and not learned.problem:
            parts.append(tr("{percent} % of the view is computed.", percent=round(100 * picture.known)))
        elif self.progress and not learned.problem:
            parts.append(f"{self.progress}.")
        return " ".join(parts)
