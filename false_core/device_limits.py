"""Limits of a device that were measured once, such as the tiles that fit into its memory, kept in the cache folder."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

from false_core.device import describe, memory_of
from false_core.errors import OutputError
from false_core.publish import published
from false_core.settings import cache_folder

FILE_NAME = "device_limits.json"


class DeviceLimit:
    """The most of something that a device takes at a time.

    Args:
        what: The thing that is counted, for example ``"tiles at a time"``.
        device: The device. Another GPU or another version of PyTorch is another device.
        decisive: All other values that the limit depends on. Values that look alike are taken to be alike.
    """

    def __init__(self, what: str, device: torch.device, *decisive: Any) -> None:
        self._path = cache_folder() / FILE_NAME
        text = json.dumps([what, describe(device), memory_of(device), torch.__version__, decisive], default=str)
        self._key = hashlib.sha256(text.encode()).hexdigest()[:32]

    def number(self) -> int | None:
        """Return the limit, or None where it has not been measured yet."""
        number = self._known().get(self._key)
        return number if isinstance(number, int) and number > 0 else None

    def remember(self, number: int) -> None:
        """Keep the limit. Where that cannot be written, the next run measures again."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with published(self._path) as (partial,):
                partial.write_text(json.dumps({**self._known(), self._key: number}), encoding="utf-8")
        except (OSError, OutputError):
            return

    def _known(self) -> dict[str, Any]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # Not there, or not what was written.
            return {}
        return known if isinstance(known, dict) else {}
