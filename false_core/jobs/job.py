"""A job is a frozen dataclass of parameters. Declaring one registers it, together with the function that does it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Dict, Optional, Tuple, Type, Union

from false_core.jobs.kinds import NUMBER, Kind, Parameter

JOBS: Dict[str, Type[Job]] = {}
"""Every job by its name, in the order of declaration."""


@dataclass(frozen=True)
class Result:
    """One thing that a finished job hands back beside its files: a number or a text in ``Finished.outputs``."""

    name: str
    label: str
    kind: Kind = NUMBER


@dataclass(frozen=True)
class Job:
    """Base of the jobs. A subclass that is declared is known to the dialogs, the command line and the worker alike.

    Attributes:
        RESULTS: Results that the job hands back beside its files.
        EXACTLY_ONE: Groups of optional parameters. Of each group just one must be given.
        NAME: Name of the job on the command line, in JSON and in the id of its algorithm: its class in small letters.
        DONE_BY: The function that does the job, as ``"module:function"``. It takes the job and a ``Feedback``, that of a
            shared job also the ``World`` of processes, and returns the results by name.
        IS_SHARED: True where several processes do the job together. Of any other job, the first process does all.
    """

    RESULTS: ClassVar[Tuple[Result, ...]] = ()
    EXACTLY_ONE: ClassVar[Tuple[Tuple[str, ...], ...]] = ()
    NAME: ClassVar[str] = ""
    DONE_BY: ClassVar[str] = ""
    IS_SHARED: ClassVar[bool] = False

    def __init_subclass__(cls, *, done_by: str, shared: bool = False) -> None:
        super().__init_subclass__()
        cls.NAME, cls.DONE_BY, cls.IS_SHARED = cls.__name__.lower(), done_by, shared
        JOBS[cls.NAME] = cls

    def contradiction(self) -> Optional[Tuple[str, str]]:
        """Return what is wrong with parameters that are right by themselves, and what to do; None where nothing is."""
        return None


def parameters(job: Union[Job, Type[Any]]) -> Dict[str, Parameter]:
    """Return the parameters of a job, or of a class that declares some, by name, in the order of declaration."""
    return {f.name: f.metadata["parameter"] for f in dataclasses.fields(job)}


def outputs(job: Job) -> Dict[str, str]:
    """Return what ``job`` writes: parameter name to path, without the optional ones that were not asked for."""
    return {
        name: getattr(job, name)
        for name, parameter in parameters(job).items()
        if parameter.kind.is_output and getattr(job, name)
    }
