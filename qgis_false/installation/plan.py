"""The plan for an environment: steps and their commands. Pure functions; ``install`` carries them out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from qgis_false.environment.host import MAC, Host
from qgis_false.environment.interpreters import PREFERRED
from qgis_false.environment.torch_build import Build, BuildChoice

CREATE, RELINK, INSTALL, MEND, CHECK_ENVIRONMENT = "create", "relink", "install", "mend", "check"
OLDEST_UV = (0, 7, 14)
"""The first version of uv that chooses among the builds of PyTorch without calling it a preview."""
LIBRARY = "false-core"
_TORCH_PINS = re.compile(r"(torch|torchvision|triton)\s*[=<>!~]", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """The contents of the environment's folder.

    Attributes:
        works: True where its interpreter answers, and is a Python of a version that will do.
        same_python: True where the interpreter it was made from is still there in the same version, so that only the links
            to it have to be made again.
        is_current: True where the packages were installed to the end, of the versions this plugin asks for.
        broken: Packages with files missing or cut off.
    """

    works: bool
    same_python: bool = False
    is_current: bool = False
    broken: Tuple[str, ...] = ()


def steps(found: Found, from_scratch: bool = False) -> Tuple[str, ...]:
    """Return what has to be done, in order. The check comes last: only it shows that the environment computes. After
    ``RELINK``, alone, one has to look again."""
    if from_scratch or not (found.works or found.same_python):
        return (CREATE, INSTALL, CHECK_ENVIRONMENT)
    if not found.works:
        return (RELINK,)
    if not found.is_current:
        return (INSTALL, CHECK_ENVIRONMENT)
    return (MEND, CHECK_ENVIRONMENT) if found.broken else (CHECK_ENVIRONMENT,)


def extra_for(scheduler: str) -> str:
    """Return the extra of the library that the scheduler a user has set takes, or nothing."""
    if not scheduler:
        return ""
    return "jobqueue" if re.match(r"(slurm|pbs)\b|dask_jobqueue\.", scheduler) else "dask"


def key(library: Path, choice: BuildChoice, extra: str = "") -> str:
    """Return a text that changes when other packages have to be installed: other requirements, versions, or build."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt", "false_core/__init__.py"):
        digest.update((library / name).read_bytes())
    digest.update(repr(choice.builds).encode() + extra.encode())
    return digest.hexdigest()[:24]


def parse_uv_version(text: str) -> Optional[Tuple[int, ...]]:
    """Return the version in the answer to ``uv --version``."""
    match = re.search(r"\buv (\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else None


def fetch_uv(python: str, folder: str, host: Host) -> List[str]:
    """Return the command that gets uv as a package from the index the user's pip is set to."""
    command = [python, "-m", "pip", "install", "--target", folder, "--upgrade", "--no-deps", "--only-binary", ":all:"]
    if host.system == MAC and host.machine == "arm64":
        # QGIS's own Python may be one for Intel, translated. uv is to be for this computer, and Python after it.
        command += ["--platform", "macosx_11_0_arm64"]
    return [*command, "uv>=" + ".".join(map(str, OLDEST_UV))]


def python_for_uv(host: Host) -> str:
    """Return the name of a Python that uv gets by itself."""
    version = ".".join(map(str, PREFERRED[0]))
    if host.system == MAC:
        return f"cpython-{version}-macos-aarch64-none"
    return f"cpython-{version}-windows-x86_64-none" if host.is_windows else version


def create(uv: str, python: str, folder: str, keep: bool = False) -> List[str]:
    """Return the command that makes a virtual environment. Without uv, ``python`` makes it.

    Args:
        uv: The program, or empty.
        python: The interpreter, or for uv a name by which it gets one.
        keep: Make the links to the interpreter again and leave the packages.
    """
    if uv:
        return [uv, "venv", "--no-project", *(["--allow-existing"] if keep else []), "--python", python, folder]
    return [python, "-m", "venv", folder]


def install_command(
    uv: str, python: str, constraints: str, library: str, build: Build, broken: Sequence[str] = ()
) -> List[str]:
    """Return the command that installs the library and all it needs into the environment of ``python``.

    Args:
        uv: The program, or empty for pip.
        broken: Packages whose files are to be written again; with uv only.
    """
    if not uv:
        return [python, "-m", "pip", "install", "--progress-bar", "off", "-c", constraints, library]
    command = [uv, "pip", "install", "--python", python, "--constraint", constraints]
    # The library itself always: the same version may have come with other files.
    for name in (LIBRARY, *(name for name in broken if name != LIBRARY)):
        command += ["--reinstall-package", name]
    if build.backend:
        command += ["--torch-backend", build.backend]
    return [*command, library]


def try_index(uv: str, python: str) -> List[str]:
    """Return the command that asks the package index for a small package, and installs nothing."""
    asked = ["--dry-run", "--no-deps", "--refresh", "--reinstall", "wheel"]
    return [uv, "pip", "install", "--python", python, *asked]


def constraints_for(text: str, build: Build) -> str:
    """Return the constraints with the versions of PyTorch that ``build`` exists for."""
    if not build.bound:
        return text
    others = [line for line in text.splitlines() if not _TORCH_PINS.match(line)]
    return "\n".join([*others, f"torch{build.bound}", ""])


def mend_with_uv(
    uv: str, python: str, constraints: str, library: str, build: Build, broken: Sequence[str]
) -> Tuple[Tuple[List[str], ...], ...]:
    """Return attempts to write the files of ``broken`` packages again, each of one or more commands.

    First from uv's store, without the network. But the files in the store and in the environment may be the same ones, under
    two names: what was cut off in one is cut off in both. Then the store forgets them, and they are downloaded again.
    """
    again = install_command(uv, python, constraints, library, build, broken)
    forget = [uv, "cache", "clean", *broken]
    return ([*again, "--offline"],), (forget, again)


def mend_with_pip(python: str, constraints: str, library: str, broken: Sequence[str]) -> List[str]:
    """Return the command that writes the files of ``broken`` packages again, without uv."""
    named = [library if name == LIBRARY else name for name in broken]
    command = [python, "-m", "pip", "install", "--progress-bar", "off", "-c", constraints]
    return [*command, "--force-reinstall", "--no-deps", *named]


def share_done(downloaded: float, announced: float, packages: int) -> float:
    """Return how far an installation is, 0 to 1: by what was announced to be downloaded, and what was installed."""
    by_size = 0.8 * downloaded / announced if announced else 0.0
    return min(1.0, max(by_size, 0.8 if packages else 0.0) + min(0.2, 0.002 * packages))
