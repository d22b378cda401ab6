"""Time of a map by 1, 2 and 4 workers of Dask on this computer, one thread each, and by one process without Dask.

    python benchmarks/dask_workers.py                     8,192 x 8,192 pixels
    python benchmarks/dask_workers.py --side 4096 --workers 1 2 4 8
    python benchmarks/dask_workers.py --quick       2,048 x 2,048 pixels, once: to see that all goes through

Classifying counts, from the first task that is handed out to the last that is stored, with the seconds in which each worker
loads torch; starting the workers and writing the file do not. Rounds go in turn, and the best counts, as other programs may
use the computer. The efficiency is against one process without Dask. Tasks begin with a row of tiles that the one above
computes too: what it can be at most stands beside. The maps must be the same files.

Seconds mean something only where no other program computes. The processor's time means something elsewhere too: it is that
of the whole job, with starting and ending the workers and with writing the file.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from false_core import dispatch, events, jobs
from false_core.computing.memory import keep_memory
from false_core.feedback import Feedback
from false_core.mapping.classify.on_dask import TASKS_OF_A_WORKER, split_into_tasks
from false_core.mapping.classify.plan import plan_of, runs_of
from false_core.mapping.classify.store import digest_of
from false_core.synthetic import write_large, write_scene


def classify(job: jobs.Classify, scheduler: str) -> tuple[float, float]:
    """Make a map and return the seconds of classifying, and those of the processor for the whole job."""
    os.environ["FALSE_SCHEDULER"] = scheduler
    times: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.stage == "Classifying":
            times.append(time.perf_counter())

    before = processor_seconds()
    dispatch.run(job, note)
    return times[-1] - times[0], processor_seconds() - before


def processor_seconds() -> float:
    """Return the processor's time of this process, and of those below it that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def tiles_computed(job: jobs.Classify, workers: int) -> int:
    """Return how many tiles all tasks of a map take together."""
    plan = plan_of(job, Feedback())
    tasks = split_into_tasks(plan.strips, TASKS_OF_A_WORKER * workers) if workers else [plan.strips]
    return sum(len(run.columns) * len(run.rows) for strips in tasks for run in runs_of(strips))


def main() -> int:
    """Measure, and print the table. Exit code 1 where two maps differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few pixels and one round, for no figures but the same maps")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.side, chosen.rounds = 2048, 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = write_scene(folder / "scene", 512)
        model, raster = str(folder / "model.safetensors"), str(folder / "large.tif")
        dispatch.run(
            jobs.Finetune(str(scene.image), str(scene.labels), "code", model, head="network", steps=2, device="cpu")
        )
        write_large(raster, chosen.side, chosen.side)
        job = jobs.Classify(raster, model, str(folder / "map.tif"), device="cpu")
        best: dict[int, tuple[float, float]] = {}
        maps = set()
        for _ in range(chosen.rounds):
            for workers in (0, *chosen.workers):
                took = classify(job, f"local:{workers}" if workers else "")
                earlier = best.get(workers, took)
                best[workers] = min(took[0], earlier[0]), min(took[1], earlier[1])
                maps.add(digest_of(Path(job.output)))
        table = Table(title=f"{chosen.side:,} x {chosen.side:,} pixels, {os.cpu_count()} cores")
        for heading in ("workers", "seconds", "efficiency", "tiles", "at most", "processor s"):
            table.add_column(heading, justify="right")
        alone = tiles_computed(job, 0)
        for workers, (seconds, processor) in best.items():
            tiles = tiles_computed(job, workers)
            efficiency = best[0][0] / seconds / max(1, workers)
            name = str(workers) if workers else "without Dask"
            most = f"{alone / tiles:.2f}"
            table.add_row(name, f"{seconds:.1f}", f"{efficiency:.2f}", str(tiles), most, f"{processor:.1f}")
        Console().print(table)
        if len(maps) > 1:
            print("The maps differ.")
    return int(len(maps) > 1)


if __name__ == "__main__":
    # Before torch is loaded by a computation: each process has one thread.
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
    keep_memory()  # As a job does.
    sys.exit(main())
