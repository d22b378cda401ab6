"""Checkpoints: what a training run needs to go on after it was interrupted.

They lie in the cache folder, named after everything that decides the result: the same job on the same inputs finds its
checkpoint, any other job does not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from false_core import __version__, jobs
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import of_training
from false_core.errors import OutputError
from false_core.feedback import Feedback
from false_core.outputs.hidden_names import UNFINISHED_ENDING
from false_core.outputs.publish import discard_abandoned, published
from false_core.presets import FinetuneSettings, PretrainSettings
from false_core.settings import cache_folder
from false_core.untrusted import parse_json

INTERVAL_S = 60.0
KEPT_DAYS = 30
TREE_KEY = "state"
_TENSOR, _NUMBERED = "__tensor__", "__numbered__"


class Checkpoint:
    """The checkpoint of one job.

    Args:
        job: The job; its output paths do not matter, its rasters' sizes and dates and its other inputs' contents do.
        device, numbers: Device that the job computes on, and numbers that it computes with. The latter decide.
        world: The processes that do the job. That of rank 0 writes and reads, for all.

    Attributes:
        path, path_before: Paths of the last state and of the one before it.
        step: The step of the last state, None where there is none yet.
    """

    def __init__(
        self,
        job: jobs.Job,
        settings: PretrainSettings | FinetuneSettings,
        device: torch.device,
        numbers: torch.dtype,
        feedback: Feedback,
        world: World = ALONE,
    ) -> None:
        # The name is of the files as this process sees them.
        decisive = dataclasses.asdict(settings), of_training(device, numbers)
        name = fingerprint(job, *decisive) if world.share.is_main else ""
        self.path = cache_folder() / "checkpoints" / f"{name}.safetensors"
        self.path_before = self.path.with_suffix(f".before{self.path.suffix}")
        self.step: int | None = None
        self._feedback, self._world = feedback, world
        self._saved_at = time.monotonic()

    @property
    def is_there(self) -> bool:
        """Return whether an interrupted run has left one."""
        return self.path.is_file() or self.path_before.is_file()

    def load(self) -> dict[str, Any] | None:
        """Return the state saved last, or None. A damaged file is skipped with a warning, and the one before it is taken."""
        content = self._newest() if self._world.share.is_main else None
        content = self._world.broadcast_bytes(content)
        if content is None:
            return None
        state = _decoded(content)
        self.step = state["step"]
        self._feedback.info(f"Going on from step {state['step']} of an interrupted run.")
        return state

    def _newest(self) -> bytes | None:
        for path in (self.path, self.path_before):
            if not path.is_file():
                continue
            try:
                content = path.read_bytes()
                _decoded(content)
            except (OSError, ValueError, KeyError, TypeError, RecursionError, safetensors.SafetensorError) as error:
                self._feedback.warn(f"A checkpoint of an earlier run is damaged and not used: {error}")
            else:
                return content
        return None

    @property
    def is_due(self) -> bool:
        """Return whether enough time has passed to save again."""
        return time.monotonic() - self._saved_at > INTERVAL_S

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state``, dicts and lists of tensors and of what JSON holds, whole or not at all.

        Without room for it the run goes on, unprotected, with a warning.

        Raises:
            ValueError: Some of the numbers in it are not finite. What was saved before stays.
        """
        self._saved_at = time.monotonic()
        if not self._world.share.is_main:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            tensors: dict[str, Tensor] = {}
            tree = _flattened(state, tensors)
            if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
                raise ValueError("no finite numbers")
            with published(self.path) as (partial,):
                safetensors.torch.save_file(tensors, partial, metadata={TREE_KEY: json.dumps(tree)})
                if self.path.is_file():
                    os.replace(self.path, self.path_before)
            self.step = state["step"]
        except (OSError, OutputError, safetensors.SafetensorError) as error:
            self._feedback.warn(f"The checkpoint cannot be written: {error}. If the run is interrupted it starts again.")

    def remove(self) -> None:
        """Forget the checkpoint of a finished run, and those of runs that were never resumed."""
        # What cannot be removed does no harm: a checkpoint is only ever found by the very same job.
        if not self._world.share.is_main:
            return
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self.path_before.unlink(missing_ok=True)
            for old in self.path.parent.glob("*.safetensors"):
                if time.time() - old.stat().st_mtime > KEPT_DAYS * 86400:
                    old.unlink(missing_ok=True)
            for unfinished in self.path.parent.glob(f".*{UNFINISHED_ENDING}"):
                discard_abandoned(unfinished)


def _decoded(content: bytes) -> dict[str, Any]:
    """Return the state in the bytes of a checkpoint.

    Raises:
        ValueError, KeyError, TypeError, safetensors.SafetensorError: They are none.
    """
    tensors = safetensors.torch.load(content)
    # The library reads this part from files only.
    length = int.from_bytes(content[:8], "little")
    tree = parse_json(json.loads(content[8 : 8 + length])["__metadata__"][TREE_KEY])
    state: dict[str, Any] = _rebuilt(tree, tensors)
    if not isinstance(state["step"], int):
        raise ValueError("it says no step")
    return state


def _flattened(node: Any, tensors: dict[str, Tensor]) -> Any:
    """Return ``node`` as JSON holds it, its tensors moved into ``tensors``."""
    if isinstance(node, Tensor):
        name = str(len(tensors))
        tensors[name] = node.detach().cpu().clone().contiguous()
        return {_TENSOR: name}
    if isinstance(node, dict) and node and all(isinstance(key, int) for key in node):
        return {_NUMBERED: [[key, _flattened(value, tensors)] for key, value in node.items()]}
    if isinstance(node, dict):
        return {key: _flattened(value, tensors) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_flattened(value, tensors) for value in node]
    return node


def _rebuilt(node: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo ``_flattened``."""
    if isinstance(node, dict) and _TENSOR in node:
        return tensors[node[_TENSOR]]
    if isinstance(node, dict) and _NUMBERED in node:
        return {key: _rebuilt(value, tensors) for key, value in node[_NUMBERED]}
    if isinstance(node, dict):
        return {key: _rebuilt(value, tensors) for key, value in node.items()}
    if isinstance(node, list):
        return [_rebuilt(value, tensors) for value in node]
    return node


def fingerprint(job: jobs.Job, *more: Any) -> str:
    """Return a name of everything that decides the result of a job: what it asks for, its inputs, and ``more``."""
    declared = jobs.parameters(job)
    body = {name: value for name, value in dataclasses.asdict(job).items() if not declared[name].kind.is_output}
    files: list[tuple[str, int, int]] = []
    for name, parameter in declared.items():
        for path in parameter.kind.paths(body.get(name)):
            file = path.partition("|")[0]
            if not os.path.isfile(file):
                continue
            if parameter.kind.is_raster:
                status = os.stat(file)
                files.append((file, status.st_size, status.st_mtime_ns))
            else:
                # QGIS gives temporary files a new name each time: their content counts, not their name.
                body[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    facts = [type(job).__name__, body, *more, files, __version__]
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
