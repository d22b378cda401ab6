"""Pretraining, fine-tuning and classifying in a few steps, as jobs that are disturbed, and what they leave."""

from __future__ import annotations

import dataclasses
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import safetensors.torch
from small_world import FROM_NOTHING, Listener

from false_core import jobs
from false_core.dispatch import run
from false_core.errors import Cancelled
from false_core.events import Event, Metric
from false_core.jobs import Classify, Finetune, Job, Pretrain
from false_core.presets import FINETUNE, PRETRAIN

STEPS = 4
SMALL_BATCHES = """
import dataclasses
from false_core import presets
presets.FINETUNE["quick"] = dataclasses.replace(presets.FINETUNE["quick"], batch_size=4)
"""
"""For processes; in this one the fixture ``small_jobs`` does it."""
TRAININGS = ("pretrain", "finetune")
ALL = (*TRAININGS, "classify")


@dataclass(frozen=True)
class SmallJobs:
    """What the jobs read."""

    land: str
    labels: str
    encoder: str
    model: str

    def make(self, name: str, out: Path) -> Job:
        """Return a job that writes into ``out``."""
        if name == "pretrain":
            return Pretrain((self.land,), str(out / "e.safetensors"), steps=STEPS, batch_size=2, **FROM_NOTHING)
        if name == "finetune":
            return Finetune(
                self.land, self.labels, "cover", str(out / "m.safetensors"), self.encoder, preset="quick", device="cpu",
                head="network", steps=STEPS, validation=0,
            )  # fmt: skip
        return Classify(self.land, self.model, str(out / "map.tif"), device="cpu")


def output_of(job: Job) -> Path:
    """Return the first output."""
    return Path(next(iter(jobs.outputs(job).values())))


UNDISTURBED: dict[tuple[str, str], bytes] = {}
"""What jobs wrote that nothing disturbed, by the job but for the folder it writes into, and the settings it ran with."""


def undisturbed(job: Job, folder: Path) -> bytes:
    """Return what a job writes that nothing disturbs."""
    name, target = next((name, Path(path)) for name, path in jobs.outputs(job).items())
    key = jobs.to_json(dataclasses.replace(job, **{name: target.name})), repr((PRETRAIN["quick"], FINETUNE["quick"]))
    if key not in UNDISTURBED:
        folder.mkdir()
        run(dataclasses.replace(job, **{name: str(folder / target.name)}))
        UNDISTURBED[key] = (folder / target.name).read_bytes()
    return UNDISTURBED[key]


def checkpoints(cache: Path) -> list[Path]:
    """Return the last checkpoint of each job in a cache folder."""
    return sorted(path for path in cache.glob("checkpoints/*.safetensors") if ".before." not in path.name)


def step_of(checkpoint: Path) -> int:
    """Return the step of a checkpoint, all of whose weights are numbers."""
    content = checkpoint.read_bytes()
    for name, tensor in safetensors.torch.load(content).items():
        assert tensor.isfinite().all(), name
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return int(json.loads(header["__metadata__"]["state"])["step"])


def interrupt(job: Job, step: int) -> None:
    """Cancel a training at a step whose loss is told: 1, or one that 5 divides, or the last one."""
    cancel = threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, Metric) and event.step >= step:
            cancel.set()

    with pytest.raises(Cancelled):
        run(job, watch, cancel)


def goes_on(job: Job) -> str:
    """Run a job to its end, and return what it says."""
    listener = Listener()
    run(job, listener)
    return listener.infos + listener.warnings
