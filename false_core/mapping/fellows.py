"""Signs of life of the processes that make a map together, as files in a folder that all of them see.

Nobody waits for one that has died or failed. No clock is compared with that of another computer: a sign counts when it
changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from false_core import errors
from false_core.distributed import Share
from false_core.errors import FalseError

INTERVAL_S = 2.0
"""Between two signs."""
LOST_AFTER_S = 120.0
"""Without a sign."""
_EVERYTHING = ""
_KINDS = {
    kind.code: kind
    for kind in (errors.InputError, errors.ModelFileError, errors.OutputError, errors.DeviceError, errors.OutOfMemoryError)
}


class Fellows:
    """The other processes of a job. To be entered while this one works.

    Args:
        folder: Where all of them leave their signs.
        share: Which of them this is. One alone leaves none.
    """

    def __init__(self, folder: Path, share: Share) -> None:
        self._folder, self._share = folder, share
        self._token, self._beat = secrets.token_hex(4), 0
        self._over, self._writing = threading.Event(), threading.Lock()
        self._signs = {rank: self._sign(rank) for rank in range(share.world) if rank != share.rank}
        now = time.monotonic()
        self._heard = dict.fromkeys(self._signs, now)
        self._fresh: set[int] = set()
        self._failures: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Fellows:
        if self._share.world > 1:
            self._say()
            threading.Thread(target=self._go_on, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if isinstance(error, Exception):
            self.failed(_EVERYTHING, error)

    def failed(self, what: str, error: Exception) -> None:
        """Let the others know that something will not come, and why."""
        if isinstance(error, FalseError):
            said = {"code": error.code, "what": error.what, "remedy": error.remedy}
        else:
            said = {"code": "bug", "what": f"{type(error).__name__}: {error}", "remedy": ""}
        self._failures[what] = said
        self._say()

    def look(self, awaited: Iterable[int], what: str) -> None:
        """Look at the signs of processes from which something is still to come.

        Raises:
            FalseError: One has failed, with what it said, or has given no sign for too long.
        """
        now = time.monotonic()
        for rank in awaited:
            sign = self._sign(rank)
            if sign is not None and sign != self._signs[rank]:
                self._signs[rank], self._heard[rank] = sign, now
                self._fresh.add(rank)
            # What was there when this process began may be from an earlier run.
            said = _failure(sign, what) if rank in self._fresh else None
            name = f"Process {rank} of {self._share.world} (counted from 0)"
            if said:
                raise _KINDS.get(said["code"], FalseError)(f"{name} failed: {said['what']}", said["remedy"])
            if now - self._heard[rank] > LOST_AFTER_S:
                raise FalseError(
                    f"{name} has given no sign of life for {LOST_AFTER_S:.0f} s.",
                    "Start the same job again: it goes on with what is finished. All processes must see the same folders.",
                )

    def _go_on(self) -> None:
        while not self._over.wait(INTERVAL_S):
            self._say()

    def _say(self) -> None:
        if self._share.world == 1:
            return
        with self._writing:
            self._beat += 1
            body = {"token": self._token, "beat": self._beat, "failed": self._failures}
            partial = self._folder / f"sign-{self._token}"
            # Where it cannot be written, the disk is full or the folder is gone, the others will find out for themselves.
            with contextlib.suppress(OSError):
                partial.write_text(json.dumps(body), encoding="utf-8")
                os.replace(partial, self._path(self._share.rank))

    def _path(self, rank: int) -> Path:
        return self._folder / f"rank-{rank}"

    def _sign(self, rank: int) -> str | None:
        try:
            return self._path(rank).read_text(encoding="utf-8")
        except OSError:
            return None


def _failure(sign: str | None, what: str) -> dict[str, str] | None:
    try:
        failed = json.loads(sign or "")["failed"]
        said = failed.get(what) or failed[_EVERYTHING]
        return {name: str(said[name]) for name in ("code", "what", "remedy")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
