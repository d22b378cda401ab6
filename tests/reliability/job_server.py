"""A process that has everything imported and does jobs in forks of itself, to be killed: see ``kill_at_random.py``.

What is imported once need not be imported hundreds of times. One order in JSON per line of stdin, one line of stdout per job
that has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT_EVERY_S = 0.3
IMPORTED = ("false_core.training.pretrain", "false_core.training.finetune", "false_core.mapping.classify.classify")
SYSTEM_CALLS = ("fsync", "replace", "rename", "mkdir", "chmod", "unlink", "rmdir", "link")
"""Those that publishing an output, a checkpoint or a part of a map consists of, besides writing."""


@dataclass(frozen=True)
class Order:
    """A job to do.

    Attributes:
        job: As JSON.
        said: File for what it says, and for the number of its system calls.
        kill_at: Time of the clock at which it is killed; None for not.
        kill_before: Number of the system call before which it kills itself, counted from 1; None for not.
    """

    job: str
    said: str
    kill_at: float | None = None
    kill_before: int | None = None


class Server:
    """The process, as the one that gives the orders sees it.

    Args:
        cache: Folder for checkpoints.
    """

    def __init__(self, cache: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "FALSE_CACHE": str(cache)}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def do(self, order: Order) -> int:
        """Have a job done and return how it ended: 0, 256 times the exit code, or the signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The process that does the jobs ended.")
        return int(line)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """Do what stands on stdin."""
    import torch

    for module in IMPORTED:
        import_module(module)
    make_small()
    torch.set_num_threads(1)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        child = os.fork()
        if child == 0:
            _do(order)
        if order.kill_at is not None:
            time.sleep(max(0.0, order.kill_at - time.time()))
            os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0)[1], flush=True)


def make_small() -> None:
    """Have jobs in this process take small strips and batches, and checkpoints as often as so short a job can have them."""
    from false_core.inference import tiles
    from false_core.mapping.classify import plan
    from false_core.presets import FINETUNE
    from false_core.training import checkpoint

    FINETUNE["quick"] = replace(FINETUNE["quick"], batch_size=8)
    tiles.MAX_STRIDE_PX, tiles.CONTEXT_PX, plan.LEAST_PIXELS = 0, 16, 1
    checkpoint.INTERVAL_S = CHECKPOINT_EVERY_S


def _do(order: Order) -> None:
    """Do a job in this process and end it."""
    from false_core import events
    from false_core.dispatch import run
    from false_core.errors import FalseError
    from false_core.jobs import from_json

    said: list[str] = []
    calls = watched_calls(order.kill_before)
    code = 0
    try:
        run(from_json(order.job), lambda event: said.append(event.text) if isinstance(event, events.Message) else None)
    except FalseError as error:
        said.append(str(error))
        code = 1
    Path(order.said).write_text(json.dumps({"said": said, "calls": calls()}), encoding="utf-8")
    os._exit(code)


def watched_calls(kill_before: int | None) -> Callable[[], int]:
    """Count system calls of this process; before the one with a certain number it is killed."""
    counted = [0]

    def watch(name: str) -> None:
        real = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            counted[0] += 1
            if counted[0] == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        setattr(os, name, call)

    for name in SYSTEM_CALLS:
        watch(name)
    return lambda: counted[0]


if __name__ == "__main__":
    serve()
