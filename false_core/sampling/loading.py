"""Batches on the device before they are needed, without the computation waiting for them.

On NVIDIA GPUs a thread makes them on a stream of its own: what it copies from pinned memory, and cuts out of pixels that
are there already, overlaps with the computation. On other devices the thread makes them in memory.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor

from false_core.computing.threads import cores, prefetch
from false_core.raster.gpu_pixels import sent

Key = TypeVar("Key")
Batch = TypeVar("Batch")

MOST_LOADERS = 4
"""Threads that make batches for a GPU, as far as there are cores. What decodes pixels has threads of its own."""
STAYS = {"stays": True}
"""Metadata of a field of a dataclass that stays where it is."""


def loaded_ahead(make: Callable[[Key], Batch], keys: Iterable[Key], device: torch.device) -> Generator[Batch]:
    """Yield ``make(key)`` for each key, in order, with its tensors on ``device``; see ``prefetch``.

    Args:
        make: Returns a dataclass of tensors and of other such dataclasses. Called in another thread, and for a GPU, which
            would wait for one, in several.
    """
    if device.type != "cuda":
        with closing(prefetch(make, keys)) as items:
            for batch in items:
                yield on_device(batch, device)
        return

    def load(key: Key) -> tuple[Batch, Any]:
        with side_stream(device):
            batch = on_device(make(key), device)
            return batch, torch.cuda.current_stream(device).record_event()

    with closing(prefetch(load, keys, threads=min(MOST_LOADERS, cores()))) as loaded:
        for batch, ready in loaded:
            computing = torch.cuda.current_stream(device)
            computing.wait_event(ready)
            for tensor in tensors_of(batch):
                if tensor.is_cuda:
                    tensor.record_stream(computing)
            yield batch


def side_stream(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which work for ``device`` goes to a stream beside the one that computes, where it has streams."""
    return torch.cuda.stream(_stream(device)) if device.type == "cuda" else nullcontext()


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return a dataclass with its tensors, also those of dataclasses in it, on ``device``; pinned on the way to a GPU."""

    def move(value: Any) -> Any:
        if isinstance(value, Tensor):
            return sent(value, device)
        return on_device(value, device) if dataclasses.is_dataclass(value) else value

    changed = {field.name: move(getattr(batch, field.name)) for field in _moving(batch)}
    return dataclasses.replace(batch, **changed)  # type: ignore[type-var]


def tensors_of(batch: Any) -> Iterator[Tensor]:
    """Yield the tensors of a dataclass, and of dataclasses in it, that ``on_device`` moves."""
    for field in _moving(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            yield value
        elif dataclasses.is_dataclass(value):
            yield from tensors_of(value)


def _moving(batch: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(batch) if not field.metadata.get("stays")]


@functools.cache
def _stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
