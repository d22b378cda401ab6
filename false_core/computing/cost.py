"""The cost of a job: time, memory and disk, told before it starts, from a test of this computer that takes two seconds.

The test does the very thing that the job will do, on a small scale: steps of a training, tiles of a raster. What it finds is
kept in the cache folder, for this device and whatever decides it, so that the next job of the kind is told at once.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from false_core.computing.device_limits import DeviceLimit
from false_core.feedback import Feedback

TEST_S = 2.0
"""Seconds of a test, after a first time that does not count: it makes room and chooses how to compute."""
FEWEST_TURNS = 3
"""Turns of each of several ways that are compared: what another program takes of one of them does not count then."""


WORTH_TELLING_PIXELS = 20e6
"""Pixels that go through a network from which on a job may take minutes, and two seconds for a test do not matter."""


def is_worth_telling(pixels: float) -> bool:
    """Return whether a job sends so many pixels through a network that its user wants to know how long that takes."""
    return pixels >= WORTH_TELLING_PIXELS


@dataclass(frozen=True)
class Speed:
    """The speed of this computer at something that a job does many times, and the memory for that.

    Attributes:
        seconds: Seconds for one of them.
        memory: Bytes for one of them, beside what the program takes by itself.
    """

    seconds: float
    memory: float


@dataclass(frozen=True)
class Cost:
    """The estimated cost of a job.

    Attributes:
        seconds: Seconds from now to its end.
        memory: The most bytes of memory at a time.
        disk: The most bytes on the disk at a time, as long as it runs.
    """

    seconds: float
    memory: float
    disk: float

    def told(self) -> str:
        """Return it in a sentence."""
        memory, disk = max(0.1, self.memory / 1e9), max(0.1, self.disk / 1e9)
        return f"This will take about {time_in_words(self.seconds)}, {memory:.1f} GB of memory and {disk:.1f} GB of disk."


def total_cost(costs: Sequence[Cost]) -> Cost:
    """Return the cost of several jobs, one after the other."""
    return Cost(sum(one.seconds for one in costs), max(one.memory for one in costs), sum(one.disk for one in costs))


def time_in_words(seconds: float) -> str:
    """Return a time as finely as an estimate may be: ``40 seconds``, ``12 minutes``, ``3.5 hours``."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"


class SpeedTest:
    """A test of this computer that is remembered.

    Args:
        what: Name of the work that is done once in a unit, for example ``"patch of pretraining"``.
        device: Device that computes it.
        decisive: All other values that the speed depends on.
    """

    def __init__(self, what: str, device: torch.device, *decisive: Any) -> None:
        self.device = device
        self._time = DeviceLimit("nanoseconds", device, what, *decisive)
        self._memory = DeviceLimit("bytes", device, what, *decisive)

    def known(self) -> Speed | None:
        """Return what an earlier test found, or None."""
        nanoseconds, memory = self._time.number(), self._memory.number()
        return None if nanoseconds is None or memory is None else Speed(nanoseconds / 1e9, memory)

    def run(self, make: Callable[[], Callable[[], int]], feedback: Feedback, fixed: float = 0.0) -> Speed:
        """Return what an earlier test found, or test it now.

        Args:
            make: Returns what does some of it, and says how many. What random numbers that takes leave no trace.
            fixed: Bytes that it takes once, however many it does.
        """
        return run_by_turns([self], lambda: [make()], feedback, fixed)[0]

    def timed(self, do: Callable[[], int]) -> tuple[int, float]:
        """Do some of it, and return how many that were and the seconds they took."""
        began = time.perf_counter()
        done = do()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return done, time.perf_counter() - began

    def remember(self, found: Speed) -> None:
        """Keep what was found."""
        self._time.remember(max(1, round(found.seconds * 1e9)))
        self._memory.remember(round(found.memory))


def run_by_turns(
    tests: Sequence[SpeedTest],
    make: Callable[[], Sequence[Callable[[], int]]],
    feedback: Feedback,
    fixed: float = 0.0,
) -> list[Speed]:
    """Return the speeds of several ways to do the same, which take turns: what else the computer does slows all of them.

    Args:
        tests: A test of each, on one device.
        make: Returns what does each, as ``SpeedTest.run`` has it.
        fixed: Bytes as there.
    """
    known = [test.known() for test in tests]
    if None not in known:
        return [speed for speed in known if speed is not None]
    device = tests[0].device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        before = most_memory()
        ways = make()
        first = [test.timed(do)[0] for test, do in zip(tests, ways)]
        began, fewest = time.perf_counter(), FEWEST_TURNS if len(ways) > 1 else 1
        seconds: list[list[float]] = [[] for _ in ways]
        while len(seconds[0]) < fewest or time.perf_counter() - began < TEST_S:
            for test, do, own in zip(tests, ways, seconds):
                feedback.stop_if_cancelled()
                done, taken = test.timed(do)
                own.append(taken / done)
        memory = most_memory() - before - fixed
    found = [Speed(statistics.median(own), max(1.0, memory / once)) for own, once in zip(seconds, first)]
    for test, speed in zip(tests, found):
        test.remember(speed)
    return found


def most_memory() -> float:
    """Return the most bytes that this process has had in memory, 0 where the system does not tell.

    Before a test that is what the program itself takes, with PyTorch and GDAL.
    """
    if sys.platform == "win32":
        return _most_on_windows()
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)


def _most_on_windows() -> float:
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS."""

        _fields_ = [("cb", wintypes.DWORD), ("faults", wintypes.DWORD)] + [
            (name, ctypes.c_size_t) for name in ("peak", "now", "a", "b", "c", "d", "e", "f")
        ]

    counters = Counters()
    counters.cb = ctypes.sizeof(counters)
    windows: Any = getattr(ctypes, "windll")  # noqa: B009 - there on Windows only.
    get = windows.psapi.GetProcessMemoryInfo
    get.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD]
    windows.kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    return float(counters.peak) if get(windows.kernel32.GetCurrentProcess(), ctypes.byref(counters), counters.cb) else 0.0
