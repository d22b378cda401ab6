"""The means of a computer to make an environment: its interpreters, and uv, which is fetched where it is missing."""

from __future__ import annotations

from typing import List, Mapping, Optional, Tuple

from qgis.core import QgsProcessingException

from qgis_false.environment.interpreters import (
    OLDEST,
    InterpreterCandidate,
    Probed,
    candidates,
    how_to,
    interpreter_variables,
    probe,
    uv_places,
    why_not,
)
from qgis_false.environment.processes import ask
from qgis_false.installation import faults, plan
from qgis_false.installation.package_index import pip_index, pip_network, uv_is_configured
from qgis_false.installation.workspace import Workspace
from qgis_false.translation import tr


class Installers:
    """The programs that environments are made and packages are installed with, as one run of the set-up finds them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._host, self._feedback = workspace, workspace.host, workspace.feedback
        self._answers: Optional[List[Tuple[InterpreterCandidate, Probed]]] = None

    def uv(self) -> str:
        """Return a uv that is there, or is fetched now, or nothing: then pip does it, only slower."""
        own = str(self._workspace.home / "uv")
        for place in uv_places(self._host, own):
            version = plan.parse_uv_version(ask([place, "--version"], self._workspace.variables, self._feedback))
            if version and version >= plan.OLDEST_UV:
                self._feedback.pushInfo(
                    tr("Installing with {program} {version}.", program=place, version=".".join(map(str, version)))
                )
                return place
        self._workspace.progress.stage(tr("Getting uv, which installs packages"), 0.01)
        for candidate, _ in self._answering():
            variables = interpreter_variables(candidate, self._workspace.variables)
            if "pip " not in ask([candidate.path, "-m", "pip", "--version"], variables, self._feedback):
                continue
            ran = self._workspace.progress.run(plan.fetch_uv(candidate.path, own, self._host), variables)
            places = uv_places(self._host, own)
            if ran and places:
                return places[-1]
            if not self._host.disk.is_program(self._workspace.python):  # One that is there may need nothing more.
                self._workspace.stop_at(faults.BEYOND_THIS_COMPUTER)
            break  # The index has none. Another pip would not do better.
        self._feedback.pushInfo(tr("uv cannot be had; pip does the same, only slower."))
        return ""

    def base(self, uv: str) -> str:
        """Return the interpreter to make the environment from, or what uv gets one by."""
        last_resort, reasons = "", []
        for candidate, probed in self._answering():
            reason = why_not(probed, self._host)
            if reason:
                reasons.append(f"{candidate.path} {reason}")
            elif candidate.of_qgis:
                last_resort = candidate.path
            elif "venv" in probed.working or uv:
                return probed.executable if self._host.disk.is_program(probed.executable) else candidate.path
        if uv:
            return plan.python_for_uv(self._host)
        if last_resort:
            return last_resort
        sentences = [
            tr("No Python from {oldest} on was found to make the environment from.", oldest=".".join(map(str, OLDEST))),
            tr("Looked at: {reasons}.", reasons="; ".join(reasons)) if reasons else "",
            tr("Install one, or uv, and run this again."),
            how_to(),
        ]
        raise QgsProcessingException(" ".join(filter(None, sentences)))

    def index_variables(self, uv: str) -> Mapping[str, str]:
        """Return the variables for the installer.

        uv does not read pip's configuration: it is told of the proxy and the certificates that this names, and of an index
        in place of the default one, where uv was not told of another.
        """
        if not uv:
            return self._workspace.variables
        for candidate, _ in self._answering():
            own = interpreter_variables(candidate, self._workspace.variables)
            said = ask([candidate.path, "-m", "pip", "config", "list"], own, self._feedback)
            if said:
                told = {} if uv_is_configured(self._host) else pip_index(said)
                if told:
                    self._feedback.pushInfo(tr("Taking the packages from the index that pip is set to."))
                return {**self._workspace.variables, **pip_network(said, self._workspace.variables), **told}
        return self._workspace.variables

    def _answering(self) -> List[Tuple[InterpreterCandidate, Probed]]:
        """Return the interpreters on this computer that answer, the best first."""
        if self._answers is None:
            self._answers = []
            for candidate in candidates(self._host):
                variables = interpreter_variables(candidate, self._workspace.variables)
                probed = probe(candidate.path, variables, (), self._feedback)
                if probed is not None:
                    self._answers.append((candidate, probed))
                    if not candidate.of_qgis and not why_not(probed, self._host) and "venv" in probed.working:
                        break
        return self._answers
