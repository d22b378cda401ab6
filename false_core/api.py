"""The public functions of the library, and the results they return: ``import false_core`` offers them.

Each function takes the parameters of its job, which ``false_core.jobs`` declares and explains.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar, overload

from false_core import dispatch, jobs
from false_core.errors import RequestError
from false_core.events import Event, Message

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of a job: the files it wrote and the values it found, by the names in its declaration.

    Of several processes under ``torchrun``, that of rank 0 has them all. In another one the files are those that rank 0
    writes, perhaps later, and a value that only rank 0 knows is None, whatever its type says.
    """

    files: dict[str, Path] = field(repr=False)
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Pretrained(Results):
    """The results of pretraining: files, the final loss, and the number of steps trained."""

    encoder: Path
    loss: float
    steps: int
    report: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Finetuned(Results):
    """The results of fine-tuning: files, and scores from 0 to 1 on the labels held out; None where those are too few.

    ``oa_low`` and ``oa_high`` are the limits of the 95 % interval of ``oa``, which counts label shapes, not pixels.
    ``accuracy`` says the same in words.
    """

    model: Path
    report: Path | None = None
    oa: float | None = None
    oa_low: float | None = None
    oa_high: float | None = None
    accuracy: str | None = None
    miou: float | None = None
    macc: float | None = None
    kappa: float | None = None


@dataclass(frozen=True, kw_only=True)
class Classified(Results):
    """The results of classifying: files, and the number of pixels that got a class."""

    output: Path
    pixels: int
    confidence: Path | None = None
    report: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Assessed(Results):
    """The results of an assessment: files, scores from 0 to 1, and the number of points or pixels compared.

    ``adjusted_oa`` and the half width of its 95 % interval, ``adjusted_oa_error``, are None where the reference was not a
    random sample of points.
    """

    compared: int
    oa: float
    miou: float
    macc: float
    kappa: float
    f1: float
    adjusted_oa: float | None = None
    adjusted_oa_error: float | None = None
    report: Path | None = None
    table: Path | None = None


_RESULTS: dict[type[jobs.Job], type[Results]] = {
    jobs.Pretrain: Pretrained, jobs.Finetune: Finetuned, jobs.Classify: Classified, jobs.Assess: Assessed,
}  # fmt: skip


def _warn(event: Event) -> None:
    """Make a Python warning of one of a job, at the line of the program that called the library."""
    if isinstance(event, Message) and event.level == "warning":
        frame: FrameType | None = sys._getframe()
        caller: FrameType | None = None
        while frame is not None:
            if frame.f_globals.get("__name__", "").partition(".")[0] == "false_core":
                caller = frame.f_back
            frame = frame.f_back
        place = (caller.f_code.co_filename, caller.f_lineno) if caller else ("false_core", 0)
        warnings.warn_explicit(event.text, UserWarning, *place)


@overload
def run(job: jobs.Pretrain, on_event: Callable[[Event], None] = ..., cancel: threading.Event | None = ...) -> Pretrained: ...
@overload
def run(job: jobs.Finetune, on_event: Callable[[Event], None] = ..., cancel: threading.Event | None = ...) -> Finetuned: ...
@overload
def run(job: jobs.Classify, on_event: Callable[[Event], None] = ..., cancel: threading.Event | None = ...) -> Classified: ...
@overload
def run(job: jobs.Assess, on_event: Callable[[Event], None] = ..., cancel: threading.Event | None = ...) -> Assessed: ...
@overload
def run(job: jobs.Job, on_event: Callable[[Event], None] = ..., cancel: threading.Event | None = ...) -> Results: ...


def run(job: jobs.Job, on_event: Callable[[Event], None] = _warn, cancel: threading.Event | None = None) -> Any:
    """Run ``job`` to its end in this process, and return what it made.

    Args:
        job: A job of ``false_core.jobs``.
        on_event: Called with progress, metrics, messages and files as the job goes on. Unless it is given, warnings of the
            job are those of Python's ``warnings``, and the rest is not told.
        cancel: An event that another thread sets to end the job at its next step.

    Raises:
        FalseError: The error says what is wrong and what to do. No output is written in that case.

    Examples:
        >>> from false_core.jobs import Classify
        >>> job = Classify(raster="image.tif", model="model.safetensors", output="map.tif", confidence="confidence.tif")
        >>> made = false_core.run(job, on_event=print)
        >>> made.confidence
        PosixPath('confidence.tif')
    """
    found = dispatch.run(job, on_event, cancel)
    files = {name: Path(path) for name, path in jobs.outputs(job).items()}
    # Beyond rank 0 some are missing. None keeps a script going that does the same in every process.
    values = dict.fromkeys(result.name for result in job.RESULTS) | {n: v for n, v in found.items() if n not in files}
    kind = _RESULTS.get(type(job), Results)
    named = {f.name for f in dataclasses.fields(kind)}
    return kind(files=files, values=values, **{name: value for name, value in {**files, **values}.items() if name in named})


def _function(job: Callable[P, jobs.Job], result: type[R]) -> Callable[P, R]:
    """Return a function that takes the parameters of a job class, runs it, and returns its results."""

    name: str = job.NAME  # type: ignore[attr-defined]
    declared = jobs.parameters(job)  # type: ignore[arg-type]

    def function(*given: P.args, **named: P.kwargs) -> R:
        in_order = dict(zip(declared, given))
        if len(given) > len(declared) or in_order.keys() & named.keys():
            raise RequestError(f"{name} was given a parameter twice, or too many.", "Give each by its name.")
        done: R = run(jobs.from_mapping({"job": name, **in_order, **named}))  # type: ignore[assignment]
        return done

    arguments = "\n".join(f"    {name}: {parameter.help}" for name, parameter in declared.items())
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{inspect.getdoc(job)}\n\nArgs:\n{arguments}\n\nReturns:\n    {inspect.getdoc(result)}"
    function.__signature__ = inspect.signature(job).replace(return_annotation=result)  # type: ignore[attr-defined]
    return function


pretrain = _function(jobs.Pretrain, Pretrained)
finetune = _function(jobs.Finetune, Finetuned)
classify = _function(jobs.Classify, Classified)
assess = _function(jobs.Assess, Assessed)
