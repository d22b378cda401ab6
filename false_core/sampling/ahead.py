"""Work done ahead in threads, so that the device need not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


def made_ahead(make: Callable[[Key], Item], keys: Iterable[Key], depth: int = 3, threads: int = 1) -> Generator[Item]:
    """Yield ``make(key)`` for each key, in order, made up to ``depth`` items ahead in other threads.

    An error in ``make`` is raised here when its turn comes. Closing the iterator ends the threads.

    Args:
        make: Called by several threads at once where there are several.
        keys: What to make something of.
        depth: Items that may be under way or wait, at least one per thread.
        threads: Their number.
    """
    pool = ThreadPoolExecutor(threads)
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
