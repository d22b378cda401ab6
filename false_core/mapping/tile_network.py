"""The network on tiles: as many at a time as the device computes best, and fewer where its memory runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from false_core.device import is_out_of_memory
from false_core.device_limits import DeviceLimit
from false_core.feedback import Feedback
from false_core.models.segmenter import class_probabilities

LARGEST_BATCH = 16
WORTH = 1.03
"""A larger batch must be this much faster per tile, as it takes more memory."""
ROUNDS = 3


class TileNetwork:
    """Computes class probabilities of tiles.

    Args:
        network: Gives class scores for normalised pixels, as ``build_segmenter`` describes it.
        device: Where the network is.
        batch: Tiles per pass.
        limit: Where to remember that the device's memory allows fewer.
        feedback: Told so.
    """

    def __init__(self, network: nn.Module, device: torch.device, batch: int, limit: DeviceLimit, feedback: Feedback) -> None:
        self.batch = batch
        self._network, self._device, self._limit, self._feedback = network, device, limit, feedback
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def probabilities(self, tiles: Sequence[Tensor]) -> list[Tensor]:
        """Return probabilities (classes, height, width) of tiles (bands, height, width) in the host's memory."""
        found: list[Tensor] = []
        while len(found) < len(tiles):
            part = tiles[len(found) : len(found) + self.batch]
            try:
                found.extend(class_probabilities(self._network, self._upload(part)))
                continue
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or len(part) == 1:
                    raise
                self.batch = len(part) // 2
            # Here, as the error above holds on to what was in memory.
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            self._limit.remember(self.batch)
            self._feedback.info(
                f"The device's memory is too small for {len(part)} tiles at a time. Going on with {self.batch}."
            )
        return found

    def _upload(self, tiles: Sequence[Tensor]) -> Tensor:
        if self._copying is None:
            return (tiles[0][None] if len(tiles) == 1 else torch.stack(list(tiles))).to(self._device)
        # Beside what is being computed. The tiles are in pinned memory, so nobody waits for the copy.
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copying):
            pixels = torch.stack([tile.to(self._device, non_blocking=True) for tile in tiles])
        computing.wait_stream(self._copying)
        pixels.record_stream(computing)
        return pixels


def best_batch(network: nn.Module, device: torch.device, shape: tuple[int, int, int], limit: DeviceLimit) -> int:
    """Return how many tiles at a time the device computes fastest. Measured once, then looked up in the cache folder.

    Args:
        network: On ``device``.
        device: A CPU gains nothing from batches of tiles as large as ours, and is not measured.
        shape: Of a tile: bands, height, width.
        limit: About this device, this network and tiles of this shape.
    """
    if device.type == "cpu":
        return 1
    batch = limit.number()
    if batch is None:
        batch = fastest_batch(lambda batch: _seconds(network, device, (batch, *shape)))
        limit.remember(batch)
    return batch


def fastest_batch(seconds: Callable[[int], float]) -> int:
    """Return the batch with the least time per tile, of 1, 2, 4 and so on up to where larger ones are not worth it.

    Args:
        seconds: Returns the time of a batch, or raises ``torch.OutOfMemoryError``.
    """
    batch, time_per_tile = 1, seconds(1)
    while batch < LARGEST_BATCH:
        try:
            next_time = seconds(2 * batch) / (2 * batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            break
        if next_time * WORTH > time_per_tile:
            break
        batch, time_per_tile = 2 * batch, next_time
    return batch


def _seconds(network: nn.Module, device: torch.device, shape: tuple[int, ...]) -> float:
    pixels = torch.zeros(shape, device=device)
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        # Reading one number waits for the device.
        float(class_probabilities(network, pixels)[0, 0, 0, 0])
        taken.append(time.perf_counter() - began)
    return min(taken)
