"""Two NVIDIA GPUs that are not there: what is to go to them stays with the CPU, and who asked for what is written down.

As with CUDA each thread has a current GPU, the first one until it says otherwise, and a stream on which events are recorded
that name none.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

FACTORIES = (
    "tensor", "as_tensor", "zeros", "ones", "full", "empty", "rand", "randn", "randint", "randperm", "arange", "linspace",
    "eye",
)  # fmt: skip


class Stream:
    """The place in a queue of work of a GPU."""

    def __init__(self, device: Any = None, **_: Any) -> None:
        self.device = torch.device(device)

    def wait_stream(self, other: Stream) -> None:
        """Nothing is under way."""

    wait_event = wait_stream

    def record_event(self) -> Event:
        """Record an event on this stream."""
        event = Event()
        event.record(self)
        return event


class Event:
    """An event that knows on which GPU it was recorded."""

    gpus: TwoGpus

    def __init__(self, **_: Any) -> None:
        self.device: torch.device | None = None

    def record(self, stream: Stream | None = None) -> None:
        """Note the GPU of the stream, which is the current one where none is named."""
        self.device = stream.device if stream else torch.device("cuda", self.gpus.current())
        self.gpus.note("event", self.device)

    def synchronize(self) -> None:
        """Nothing is under way."""


class TwoGpus:
    """What was asked for.

    Attributes:
        notes: What was done, in which thread, on which GPU, and which was the current one of the thread.
    """

    def __init__(self, patch: pytest.MonkeyPatch, capability: tuple[int, int] = (8, 0), called: str = "") -> None:
        self.notes: list[tuple[str, str, int, int]] = []
        self._local = threading.local()
        Event.gpus = self
        cuda: dict[str, Any] = {
            "is_available": lambda: True,
            "is_initialized": lambda: True,
            "device_count": lambda: 2,
            "set_device": self._set,
            "current_device": self.current,
            "get_device_name": lambda device=None: called or "No Such GPU",
            "get_device_capability": lambda device=None: capability,
            "mem_get_info": lambda device=None: (8 << 30, 16 << 30),
            "get_device_properties": lambda device=None: type("Properties", (), {"total_memory": 16 << 30}),
            "empty_cache": lambda: None,
            "synchronize": lambda device=None: None,
            "Stream": Stream,
            "Event": Event,
            "current_stream": lambda device=None: Stream(self.current() if device is None else device),
            "stream": self._stream,
            "is_bf16_supported": lambda *_: True,
        }
        for name, value in cuda.items():
            patch.setattr(torch.cuda, name, value)
        # Optimisers ask the accelerator, of which there is none, whether it captures a graph.
        patch.setattr(torch.accelerator, "is_available", lambda: False)
        for name in FACTORIES:
            patch.setattr(torch, name, self._kept_here(getattr(torch, name), "made"))
        # What other functions of torch make on a device is moved by these two.
        patch.setattr(torch.Tensor, "to", self._kept_here(torch.Tensor.to, "copy"))
        patch.setattr(torch.Tensor, "pin_memory", lambda tensor, *_: self._pinned(tensor))
        patch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
        patch.setattr(torch.nn.Module, "to", self._kept_here(torch.nn.Module.to, "copy"))

    def current(self) -> int:
        """Return the current GPU of the thread."""
        return getattr(self._local, "index", 0)

    def note(self, what: str, device: torch.device) -> None:
        """Write down that something was done on a GPU."""
        index = self.current() if device.index is None else device.index
        self.notes.append((what, threading.current_thread().name, index, self.current()))

    def astray(self) -> list[tuple[str, str, int, int]]:
        """Return what was done on a GPU that was not the second one, or in a thread that had another current one."""
        return [note for note in self.notes if note[2:] != (1, 1)]

    def threads(self) -> set[str]:
        """Return the threads that made work for GPUs."""
        return {note[1] for note in self.notes}

    def _set(self, device: Any) -> None:
        index = device if isinstance(device, int) else torch.device(device).index
        if index is not None:
            self._local.index = index

    @contextlib.contextmanager
    def _stream(self, stream: Stream) -> Iterator[None]:
        before = self.current()
        self._set(stream.device)
        yield
        self._set(before)

    def _pinned(self, tensor: torch.Tensor) -> torch.Tensor:
        self.note("pinned", torch.device("cuda"))
        return tensor

    def _kept_here(self, do: Callable[..., Any], what: str) -> Callable[..., Any]:
        def on_gpu(value: Any) -> Any:
            device = torch.device(value) if isinstance(value, str) and value.startswith("cuda") else value
            if isinstance(device, torch.device) and device.type == "cuda":
                self.note(what, device)
                return torch.device("cpu")
            return value

        def done(*given: Any, **named: Any) -> Any:
            if named.pop("pin_memory", False):
                self.note("pinned", torch.device("cuda"))
            return do(*map(on_gpu, given), **{name: on_gpu(value) for name, value in named.items()})

        return done
