"""The cost of hostile files: of each in ``tests/core/hostile_zoo.py`` the error, the seconds until it, and the memory.

    python benchmarks/hostile_files.py [--only TEXT]

Everything is imported first; then each file meets its job in a process of its own, which is ended after a minute. Memory is
what the process took at most beyond what it began with. Needs Linux, for it counts in ``/proc``.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core")]

from hostile_zoo import ZOO, Animal, Good  # noqa: E402 - they lie in a folder of their own.
from small_world import label_boxes, on_map, textured_land, write_labels, write_raster  # noqa: E402

from false_core.dispatch import run  # noqa: E402
from false_core.errors import FalseError  # noqa: E402
from false_core.jobs import Classify, Finetune, Polygonise, Pretrain  # noqa: E402

LIMIT_S = 60.0
HUNG = "HUNG"


def main() -> int:
    """Measure and print a table. Return 1 where a file was let in, crashed the process or took longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="files whose name or kind holds this text")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FALSE_CACHE"] = str(folder / "cache")
        good = _good(folder)
        _warm_up(good, folder)
        rows = [
            (animal, *_measured(animal, good, folder / str(number)))
            for number, animal in enumerate(ZOO)
            if options.only in f"{animal.kind} {animal.name}"
        ]
    table = Table("as", "what it is", "s", "MB", "answer")
    wrong = 0
    for animal, seconds, megabytes, answer in rows:
        is_right = bool(re.search(rf"(?s){animal.said}", answer))
        wrong += not is_right
        shown = " ".join(answer.split())[:70]
        table.add_row(
            animal.kind, animal.name, f"{seconds:.2f}", f"{megabytes:.0f}", shown if is_right else f"WRONG: {shown}"
        )
    Console(width=180).print(table)
    print(
        f"{len(rows)} files, {wrong} answered wrongly. At most {max(row[1] for row in rows):.1f} s and "
        f"{max(row[2] for row in rows):.0f} MB."
    )
    return int(bool(wrong))


def _good(folder: Path) -> Good:
    """Write what the jobs need beside a hostile file."""
    raster = write_raster(folder / "land.tif", textured_land(), nodata=0)
    names, boxes = label_boxes()
    labels = write_labels(folder / "labels.gpkg", names, [on_map(box) for box in boxes])
    encoder, model = str(folder / "e.safetensors"), str(folder / "m.safetensors")
    run(Pretrain((raster,), encoder, preset="quick", device="cpu", steps=1, batch_size=4))
    run(Finetune(raster, labels, "cover", model, encoder, preset="quick", device="cpu", head="network", steps=1))
    return Good(raster, labels, encoder, model)


def _warm_up(good: Good, folder: Path) -> None:
    """Run what imports the rest."""
    run(Classify(good.raster, good.model, str(folder / "map.tif"), device="cpu"))
    run(Polygonise(str(folder / "map.tif"), str(folder / "polygons.gpkg")))


def _measured(animal: Animal, good: Good, folder: Path) -> tuple[float, float, str]:
    """Return seconds, megabytes and the answer."""
    folder.mkdir()
    (folder / "zoo").mkdir()
    (folder / "out").mkdir()
    job = animal.job(animal.make(folder / "zoo", good), good, folder / "out")
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_meet, args=(job, there))
    child.start()
    there.close()
    try:
        found = json.loads(here.recv()) if here.poll(LIMIT_S) else (LIMIT_S, 0.0, HUNG)
    except EOFError:
        found = (0.0, 0.0, "CRASHED")
    child.kill()
    child.join()
    return float(found[0]), float(found[1]), str(found[2])


def _meet(job: object, answer: Connection) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # Forget what the process took at most so far.
    before, began = _memory("VmRSS"), time.monotonic()
    try:
        run(job)  # type: ignore[arg-type]
        said = "LET IN"
    except FalseError as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001 - that it is one at all is the finding.
        said = f"UNFORESEEN {type(error).__name__}: {error}"
    answer.send(json.dumps((time.monotonic() - began, _memory("VmHWM") - before, said)))
    answer.close()
    os._exit(0)


def _memory(name: str) -> float:
    """Return a line of ``/proc/self/status`` in MB."""
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) / 1000


if __name__ == "__main__":
    sys.exit(main())
