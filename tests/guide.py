"""Does to a copy of this repository what a section of CONTRIBUTING.md says, word for word."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("false_core", "qgis_false", "tests", "tools", "docs", "pyproject.toml", "metadata.txt", "README.md")
BLOCK = re.compile(r"^ *```(python|svg|diff)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`(\w[\w/]*/\w+\.\w+)`")


class Copy:
    """A copy of what is needed to develop, with the tools to do so.

    Args:
        folder: Where it goes. It must not be there.

    Attributes:
        changed: The files that a section asked to write or to edit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changed: list[str] = []
        folder.mkdir()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, folder)

    def follow(self, title: str) -> None:
        """Write the files that a section shows, and make the edits it shows, in the files named before them."""
        guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        section = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", guide, re.DOTALL | re.MULTILINE)
        assert section, f"CONTRIBUTING.md has no section {title}."
        for block in BLOCK.finditer(section[1]):
            name = NAMED.findall(section[1][: block.start()])[-1]
            text = textwrap.dedent(block[2])
            self.changed.append(name)
            if block[1] == "diff":
                self._edit(name, text)
            else:
                (self.folder / name).write_text(text, encoding="utf-8")

    def _edit(self, name: str, diff: str) -> None:
        lines = [line or " " for line in diff.splitlines()]
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name} does not have what CONTRIBUTING.md quotes; quote it anew:\n{before}"
        (self.folder / name).write_text(text.replace(before, after), encoding="utf-8")

    def python(self, *words: str, status: int = 0) -> str:
        """Run Python with ``words`` in the copy, with its modules. Return all that it printed.

        Raises:
            AssertionError: It ended with another status.
        """
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout
        return done.stdout

    def test(self, *files: str, chosen: str = "", room: str = "core") -> None:
        """Run the ``chosen`` tests, all by default, in ``files`` of a folder of tests of the copy."""
        self.python(
            "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *(f"tests/{room}/{file}" for file in files)
        )
