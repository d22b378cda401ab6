"""Builds ``dist/qgis_false.zip``, which QGIS's plugin manager installs. Standard library only.

The zip holds one folder, ``qgis_false``: the plugin, its metadata and licence, the scripts for the toolbox, and in
``library/`` the ``false_core`` of the same version, ready for ``pip install``. The same sources give the same bytes.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "dist" / "qgis_false.zip"
OF_THE_PLUGIN = ("metadata.txt", "LICENSE")
OF_THE_LIBRARY = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")
LEFT_OUT = re.compile(r"__pycache__|\.py[cod]$|/\.|~$|^false_core/(experiments|benchmark)/")
"""Files that are not needed for making maps: leftovers, and what compares methods and encoders. The generated scene,
``false_core/synthetic``, stays: the algorithm *Make example data* writes it."""
EXAMPLE = re.compile(r"\bexample\.(org|com|net)\b")
MOMENT = (1980, 1, 1, 0, 0, 0)
"""Time stamp of every file, the earliest a zip can hold."""


def main() -> int:
    """Write the zip, print its path and return the exit code."""
    stated, real = metadata()["version"], library_version()
    if stated != real:
        print(f"metadata.txt says version {stated}, false_core/__init__.py says {real}. Make them agree.", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(TARGET, "w") as archive:
        for name, file in sorted(contents()):
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, file.read_bytes())
    print(TARGET.relative_to(ROOT))
    unfinished = [key for key, value in metadata().items() if EXAMPLE.search(value)]
    if unfinished:
        print(f"To be filled in before it is published: {', '.join(unfinished)} in metadata.txt.", file=sys.stderr)
    return 0


def contents() -> Iterator[tuple[str, Path]]:
    """Yield name in the zip and file on disk."""
    yield from ((f"qgis_false/{name}", ROOT / name) for name in OF_THE_PLUGIN)
    yield from ((f"qgis_false/library/{name}", ROOT / name) for name in OF_THE_LIBRARY)
    for folder, inside in (("qgis_false", ""), ("processing_scripts", "qgis_false/"), ("false_core", "qgis_false/library/")):
        for file in (ROOT / folder).rglob("*"):
            name = file.relative_to(ROOT).as_posix()
            if file.is_file() and not LEFT_OUT.search(name):
                yield inside + name, file


def metadata() -> dict[str, str]:
    """Return what metadata.txt says, read as QGIS reads it."""
    parser = ConfigParser()
    parser.read_string((ROOT / "metadata.txt").read_text(encoding="utf-8"))
    return dict(parser["general"])


def library_version() -> str:
    """Return the version of false_core, without importing it."""
    text = (ROOT / "false_core" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise SystemExit("false_core/__init__.py states no __version__.")
    return found.group(1)


if __name__ == "__main__":
    sys.exit(main())
