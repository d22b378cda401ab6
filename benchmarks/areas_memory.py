"""Memory and time of classifying a million areas. A part that grows with them lies in a file, which is told apart.

    python benchmarks/areas_memory.py                  10,000 x 10,000 pixels in cells of 10: a million areas
    python benchmarks/areas_memory.py 3162 5477        10 and 30 million pixels: 100,000 and 300,000 areas
    python benchmarks/areas_memory.py 2000 --cell 2    areas that are smaller than what the encoder sees as one

Each job runs in a process of its own, without features of an earlier run. Memory is what ``/proc`` says of it twenty times a
second, so this needs Linux: that of its own, which the system cannot take back, and that of the files it looks at, which the
system takes back where it is wanted elsewhere.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import rasterio
from classify_memory import write_some_labels
from rich.console import Console
from rich.table import Table

from false_core.synthetic import write_large

ROOT = Path(__file__).resolve().parents[1]
SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class MeasuredAreas:
    """The memory and the time that one process took: its own memory, that of files, and the time of all its threads."""

    own_gb: float
    files_gb: float
    processor_seconds: float


def run_watched(*arguments: str) -> MeasuredAreas:
    """Run one command of the command line in a process of its own, and watch its memory."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FALSE_DISK_GB": "0"}
    command = [sys.executable, "-m", "false_core", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    most = {"RssAnon": 0, "RssFile": 0}
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        for name, kilobytes in re.findall(r"(RssAnon|RssFile):\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text()):
            most[name] = max(most[name], int(kilobytes))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if status:
        raise SystemExit(f"false-core {arguments[0]} failed.")
    own, files = (1024 * most[name] / 1e9 for name in ("RssAnon", "RssFile"))
    return MeasuredAreas(own, files, usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Make each raster, classify its cells, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sides", nargs="*", type=int, default=[10_000], help="pixels along each side of a raster")
    parser.add_argument("--cell", type=int, default=10, help="pixels along each side of an area")
    choice = parser.parse_args()
    table = Table("Areas", "Pixels", "Own memory", "Files", "Processor time")
    for side in choice.sides:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            raster, labels = folder / "raster.tif", folder / "labels.gpkg"
            write_large(raster, side, side)
            write_some_labels(raster, labels)
            with rasterio.open(raster) as file:
                cell = choice.cell * file.transform.a
            examples = ["--labels", labels, "--field", "cover", "--cell", cell]
            job = ["--raster", raster, *examples, "--output", folder / "areas.gpkg", "--device", "cpu"]
            measured = run_watched("classifyareas", *map(str, job))
        areas, pixels = (-(-side // choice.cell)) ** 2, f"{side:,} x {side:,}"
        memory = f"{measured.own_gb:.2f} GB", f"{measured.files_gb:.2f} GB"
        table.add_row(f"{areas:,}", pixels, *memory, f"{measured.processor_seconds:.0f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
