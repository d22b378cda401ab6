"""The tasks that the plugin does itself, declared like the jobs of the library: dialogs and help pages are made from it.

Standard library only, so that ``tools/build_help.py`` and ``tools/build_translations.py`` run where there is no QGIS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, Optional, Tuple, Type

from false_core import jobs
from false_core.jobs import Parameter, Result, parameter

BUILDS = AUTO_BUILD, CUDA_BUILD, CPU_BUILD, INDEX_BUILD = "auto", "cuda", "cpu", "index"
"""Builds of PyTorch that a user may ask for. ``index``: whatever the package index has for this system."""
EXPORT_NAME = "export"
EXPORT_PARAMETER = EXPORT_NAME.upper()
"""The name of it in Processing."""
EXPORT = Parameter(
    jobs.NEW_FILE,
    "Export the job",
    "The job is written to this JSON file and not run. false-core run FILE runs it elsewhere, and Import results brings "
    "back what it made. Labels, and outputs that were to be temporary, lie in a folder beside it. Empty: the job is run.",
    of="json",
    advanced=True,
)
"""Parameters of an algorithm beside those of its job, by name."""


def name_of(job: Type[Any]) -> str:
    """Return the name of a job or a task, which is that of its algorithm unless the algorithm has a better one."""
    return job.__name__.lower()


def can_be_exported(job: Type[Any]) -> bool:
    """Return whether ``job`` is one of the library, and makes files to bring back."""
    return job in jobs.JOBS.values() and any(parameter.kind.is_output for parameter in jobs.parameters(job).values())


@dataclass(frozen=True)
class SetUpEnvironment:
    """Make, repair or update the Python that computes.

    FALSE computes in a Python of its own, beside QGIS, with PyTorch and what else it needs. This algorithm finds or gets
    a Python, downloads the packages, computes something with them and says on what device. That is 0.5 GB to download and
    1.5 GB on the disk; with an NVIDIA GPU 3 and 6 GB.

    Run it again at any time. It goes on where it was cancelled, repairs what is broken, brings an environment of another
    version of the plugin up to date, and is done in a moment where nothing is to be done. The packages come from the index
    that pip or uv are set to, through the proxy and with the certificates that QGIS is set to.

    Where a Python with all that is needed is there already, for example of conda, a cluster or a container, name it. It is
    used as it is; nothing is installed into it.
    """

    existing_python: Optional[str] = parameter(
        jobs.FILE,
        "Python to use as it is",
        "A Python of at least 3.10 that has the packages. Empty: an environment is made.",
        None,
    )
    build: str = parameter(
        jobs.CHOICE,
        "Build of PyTorch",
        "auto: by the GPU and its driver. cuda: for NVIDIA GPUs. cpu: without, smaller. index: what the package "
        "index has for this system, where only that can be reached. On Linux that is the one for GPUs.",
        AUTO_BUILD,
        choices=BUILDS,
        advanced=True,
    )
    from_scratch: bool = parameter(
        jobs.FLAG,
        "Remove what is there first",
        "Seldom needed: what is broken is found and repaired.",
        False,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("interpreter", "Python that computes", jobs.TEXT),
        *jobs.Check.RESULTS,
    )


@dataclass(frozen=True)
class Diagnostics:
    """Make a report about this computer, for when something does not work.

    It collects versions, paths, GPUs, the state of the compute environment, the environment variables that matter,
    and the last errors into a text that can be put into a bug report. The text is in English.

    It holds no passwords and no keys, and the name of the user is left out of paths. Read it before you pass it on. Nothing
    is sent anywhere.
    """

    report: Optional[str] = parameter(
        jobs.NEW_FILE,
        "Report",
        "The text to write. It stands in the log as well, and on the desktop in the clipboard.",
        None,
        of="txt",
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = ()


@dataclass(frozen=True)
class ImportResults:
    """Bring what an exported job made into the project.

    Where Export the job names a file, a dialog writes its job there instead of running it. The log says how to run the file
    elsewhere, also under torchrun or on a cluster. Then name the file here: the map and other layers are loaded and drawn
    as if they had been made here, the report goes to the Results Viewer, and the model is an output.
    """

    job: str = parameter(
        jobs.FILE, "Job", "The JSON file that was exported. What the job made must be where it says, or the mapping says.",
        of="json",
    )  # fmt: skip
    paths: Optional[str] = parameter(
        jobs.TEXT,
        "Path mapping",
        "What folders were called where the job ran, as /home/me/maps=/scratch/me/maps; several with semicolons. Empty: as "
        "in the options.",
        None,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("kind", "Kind of the job", jobs.TEXT),)


TASKS: Dict[str, Type[Any]] = {name_of(task): task for task in (ImportResults, SetUpEnvironment, Diagnostics)}
"""Task classes by name, that of their algorithm."""
