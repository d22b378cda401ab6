"""What the plugin does itself, declared like the jobs of the library: the dialogs and the help pages are made from it.

Standard library only, so that ``tools/build_help.py`` and ``tools/build_translations.py`` run where there is no QGIS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Dict, Optional, Tuple, Type

from false_core import jobs
from false_core.jobs import Result, parameter

BUILDS = AUTO, CUDA, CPU, INDEX = "auto", "cuda", "cpu", "index"
"""Builds of PyTorch that a user may ask for. ``index``: whatever the package index has for this system."""


@dataclass(frozen=True)
class SetUpEnvironment:
    """Make, repair or update the Python that computes.

    FALSE computes in a Python of its own, beside QGIS, with PyTorch and what else it needs. This makes it: it finds or gets
    a Python, downloads the packages (1 to 3 GB), computes something with them and says on what device.

    Run it again at any time. It goes on where it was cancelled, repairs what is broken, brings an environment of another
    version of the plugin up to date, and is done in a moment where nothing is to be done. The packages come from the index
    that pip or uv are set to.

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
        "auto: by the graphics card and its driver. cuda: for NVIDIA cards. cpu: without, smaller. index: what the package "
        "index has for this system, where only that can be reached.",
        AUTO,
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

    Collects versions, paths, graphics cards, the state of the compute environment, the environment variables that matter,
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


TASKS: Dict[str, Type[Any]] = {task.__name__.lower(): task for task in (SetUpEnvironment, Diagnostics)}
"""Task classes by name, that of their algorithm."""
