"""Limits of a device that were measured once, such as the tiles that fit into its memory, kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import torch

from false_core.computing.device import describe, memory_of, processor
from false_core.errors import OutputError
from false_core.outputs.publish import published
from false_core.settings import cache_folder

FILE_NAME = "device_limits.json"
WEEK_S = 7 * 24 * 3600


class DeviceLimit:
    """The most of something that a device takes at a time.

    Args:
        what: The thing that is counted, for example ``"tiles at a time"``.
        device: The device. Another GPU, another processor or another version of PyTorch is another device.
        decisive: All other values that the limit depends on. Values that look alike are taken to be alike.
    """

    def __init__(self, what: str, device: torch.device, *decisive: Any) -> None:
        self._path = cache_folder() / FILE_NAME
        name = f"{processor()}, {describe(device)}" if device.type == "cpu" else describe(device)
        text = json.dumps([what, name, memory_of(device), torch.__version__, decisive], default=str)
        self._key = hashlib.sha256(text.encode()).hexdigest()[:32]

    def number(self) -> int | None:
        """Return the limit, or None where it has not been measured yet."""
        number, short = self._known().get(self._key), self._shortage()
        if short:
            weeks = int(max(0.0, time.time() - short[2]) / WEEK_S)
            return min(short[1], short[0] << min(weeks, 32))
        return number if isinstance(number, int) and number > 0 else None

    def remember(self, number: int) -> None:
        """Keep the limit. Where that cannot be written, the next run measures again."""
        self._keep(number)

    def remember_shortage(self, number: int, wanted: int) -> None:
        """Keep a limit that was found as memory ran out, perhaps since another program had it for a while.

        So a week later twice as much is the limit, and so on up to what was wanted. Where that is too much, memory runs out
        once more, and it is found again.

        Args:
            wanted: Number that was asked for before memory ran out.
        """
        short = self._shortage()
        self._keep([number, max(wanted, number, short[1] if short else 0), int(time.time())])

    def _shortage(self) -> tuple[int, int, int] | None:
        match self._known().get(self._key):
            case [int(number), int(wanted), int(since)] if 0 < number <= wanted:
                return number, wanted, since
        return None

    def _keep(self, value: int | list[int]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with published(self._path) as (partial,):
                partial.write_text(json.dumps({**self._known(), self._key: value}), encoding="utf-8")
        except (OSError, OutputError):
            return

    def _known(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # Not there, or not what was written.
            return {}
        return known if isinstance(known, dict) else {}
