"""The workspace of one run of the set-up: the folders, the programs that it starts, and what they say."""

from __future__ import annotations

import shutil
from typing import Optional, Sequence

from qgis.core import QgsProcessingFeedback

from qgis_false.environment import torch_build
from qgis_false.environment.host import Host
from qgis_false.environment.interpreters import Probed, false_folder, managed_folder, probe
from qgis_false.environment.torch_build import BuildChoice
from qgis_false.environment.variables import install_variables
from qgis_false.installation import faults
from qgis_false.installation.network import Network, network_variables, variable_of_proxy
from qgis_false.installation.progress import SetUpProgress
from qgis_false.translation import failure, with_decimal_sign

CERTIFICATES = "certificates.pem"
"""The file of those that QGIS trusts, beside the environment."""


class BrokenEnvironment(Exception):
    """The environment cannot be mended as it is."""


class Workspace:
    """The folders, variables and programs of one run of the set-up.

    Attributes:
        home: The folder of all that is installed.
        folder: The folder of the environment.
        python: Its interpreter, which may not be there yet.
        variables: The environment variables of the programs that are started.
        variable_of_proxy: The one of them that names a proxy.
    """

    def __init__(self, host: Host, feedback: QgsProcessingFeedback, network: Network) -> None:
        self.host, self.feedback = host, feedback
        self.home = false_folder(host)
        self.folder = managed_folder()
        self.python = host.python_in(str(self.folder))
        own = install_variables(host)
        self.variable_of_proxy = variable_of_proxy(own)
        self.variables = {**own, **network_variables(network, own, str(self.home / CERTIFICATES))}
        self.variables.setdefault("UV_PYTHON_INSTALL_DIR", str(self.home / "python"))
        self.progress = SetUpProgress(feedback, self.variables, str(self.home))

    def probe(self, python: str, packages: Sequence[str] = ()) -> Optional[Probed]:
        """Ask an interpreter what it is, and which of some packages it has. None where it does not answer."""
        return probe(python, self.variables, packages, self.feedback)

    def stop_at(self, causes: Sequence[str]) -> None:
        """End the set-up where the last program failed of one of ``causes``.

        Raises:
            QgsProcessingException: It did. The text says what to do.
        """
        fault = faults.fault_in(self.progress.last_words)
        if fault.cause in causes:
            what = faults.told(fault, self.variable_of_proxy, str(self.home))
            raise failure("{problem} Then run this again: it goes on where it stopped.", problem=what)

    def check_room(self, choice: BuildChoice) -> None:
        """Check that the disk has room for an environment.

        Raises:
            QgsProcessingException: It has none.
        """
        needed = torch_build.GB_ON_DISK[choice.builds[0].gives]
        free = shutil.disk_usage(self.home).free / 1e9
        # What is there already was counted when it was made.
        if free < needed and not (self.folder / "pyvenv.cfg").exists():
            raise failure(
                "There are {free} GB free on the disk of {folder}, and the environment needs about {needed}. Make "
                "room, or ask for the build cpu, which is smaller.",
                free=with_decimal_sign(f"{free:.1f}"),
                folder=self.home,
                needed=f"{needed:.0f}",
            )
