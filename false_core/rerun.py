"""Make a model again from what its file says of its making, and say what is different now.

This is the only place where paths from a model file are opened. What is about to be read can be looked at first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from false_core import jobs
from false_core.computing.device import choose_device
from false_core.computing.precision import NAMES_IN_TRAINING, of_training, precisions_in_training, trained_again_in
from false_core.dispatch import run
from false_core.errors import InputError, OutputError, RequestError
from false_core.events import Event
from false_core.feedback import Feedback
from false_core.models.header import AREA_CLASSIFIER, ENCODER, SEGMENTER
from false_core.models.label_crops import CROPS_PREFIX
from false_core.models.model_file import PRECISION, STAGES, ModelCard, read_card
from false_core.models.record import Record, file_fingerprint, here, made_with, read_by, read_record
from false_core.raster.imagery import find_rasters
from false_core.training.stages import read_stages
from false_core.untrusted.network import network_closed

SAME, CHANGED, MISSING, INCOMPARABLE = "as it was", "has changed", "is not there", "cannot be compared"

TARGET_OF_KIND = {ENCODER: "encoder", SEGMENTER: "model", AREA_CLASSIFIER: "new_model"}
"""The parameter that names the file of a model, by its kind. Beside a model of areas its areas are written too."""


@dataclass(frozen=True)
class Input:
    """A file that the model was made from: the parameter, where it is looked for, and what has become of it."""

    parameter: str
    path: str
    state: str


@dataclass(frozen=True)
class Plan:
    """The job and the inputs that make a model again.

    Attributes:
        job: The job to run; its outputs are empty where they have not been named.
        inputs: Inputs that the job reads.
        tools: Tools of another version, and devices and numbers of a training that are others: name, then, now.
        numbers: Numbers that the network was trained in, to be taken again; None where it was not trained, or its stages
            in different ones.
    """

    job: jobs.Job
    inputs: tuple[Input, ...]
    tools: tuple[tuple[str, str, str], ...]
    numbers: torch.dtype | None = None

    @property
    def is_the_same(self) -> bool:
        """Return whether nothing is known to be different, so that the result should be the same to the last bit."""
        return not self.tools and all(one.state == SAME for one in self.inputs)


def plan(model: str, output: str, report: str | None = None, replaced: Mapping[str, str] | None = None) -> Plan:
    """Return what making a model again takes, and what is different now. Files are looked at, nothing is run.

    Args:
        replaced: Paths of inputs that lie elsewhere now, by the name of the parameter; of ``rasters`` separated by commas.

    Raises:
        ModelFileError: It does not say how it was made.
        RequestError: What it says is no job, or there is no such input.
    """
    card = read_card(model)
    record = read_record(card, model)
    target = {TARGET_OF_KIND[card.kind]: output}
    if card.kind == AREA_CLASSIFIER:
        target["output"] = str(Path(output).with_suffix(".gpkg"))
    job = jobs.from_mapping({**_fields(record, replaced or {}), **target, **({"report": report} if report else {})})
    assert isinstance(job, (jobs.Pretrain, jobs.Finetune, jobs.ClassifyAreas))  # A record says nothing else.
    device = choose_device(job.device, Feedback(lambda event: None))
    now = made_with(device)
    tools = tuple((name, then, now.get(name, "")) for name, then in record.made_with.items() if then != now.get(name, ""))
    numbers, others = _numbers(card, device)
    with network_closed(unless=False):
        return Plan(job, tuple(_inputs(job, record)), tools + others, numbers)


def rerun(
    plan: Plan, model: str, on_event: Callable[[Event], None] = lambda event: None, cancel: threading.Event | None = None
) -> float:
    """Make a model again and return by how much its weights differ from those of ``model`` at most; 0 where all are equal.

    Infinity stands for networks of another kind, which cannot be compared.

    Raises:
        FalseError: As ``run`` does.
    """
    for path in jobs.outputs(plan.job).values():
        if os.path.realpath(path) == os.path.realpath(model) or (os.path.exists(path) and os.path.samefile(path, model)):
            raise OutputError(f"{path} is the model that is to be made again.", "Choose another file.")
    (output,) = (path for name, path in jobs.outputs(plan.job).items() if name in TARGET_OF_KIND.values())
    with trained_again_in(plan.numbers):
        run(plan.job, on_event, cancel)
    then, now = map(_weights, (model, output))
    if {name: tensor.shape for name, tensor in then.items()} != {name: tensor.shape for name, tensor in now.items()}:
        return float("inf")
    return max(float((then[name].double() - now[name].double()).abs().max()) for name in then if then[name].numel())


def _numbers(card: ModelCard, device: torch.device) -> tuple[torch.dtype | None, tuple[tuple[str, str, str], ...]]:
    """Return the numbers that a model was trained in, and what is to be said where this device would take others."""
    stages = card.provenance.get(STAGES) if card.kind == ENCODER else None
    methods = [one.get("method") for one in stages if isinstance(one, dict)] if isinstance(stages, list) else [card.method]
    then = list(dict.fromkeys(str(one[PRECISION]) for one in methods if isinstance(one, dict) and PRECISION in one))
    if not then:
        return None, ()
    numbers = NAMES_IN_TRAINING.get(then[0]) if len(then) == 1 else None
    with trained_again_in(numbers):
        now = [of_training(device, one) for one in precisions_in_training(device, mixed=True)]
    return numbers, () if numbers is not None and now == then else ((PRECISION, ", ".join(then), " or ".join(now)),)


def _weights(path: str) -> dict[str, torch.Tensor]:
    """Return the weights in a model file. Those of earlier versions keep no crops beside them."""
    tensors = safetensors.torch.load_file(path)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(CROPS_PREFIX)}


def _fields(record: Record, replaced: Mapping[str, str]) -> dict[str, Any]:
    fields = dict(record.job)
    declared = jobs.parameters(jobs.JOBS[fields["job"]])
    for name in replaced:
        if name not in fields or fields[name] is None:
            raise RequestError(f"The model was made without {name}.", "Name one of its inputs.")
    for name, value in fields.items():
        if name not in declared or not declared[name].kind.is_input or value is None:
            continue
        if declared[name].kind.is_many:
            fields[name] = replaced[name].split(",") if name in replaced else [here(str(path)) for path in value]
        elif name in replaced:
            fields[name] = replaced[name]
        elif isinstance(value, str):
            fields[name] = here(value)
    return fields


def _read(job: jobs.Job) -> Iterator[tuple[str, str, jobs.Kind]]:
    """Go through what a job reads, and what its stages read beside that."""
    known = set()
    for name, path, kind in read_by(job):
        known.add(path)
        yield name, path, kind
    if isinstance(job, jobs.Pretrain) and job.stages and os.path.isfile(job.stages):
        for stage in read_stages(job):
            for name, path, kind in read_by(stage.job):
                for one in _meant_by(path) if kind.is_raster else [path]:
                    if one not in known:
                        known.add(one)
                        yield name, one, kind


def _meant_by(name: str) -> list[str]:
    """Return the rasters that a name stands for, or the name where it stands for none any more."""
    try:
        return find_rasters([name])
    except InputError:
        return [name]


def _inputs(job: jobs.Job, record: Record) -> list[Input]:
    """Compare what the job reads with what was read, content by content: a file may have been moved."""
    found, then = [], set(record.inputs.values()) - {""}
    for name, path, kind in _read(job):
        file = path.partition("|")[0]
        now = file_fingerprint(path, kind)
        if not os.path.exists(file) and not file.startswith("/vsi"):
            state = MISSING
        elif not now:
            state = INCOMPARABLE
        else:
            state = SAME if now in then else CHANGED
        found.append(Input(name, path, state))
    return found
