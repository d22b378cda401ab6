"""Jobs as JSON, and back: what is wrong with a job is said before it runs, in the words of its declaration."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Mapping, Optional, Sequence, Tuple, Type

from false_core.errors import RequestError
from false_core.jobs.job import JOBS, Job, outputs, parameters
from false_core.jobs.kinds import FIELD, Parameter
from false_core.jobs.names_for_user import name_for_user
from false_core.untrusted import parse_json, read_text

LONGEST_PATH = 32_767
"""Characters of a path on any system. To look along a longer one would take minutes."""


def to_json(job: Job) -> str:
    """Return ``job`` as one line of JSON."""
    return json.dumps({"job": job.NAME, **dataclasses.asdict(job)}, allow_nan=False)


def from_json(text: str) -> Job:
    """Return the job written in ``text``, validated.

    Raises:
        RequestError: It is not JSON, names no job of ours, or a parameter is unknown, missing or not admitted.
    """
    try:
        body = parse_json(text)
    except ValueError as error:
        raise RequestError(f"The job is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RequestError("The job must be a JSON object.")
    return from_mapping(body)


def from_file(path: str) -> Job:
    """Return the job in the file ``path``, validated.

    Raises:
        RequestError: The file cannot be read, or holds no job; the reasons are those of ``from_json``.
        InputError: It is no file, such as a pipe, or too long for a job.
    """
    try:
        text = read_text(path, "The job")
    except OSError as error:
        raise RequestError(f"The job {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"The job {path} is not a text in UTF-8.") from error
    return from_json(text)


def from_mapping(body: Mapping[str, Any]) -> Job:
    """Return the job described by ``body``: its name under ``"job"``, the rest its parameters, validated."""
    name = body.get("job")
    kind = JOBS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise RequestError(f"There is no job called {name!r}.", f"Jobs are {', '.join(JOBS)}.")
    declared = parameters(kind)
    given = {key: value for key, value in body.items() if key != "job"}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise RequestError(f"{name} has no parameter {', '.join(unknown)}.", f"It has {', '.join(declared)}.")
    missing = [f.name for f in dataclasses.fields(kind) if f.name not in given and f.default is dataclasses.MISSING]
    if missing:
        raise RequestError(f"{name} needs {', '.join(missing)}.")
    for key, value in given.items():
        if declared[key].kind.is_many and isinstance(value, (list, tuple)):
            given[key] = tuple(value)
    job: Job = kind(**given)
    validate(job)
    return job


def validate(job: Job) -> None:
    """Check every parameter of ``job`` against its declaration. Files are not looked at.

    Raises:
        RequestError: Names the parameter, the value and what is admitted.
    """
    for f in dataclasses.fields(job):
        parameter: Parameter = f.metadata["parameter"]
        value = getattr(job, f.name)
        if value is None and f.default is None:
            continue
        problem = parameter.kind.problem(parameter, value)
        if problem:
            raise RequestError(f"{name_for_user(job, f.name)} {problem}; it is {value!r}.")
        if parameter.kind.is_input and not value:
            raise RequestError(
                f"{name_for_user(job, f.name)} is empty.", f"Name at least one {parameter.kind.layer or 'file'}."
            )
        if any(len(path) > LONGEST_PATH for path in parameter.kind.paths(value)):
            raise RequestError(
                f"{name_for_user(job, f.name)} holds a name of more than {LONGEST_PATH:,} characters.",
                "No file can be called so.",
            )
    given = [f.name for f in dataclasses.fields(job) if getattr(job, f.name) is not None]
    contradiction = job.contradiction() or missing_together(type(job), given)
    if contradiction:
        raise RequestError(*contradiction)
    targets = list(outputs(job).values())
    if len(set(targets)) < len(targets):
        raise RequestError("Two outputs have the same path.", "Give each output a file of its own.")


def missing_together(job: Type[Any], given: Sequence[str]) -> Optional[Tuple[str, str]]:
    """Return what is wrong with which parameters were given, and what to do, or None where nothing is.

    Each may be left out by itself, but of some just one is needed, and a layer of labels needs its field.
    """
    for choice in getattr(job, "EXACTLY_ONE", ()):
        chosen = [name_for_user(job, name) for name in choice if name in given]
        if len(chosen) != 1:
            every = [name_for_user(job, name) for name in choice]
            what = f"{' and '.join(chosen)} were both given." if chosen else f"Neither {' nor '.join(every)} was given."
            return what, f"Give just one: {' or '.join(every)}."
    for name, parameter in parameters(job).items():
        if parameter.kind == FIELD and parameter.of in given and name not in given:
            return (
                f"{name_for_user(job, name)} is missing.",
                f"Name the field of {name_for_user(job, parameter.of)} that holds the class.",
            )
    return None
