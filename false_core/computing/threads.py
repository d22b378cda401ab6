"""Work in threads beside a computation: reading ahead of it, writing behind it, so that it does not wait for a disk."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


def thread_pool(threads: int, name: str = "") -> ThreadPoolExecutor:
    """Return threads that compute on the GPU that the present thread computes on.

    CUDA keeps for each thread which GPU is its current one, and begins with the first. To that one belongs what names no
    other: pinned memory, the streams on which events are recorded, kernels.
    """
    # Not imported: where nothing has, there is no GPU in use either.
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ThreadPoolExecutor(threads, name)
    return ThreadPoolExecutor(threads, name, torch.cuda.set_device, (torch.cuda.current_device(),))


def cores() -> int:
    """Return the cores that this process may use: its share of them where several processes of a job are on a computer."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, mine // (int(beside) if beside.isdecimal() and int(beside) else 1))


def prefetch(make: Callable[[Key], Item], keys: Iterable[Key], depth: int = 3, threads: int = 1) -> Generator[Item]:
    """Yield ``make(key)`` for each key, in order, made up to ``depth`` items ahead in other threads.

    An error in ``make`` is raised here when its turn comes. Closing the iterator ends the threads.

    Args:
        make: Called by several threads at once where there are several.
        depth: Items that may be under way or wait, at least one per thread.
    """
    pool = thread_pool(threads)
    waiting: deque[Future[Item]] = deque()
    try:
        for key in keys:
            waiting.append(pool.submit(make, key))
            if len(waiting) > max(depth, threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class BackgroundWriter:
    """Calls that write, done one after the other in a thread of their own.

    Args:
        most: Number of calls that may wait. More would only fill the memory.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._thread = thread_pool(1)
        self._waiting: deque[Future[None]] = deque()

    def add(self, do: Callable[..., None], *given: Any) -> None:
        """Have ``do`` called with what is ``given``. Waits where too much waits; raises what went wrong earlier."""
        while len(self._waiting) >= self._most:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(do, *given))

    def finish(self) -> None:
        """Wait until all is done; raise what went wrong."""
        while self._waiting:
            self._waiting.popleft().result()

    def close(self) -> None:
        """End the thread. What waits is dropped."""
        self._thread.shutdown(cancel_futures=True)
