"""Sets up the compute environment: carries out the plan, shows how far it is, stops when told to, goes on later."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from qgis.core import QgsProcessingException, QgsProcessingFeedback, QgsProcessingMultiStepFeedback
from qgis.PyQt.QtCore import QLockFile

import false_core
from false_core import jobs
from qgis_false import LIBRARY_FOLDER, settings
from qgis_false.environment import torch_build
from qgis_false.environment.gpus import find_gpus
from qgis_false.environment.host import Host, this_host
from qgis_false.environment.interpreters import (
    INSTALLED_PACKAGES,
    OLDEST,
    REQUIRED_PACKAGES,
    InterpreterCandidate,
    Probed,
    candidates,
    false_folder,
    how_to,
    how_to_complete,
    interpreter_variables,
    managed_folder,
    probe,
    uv_places,
    why_not,
)
from qgis_false.environment.processes import ProcessingCancelled, ask, run_program
from qgis_false.environment.state import INSTALLED, STARTED, WORKS, State, read_state, write_state
from qgis_false.environment.torch_build import Build, BuildChoice
from qgis_false.environment.variables import compute_variables, install_variables
from qgis_false.installation import faults, intact, plan
from qgis_false.installation.network import Network, network_variables, variable_of_proxy
from qgis_false.installation.package_index import pip_index, pip_network, uv_is_configured
from qgis_false.installation.progress import SetUpProgress
from qgis_false.installation.removal import remove_environment
from qgis_false.tasks import SetUpEnvironment
from qgis_false.translation import failure, tr
from qgis_false.whole_file import write_whole
from qgis_false.worker import run_job, worker_command

CERTIFICATES = "certificates.pem"
"""The file of those that QGIS trusts, beside the environment."""


@dataclass(frozen=True)
class Ready:
    """An environment that computes: its interpreter, and what the check said."""

    python: str
    results: Dict[str, Any]


class _Broken(Exception):
    """The environment cannot be mended as it is."""


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
        self.request, self.host, self.feedback, self.network = request, host, feedback, network
        self.home = false_folder(host)
        self.folder = managed_folder()
        self.python = host.python_in(str(self.folder))
        own = install_variables(host)
        self.variable_of_proxy = variable_of_proxy(own)
        self.variables = {**own, **network_variables(network, own, str(self.home / CERTIFICATES))}
        self.variables.setdefault("UV_PYTHON_INSTALL_DIR", str(self.home / "python"))
        self._progress = SetUpProgress(feedback, self.variables, str(self.home))
        self._answers: Optional[List[Tuple[InterpreterCandidate, Probed]]] = None
        self._extra = plan.extra_for(settings.SCHEDULER.value())
        self._library = f"{LIBRARY_FOLDER}[{self._extra}]" if self._extra else str(LIBRARY_FOLDER)

    def run(self) -> Ready:
        """Carry out the plan. Where what is there cannot be mended, start again from nothing, once."""
        if self.network.certificates:
            write_whole(self.home / CERTIFICATES, self.network.certificates)
        self._progress.stage(tr("Looking at what is there"), 0.0)
        gpus = find_gpus(self.host, self.variables, self.feedback)
        uv = self._uv()
        choice = torch_build.choose_builds(self.host, gpus, self.request.build, bool(uv))
        self.feedback.pushInfo(tr("PyTorch: {reason}.", reason=choice.why))
        try:
            ready = self._carry_out(uv, choice, self.request.from_scratch)
        except _Broken as error:
            self.feedback.pushWarning(tr("{problem} The environment is made anew.", problem=error))
            try:
                ready = self._carry_out(uv, choice, True)
            except _Broken as again:
                raise QgsProcessingException(str(again)) from again
        if settings.INTERPRETER.stored():
            self.feedback.pushInfo(
                tr(
                    "From now on it is used in place of {path}, which was set before.",
                    path=settings.INTERPRETER.stored(),
                )
            )
            settings.INTERPRETER.store("")
        _say_what_overrides(ready.python, self.feedback)
        return ready

    def _carry_out(self, uv: str, choice: BuildChoice, from_scratch: bool) -> Ready:
        key = plan.key(LIBRARY_FOLDER, choice, self._extra)
        found, state = self._found(key)
        to_do = plan.steps(found, from_scratch)
        if to_do == (plan.RELINK,):
            assert state is not None
            self._create(uv, choice, state.base)
            found, state = self._found(key)
            if not found.works:
                raise _Broken(tr("The interpreter of {folder} does not work.", folder=self.folder))
            to_do = plan.steps(found)
        if to_do == (plan.CHECK_ENVIRONMENT,):
            self.feedback.pushInfo(tr("Every file is in place."))
        if plan.CREATE in to_do:
            self._create(uv, choice)
        if plan.CREATE in to_do or state is None:
            state = self._started(key)
        if plan.INSTALL in to_do:
            build = self._install(uv, choice)
            state = replace(state, stage=STARTED, version=false_core.__version__, key=key, build=build)
            write_state(self.folder, state)
            broken = self._broken_packages()
        else:
            broken = found.broken
        if broken:
            self._mend(uv, Build(**state.build), broken)
        state = replace(state, stage=INSTALLED)
        write_state(self.folder, state)
        self._progress.stage(tr("Computing something in it"), 0.9)
        last_tenth = QgsProcessingMultiStepFeedback(10, self.feedback)
        last_tenth.setCurrentStep(9)
        try:
            results = run_job(jobs.Check(), last_tenth, worker_command(self.python))
        except ProcessingCancelled:
            raise
        except QgsProcessingException as error:
            # A device that the user insisted on and that is not there is not mended by other packages.
            if from_scratch or str(error).startswith("The device"):
                raise
            raise _Broken(tr("The environment does not compute: {error}", error=error)) from error
        write_state(self.folder, replace(state, stage=WORKS, results=results))
        self.feedback.setProgress(100.0)
        return Ready(self.python, results)

    def _found(self, key: str) -> Tuple[plan.Found, Optional[State]]:
        """Look at what is in the folder."""
        state = read_state(self.folder)
        packages = (*INSTALLED_PACKAGES, "distributed") if self._extra else INSTALLED_PACKAGES
        probed = self._probe(self.python, packages) if self.host.disk.is_program(self.python) else None
        if probed is not None and not why_not(probed, self.host):
            if state is None or state.stage not in (INSTALLED, WORKS) or state.key != key:
                return plan.Found(works=True), state
            broken = self._broken_packages()
            # What is missing without a trace has to be installed; what has left one is mended.
            return plan.Found(works=True, is_current=bool(broken) or not probed.missing, broken=broken), state
        if state is not None and state.base and (self.folder / "pyvenv.cfg").is_file():
            original = self._probe(state.base)
            return plan.Found(False, original is not None and original.version[:2] == state.python[:2]), state
        return plan.Found(works=False), state

    # The steps.

    def _uv(self) -> str:
        """Return a uv that is there, or is fetched now, or nothing: then pip does it, only slower."""
        own = str(self.home / "uv")
        for place in uv_places(self.host, own):
            version = plan.parse_uv_version(ask([place, "--version"], self.variables, self.feedback))
            if version and version >= plan.OLDEST_UV:
                self.feedback.pushInfo(
                    tr("Installing with {program} {version}.", program=place, version=".".join(map(str, version)))
                )
                return place
        self._progress.stage(tr("Getting uv, which installs packages"), 0.01)
        for candidate, _ in self._answering():
            variables = interpreter_variables(candidate, self.variables)
            if "pip " not in ask([candidate.path, "-m", "pip", "--version"], variables, self.feedback):
                continue
            ran = self._progress.run(plan.fetch_uv(candidate.path, own, self.host), variables)
            places = uv_places(self.host, own)
            if ran and places:
                return places[-1]
            if not self.host.disk.is_program(self.python):  # One that is there may need nothing more.
                self._stop_at(faults.BEYOND_THIS_COMPUTER)
            break  # The index has none. Another pip would not do better.
        self.feedback.pushInfo(tr("uv cannot be had; pip does the same, only slower."))
        return ""

    def _create(self, uv: str, choice: BuildChoice, relink_to: str = "") -> None:
        """Make the environment, or, where it is there already, the links to the interpreter it was made from."""
        if relink_to:
            self._progress.stage(tr("Making the links to Python again"), 0.05)
            self._progress.run(plan.create(uv, relink_to, str(self.folder), keep=True))
            return
        self._need_room(choice)
        remove_environment(self.folder, self._progress)
        self._progress.stage(tr("Making the environment"), 0.05)
        python = self._base(uv)
        self.feedback.pushInfo(tr("Made from {python} in {folder}.", python=python, folder=self.folder))
        if self._progress.run(plan.create(uv, python, str(self.folder))) and self.host.disk.is_program(self.python):
            return
        if not uv and self._without_ensurepip(python):
            return
        self._stop_at(faults.KNOWN)
        problem = tr(
            "The environment cannot be made from {python}; the reason stands above. On Debian and Ubuntu the package "
            "python3-venv may be missing.",
            python=python,
        )
        raise QgsProcessingException(f"{problem} {how_to()}")

    def _without_ensurepip(self, python: str) -> bool:
        """Make it in two steps, which Flatpak's Python needs to have pip. Return whether that worked."""
        remove_environment(self.folder, self._progress)
        run = self._progress.run
        return run([python, "-m", "venv", "--without-pip", str(self.folder)]) and run(
            [self.python, "-m", "ensurepip", "--default-pip", "--upgrade"]
        )

    def _base(self, uv: str) -> str:
        """Return the interpreter to make the environment from, or what uv gets one by."""
        last_resort, reasons = "", []
        for candidate, probed in self._answering():
            reason = why_not(probed, self.host)
            if reason:
                reasons.append(f"{candidate.path} {reason}")
            elif candidate.of_qgis:
                last_resort = candidate.path
            elif "venv" in probed.working or uv:
                return probed.executable if self.host.disk.is_program(probed.executable) else candidate.path
        if uv:
            return plan.python_for_uv(self.host)
        if last_resort:
            return last_resort
        sentences = [
            tr("No Python from {oldest} on was found to make the environment from.", oldest=".".join(map(str, OLDEST))),
            tr("Looked at: {reasons}.", reasons="; ".join(reasons)) if reasons else "",
            tr("Install one, or uv, and run this again."),
            how_to(),
        ]
        raise QgsProcessingException(" ".join(filter(None, sentences)))

    def _answering(self) -> List[Tuple[InterpreterCandidate, Probed]]:
        """Return the interpreters on this computer that answer, the best first."""
        if self._answers is None:
            self._answers = []
            for candidate in candidates(self.host):
                probed = probe(candidate.path, interpreter_variables(candidate, self.variables), (), self.feedback)
                if probed is not None:
                    self._answers.append((candidate, probed))
                    if not candidate.of_qgis and not why_not(probed, self.host) and "venv" in probed.working:
                        break
        return self._answers

    def _started(self, key: str) -> State:
        probed = self._probe(self.python)
        if probed is None or why_not(probed, self.host):
            raise _Broken(tr("The interpreter {path} does not work.", path=self.python))
        state = State(STARTED, false_core.__version__, key, probed.version, probed.executable)
        write_state(self.folder, state)
        return state

    def _install(self, uv: str, choice: BuildChoice) -> Dict[str, str]:
        """Install the packages, with the first build of PyTorch that can be had. Return which it was."""
        self._need_room(choice)
        variables = self._index_variables(uv)
        for number, build in enumerate(choice.builds):
            pytorch = f"PyTorch ({build.backend})" if build.backend else "PyTorch"
            self._progress.stage(tr("Installing {pytorch} and the rest, which may take a while", pytorch=pytorch), 0.1)
            self.feedback.pushInfo(self._size(build))
            command = plan.install_command(uv, self.python, self._constraints(build), self._library, build)
            if self._progress.run(command, variables, self._progress.follow_downloads()):
                return asdict(build)
            self._stop_at(faults.OF_THIS_COMPUTER)
            if number + 1 < len(choice.builds):
                other = choice.builds[number + 1]
                loses = other.gives == torch_build.CPU_BUILD and choice.gives == torch_build.CUDA_BUILD
                sentences = [
                    tr("This build of PyTorch cannot be had; the reason stands above."),
                    tr("Trying {build} instead.", build=other.backend or tr("what the package index has")),
                    tr("It does not use the GPU.") if loses else "",
                ]
                self.feedback.pushWarning(" ".join(filter(None, sentences)))
        fault = faults.fault_in(self._progress.last_words)
        if choice.larger is not None and self._index_answers(uv, variables):
            reason = faults.told(fault, self.variable_of_proxy, str(self.home)) or fault.line
            if fault.cause == faults.NO_NETWORK:  # There is one: the package index answers.
                reason = tr("{host} cannot be reached.", host=fault.host)
            raise failure(
                "PyTorch's own index, which has the CPU build, cannot be used: {reason} The package index only has the "
                "one with CUDA. It computes on the CPU as well, but is {download} GB to download in place of {small}, and "
                "takes {disk} GB on the disk. To have it, choose index as Build of PyTorch and run this again.",
                reason=reason,
                download=f"{torch_build.GB_TO_DOWNLOAD[choice.larger.gives]:g}",
                small=f"{torch_build.GB_TO_DOWNLOAD[choice.gives]:g}",
                disk=f"{torch_build.GB_TAKEN[choice.larger.gives]:g}",
            )
        self._stop_at(faults.KNOWN)
        raise failure(
            "The packages cannot be installed; the reason stands above. What was downloaded is kept: run this again, and it "
            "goes on where it stopped."
        )

    def _stop_at(self, causes: Sequence[str]) -> None:
        """End the set-up where the last program failed of one of ``causes``."""
        fault = faults.fault_in(self._progress.last_words)
        if fault.cause in causes:
            what = faults.told(fault, self.variable_of_proxy, str(self.home))
            raise failure("{problem} Then run this again: it goes on where it stopped.", problem=what)

    def _index_answers(self, uv: str, variables: Mapping[str, str]) -> bool:
        """Return whether packages can be had at all."""
        return self._progress.run(plan.try_index(uv, self.python), variables)

    def _size(self, build: Build) -> str:
        return tr(
            "Up to {download} GB are downloaded, and {disk} GB taken on the disk of {folder}, which has {free} GB free.",
            download=f"{torch_build.GB_TO_DOWNLOAD[build.gives]:g}",
            disk=f"{torch_build.GB_TAKEN[build.gives]:g}",
            folder=self.home,
            free=f"{shutil.disk_usage(self.home).free / 1e9:.0f}",
        )

    def _mend(self, uv: str, build: Build, broken: Sequence[str]) -> None:
        mending = tr("Mending {packages}", packages=", ".join(broken))
        self._progress.stage(mending, 0.87)
        constraints, library, variables = self._constraints(build), self._library, self._index_variables(uv)
        if not uv:
            self._progress.run(plan.mend_with_pip(self.python, constraints, library, broken), variables)
            still: Sequence[str] = self._broken_packages()
        else:
            still = broken
            for attempt in plan.mend_with_uv(uv, self.python, constraints, library, build, broken):
                self._progress.stage(mending, 0.87)
                ended = [self._progress.run(command, variables) for command in attempt]
                if all(ended):
                    still = self._broken_packages()
                if not still:
                    break
        if still:
            self._stop_at(faults.KNOWN)  # Without a network there is no making it anew.
            raise _Broken(tr("{packages} cannot be mended.", packages=", ".join(still)))

    # What the steps need.

    def _probe(self, python: str, packages: Sequence[str] = ()) -> Optional[Probed]:
        return probe(python, self.variables, packages, self.feedback)

    def _constraints(self, build: Build) -> str:
        text = (LIBRARY_FOLDER / "constraints.txt").read_text(encoding="utf-8")
        target = self.home / "constraints.txt"
        target.write_text(plan.constraints_for(text, build), encoding="utf-8")
        return str(target)

    def _index_variables(self, uv: str) -> Mapping[str, str]:
        """Return the variables for the installer.

        uv does not read pip's configuration: it is told of the proxy and the certificates that this names, and of an index
        in place of the default one, where uv was not told of another.
        """
        if not uv:
            return self.variables
        for candidate, _ in self._answering():
            own = interpreter_variables(candidate, self.variables)
            said = ask([candidate.path, "-m", "pip", "config", "list"], own, self.feedback)
            if said:
                told = {} if uv_is_configured(self.host) else pip_index(said)
                if told:
                    self.feedback.pushInfo(tr("Taking the packages from the index that pip is set to."))
                return {**self.variables, **pip_network(said, self.variables), **told}
        return self.variables

    def _broken_packages(self) -> Tuple[str, ...]:
        self._progress.stage(tr("Looking whether every file is there"), 0.86)
        said: List[str] = []
        source = Path(intact.__file__).read_text(encoding="utf-8")
        code = run_program(
            [self.python, "-I", "-c", source],
            self.variables,
            self.feedback,
            said.append,
            self._progress.heartbeat,
            str(self.home),
        )
        try:
            return tuple(json.loads(said[-1] if code == 0 else ""))
        except (IndexError, ValueError) as error:
            raise _Broken(tr("The environment's Python cannot say what is installed.")) from error

    def _need_room(self, choice: BuildChoice) -> None:
        needed = torch_build.GB_ON_DISK[choice.builds[0].gives]
        free = shutil.disk_usage(self.home).free / 1e9
        # What is there already was counted when it was made.
        if free < needed and not (self.folder / "pyvenv.cfg").exists():
            raise failure(
                "There are {free} GB free on the disk of {folder}, and the environment needs about {needed}. Make "
                "room, or ask for the build cpu, which is smaller.",
                free=f"{free:.1f}",
                folder=self.home,
                needed=f"{needed:.0f}",
            )
