"""Work left to a thread behind, such as writing, while what comes next is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Behind:
    """Does one thing after the other in a thread of its own.

    Args:
        most: What may wait for it. More would only fill the memory.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._thread = ThreadPoolExecutor(1)
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
