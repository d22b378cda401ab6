"""A raster of 10^10 pixels is classified partly, killed, and gone on with. Memory must grow with neither.

    python benchmarks/sparse_raster.py              100,000 x 100,000 pixels: killed at 20 %, then at 20 % of the rest
    python benchmarks/sparse_raster.py --side 20000 --to 2

Nearly all of the raster is not stored, and nodata; squares of 2,048 pixels on its diagonal hold data. The model was never
trained, and works on pixels that are 32 times as large, as that changes nothing about what is measured: what waits, what is
kept, what is written. Each run is a compute process as QGIS starts it. With more than 1 after ``--to`` the map is finished.
Needs Linux, for it looks into ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

from sparse_land import run_until, write_sparse, write_untrained  # noqa: E402 - it lies in a folder of its own.

from false_core.jobs import Classify, to_json  # noqa: E402

GROWTH_MB = 250.0
"""Growth that is let pass between the halves of a run, and between the small raster and the large one. GDAL's cache of
decoded blocks, 160 MB, fills up meanwhile."""
SMALL = 10_000
"""Side of a raster to compare with, of a hundredth of the pixels."""


def main() -> int:
    """Measure and print a table. Return 1 where memory grew, or a run did not go on where the last one was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=100_000)
    parser.add_argument("--factor", type=int, default=32, help="pixels of the file per pixel that the model works on")
    parser.add_argument("--patches", type=int, default=40, help="squares with data")
    parser.add_argument("--killed-at", type=float, default=0.2)
    parser.add_argument("--to", type=float, default=0.2)
    options = parser.parse_args()
    rows, problems = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_untrained(folder / "model.safetensors", float(options.factor))
        for side, ends in ((SMALL, [2.0]), (options.side, [options.killed_at, options.to])):
            raster = write_sparse(folder / f"{side}.tif", side, min(options.patches, side // 2048))
            job = to_json(Classify(raster, model, str(folder / f"map {side}.tif"), device="cpu"))
            ran = [run_until(job, end, folder / "cache") for end in ends]
            rows += [(side, run) for run in ran]
            megabytes = Path(raster).stat().st_size / 1e6
            print(f"{side:,} x {side:,} pixels in a file of {megabytes:,.0f} MB", flush=True)
    table = Table("pixels", "parts kept before", "done of the rest", "s", "most MB", "1st half", "2nd half", "ended")
    for side, run in rows:
        ended = "killed" if run.code < 0 else "finished" if run.code == 0 else f"code {run.code}"
        first, second = run.halves_mb
        kept = f"{run.kept[0]} of {run.kept[1]}" if run.kept[1] else ""
        table.add_row(
            f"{side**2:.0e}", kept, f"{run.share:.0%}", f"{run.seconds:.0f}", f"{run.peak_mb:.0f}",
            f"{first:.0f}", f"{second:.0f}", ended,
        )  # fmt: skip
        if second - first > GROWTH_MB:
            problems.append(f"memory grew from {first:.0f} to {second:.0f} MB in a run over {side:,} pixels across")
    small, begun, resumed = (run for _, run in rows)
    if max(begun.peak_mb, resumed.peak_mb) - small.peak_mb > GROWTH_MB:
        problems.append("the large raster took more memory than the small one")
    if not resumed.kept[0]:
        problems.append("it began again after it was killed")
    Console().print(table)
    print(f"WRONG: {'; '.join(problems)}." if problems else "Memory stayed flat, and it went on where it was.")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
