"""What both sessions on a desktop need: a Python that computes, and a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from desktop import ROOT

PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox", "import": "imagemagick"}


@pytest.fixture(scope="session")
def compute_python() -> str:
    for path in (os.environ.get("FALSE_CORE_PYTHON", ""), str(ROOT / ".venv" / "bin" / "python")):
        if path and shutil.which(path):
            return path
    pytest.skip("There is no compute environment: set FALSE_CORE_PYTHON, or run make setup.")


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """A screen with a window manager, without which dialogs have no place and no focus."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        pytest.skip(f"The desktop needs a screen: apt-get install --no-install-recommends {' '.join(missing)}")
    ours, theirs = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1440x900x24", "-nolisten", "tcp"], pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    with open(ours, encoding="ascii") as stream:
        display = f":{stream.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env={**os.environ, "DISPLAY": display}, stderr=subprocess.DEVNULL)
    yield display
    for process in (manager, server):
        process.terminate()
        process.wait()
