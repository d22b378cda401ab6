"""Sets up the compute environment: carries out the plan, shows how far it is, stops when told to, goes on later."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from qgis.core import QgsProcessingException, QgsProcessingFeedback, QgsProcessingMultiStepFeedback
from qgis.PyQt.QtCore import QLockFile

import false_core
from false_core import jobs
from qgis_false import LIBRARY_FOLDER, settings
from qgis_false.compute.worker import run_job, worker_command
from qgis_false.environment import torch_build
from qgis_false.environment.gpus import find_gpus
from qgis_false.environment.host import Host, this_host
from qgis_false.environment.interpreters import (
    INSTALLED_PACKAGES,
    OLDEST,
    REQUIRED_PACKAGES,
    false_folder,
    how_to,
    how_to_complete,
    probe,
    why_not,
)
from qgis_false.environment.processes import ProcessingCancelled
from qgis_false.environment.state import INSTALLED, STARTED, WORKS, State, read_state, write_state
from qgis_false.environment.torch_build import Build, BuildChoice
from qgis_false.environment.variables import compute_variables
from qgis_false.installation import faults, plan
from qgis_false.installation.installers import Installers
from qgis_false.installation.network import Network
from qgis_false.installation.packages import Packages
from qgis_false.installation.removal import remove_environment
from qgis_false.installation.workspace import CERTIFICATES, BrokenEnvironment, Workspace
from qgis_false.tasks import SetUpEnvironment
from qgis_false.translation import failure, tr
from qgis_false.whole_file import write_whole


@dataclass(frozen=True)
class Ready:
    """An environment that computes: its interpreter, and what the check said."""

    python: str
    results: Dict[str, Any]


def set_up(request: SetUpEnvironment, feedback: QgsProcessingFeedback, network: Network = Network()) -> Ready:  # noqa: B008
    """Set up the compute environment and run a real computation in it.

    Args:
        network: Way in which QGIS reaches the network, for pip and uv.

    Raises:
        QgsProcessingException: What went wrong and what to do, or that it was cancelled (``ProcessingCancelled``). What
            was done is kept.
    """
    host = this_host()
    if request.existing_python:
        return _use(request.existing_python, host, feedback)
    folder = false_folder(host)
    folder.mkdir(parents=True, exist_ok=True)
    lock = QLockFile(str(folder / "setup.lock"))
    lock.setStaleLockTime(0)  # Only the end of its process makes it stale: an installation may take an hour.
    if not lock.tryLock(0):
        raise failure("Another QGIS is setting up the compute environment right now. Wait for it to end.")
    try:
        return _SetUp(request, host, feedback, network).run()
    except ProcessingCancelled as error:
        raise ProcessingCancelled(tr("Cancelled. What is done is kept: run it again to go on.")) from error
    finally:
        lock.unlock()


def _use(python: str, host: Host, feedback: QgsProcessingFeedback) -> Ready:
    """Check an interpreter that the user named, and remember it. Nothing is installed into it: it is not ours."""
    path = os.path.abspath(os.path.expanduser(python))
    feedback.setProgressText(tr("Looking at {path}", path=path))
    probed = probe(path, compute_variables(host), REQUIRED_PACKAGES, feedback)
    if probed is None:
        raise failure("{path} does not answer as a Python does. Name the interpreter itself.", path=path)
    if probed.version[:2] < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        version = probed.version_text
        raise failure("{path} is Python {version}. At least {oldest} is needed.", path=path, version=version, oldest=oldest)
    if probed.missing:
        lacks = tr("{path} has no {packages}.", path=path, packages=", ".join(probed.missing))
        raise QgsProcessingException(f"{lacks} {how_to_complete(path)}")
    results = run_job(jobs.Check(), feedback, worker_command(path))
    settings.INTERPRETER.store(path)
    _say_what_overrides(path, feedback)
    return Ready(path, results)


def _say_what_overrides(python: str, feedback: QgsProcessingFeedback) -> None:
    if settings.INTERPRETER.is_overridden() and Path(settings.INTERPRETER.value()) != Path(python):
        feedback.pushWarning(
            tr(
                "The variable {variable} names {path}. As long as it is set, that one computes.",
                variable=settings.INTERPRETER.variable,
                path=settings.INTERPRETER.value(),
            )
        )


class _SetUp:
    """One run of the set-up."""

    def __init__(self, request: SetUpEnvironment, host: Host, feedback: QgsProcessingFeedback, network: Network) -> None:
        self._request, self._network, self._host, self._feedback = request, network, host, feedback
        self._workspace = workspace = Workspace(host, feedback, network)
        self._folder, self._python, self._progress = workspace.folder, workspace.python, workspace.progress
        self._installers = Installers(workspace)
        self._packages = Packages(workspace, self._installers, plan.extra_for(settings.SCHEDULER.value()))

    def run(self) -> Ready:
        """Carry out the plan. Where what is there cannot be mended, start again from nothing, once."""
        if self._network.certificates:
            write_whole(self._workspace.home / CERTIFICATES, self._network.certificates)
        self._progress.stage(tr("Looking at what is there"), 0.0)
        gpus = find_gpus(self._host, self._workspace.variables, self._feedback)
        uv = self._installers.uv()
        choice = torch_build.choose_builds(self._host, gpus, self._request.build, bool(uv))
        self._feedback.pushInfo(tr("PyTorch: {reason}.", reason=choice.why))
        try:
            ready = self._carry_out(uv, choice, self._request.from_scratch)
        except BrokenEnvironment as error:
            self._feedback.pushWarning(tr("{problem} The environment is made anew.", problem=error))
            try:
                ready = self._carry_out(uv, choice, True)
            except BrokenEnvironment as again:
                raise QgsProcessingException(str(again)) from again
        if settings.INTERPRETER.stored():
            self._feedback.pushInfo(
                tr(
                    "From now on it is used in place of {path}, which was set before.",
                    path=settings.INTERPRETER.stored(),
                )
            )
            settings.INTERPRETER.store("")
        _say_what_overrides(ready.python, self._feedback)
        return ready

    def _carry_out(self, uv: str, choice: BuildChoice, from_scratch: bool) -> Ready:
        key = plan.key(LIBRARY_FOLDER, choice, self._packages.extra)
        found, state = self._found(key)
        to_do = plan.steps(found, from_scratch)
        if to_do == (plan.RELINK,):
            assert state is not None
            self._create(uv, choice, state.base)
            found, state = self._found(key)
            if not found.works:
                raise BrokenEnvironment(tr("The interpreter of {folder} does not work.", folder=self._folder))
            to_do = plan.steps(found)
        if to_do == (plan.CHECK_ENVIRONMENT,):
            self._feedback.pushInfo(tr("Every file is in place."))
        if plan.CREATE in to_do:
            self._create(uv, choice)
        if plan.CREATE in to_do or state is None:
            state = self._started(key)
        if plan.INSTALL in to_do:
            build = self._packages.install(uv, choice)
            state = replace(state, stage=STARTED, version=false_core.__version__, key=key, build=build)
            write_state(self._folder, state)
            broken = self._packages.broken()
        else:
            broken = found.broken
        if broken:
            self._packages.mend(uv, Build(**state.build), broken)
        state = replace(state, stage=INSTALLED)
        write_state(self._folder, state)
        self._progress.stage(tr("Computing something in it"), 0.9)
        last_tenth = QgsProcessingMultiStepFeedback(10, self._feedback)
        last_tenth.setCurrentStep(9)
        try:
            results = run_job(jobs.Check(), last_tenth, worker_command(self._python))
        except ProcessingCancelled:
            raise
        except QgsProcessingException as error:
            # A device that the user insisted on and that is not there is not mended by other packages.
            if from_scratch or str(error).startswith("The device"):
                raise
            raise BrokenEnvironment(tr("The environment does not compute: {error}", error=error)) from error
        write_state(self._folder, replace(state, stage=WORKS, results=results))
        self._feedback.setProgress(100.0)
        return Ready(self._python, results)

    def _found(self, key: str) -> Tuple[plan.Found, Optional[State]]:
        """Look at what is in the folder."""
        state = read_state(self._folder)
        packages = (*INSTALLED_PACKAGES, "distributed") if self._packages.extra else INSTALLED_PACKAGES
        probed = self._workspace.probe(self._python, packages) if self._host.disk.is_program(self._python) else None
        if probed is not None and not why_not(probed, self._host):
            if state is None or state.stage not in (INSTALLED, WORKS) or state.key != key:
                return plan.Found(works=True), state
            broken = self._packages.broken()
            # What is missing without a trace has to be installed; what has left one is mended.
            return plan.Found(works=True, is_current=bool(broken) or not probed.missing, broken=broken), state
        if state is not None and state.base and (self._folder / "pyvenv.cfg").is_file():
            original = self._workspace.probe(state.base)
            return plan.Found(False, original is not None and original.version[:2] == state.python[:2]), state
        return plan.Found(works=False), state

    def _create(self, uv: str, choice: BuildChoice, relink_to: str = "") -> None:
        """Make the environment, or, where it is there already, the links to the interpreter it was made from."""
        if relink_to:
            self._progress.stage(tr("Making the links to Python again"), 0.05)
            self._progress.run(plan.create(uv, relink_to, str(self._folder), keep=True))
            return
        self._workspace.check_room(choice)
        remove_environment(self._folder, self._progress)
        self._progress.stage(tr("Making the environment"), 0.05)
        python = self._installers.base(uv)
        self._feedback.pushInfo(tr("Made from {python} in {folder}.", python=python, folder=self._folder))
        if self._progress.run(plan.create(uv, python, str(self._folder))) and self._host.disk.is_program(self._python):
            return
        if not uv and self._without_ensurepip(python):
            return
        self._workspace.stop_at(faults.KNOWN)
        problem = tr(
            "The environment cannot be made from {python}; the reason stands above. On Debian and Ubuntu the package "
            "python3-venv may be missing.",
            python=python,
        )
        raise QgsProcessingException(f"{problem} {how_to()}")

    def _without_ensurepip(self, python: str) -> bool:
        """Make it in two steps, which Flatpak's Python needs to have pip. Return whether that worked."""
        remove_environment(self._folder, self._progress)
        run = self._progress.run
        return run([python, "-m", "venv", "--without-pip", str(self._folder)]) and run(
            [self._python, "-m", "ensurepip", "--default-pip", "--upgrade"]
        )

    def _started(self, key: str) -> State:
        probed = self._workspace.probe(self._python)
        if probed is None or why_not(probed, self._host):
            raise BrokenEnvironment(tr("The interpreter {path} does not work.", path=self._python))
        state = State(STARTED, false_core.__version__, key, probed.version, probed.executable)
        write_state(self._folder, state)
        return state
