"""Time and memory of classifying with models of frozen features, against one with a trained decoder.

    python benchmarks/classifying_heads.py scene.tif labels.gpkg land_cover

All models are made by fine-tuning with the quick preset: one with its default head, one whose head takes *curves* in, for
which every pixel is scored, one with an encoder that was pretrained on the raster beside the general one, and one with the
head "network" on resnet10t. What is trained is so for a few steps only, as that changes nothing about the time. Each is
then used in processes of its own, in turn. A job is done twice in each and timed the second time, so that starting up does
not count. Peak memory is what the system reports for the process (maximum resident set size).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from false_core.computing.memory import keep_memory
from false_core.dispatch import run
from false_core.jobs import Classify, Finetune, Pretrain
from false_core.training.heads.choice import HeadCandidate, candidates_for

GOAL_TIME, GOAL_MEMORY = 1.5, 1.1
"""Time and memory of a model of frozen features, relative to that with a decoder."""
DECODER, HEAD, CURVES, PRETRAINED = "decoder on resnet10t", "default head", "and a third curves", "and a pretrained encoder"


@dataclass(frozen=True)
class Taken:
    """Wall clock and processor time of a job in seconds, and peak memory of its process in GB."""

    wall: float
    cpu: float
    peak: float

    def better(self, other: Taken) -> Taken:
        """Return the best of both."""
        return Taken(min(self.wall, other.wall), min(self.cpu, other.cpu), min(self.peak, other.peak))


def model_files(folder: Path) -> dict[str, Path]:
    """Return the files of the models by their titles."""
    return {title: folder / f"{title}.safetensors" for title in (DECODER, HEAD, CURVES, PRETRAINED)}


def make_models(raster: str, labels: str, field: str, folder: Path) -> None:
    """Make the models that are not there."""
    models = model_files(folder)
    common = {"preset": "quick", "device": "cpu"}

    def finetune(title: str, **given: object) -> None:
        if not models[title].exists():
            run(Finetune(raster, labels, field, str(models[title]), **given, **common))  # type: ignore[arg-type]

    finetune(DECODER, head="network", weights="none", backbone="resnet10t", steps=5)
    finetune(HEAD)
    with patch("false_core.training.heads.fit.candidates_for", _with_curves):
        finetune(CURVES)
    encoder = folder / "encoder.safetensors"
    if not encoder.exists():
        run(Pretrain(rasters=(raster,), encoder=str(encoder), steps=5, **common))  # type: ignore[arg-type]
    finetune(PRETRAINED, encoder=str(encoder))


def _with_curves(head: str, zooms: Sequence[Sequence[int]]) -> tuple[HeadCandidate, ...]:
    return tuple(one for one in candidates_for(head, zooms) if one.name == "linear and texture, a third curves")


def time_here(raster: str, model: str, output: str) -> None:
    """Classify twice in this process and print what the second time took."""
    keep_memory()  # As processes do that run one job.
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        run(Classify(raster, model, output, device="cpu"))
        taken = time.perf_counter() - wall, time.process_time() - cpu
    print(*taken)


def timed_alone(raster: str, model: Path, folder: Path) -> Taken:
    """Classify in a process of its own."""
    command = [sys.executable, __file__, "--here", raster, str(model), str(folder / "map.tif")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("Classifying failed.")
    wall, cpu = map(float, said.split()[-2:])
    # Linux counts in units of 1024 bytes, macOS in bytes.
    return Taken(wall, cpu, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9)


def main() -> None:
    """Print the table. Exit code 1 where a goal is missed."""
    if sys.argv[1:2] == ["--here"]:
        time_here(*sys.argv[2:])
        return
    if sys.argv[1:2] == ["--make"]:
        raster, labels, field, where = sys.argv[2:]
        make_models(raster, labels, field, Path(where))
        return
    parser = argparse.ArgumentParser(description="Classifying with a head on frozen features, and with a decoder.")
    parser.add_argument("raster")
    parser.add_argument("labels")
    parser.add_argument("field")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=Path, help="folder that keeps the models for the next time")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = choice.models or folder
        # Elsewhere: the most memory of a process counts for those that it starts, too.
        command = [sys.executable, __file__, "--make", choice.raster, choice.labels, choice.field, str(kept)]
        subprocess.run(command, check=True)
        models = model_files(kept)
        taken: dict[str, Taken] = {}
        for _ in range(choice.rounds):
            for title, model in models.items():
                now = timed_alone(choice.raster, model, folder)
                taken[title] = now.better(taken.get(title, now))
    print(f"{'':24s} {'wall s':>8s} {'CPU s':>8s} {'peak GB':>8s}")
    for title, best in taken.items():
        print(f"{title:24s} {best.wall:8.2f} {best.cpu:8.2f} {best.peak:8.2f}")
    worst = [max(getattr(taken[title], what) for title in models if title != DECODER) for what in ("wall", "cpu", "peak")]
    ratios = [most / getattr(taken[DECODER], what) for most, what in zip(worst, ("wall", "cpu", "peak"), strict=True)]
    print(f"{'largest ratio':24s} " + " ".join(f"{ratio:8.2f}" for ratio in ratios))
    if ratios[0] > GOAL_TIME or ratios[2] > GOAL_MEMORY:
        raise SystemExit(f"The goal is at most {GOAL_TIME} times the time and {GOAL_MEMORY} times the memory.")


if __name__ == "__main__":
    main()
