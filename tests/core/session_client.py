"""Speaks with a labelling session in a process of its own, as the dock in QGIS does."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import shapely

from false_core.events import Finished
from false_core.session_protocol import (
    ANSWERS,
    REQUESTS,
    ChangeLabels,
    ClassEntry,
    Close,
    Label,
    Open,
    Picture,
    Refused,
    SessionRequest,
    SetClasses,
    View,
    pixels_of,
)

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
Kind = TypeVar("Kind")


class Asking:
    """Asks a session, and keeps all that it says."""

    def __init__(self) -> None:
        self.said: list[tuple[float, Any]] = []
        self.lines: queue.Queue[tuple[float, Any]] = queue.Queue()
        self._number = 0

    def send(self, request: SessionRequest) -> None:
        """Send a request as it is."""
        raise NotImplementedError

    def ask(self, kind: type[Any], **values: Any) -> int:
        """Send a request and return its number."""
        self._number += 1
        self.send(kind(number=self._number, **values))
        return self._number

    def answer(self, kind: type[Kind], patience_s: float = PATIENCE_S, **values: Any) -> Kind:
        """Return the next answer of a kind with some values. A refusal in its place is an error."""
        until = time.monotonic() + patience_s
        while True:
            try:
                at, answer = self.lines.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"no {kind.__name__} came; the last words: {[a for _, a in self.said[-3:]]}") from None
            self.said.append((at, answer))
            if isinstance(answer, kind) and all(getattr(answer, name) == value for name, value in values.items()):
                return answer
            if isinstance(answer, Refused) and kind is not Refused:
                raise AssertionError(f"refused: {answer.what} {answer.remedy}")
            if answer is None or (isinstance(answer, Finished) and kind is not Finished):
                raise AssertionError(f"the session ended, and no {kind.__name__} came")

    def when(self, kind: type[Any], **values: Any) -> float:
        """Return when an answer of a kind with some values came, or comes."""

        def fits(answer: Any) -> bool:
            return isinstance(answer, kind) and all(getattr(answer, name) == value for name, value in values.items())

        if not any(fits(answer) for _, answer in self.said):
            self.answer(kind, **values)
        return next(at for at, answer in self.said if fits(answer))

    def picture(self, labels: int | None = None, **values: Any) -> Picture:
        """Return the next finished picture, of labels up to a request."""
        more = {} if labels is None else {"labels": labels}
        return self.answer(Picture, known=1.0, **more, **values)

    def open(self, raster: str, classes: Sequence[tuple[int, str]], **values: Any) -> int:
        """Open a raster with classes by code and name; return the number of the last request."""
        self.ask(Open, raster=raster, **values)
        return self.ask(SetClasses, classes=tuple(ClassEntry(code, name, f"#{code:02x}80ff") for code, name in classes))

    def label(self, *labels: tuple[int, int, shapely.Geometry]) -> int:
        """Add labels by id, code and geometry; return the number of the request."""
        return self.ask(ChangeLabels, changed=tuple(Label(one, code, shape.wkb_hex) for one, code, shape in labels))

    def view(self, extent: Sequence[float], width: int, height: int, shows: str = "classes") -> int:
        """Ask for a view; return its number."""
        return self.ask(View, extent=tuple(map(float, extent)), width=width, height=height, shows=shows)


class SessionClient(Asking):
    """A session in a process of its own, as the dock in QGIS has one."""

    def __init__(self, **variables: str) -> None:
        super().__init__()
        # Which drivers there are the process finds out by itself.
        here = {name: value for name, value in os.environ.items() if name != "GDAL_SKIP"}
        environment = {**here, "PYTHONPATH": str(ROOT), **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "false_core.session"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> SessionClient:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None and error[0] is None:
            self.ask(Close)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def send(self, request: SessionRequest) -> None:
        self.write(REQUESTS.encode(request) + "\n")

    def write(self, text: str) -> None:
        """Send text."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def peak_gb(self) -> float:
        """Return the most memory that the process has taken so far, in GB; NaN where the system does not say."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        except OSError:
            return math.nan
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), ANSWERS.decode(line)))
        self.lines.put((time.monotonic(), None))


def codes_of(picture: Picture) -> np.ndarray:
    """Return the pixels of a picture, of shape (height, width)."""
    return np.frombuffer(pixels_of(picture), np.uint8).reshape(picture.height, picture.width)
