"""Runs a job as the command line does, but for what happens to one process at one step of its first life.

torchrun --nproc-per-node 2 tests/core/faulty_rank.py killed 1 3 JOB.json
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

from false_core import presets, worker
from false_core.computing.distributed import share
from false_core.errors import InputError
from false_core.training import checkpoint, segmenter_training, trainer

ENDS_THE_SLEEPER = """
import os, re, signal, sys, time
process = int(sys.argv[1])
try:
    while not int(re.search(r"ShdPnd:\\s+(\\w+)", open(f"/proc/{process}/status").read())[1], 16) >> signal.SIGTERM - 1 & 1:
        time.sleep(0.1)
    os.kill(process, signal.SIGKILL)
except (FileNotFoundError, ProcessLookupError):
    pass
"""
"""Kills a process that sleeps as soon as it is asked to end. It does not hear that, and torchrun gives it half a minute."""


def with_small_batches() -> presets.FinetuneSettings:
    """Return how labels are learned here."""
    return replace(presets.FINETUNE["quick"], batch_size=6)


def happens(what: str) -> None:
    """Let it happen."""
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "falls asleep":
        subprocess.Popen([sys.executable, "-c", ENDS_THE_SLEEPER, str(os.getpid())])
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "fails":
        raise InputError("The raster fell off the shelf.", "Pick it up.")
    elif what == "runs out of memory":
        raise MemoryError
    elif what != "nothing":
        raise SystemExit(f"no mishap {what}")


def main() -> int:
    """Run the job."""
    what, rank, step, job = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    checkpoint.INTERVAL_S = 0.0
    presets.FINETUNE["quick"] = with_small_batches()
    mine = share().rank == rank and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"

    def interrupted(module: Any, name: str) -> None:
        """Have the mishap come instead of a call, counted from 0."""
        calls, whole = iter(range(1_000_000)), getattr(module, name)

        def call(*arguments: Any) -> Any:
            if next(calls) == step and mine:
                happens(what)
            return whole(*arguments)

        setattr(module, name, call)

    interrupted(trainer, "accumulate_gradients")
    interrupted(segmenter_training.SegmenterTrainer, "_loss")
    return worker.main(job)


if __name__ == "__main__":
    os._exit(main())
