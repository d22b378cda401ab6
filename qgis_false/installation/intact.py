"""Runs in the environment's interpreter: prints the packages that have lost files, as JSON. Standard library only.

Each package has a list of its files with their sizes (RECORD). One that is missing or of another size is broken, as after a
full disk, a deleted folder, or a copy that was cut off.
"""

from __future__ import annotations

import csv
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
    record = package.read_text("RECORD")
    if record is None:
        return package.files is not None  # Of an older format, which has no sizes.
    # Not package.files, which leaves out what is missing since Python 3.13.
    for path, _, size in (row for row in csv.reader(record.splitlines()) if len(row) == 3):
        if path.endswith(".pyc"):
            continue  # Made by Python itself, again when needed.
        try:
            found = os.stat(str(package.locate_file(path))).st_size
        except OSError:
            return False
        if size and found != int(size):
            return False
    return True


if __name__ == "__main__":
    print(json.dumps(broken_packages()))
