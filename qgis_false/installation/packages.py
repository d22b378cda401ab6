"""The packages of the compute environment: installed, looked through, and mended."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from qgis_false import LIBRARY_FOLDER
from qgis_false.environment import torch_build
from qgis_false.environment.processes import run_program
from qgis_false.environment.torch_build import Build, BuildChoice
from qgis_false.installation import faults, intact, plan
from qgis_false.installation.installers import Installers
from qgis_false.installation.workspace import BrokenEnvironment, Workspace
from qgis_false.translation import failure, tr, with_decimal_sign


class Packages:
    """The library and all that it needs, in one environment.

    Args:
        extra: Extra of the library that is installed too, or nothing.
    """

    def __init__(self, workspace: Workspace, installers: Installers, extra: str) -> None:
        self._workspace, self._installers, self.extra = workspace, installers, extra
        self._feedback, self._progress = workspace.feedback, workspace.progress
        self._library = f"{LIBRARY_FOLDER}[{extra}]" if extra else str(LIBRARY_FOLDER)

    def install(self, uv: str, choice: BuildChoice) -> Dict[str, str]:
        """Install the packages, with the first build of PyTorch that can be had. Return which it was."""
        self._workspace.check_room(choice)
        variables = self._installers.index_variables(uv)
        for number, build in enumerate(choice.builds):
            pytorch = f"PyTorch ({build.backend})" if build.backend else "PyTorch"
            self._progress.stage(tr("Installing {pytorch} and the rest, which may take a while", pytorch=pytorch), 0.1)
            self._feedback.pushInfo(self._size(build))
            command = plan.install_command(uv, self._workspace.python, self._constraints(build), self._library, build)
            if self._progress.run(command, variables, self._progress.follow_downloads()):
                return asdict(build)
            self._workspace.stop_at(faults.OF_THIS_COMPUTER)
            if number + 1 < len(choice.builds):
                other = choice.builds[number + 1]
                loses = other.gives == torch_build.CPU_BUILD and choice.gives == torch_build.CUDA_BUILD
                sentences = [
                    tr("This build of PyTorch cannot be had; the reason stands above."),
                    tr("Trying {build} instead.", build=other.backend or tr("what the package index has")),
                    tr("It does not use the GPU.") if loses else "",
                ]
                self._feedback.pushWarning(" ".join(filter(None, sentences)))
        fault = faults.fault_in(self._progress.last_words)
        if choice.larger is not None and self._index_answers(uv, variables):
            reason = faults.told(fault, self._workspace.variable_of_proxy, str(self._workspace.home)) or fault.line
            if fault.cause == faults.NO_NETWORK:  # There is one: the package index answers.
                reason = tr("{host} cannot be reached.", host=fault.host)
            raise failure(
                "PyTorch's own index, which has the CPU build, cannot be used: {reason} The package index only has the "
                "one with CUDA. It computes on the CPU as well, but is {download} GB to download in place of {small}, and "
                "takes {disk} GB on the disk. To have it, choose index as Build of PyTorch and run this again.",
                reason=reason,
                download=with_decimal_sign(f"{torch_build.GB_TO_DOWNLOAD[choice.larger.gives]:g}"),
                small=with_decimal_sign(f"{torch_build.GB_TO_DOWNLOAD[choice.gives]:g}"),
                disk=with_decimal_sign(f"{torch_build.GB_TAKEN[choice.larger.gives]:g}"),
            )
        self._workspace.stop_at(faults.KNOWN)
        raise failure(
            "The packages cannot be installed; the reason stands above. What was downloaded is kept: run this again, and it "
            "goes on where it stopped."
        )

    def mend(self, uv: str, build: Build, broken: Sequence[str]) -> None:
        """Install packages anew whose files are not what they were.

        Raises:
            BrokenEnvironment: They cannot be mended.
        """
        mending = tr("Mending {packages}", packages=", ".join(broken))
        self._progress.stage(mending, 0.87)
        constraints, library, variables = self._constraints(build), self._library, self._installers.index_variables(uv)
        if not uv:
            self._progress.run(plan.mend_with_pip(self._workspace.python, constraints, library, broken), variables)
            still: Sequence[str] = self.broken()
        else:
            still = broken
            for attempt in plan.mend_with_uv(uv, self._workspace.python, constraints, library, build, broken):
                self._progress.stage(mending, 0.87)
                ended = [self._progress.run(command, variables) for command in attempt]
                if all(ended):
                    still = self.broken()
                if not still:
                    break
        if still:
            self._workspace.stop_at(faults.KNOWN)  # Without a network there is no making it anew.
            raise BrokenEnvironment(tr("{packages} cannot be mended.", packages=", ".join(still)))

    def broken(self) -> Tuple[str, ...]:
        """Return the packages that have lost files.

        Raises:
            BrokenEnvironment: The environment cannot tell.
        """
        self._progress.stage(tr("Looking whether every file is there"), 0.86)
        said: List[str] = []
        source = Path(intact.__file__).read_text(encoding="utf-8")
        code = run_program(
            [self._workspace.python, "-I", "-c", source],
            self._workspace.variables,
            self._feedback,
            said.append,
            self._progress.heartbeat,
            str(self._workspace.home),
        )
        try:
            return tuple(json.loads(said[-1] if code == 0 else ""))
        except (IndexError, ValueError) as error:
            raise BrokenEnvironment(tr("The environment's Python cannot say what is installed.")) from error

    def _index_answers(self, uv: str, variables: Mapping[str, str]) -> bool:
        """Return whether packages can be had at all."""
        return self._progress.run(plan.try_index(uv, self._workspace.python), variables)

    def _size(self, build: Build) -> str:
        return tr(
            "Up to {download} GB are downloaded, and {disk} GB taken on the disk of {folder}, which has {free} GB free.",
            download=with_decimal_sign(f"{torch_build.GB_TO_DOWNLOAD[build.gives]:g}"),
            disk=with_decimal_sign(f"{torch_build.GB_TAKEN[build.gives]:g}"),
            folder=self._workspace.home,
            free=f"{shutil.disk_usage(self._workspace.home).free / 1e9:.0f}",
        )

    def _constraints(self, build: Build) -> str:
        text = (LIBRARY_FOLDER / "constraints.txt").read_text(encoding="utf-8")
        target = self._workspace.home / "constraints.txt"
        target.write_text(plan.constraints_for(text, build), encoding="utf-8")
        return str(target)
