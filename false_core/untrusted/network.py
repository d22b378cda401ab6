"""No network for a job that names no address: whatever a file makes GDAL ask for is not asked for."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator

from false_core.settings import allowed_drivers
from false_core.untrusted.names import is_on_network

CLOSED: Dict[str, str] = {"CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}
"""The setting that keeps GDAL's virtual files from the network: a name that none of them has. Each opening looks at it."""
_lock = threading.Lock()
_running = {True: 0, False: 0}
"""The numbers of jobs at the moment that need the network, and that do not."""
_kept: Dict[str, str] = {}


def names_address(value: Any) -> bool:
    """Return whether a value of a job is an address, or holds one, or the user lets files lead to some."""
    if any(name.startswith("/vsi") for name in allowed_drivers()):
        return True
    values = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(one, str) and is_on_network(one) for one in values)


@contextmanager
def network_closed(unless: bool) -> Iterator[None]:
    """Keep GDAL in this process from the network meanwhile, as long as no other job in it needs the network."""
    _count(unless, 1)
    try:
        yield
    finally:
        _count(unless, -1)


def _count(needs_network: bool, change: int) -> None:
    with _lock:
        was = _is_closed()
        _running[needs_network] += change
        if _is_closed() and not was:
            _kept.update({name: os.environ[name] for name in CLOSED if name in os.environ})
            os.environ.update(CLOSED)
        elif was and not _is_closed():
            for name in CLOSED:
                os.environ.pop(name, None)
            os.environ.update(_kept)
            _kept.clear()


def _is_closed() -> bool:
    return _running[False] > 0 and not _running[True]
