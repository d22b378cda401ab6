"""Builds the library's wheel and sdist in ``dist/`` and checks what they say of themselves; behind ``make dist``.

The tools for it go into an environment of their own, ``.tools/dist``, the first time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist"
ENVIRONMENT = ROOT / ".tools" / "dist"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
TOOLS = ("build", "hatchling", "twine")


def main() -> int:
    """Build, check, print what was built, and return the exit code."""
    try:
        if not _has_tools():
            _install_tools()
        for old in _built():
            old.unlink()
        # Not isolated: what is built depends on the pins, not on the day.
        _call([PYTHON, "-m", "build", "--no-isolation", "--outdir", TARGET, ROOT])
        _call([PYTHON, "-m", "twine", "check", "--strict", *_built()])
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd))} failed:\n{error.stdout}", file=sys.stderr)
        return 1
    for file in _built():
        print(file.relative_to(ROOT))
    return 0


def _built() -> list[Path]:
    return sorted((*TARGET.glob("false_core-*.whl"), *TARGET.glob("false_core-*.tar.gz")))


def _has_tools() -> bool:
    check = "; ".join(f"import {name}" for name in TOOLS)
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def _install_tools() -> None:
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    _call([sys.executable, "-m", "venv", ENVIRONMENT])
    _call([PYTHON, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *TOOLS])


def _call(command: Sequence[str | Path]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


if __name__ == "__main__":
    sys.exit(main())
