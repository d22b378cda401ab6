"""The record of how a model was made, kept in its file: the job, what it read, and with what, so that it can be made again.

The paths in a record are texts to the reader of a model. Only ``false_core.rerun`` opens them, when a person asks for that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rasterio
import torch

from false_core import __version__, jobs
from false_core.computing.device import describe
from false_core.errors import InputError, ModelFileError
from false_core.models.model_file import LABELLING_SESSION, MADE_BY, ModelCard
from false_core.raster.opening import GDAL_ERRORS
from false_core.raster.references import check_references
from false_core.redaction import without_secrets

MAX_BYTES_HASHED_WHOLE = 64_000_000
"""Bytes up to which a file is looked at from end to end. Of a larger one it is ``SAMPLES_HASHED`` pieces, spread evenly."""
SAMPLE_BYTES, SAMPLES_HASHED = 1_000_000, 64
MAX_FILES_HASHED = 1000
"""Files of a raster that are looked at."""
_BESIDE = (".aux.xml", ".ovr", ".msk.ovr")
"""Endings of the files that programs put beside a raster without changing it."""
_RECORDED = ("pretrain", "finetune", "classifyareas")


@dataclass(frozen=True)
class Record:
    """The record of a model's making in its file.

    Attributes:
        job: Name and parameters of the job, without its outputs.
        inputs: Fingerprint of each file it read, by path; empty where none could be taken.
        made_with: Versions, device and threads.
    """

    job: dict[str, Any]
    inputs: dict[str, str]
    made_with: dict[str, str]


def record_of(job: jobs.Job, device: torch.device) -> dict[str, Any]:
    """Return the record of a job that is about to run, for ``ModelCard.provenance``.

    Paths are absolute, but the folder of the user is written ``~``: models are passed on, and their names need not be.
    """
    declared = jobs.parameters(job)
    body = {name: value for name, value in dataclasses.asdict(job).items() if not declared[name].kind.is_output}
    inputs = {path: file_fingerprint(path, kind) for _, path, kind in read_by(job)}
    for name, parameter in declared.items():
        paths = [_portable(path) for path in parameter.kind.paths(body.get(name))] if parameter.kind.is_input else []
        if paths:
            body[name] = paths if parameter.kind.is_many else paths[0]
    return {
        "job": {"job": job.NAME, **body},
        "inputs": {_portable(path): print_ for path, print_ in inputs.items()},
        "made_with": made_with(device),
    }


def read_record(card: ModelCard, path: str) -> Record:
    """Return the record in a model file.

    Raises:
        ModelFileError: There is none, or it is not one of ours.
    """
    if card.method.get("name") == LABELLING_SESSION:
        raise ModelFileError(
            f"{path} was made in a labelling session, which no job repeats.",
            "Fine-tune a model with the same labels: that one can be made again.",
        )
    body = card.provenance.get(MADE_BY)
    if body is None:
        raise ModelFileError(
            f"{path} does not say enough of how it was made.",
            "Models of early versions, and those made from tens of thousands of files, do not.",
        )
    try:
        job, inputs, tools = (dict(body[name]) for name in ("job", "inputs", "made_with"))
        known = jobs.parameters(jobs.JOBS[job["job"]]) if job["job"] in _RECORDED else {}
    except (TypeError, KeyError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: how it was made cannot be read ({error!r}).") from error
    texts = [*inputs, *inputs.values(), *tools, *tools.values()]
    # No outputs: where things are written is said by the user who makes the model again, not by the file.
    if (
        not known
        or not all(isinstance(text, str) for text in texts)
        or any(known[n].kind.is_output for n in job if n in known)
    ):
        raise ModelFileError(f"{path} is damaged: how it was made cannot be read.")
    return Record(job, inputs, tools)


def read_by(job: jobs.Job) -> Iterator[tuple[str, str, jobs.Kind]]:
    """Go through what a job reads: name of the parameter, path as it was given, and kind of the parameter."""
    for name, parameter in jobs.parameters(job).items():
        for path in parameter.kind.paths(getattr(job, name)) if parameter.kind.is_input else []:
            if not parameter.kind.may_be_a_name or os.path.isfile(path):
                yield name, path, parameter.kind


def file_fingerprint(path: str, kind: jobs.Kind) -> str:
    """Return what tells the content of a file from another, or nothing where it is no file that can be read.

    Dates and names do not count. Of a raster all the files count that it is made of.
    """
    file = path.partition("|")[0]
    if not os.path.isfile(file):
        return ""
    digest = hashlib.sha256()
    try:
        for part in _parts(file) if kind.is_raster else [file]:
            _add(digest, part)
    except OSError:
        return ""
    return digest.hexdigest()[:32]


def made_with(device: torch.device) -> dict[str, str]:
    """Return what else decides the last digits of a result."""
    return {
        "false_core": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "machine": platform.machine(),
        "device": describe(device),
    }


def here(path: str) -> str:
    """Return a path of a record as it is on this computer."""
    return os.path.expanduser(path) if path.startswith("~") else path


def _portable(path: str) -> str:
    file, bar, layer = path.partition("|")
    if os.path.exists(file):
        file = os.path.abspath(file)
    home = os.path.join(os.path.expanduser("~"), "")
    if len(home) > 2 and file.startswith(home):
        file = os.path.join("~", file[len(home) :])
    # A model is handed on, and no password or signature of an address with it.
    return without_secrets(file + bar + layer)


def _parts(raster: str) -> list[str]:
    try:
        check_references(raster)
        with rasterio.open(raster) as dataset:
            files = [str(file) for file in dataset.files if not file.endswith(_BESIDE)]
    except (*GDAL_ERRORS, InputError):
        return [raster]
    return [file for file in files[:MAX_FILES_HASHED] if os.path.isfile(file)] or [raster]


def _add(digest: Any, file: str) -> None:
    size = os.path.getsize(file)
    digest.update(str(size).encode())
    with open(file, "rb") as stream:
        if size <= MAX_BYTES_HASHED_WHOLE:
            while piece := stream.read(SAMPLE_BYTES):
                digest.update(piece)
            return
        for number in range(SAMPLES_HASHED):
            stream.seek((size - SAMPLE_BYTES) * number // (SAMPLES_HASHED - 1))
            digest.update(stream.read(SAMPLE_BYTES))
