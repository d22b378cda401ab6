"""Time, memory and accuracy of the first map and of a better one, with all defaults, as a person has them on a new computer.

    python benchmarks/first_map.py scene.tif labels.gpkg land_cover [--truth truth.tif]

First fine-tuning and classifying without pretraining; then pretraining on the raster, fine-tuning with its encoder, and
classifying again. Each job is a process of its own, so that starting up counts, and nothing is kept from before: the cache
folder is new. Peak memory is what the system reports for the process (maximum resident set size). The exit code is 1 where
the first map takes more than three minutes, or the better one more than six.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from false_core.dispatch import run
from false_core.jobs import Assess

ROOT = Path(__file__).resolve().parents[1]
FIRST_MINUTES, BETTER_MINUTES = 3, 6


@dataclass
class Way:
    """The jobs on the way to a map.

    Attributes:
        title: Name of the map in the table.
        limit_s: Seconds that the jobs may take together.
        jobs: Name of each job, its seconds and the peak memory of its process in GB.
        score: Overall accuracy and mIoU of the map, in words; empty without a truth.
    """

    title: str
    limit_s: float
    jobs: list[tuple[str, float, float]] = field(default_factory=list)
    score: str = ""

    @property
    def seconds(self) -> float:
        """The seconds of all jobs together."""
        return sum(seconds for _, seconds, _ in self.jobs)


def run_alone(cache: Path, *arguments: str | Path) -> tuple[str, float, float]:
    """Run one command of the command line in a process of its own; return its name, seconds and peak memory in GB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FALSE_CACHE": str(cache)}
    command = [sys.executable, "-m", "false_core", *map(str, arguments)]
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"false-core {arguments[0]} failed.")
    # Linux counts in units of 1024 bytes, macOS in bytes.
    return str(arguments[0]), time.monotonic() - began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def accuracy(land_cover: Path, truth: Path) -> str:
    """Return the overall accuracy and the mIoU of a whole map, label polygons included."""
    found = run(Assess(str(land_cover), truth=str(truth)))
    return f"OA {found['oa']:.3f}, mIoU {found['miou']:.3f}"


def main() -> None:
    """Make both maps and print the table."""
    parser = argparse.ArgumentParser(description="Time from raster and labels to a map, with all defaults.")
    parser.add_argument("raster", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("field")
    parser.add_argument("--truth", type=Path, help="raster of the true classes, of the whole scene")
    choice = parser.parse_args()
    first, better = Way("first map", 60 * FIRST_MINUTES), Way("with pretraining", 60 * BETTER_MINUTES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder, model, land_cover = folder / "encoder.safetensors", folder / "model.safetensors", folder / "map.tif"
        supervision: list[str | Path] = [
            "--raster",
            choice.raster,
            "--labels",
            choice.labels,
            "--field",
            choice.field,
            "--model",
            model,
        ]
        mapping = ["classify", "--raster", choice.raster, "--model", model, "--output", land_cover]
        for number, way in enumerate((first, better)):
            cache = folder / f"cache {number}"
            if way is better:
                way.jobs.append(run_alone(cache, "pretrain", "--rasters", choice.raster, "--encoder", encoder))
            given: list[str | Path] = ["--encoder", encoder] if way is better else []
            way.jobs.append(run_alone(cache, "finetune", *supervision, *given))
            way.jobs.append(run_alone(cache, *mapping))
            way.score = accuracy(land_cover, choice.truth) if choice.truth else ""
    table = Table("", "job", "seconds", "peak memory", title=f"{choice.raster.name}, {os.cpu_count()} cores")
    for way in (first, better):
        for job, seconds, peak in way.jobs:
            table.add_row(way.title, job, f"{seconds:.0f}", f"{peak:.2f} GB")
        table.add_row(way.title, "all", f"{way.seconds:.0f}", way.score, end_section=True)
    Console().print(table)
    late = [way.title for way in (first, better) if way.seconds > way.limit_s]
    if late:
        raise SystemExit(f"The {' and the map '.join(late)} took longer than it may.")


if __name__ == "__main__":
    main()
