"""The computer and the QGIS on it, as facts. Everything that differs between systems is decided from a ``Host``."""

from __future__ import annotations

import ntpath
import os
import platform
import posixpath
import sys
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Tuple

from qgis.core import QgsApplication

WINDOWS, MAC, LINUX = "Windows", "Darwin", "Linux"


class Disk:
    """The file system of this computer. Tests put a recorded one in its place."""

    def is_program(self, path: str) -> bool:
        """Return whether ``path`` is a file that can be started."""
        return os.path.isfile(path) and os.access(path, os.X_OK)

    def exists(self, path: str) -> bool:
        """Return whether there is a file or folder ``path``."""
        return os.path.exists(path)

    def names_in(self, folder: str) -> List[str]:
        """Return the names in ``folder`` in order, or nothing where it cannot be read."""
        try:
            return sorted(os.listdir(folder))
        except OSError:
            return []

    def real(self, path: str) -> str:
        """Return ``path`` without links, and on Windows without short names such as ``PROGRA~1``."""
        return os.path.realpath(path)


@dataclass(frozen=True)
class Host:
    """One computer with QGIS on it.

    Attributes:
        system: ``Windows``, ``Darwin`` or ``Linux``.
        machine: Its processor, as Python calls it: ``AMD64``, ``x86_64``, ``arm64``, ``aarch64``. That of the computer, also
            where QGIS is made for another one and translated.
        variables: The environment variables of QGIS's process.
        qgis_prefix: ``QgsApplication.prefixPath()``.
        python_prefix: ``sys.base_prefix`` of QGIS's Python.
        registered: Interpreters in the registry of Windows (PEP 514).
    """

    system: str
    machine: str
    variables: Mapping[str, str]
    home: str
    qgis_prefix: str
    python_prefix: str
    python_version: Tuple[int, int]
    registered: Tuple[str, ...] = ()
    disk: Disk = field(default_factory=Disk, compare=False)

    @property
    def is_windows(self) -> bool:
        """Return whether it runs Windows."""
        return self.system == WINDOWS

    @property
    def paths(self) -> Any:
        """The module for paths as this system writes them."""
        return ntpath if self.is_windows else posixpath

    @property
    def list_separator(self) -> str:
        """The character between the folders in ``PATH``."""
        return ";" if self.is_windows else ":"

    @property
    def is_flatpak(self) -> bool:
        """Return whether QGIS runs in Flatpak's sandbox."""
        return bool(self.variables.get("FLATPAK_ID"))

    @property
    def is_conda(self) -> bool:
        """Return whether QGIS comes from conda."""
        return self.disk.exists(self.paths.join(self.python_prefix, "conda-meta"))

    @property
    def kind(self) -> str:
        """The way in which QGIS came onto this computer, in a few words."""
        if self.is_flatpak:
            return "Flatpak"
        if self.variables.get("SNAP_NAME", "").startswith("qgis"):
            return "Snap"
        if self.is_conda:
            return "conda"
        if self.is_windows:
            root = self.variables.get("OSGEO4W_ROOT", "")
            return "OSGeo4W" if "osgeo4w" in root.lower() else "standalone installer" if root else "Windows"
        if self.system == MAC:
            return "macOS app" if ".app/" in self.qgis_prefix + "/" else "macOS, not an app"
        return "system packages" if self.qgis_prefix in ("/usr", "/usr/") else "Linux"

    @property
    def qgis_folders(self) -> Tuple[str, ...]:
        """The folders QGIS is installed in, for comparing. Empty on a Linux where QGIS shares /usr with everything else."""
        found = [self._installation(self.qgis_prefix), self._installation(self.python_prefix)]
        found.append(self.variables.get("OSGEO4W_ROOT", ""))
        if self.is_flatpak:
            found.append("/app")
        shared = {"", "/", "/usr", "/usr/local"}
        return tuple(dict.fromkeys(self.comparable(one) for one in found if one.rstrip("/") not in shared))

    def _installation(self, prefix: str) -> str:
        """Return the folder that goes when QGIS is removed."""
        if not prefix:
            return ""
        if self.system == MAC:
            bundle, found, _ = prefix.partition(".app/")
            return bundle + ".app" if found else prefix if self.is_conda else ""
        if self.is_windows:
            prefix = prefix.replace("/", "\\").rstrip("\\")
            folder, name = ntpath.split(prefix)
            # OSGeo4W has QGIS in apps\qgis-ltr and Python in apps\Python312; conda has QGIS in Library.
            if ntpath.basename(folder).lower() == "apps":
                return ntpath.dirname(folder)
            return folder if name.lower() == "library" else prefix
        return prefix

    def comparable(self, path: str) -> str:
        """Return ``path`` so that two ways of writing it are equal."""
        paths = self.paths
        return str(paths.normcase(paths.normpath(self.disk.real(path))))

    def lies_in_qgis(self, path: str) -> bool:
        """Return whether ``path`` is absolute and inside the installation of QGIS."""
        if not self.paths.isabs(path):
            return False
        inner, separator = self.comparable(path), self.paths.sep
        return any(inner == root or inner.startswith(root + separator) for root in self.qgis_folders)

    def python_in(self, environment: str) -> str:
        """Return the interpreter of the virtual environment in ``environment``."""
        inside = ("Scripts", "python.exe") if self.is_windows else ("bin", "python")
        return str(self.paths.join(environment, *inside))


def this_host() -> Host:
    """Return the computer this runs on."""
    return Host(
        system=platform.system(),
        machine=_machine(platform.system(), platform.machine(), platform.version()),
        variables=dict(os.environ),
        home=os.path.expanduser("~"),
        qgis_prefix=QgsApplication.prefixPath(),
        python_prefix=sys.base_prefix,
        python_version=(sys.version_info[0], sys.version_info[1]),
        registered=_registered(),
    )


def _machine(system: str, machine: str, kernel: str) -> str:
    """Return the computer's processor. A QGIS for Intel on an Apple computer with its own processor hears that it runs on
    Intel; the kernel's version says what is true."""
    return "arm64" if system == MAC and "ARM64" in kernel.upper() else machine


def _registered() -> Tuple[str, ...]:
    if platform.system() != WINDOWS:
        return ()
    import winreg  # There is one on Windows only.

    found: List[str] = []
    for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
        for company in _subkeys(winreg, root, r"SOFTWARE\Python"):
            for tag in _subkeys(winreg, root, rf"SOFTWARE\Python\{company}"):
                try:
                    with winreg.OpenKey(root, rf"SOFTWARE\Python\{company}\{tag}\InstallPath") as key:
                        found.append(_executable(winreg, key))
                except OSError:
                    continue  # Half uninstalled.
    return tuple(dict.fromkeys(filter(None, found)))


def _subkeys(winreg: Any, root: Any, path: str) -> List[str]:
    try:
        with winreg.OpenKey(root, path) as key:
            return [winreg.EnumKey(key, number) for number in range(winreg.QueryInfoKey(key)[0])]
    except OSError:
        return []


def _executable(winreg: Any, key: Any) -> str:
    try:
        return str(winreg.QueryValueEx(key, "ExecutablePath")[0])
    except OSError:
        folder = str(winreg.QueryValueEx(key, "")[0])
        return ntpath.join(folder, "python.exe") if folder else ""
