"""How many patches of a batch the device takes at a time: found out once, then remembered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import torch

from false_core.device import describe, memory_of
from false_core.errors import OutputError
from false_core.presets import PretrainSettings
from false_core.publish import published
from false_core.settings import cache_folder

FILE = "patches_at_a_time.json"
_DECIDES = ("encoder", "level", "points", "crop_size", "batch_size", "hidden", "dimensions", "scales", "method", "optimiser")


class PatchesAtATime:
    """What an earlier run found out about a device with the same settings, in the cache folder.

    Args:
        device: Where the training runs.
        settings: Those that decide how much memory it takes count.
        bands: Of the rasters.
    """

    def __init__(self, device: torch.device, settings: PretrainSettings, bands: int) -> None:
        self._path = cache_folder() / FILE
        values = {name: value for name, value in asdict(settings).items() if name in _DECIDES}
        text = json.dumps([describe(device), memory_of(device), values, bands, str(torch.__version__)], default=str)
        self._key = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._most = settings.batch_size

    def remembered(self) -> int | None:
        """Return the number that worked, or None where all went well or nothing is known."""
        number = self._known().get(self._key)
        return number if isinstance(number, int) and 0 < number < self._most else None

    def remember(self, number: int) -> None:
        """Keep a number that worked. Where that cannot be written the next run finds out again."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with published(self._path) as (partial,):
                partial.write_text(json.dumps({**self._known(), self._key: number}), encoding="utf-8")
        except (OSError, OutputError):
            return

    def _known(self) -> dict[str, object]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
