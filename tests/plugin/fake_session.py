"""Plays a labelling session, and misbehaves in the way its first argument names. Standard library only.

The second argument is a file to which it writes each request that it hears.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from false_core.events import Finished, Message, Started
from false_core.session_protocol import (
    ANSWERS,
    REQUESTS,
    SESSION_VERSION,
    SHOW_CONFIDENCE,
    ChangeLabels,
    ClassEntry,
    ClassScore,
    Close,
    Learned,
    Open,
    Opened,
    Outline,
    Outlined,
    Picture,
    Place,
    Refused,
    Save,
    Saved,
    Score,
    SessionScores,
    SetClasses,
    Suggest,
    SuggestedPlaces,
    View,
    Withdraw,
    Withdrawn,
    packed,
)

EXTENT = (500_000.0, 500_040.0, 5_599_970.0, 5_600_000.0)
"""Of the raster of ``small_raster``."""
OF_MODEL = (ClassEntry(3, "river", "#0000ff"), ClassEntry(7, "marsh", "#00aaaa"))
"""The classes of any model."""


def say(answer: Any) -> None:
    sys.stdout.write(ANSWERS.encode(answer) + "\n")
    sys.stdout.flush()


def rectangle(xmin: float, xmax: float, ymin: float, ymax: float) -> str:
    import struct

    ring = [(xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax), (xmin, ymin)]
    return struct.pack("<BIII10d", 1, 3, 1, 5, *(value for point in ring for value in point)).hex()


class Session:
    """What it was told so far."""

    def __init__(self, mode: str, record: str) -> None:
        self.mode, self.record = mode, record
        self.labels: dict[int, int] = {}
        self.classes: list[int] = []
        self.view: View | None = None
        self.last = self.saving = 0
        self.writing: Save | None = None

    def hear(self, request: Any) -> bool:
        with open(self.record, "a", encoding="utf-8") as file:
            file.write(REQUESTS.encode(request) + "\n")
        if isinstance(request, Close):
            return False
        if isinstance(request, Open):
            say(Started("session", "0", os.getpid()))
            if self.mode == "refuses the raster":
                say(Refused(request.number, "The raster cannot be read.", "Choose another one.", "input"))
                return True
            if self.mode == "fails with the raster":
                from false_core.events import Failed

                say(Failed("The raster cannot be read.", "Choose another one.", "input"))
                return False
            classes = OF_MODEL if request.model else ()
            say(Opened(request.number, SESSION_VERSION, "", EXTENT, 1.0, 2.0, 40, 30, classes))
            say(Message("info", "It looks at the raster."))
        elif isinstance(request, SetClasses):
            self.classes, self.last = [one.code for one in request.classes], request.number
            self.learn()
        elif isinstance(request, ChangeLabels):
            self.labels.update({one.id: one.code for one in request.changed})
            for one in request.removed:
                self.labels.pop(one, None)
            self.last = request.number
            if not request.more:
                self.misbehave()
                self.learn()
        elif isinstance(request, View):
            self.view = request
            self.show()
        elif isinstance(request, Score):
            number = list(self.labels.values())
            scores = tuple(
                ClassScore(code, number.count(code), 0.9, 0.7, 0.97)
                if number.count(code) > 1
                else ClassScore(code, number.count(code), missing=2 - number.count(code))
                for code in self.classes
            )
            say(SessionScores(request.number, self.last, 0.9, 0.7, 0.97, scores))
        elif isinstance(request, Suggest) and self.mode == "knows no places":
            say(Refused(request.number, "There is no map yet.", "Draw labels of two classes at least."))
        elif isinstance(request, Suggest) and self.mode == "dies of a question" and self.is_first_time():
            os.kill(os.getpid(), signal.SIGKILL)
        elif isinstance(request, Suggest):
            places = (
                Place((500_010.0, 500_014.0, 5_599_980.0, 5_599_984.0), 1, 2, 0.9),
                Place((500_020.0, 500_024.0, 5_599_990.0, 5_599_994.0), 2, 0, 0.8),
            )
            say(SuggestedPlaces(request.number, self.last, places))
        elif isinstance(request, Outline) and self.mode == "outlines nothing":
            say(Outlined(request.number, ""))
        elif isinstance(request, Outline):
            half = 1 + 10 * request.reach
            say(
                Outlined(
                    request.number, rectangle(request.x - half, request.x + half, request.y - half, request.y + half), 1
                )
            )
        elif isinstance(request, Save):
            if self.mode == "refuses to save":
                say(Refused(request.number, "There is no map yet.", "Draw more labels."))
            elif self.mode == "takes long to save":
                self.saving = request.number
            elif self.mode == "writes when it is told to stop":
                self.writing = request
            else:
                self.save(request)
        elif isinstance(request, Withdraw):
            if self.writing is not None:
                self.save(self.writing)
            say(Withdrawn(request.number, request.asked == self.saving))
        return True

    def save(self, request: Save) -> None:
        Path(request.path).write_bytes(b"a model")
        say(Saved(request.number, request.path))

    def learn(self) -> None:
        problem = "" if len(set(self.labels.values()) & set(self.classes)) > 1 else "Draw labels of two classes."
        say(Learned(self.last, len(self.labels), problem=problem))
        self.show()

    def show(self) -> None:
        if self.view is None or len(set(self.labels.values()) & set(self.classes)) < 2:
            return
        view, half = self.view, self.view.width // 2
        values = (90, 60) if view.shows == SHOW_CONFIDENCE else tuple(self.classes[:2])
        row = bytes([values[0]]) * half + bytes([values[1]]) * (view.width - half)
        pixels = packed(row * view.height) if self.mode != "sends half a picture" else packed(row)
        say(Picture(view.number, self.last, view.extent, view.width, view.height, view.shows, 1.0, pixels))

    def misbehave(self) -> None:
        if not self.labels:
            return
        if self.mode == "dies of each label" or (self.mode == "dies of the first label" and self.is_first_time()):
            print("Fatal: a pointer to nowhere", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mode == "talks nonsense once" and self.is_first_time():
            print("Downloading: 100 %", flush=True)
            time.sleep(60)
        if self.mode == "hangs":
            time.sleep(60)

    def is_first_time(self) -> bool:
        mark = Path(self.record + ".once")
        if mark.exists():
            return False
        mark.touch()
        return True


def main() -> None:
    session = Session(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        if not session.hear(REQUESTS.decode(line)):
            break
    say(Finished({}))


if __name__ == "__main__":
    main()
