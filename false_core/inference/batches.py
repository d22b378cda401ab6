"""Tiles in batches: as many at a time as the device computes best, and fewer where its memory runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from false_core.computing.device import is_out_of_memory
from false_core.computing.device_limits import DeviceLimit
from false_core.feedback import Feedback
from false_core.models.segmenter import class_probabilities

LARGEST_BATCH = 16
WORTH = 1.03
"""A larger batch must be this much faster per tile, as it takes more memory."""
MEASUREMENTS_PER_SIZE = 3
"""Times that a batch is measured."""

TileInput = TypeVar("TileInput")
TileResult = TypeVar("TileResult")


class BatchedNetwork(Generic[TileResult]):
    """A network that computes tiles in batches.

    Args:
        forward: Returns one result for each of the normalised tiles of a batch (batch, bands, height, width) on ``device``.
        limit: Limit of the device, in which to keep that its memory allows fewer.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Iterable[TileResult]],
        device: torch.device,
        feedback: Feedback,
        batch: int = 1,
        limit: DeviceLimit | None = None,
    ) -> None:
        self.batch, self.device = batch, device
        self._wanted = batch
        self._forward, self._limit, self._feedback = forward, limit, feedback
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def compute(
        self, tiles: Sequence[TileInput], together: Callable[[Sequence[TileInput]], Tensor] | None = None
    ) -> list[TileResult]:
        """Return the results of tiles in the host's memory.

        Args:
            tiles: Normalised ones of shape (bands, height, width), or whatever ``together`` takes.
            together: Makes one tensor of several tiles, on the device.
        """
        results: list[TileResult] = []
        while len(results) < len(tiles):
            batch = tiles[len(results) : len(results) + self.batch]
            try:
                results.extend(self._forward(self._upload(batch, together)))
                continue
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or len(batch) == 1:
                    raise
                self.batch = len(batch) // 2
            # Here, as the error above holds on to what was in memory.
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            if self._limit:
                self._limit.remember_shortage(self.batch, self._wanted)
            self._feedback.info(
                f"The device's memory is too small for {len(batch)} tiles at a time. Going on with {self.batch}."
            )
        return results

    def _upload(self, tiles: Sequence[Any], together: Callable[[Sequence[Any]], Tensor] | None) -> Tensor:
        make = together or (lambda tiles: stacked_tiles(tiles, self.device))
        if self._copying is None:
            return make(tiles)
        # Beside what is being computed. The tiles are in pinned memory, so nothing waits for the copy.
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._copying):
            pixels = make(tiles)
        computing.wait_stream(self._copying)
        pixels.record_stream(computing)
        return pixels


def stacked_tiles(tiles: Sequence[Tensor], device: torch.device) -> Tensor:
    """Return tiles (bands, height, width) as one batch on a device."""
    return (tiles[0][None] if len(tiles) == 1 else torch.stack(list(tiles))).to(device)


def best_batch(network: nn.Module, device: torch.device, shape: tuple[int, int, int], limit: DeviceLimit) -> int:
    """Return how many tiles at a time the device computes fastest. Measured once, then looked up in the cache folder.

    Args:
        device: A CPU gains nothing from batches of tiles as large as ours, and is not measured.
        shape: The shape of a tile: bands, height, width.
        limit: Limit that is known for this device, this network and tiles of this shape.
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
    for _ in range(MEASUREMENTS_PER_SIZE):
        began = time.perf_counter()
        # Reading one number waits for the device.
        float(class_probabilities(network, pixels)[0, 0, 0, 0])
        taken.append(time.perf_counter() - began)
    return min(taken)
