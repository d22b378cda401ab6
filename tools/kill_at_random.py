"""Kill a small classification, of three parts, with SIGKILL at random moments, start it again, and look at what comes of it.

    python tools/kill_at_random.py        100 times
    python tools/kill_at_random.py 30      30 times

After each: what has the name of an output is whole, the same command goes on, the map is bit for bit that of an undisturbed
run, and nothing is left but the outputs. Prints a table for docs/reliability.md. Exit code 1 where anything differed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

from false_core.feedback import Feedback
from false_core.jobs import Classify, to_json
from false_core.labels.classes import ClassTable, LandCoverClass
from false_core.models.model_file import SEGMENTER, ModelCard, save_model
from false_core.models.segmenter import build_segmenter
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import measure
from false_core.synthetic import write_scene

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 100, 1100
CLASSES = 4
YOUNG_S = 1.1
"""A folder younger than a second might still be in use, and is not removed by the next run."""
DONE = "when the map was there"
SHRINK, GROW = 0.8, 1.04
"""Of the time up to which a job is killed, so that about one in six comes too late."""
# Forks for each job, so that what is imported once need not be imported a hundred times.
SERVER = """
import json, os, signal, sys, time
import false_core.raster.tiles as tiles, false_core.mapping.parts as parts
tiles.LONGEST, tiles.CONTEXT, parts.LEAST_PIXELS = 0, 16, 1
import false_core.mapping.classify
from false_core.errors import FalseError
from false_core.jobs import from_json
from false_core.run import run
import torch
torch.set_num_threads(1)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 0
        try:
            run(from_json(order["job"]))
        except FalseError as error:
            print(error, file=sys.stderr, flush=True)
            code = 1
        os._exit(code)
    if order["kill_after"] is not None:
        time.sleep(max(0.0, order["kill_after"] - time.time()))
        os.kill(child, signal.SIGKILL)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Server:
    """A process that has everything imported and does jobs in forks of itself."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", SERVER]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def start(self, job: str, kill_after: float | None = None) -> None:
        """Start a job, to be killed at a time of the clock if one is given."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"job": job, "kill_after": kill_after}) + "\n")

    def wait(self) -> int:
        """Wait for the end of the job and return its status: 0, or how it ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The process that does the jobs ended.")
        return int(line)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Tally:
    """What came of it."""

    killed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def make(folder: Path) -> tuple[Path, Path]:
    """Write a small raster and an untrained model."""
    files = write_scene(folder, WIDTH, HEIGHT)
    source = RasterSource(str(files.image))
    normal = measure([source], [Window(0, 0, WIDTH, HEIGHT)], Feedback())
    classes = ClassTable(tuple(LandCoverClass(n + 1, f"class {n}", f"#{40 * n:02x}8040") for n in range(CLASSES)))
    torch.manual_seed(0)
    network = build_segmenter("resnet10t", "segformer", len(source.bands), CLASSES)
    card = ModelCard(
        SEGMENTER, "resnet10t", source.band_names, source.bands, source.dtype, normal, source.pixel_size, source.pixel_size,
        64, "segformer", classes,
    )  # fmt: skip
    save_model(str(folder / "model.safetensors"), card, network)
    return files.image, folder / "model.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder by name; a folder in it counts as a file without content."""
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


def stage_of(out: Path) -> str:
    """Return how far a job was that was just killed."""
    if any(path.suffix == ".tif" and not path.name.startswith(".") for path in out.iterdir()):
        return DONE
    if any(out.glob(".*.partial")):
        return "writing the map"
    finished = len(list(out.glob(".*.parts/part-*")))
    if finished:
        return "with some parts finished"
    return "in the first part" if any(out.glob(".*.parts")) else "starting"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Kill a classification at random moments.")
    parser.add_argument("times", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    choice = parser.parse_args()
    chance, tally = random.Random(choice.seed), Tally()
    server = Server()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raster, model = make(folder)
        out, inputs = folder / "out", contents(folder)
        job = to_json(
            Classify(str(raster), str(model), str(out / "map.tif"), device="cpu", confidence=str(out / "sure.tif"))
        )
        out.mkdir()
        began = time.monotonic()
        server.start(job)
        if server.wait():
            raise SystemExit("The job fails.")
        seconds, wanted = time.monotonic() - began, contents(out)
        longest = seconds
        for number in range(choice.times):
            shutil.rmtree(out)
            out.mkdir()
            server.start(job, time.time() + chance.uniform(0, longest))
            server.wait()
            stage = stage_of(out)
            tally.killed[stage] += 1
            # On a busy machine it takes longer now and less then.
            longest *= SHRINK if stage == DONE else GROW
            there = {file: content for file, content in contents(out).items() if not file.startswith(".")}
            if any(content != wanted.get(file) for file, content in there.items()):
                tally.problems.append(f"{number}: an output is not whole ({stage})")
            time.sleep(YOUNG_S)
            server.start(job)
            if server.wait():
                tally.problems.append(f"{number}: it does not go on ({stage})")
            after = contents(out)
            if {file: after.get(file) for file in wanted} != wanted:
                tally.problems.append(f"{number}: the outputs differ ({stage})")
            if after.keys() != wanted.keys():
                tally.problems.append(f"{number}: left behind: {sorted(after.keys() - wanted.keys())} ({stage})")
            print(f"  {number + 1}: {stage}; differences so far: {len(tally.problems)}", file=sys.stderr, flush=True)
        if {file: content for file, content in contents(folder).items() if file in inputs} != inputs:
            tally.problems.append("an input was changed")
    server.close()
    print(f"{WIDTH} x {HEIGHT} pixels, {choice.times} kills, undisturbed {seconds:.1f} s\n")
    print("| killed | times |\n|---|---|")
    for stage, times in tally.killed.items():
        print(f"| {stage} | {times} |")
    print(f"| **differences** | {len(tally.problems)} |")
    if tally.problems:
        raise SystemExit("\n".join(tally.problems))


if __name__ == "__main__":
    main()
