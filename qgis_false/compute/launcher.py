"""Starts a job with a program of the user's choice, such as torchrun, srun or ssh, instead of with the compute Python alone.

The program gets the job as a file, since stdin does not reach several ranks, and must hand on what the job says on stdout.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Type

from qgis.core import QgsProcessingException, QgsProcessingFeedback, QgsProcessingUtils

from false_core import jobs
from qgis_false import LIBRARY_FOLDER, settings
from qgis_false.compute.path_mapping import PathMapping, parse_mapping
from qgis_false.environment.gpus import find_gpus
from qgis_false.environment.host import this_host
from qgis_false.environment.interpreters import NoEnvironment, find_interpreter
from qgis_false.environment.processes import IS_WINDOWS
from qgis_false.environment.variables import compute_variables
from qgis_false.translation import failure

JOB_FILE = "job.json"
ON_SCHEDULER = (jobs.Classify, jobs.ClassifyMany)
"""Jobs that go through a scheduler where the user has set one, and not through the launcher."""
RUN = ("-m", "false_core", "run", "{job}", "--events")
"""The placeholder for what a Python is to do. It comes after the words of the template, or in place of ``{command}``."""


@dataclass(frozen=True)
class Launcher:
    """The command that the user has set to start jobs with.

    Attributes:
        template: A command line. It is taken apart into words, and no shell sees it. ``{job}`` stands for the path of the
            job's file, ``{name}`` for what the job is called, ``{devices}`` for the number of GPUs it may use, ``{python}``
            for the Python that computes here, ``{command}`` for ``RUN`` as one word, quoted for a shell at the other end.
    """

    template: str
    mapping: PathMapping

    @property
    def needs_interpreter(self) -> bool:
        """Return whether the Python that computes here is a part of it."""
        return "{python}" in self.template

    def command(self, job: jobs.Job, file: str, feedback: Optional[QgsProcessingFeedback] = None) -> List[str]:
        """Return the words of the command line that runs ``job``, which lies in ``file``.

        Raises:
            ProcessingCancelled: The user wants to stop.
            QgsProcessingException: The template cannot be taken apart, or holds a name in braces that stands for nothing.
        """
        words = self._words()
        if not any(name in self.template for name in ("{job}", "{command}")):
            words += RUN
        path = self.mapping.there(file)
        values: Dict[str, Callable[[], str]] = {
            "job": lambda: path,
            "name": lambda: job.NAME,
            "devices": lambda: str(device_count(job, feedback)),
            "python": _python,
            "command": lambda: " ".join(shlex.quote(word.replace("{job}", path)) for word in RUN),
        }
        return [_filled(word, values) for word in words]

    def variables(self) -> Dict[str, str]:
        """Return the environment variables for the launcher: the user's, what was set on the options page, and where the
        library of this plugin is, so that a Python on this computer, or on one that shares its disks, takes no other."""
        values = {name: self.mapping.there(value) for name, value in settings.for_the_library().items()}
        return {
            **compute_variables(this_host()),
            **values,
            "PYTHONPATH": self.mapping.there(str(LIBRARY_FOLDER)),
            "PYTHONUNBUFFERED": "1",
        }

    def _words(self) -> List[str]:
        lexer = shlex.shlex(self.template, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        if IS_WINDOWS:
            lexer.escape = ""  # Paths are written with backslashes there.
        try:
            words = list(lexer)
        except ValueError as error:
            raise failure(
                "The launcher {template} cannot be read: a quotation mark is left open.", template=self.template
            ) from error
        return words


def launcher_for(job: Type[Any]) -> Optional[Launcher]:
    """Return what jobs of the class ``job`` are started with; None where it is the compute Python alone.

    What computes on a device goes through the launcher, unless a scheduler has it computed. The other jobs are done in less
    time than another computer takes to begin.

    Raises:
        QgsProcessingException: The path mapping cannot be read.
    """
    template = settings.LAUNCHER.value()
    if not template or "device" not in jobs.parameters(job) or is_on_scheduler(job):
        return None
    return Launcher(template, parse_mapping(settings.PATHS.value()))


def is_on_scheduler(job: Type[Any]) -> bool:
    """Return whether a scheduler has the parts of jobs of the class ``job`` computed."""
    return job in ON_SCHEDULER and bool(settings.SCHEDULER.value())


def folder_for_files(job: Type[Any]) -> str:
    """Return where the files that go with a job of the class ``job`` lie while it runs. Under a launcher that is the cache
    folder, where one is set: another computer may see that one, but not this one's temporary folder."""
    cache = settings.CACHE.value()
    if launcher_for(job) is None or not cache:
        return str(QgsProcessingUtils.tempFolder())
    folder = Path(cache) / "jobs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failure(
            "The cache folder {folder} cannot be written to: {reason}.", folder=cache, reason=error.strerror or error
        ) from error
    return str(folder)


def device_count(job: jobs.Job, feedback: Optional[QgsProcessingFeedback] = None) -> int:
    """Return how many GPUs of this computer ``job`` may use: all NVIDIA GPUs, or 1 where one device was asked for."""
    device = str(getattr(job, "device", "auto"))
    if device == "auto":
        device = settings.DEVICE.value()
    if device not in ("auto", "cuda"):
        return 1
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return max(1, len([one for one in visible.split(",") if one.strip() not in ("", "-1")]))
    host = this_host()
    return max(1, len(find_gpus(host, compute_variables(host), feedback)))


def _python() -> str:
    try:
        return str(find_interpreter().path)
    except NoEnvironment as error:
        raise QgsProcessingException(str(error)) from error


def _filled(word: str, values: Dict[str, Callable[[], str]]) -> str:
    """Return ``word`` with what its names in braces stand for. ``${NAME}`` belongs to a shell at the other end."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            names = ", ".join(f"{{{known}}}" for known in values)
            raise failure(
                "The launcher has {name}, which stands for nothing. It may have {names}.", name=match[0], names=names
            )
        return values[name]()

    return re.sub(r"(?<!\$)\{(\w+)\}", value, word)
