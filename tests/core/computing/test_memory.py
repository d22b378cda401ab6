"""A process of our own does not get the same memory from the system again and again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

TENSORS = """
import resource, sys, threading
from false_core.computing.memory import keep_memory

if sys.argv[1] == "kept":
    keep_memory()
import torch  # Afterwards, as its threads would have memory of their own.

MEGABYTES = 100

def make(megabytes):
    torch.empty(megabytes, 2**20, dtype=torch.uint8).fill_(1)

make(2 * MEGABYTES)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
thread = threading.Thread(target=make, args=[MEGABYTES])  # Not the one that had the memory before.
thread.start()
thread.join()
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(pages * resource.getpagesize() / 2**20 / MEGABYTES)
"""


@pytest.mark.thorough
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told so")
@pytest.mark.parametrize(("way", "low", "high"), [("kept", 0.0, 0.1), ("as it is", 0.9, 1.5)])
def test_a_large_tensor_takes_memory_of_the_one_before(way: str, low: float, high: float) -> None:
    """Second row: it is not so by itself, as otherwise the first row would say nothing."""
    variables = {"THP_MEM_ALLOC_ENABLE": "0"}  # Large pages are handed out in fewer portions.
    command = [sys.executable, "-c", TENSORS, way]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables})
    assert low <= float(said.stdout) <= high
