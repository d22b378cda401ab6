"""The exchange of memory between a process of our own and the system. Standard library only."""

from __future__ import annotations

import ctypes
import platform
import sys

# Of malloc.h, the same on every computer that has it.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
TRIM_THRESHOLD_BYTES = 2**31 - 1
"""Bytes at the end of the heap above which glibc gives them back: the most that it takes."""


def keep_memory() -> None:
    """Have glibc keep the memory that is freed, and share it between threads, instead of asking the system each time.

    Maps of features of many megabytes come and go with every tile and every step. By itself glibc gets each of them from the
    system and gives it back, and the system hands it out page by page, filled with zeros. Elsewhere than on Linux with glibc
    this does nothing.

    It is for processes that do one job and end, and for workers of Dask, as the most that a job needed stays with the
    process. To be called while there are no other threads: they would have memory of their own.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
    mallopt(M_ARENA_MAX, 1)
