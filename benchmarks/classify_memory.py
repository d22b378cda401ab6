"""Peak memory of fine-tuning and classifying on a raster of any size. It must not grow with the number of pixels.

    python benchmarks/classify_memory.py                 20,000 x 20,000 pixels, four bands of UInt16
    python benchmarks/classify_memory.py 6000            6,000 x 6,000 pixels
    python benchmarks/classify_memory.py --source-grid   on the raster's own pixels, which the quick preset would coarsen
    python benchmarks/classify_memory.py --head network  with a decoder, in place of the default head

Each job runs in a process of its own. Its peak is what the system reports for it when it ends (maximum resident set size).
The model is hardly trained, as that changes nothing about its memory.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import geopandas
import rasterio
import shapely
from rich.console import Console
from rich.table import Table

from false_core.synthetic import write_large

ROOT = Path(__file__).resolve().parents[1]
LIMIT_GB = 1.8
CLASSES = 6


@dataclass(frozen=True)
class Measured:
    """The time and memory that one process took."""

    seconds: float
    peak_gb: float


def run_alone(*arguments: str) -> Measured:
    """Run one command of the command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "false_core", *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"false-core {arguments[0]} failed.")
    # Linux counts in units of 1024 bytes, macOS in bytes.
    return Measured(time.monotonic() - began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9)


def write_some_labels(raster: Path, path: Path) -> None:
    """Write two squares for each of six classes near the raster's upper left corner. What they say does not matter."""
    with rasterio.open(raster) as file:
        transform, crs = file.transform, file.crs
    left, top, size = transform.c, transform.f, transform.a
    corners = [(40 + 120 * column, 40 + 120 * row) for row in range(3) for column in range(4)]
    squares = [
        shapely.box(left + x * size, top - (y + 60) * size, left + (x + 60) * size, top - y * size) for x, y in corners
    ]
    names = [f"class {number % CLASSES}" for number in range(len(corners))]
    geopandas.GeoDataFrame({"cover": names}, geometry=squares, crs=crs).to_file(path)


def main() -> None:
    """Make the raster and the model, classify, print the table. Exit code 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description="Peak memory of classifying a large raster.")
    parser.add_argument("side", nargs="?", type=int, default=20_000, help="pixels along each side of the raster")
    parser.add_argument("--source-grid", action="store_true", help="work on the raster's own pixels")
    parser.add_argument("--head", default="auto", help="the head that fine-tuning makes")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raster, small, labels = folder / "raster.tif", folder / "small.tif", folder / "labels.gpkg"
        write_large(raster, choice.side, choice.side)
        # On a small raster the quick preset takes the pixels as they are, and classifying follows the model.
        write_large(small, 512, 512)
        write_some_labels(raster, labels)
        trained_on = small if choice.source_grid else raster
        model, land_cover = folder / "model.safetensors", folder / "map.tif"
        supervision = ["--labels", labels, "--field", "cover", "--head", choice.head]
        jobs = {
            "finetune": ["--raster", trained_on, *supervision, "--model", model, "--preset", "quick", "--steps", 2],
            "classify": ["--raster", raster, "--model", model, "--output", land_cover, "--confidence", folder / "sure.tif"],
        }
        measured = {job: run_alone(job, "--device", "cpu", *map(str, arguments)) for job, arguments in jobs.items()}
        megabytes = {file.name: file.stat().st_size / 1e6 for file in (raster, land_cover)}
    grid = "its own pixels" if choice.source_grid else "the pixels the quick preset chooses"
    table = Table(
        "Job", "Peak memory", "Time", "Pixels per second", title=f"{choice.side:,} x {choice.side:,} pixels, on {grid}"
    )
    for job, taken in measured.items():
        rate = f"{choice.side**2 / taken.seconds / 1e6:.2f} million" if job == "classify" else ""
        table.add_row(job, f"{taken.peak_gb:.2f} GB", f"{taken.seconds:.0f} s", rate)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{file}: {size:,.0f} MB" for file, size in megabytes.items()))
    if measured["classify"].peak_gb > LIMIT_GB:
        raise SystemExit(f"Classifying took more than {LIMIT_GB:g} GB.")


if __name__ == "__main__":
    main()
