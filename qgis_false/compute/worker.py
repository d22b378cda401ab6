"""Runs one job in a process of its own, and leaves nothing half-written where it fails.

Where the user has set a launcher, it is what is started, and the compute process is somewhere behind it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from qgis.core import QgsProcessingException, QgsProcessingFeedback

from false_core import jobs
from false_core.outputs.hidden_names import unfinished_of
from qgis_false import LIBRARY_FOLDER, settings
from qgis_false.compute import last_errors
from qgis_false.compute.followed_process import FollowedProcess, WayToStart
from qgis_false.compute.launcher import JOB_FILE, folder_for_files, launcher_for
from qgis_false.compute.started_by_launcher import StartedByLauncher
from qgis_false.compute.started_here import StartedHere
from qgis_false.environment import versions
from qgis_false.environment.host import this_host
from qgis_false.environment.interpreters import REQUIRED_PACKAGES, NoEnvironment, find_interpreter, how_to_complete
from qgis_false.environment.processes import ProcessingCancelled
from qgis_false.environment.supervisor import folder_for_a_job
from qgis_false.environment.variables import compute_variables
from qgis_false.translation import tr

# Runs in the compute interpreter. The folder comes first, so that plugin and library can never disagree on a version.
START_CODE = """\
import sys, runpy, importlib.util
folder, module, remedy, incomplete, outdated, *needed = sys.argv[1:]
sys.path.insert(0, folder)
from false_core import events
missing = [name for name in needed if importlib.util.find_spec(name) is None]
what = incomplete.replace("{packages}", ", ".join(missing)) if missing else outdated if sys.version_info < (3, 10) else ""
if what:
    print(events.encode(events.Failed(what, remedy, "environment")))
    sys.exit(1)
del sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def worker_command(python: str, module: str = "false_core.worker") -> List[str]:
    """Return the command line of a compute process in the interpreter ``python``: of a module of the library."""
    incomplete = tr("The compute environment {python} has no {packages}.", python=python, packages="{packages}")
    outdated = tr("The compute environment {python} is older than Python 3.10.", python=python)
    texts = [how_to_complete(python), incomplete, outdated]
    return [python, "-I", "-u", "-c", START_CODE, str(LIBRARY_FOLDER), module, *texts, *REQUIRED_PACKAGES]


def child_variables() -> Dict[str, str]:
    """Return the environment variables of a compute process: the user's, and what was set on the options page."""
    return {**compute_variables(this_host()), **settings.for_the_library()}


def run_job(job: jobs.Job, feedback: QgsProcessingFeedback, command: Optional[Sequence[str]] = None) -> Dict[str, Any]:
    """Run ``job`` in a process of its own and return its outputs: paths of the files written, numbers and texts.

    Args:
        job: Job to do. Its paths must mean the same to another process.
        feedback: Gets progress and messages, and is asked ten times a second whether to stop.
        command: Command line to start instead of the worker in the compute environment.

    Raises:
        QgsProcessingException: The job failed, was cancelled, or its process did not keep to the protocol. No process of
            the job is left, and nothing half-written.
    """
    if command is not None:
        given = command
        return _followed(job, feedback, lambda: StartedHere(job, given, child_variables()))
    launcher = launcher_for(type(job))
    if launcher is None:
        command = _command_here(feedback)
        return _followed(job, feedback, lambda: StartedHere(job, command, child_variables()))
    with folder_for_a_job(folder_for_files(type(job))) as folder:
        file = Path(folder) / JOB_FILE
        file.write_text(jobs.to_json(launcher.mapping.job_there(job)) + "\n", encoding="utf-8")
        return _followed(job, feedback, lambda: StartedByLauncher(job, feedback, launcher, file))


def _command_here(feedback: QgsProcessingFeedback) -> List[str]:
    """Return the command line of the compute Python alone, and say which one it is."""
    try:
        interpreter = find_interpreter()
    except NoEnvironment as error:
        raise QgsProcessingException(str(error)) from error
    feedback.pushInfo(tr("Computing with {path} (from {origin})", path=interpreter.path, origin=interpreter.origin))
    outdated = versions.problem_of_environment(interpreter)
    if outdated:
        feedback.pushWarning(outdated)
    return worker_command(str(interpreter.path))


def _followed(job: jobs.Job, feedback: QgsProcessingFeedback, way: Callable[[], WayToStart]) -> Dict[str, Any]:
    """Start the process and return the outputs of its job. Where it fails, nothing half-written is left."""
    before = _half_written(job)
    try:
        return FollowedProcess(job, feedback, way()).outputs()
    except BaseException as error:
        # A process that was killed could not tidy up.
        for folder in _half_written(job) - before:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, QgsProcessingException) and not isinstance(error, ProcessingCancelled):
            last_errors.remember_error(job.NAME, str(error))
        raise


def _half_written(job: jobs.Job) -> Set[str]:
    """Return the hidden folders in which outputs of ``job`` grow until they are complete (``outputs.publish``)."""
    return {folder for path in jobs.outputs(job).values() for folder in unfinished_of(path)}
