"""Work done ahead in a thread, so that the device need not wait for the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


def made_ahead(make: Callable[[Key], Item], keys: Iterable[Key], depth: int = 3) -> Generator[Item]:
    """Yield ``make(key)`` for each key, in order, made up to ``depth`` items ahead in another thread.

    An error in ``make`` is raised here when its turn comes. Closing the iterator, also by leaving its loop, ends the thread.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None, bool]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for key in keys:
                if stopped.is_set():
                    return
                put((make(key), None, False))
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits for the item.
            put((None, error, True))
        else:
            put((None, None, True))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
