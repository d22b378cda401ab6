"""A throw-away job with one parameter of each kind, for the tests of everything that has to know all kinds."""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from false_core import jobs

OF = {"field": "vector", "vector": "raster", "bands": "raster", "extent": "raster", "file": "json", "new_file": "txt"}
"""The layer that a value belongs to, or the ending of a file."""


@contextmanager
def job_of_every_kind(with_defaults: bool = False) -> Iterator[type[jobs.Job]]:
    """Declare ``EveryKind``, whose parameters are called like their kinds, and forget it again.

    Args:
        with_defaults: True where each parameter that is read has a default.
    """

    def declare(namespace: dict[str, Any]) -> None:
        namespace["__doc__"] = "Do nothing with everything."
        namespace["__annotations__"] = {name: kind.type for name, kind in jobs.KINDS.items()}
        for name, kind in jobs.KINDS.items():
            choices = ("one", "two") if kind in (jobs.CHOICE, jobs.NUMBER_OR_WORD) else ()
            more: dict[str, Any] = {"choices": choices, "of": OF.get(name, "")}
            if with_defaults:
                declared = jobs.Parameter(kind, f"Some {name}", "It is not used.", **more)
                more["default"] = None if kind.is_output else declared.example
            namespace[name] = jobs.parameter(kind, f"Some {name}", "It is not used.", **more)

    declared = types.new_class("EveryKind", (jobs.Job,), {"done_by": "every_kind:do"}, declare)
    try:
        yield dataclass(frozen=True)(declared)
    finally:
        del jobs.JOBS["everykind"]


def values(job: type[jobs.Job], folder: str = "") -> dict[str, Any]:
    """Return an admitted value of each parameter; its paths lie in ``folder``."""
    found = {}
    for name, parameter in jobs.parameters(job).items():
        value = parameter.example
        if parameter.kind.is_path and folder:
            value = tuple(f"{folder}/{one}" for one in value) if parameter.kind.is_many else f"{folder}/{name}_{value}"
        found[name] = value
    return found


def do(job: Any, feedback: Any) -> dict[str, Any]:
    """Do the job: say what was asked for."""
    feedback.info(f"The number is {job.integer}.")
    return {}
