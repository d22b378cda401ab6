"""Whole jobs on a device that is not the CPU. PyTorch learns of it for good, so they have a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough
TESTS = Path(__file__).resolve().with_name("on_a_simulated_gpu.py")


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_what_is_on_the_gpu_and_what_is_not_never_meet_unasked(which: str) -> None:
    words = ["-m", "pytest", "-q", "-m", which, "--tb=short", "-p", "no:cacheprovider", "--show-capture=no"]
    words.append(str(TESTS))
    done = subprocess.run([sys.executable, *words], cwd=TESTS.parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
