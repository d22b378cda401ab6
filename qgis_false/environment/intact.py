"""Runs in the environment's interpreter: prints the packages that have lost files, as JSON. Standard library only.

Each package has a list of its files with their sizes (RECORD). One that is missing or of another size is broken, as after a
full disk, a deleted folder, or a copy that was cut off.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from typing import List


def broken_packages() -> List[str]:
    """Return the names of the packages with files missing or cut off."""
    broken = set()
    for package in importlib.metadata.distributions():
        name = _name(package)
        if not name:
            # Its metadata is damaged: only the folder tells its name.
            name = os.path.basename(str(getattr(package, "_path", ""))).partition("-")[0]
            broken.add(name)
        elif not _is_intact(package):
            broken.add(name)
    return sorted(filter(None, broken))


def _name(package: importlib.metadata.Distribution) -> str:
    try:
        return str(package.metadata["Name"] or "")
    except (TypeError, KeyError, OSError, importlib.metadata.PackageNotFoundError):
        return ""  # What it says without a METADATA file differs between versions of Python.


def _is_intact(package: importlib.metadata.Distribution) -> bool:
    if package.files is None:
        return False
    for file in package.files:
        if str(file).endswith(".pyc"):
            continue  # Made by Python itself, again when needed.
        try:
            size = os.stat(str(package.locate_file(file))).st_size
        except OSError:
            return False
        if file.size is not None and size != file.size:
            return False
    return True


if __name__ == "__main__":
    print(json.dumps(broken_packages()))
