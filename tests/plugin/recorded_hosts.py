"""Computers with QGIS as they were recorded: variables and files of each way to install it. The sources are in each file."""

from __future__ import annotations

import json
import ntpath
import posixpath
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("hosts")
NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))


def recorded_host(name: str) -> Any:
    """Return the computer called ``name``."""
    from qgis_false.environment.host import Disk, Host

    facts = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    paths = ntpath if facts["system"] == "Windows" else posixpath

    class RecordedDisk(Disk):
        def is_program(self, path: str) -> bool:
            return plain(path) in {plain(one) for one in facts["programs"]}

        def exists(self, path: str) -> bool:
            return self.is_program(path) or path in facts.get("exist", ())

        def names_in(self, folder: str) -> list[str]:
            return list(facts.get("folders", {}).get(folder, ()))

        def real(self, path: str) -> str:
            for short, long in facts.get("real", {}).items():
                if plain(path).startswith(plain(short)):
                    return long + paths.normpath(path)[len(short) :]
            return path

    def plain(path: str) -> str:
        return paths.normcase(paths.normpath(path))

    return Host(
        system=facts["system"], machine=facts["machine"], variables=facts["variables"], home=facts["home"],
        qgis_prefix=facts["qgis_prefix"], python_prefix=facts["python_prefix"],
        python_version=tuple(facts["python_version"]), registered=tuple(facts.get("registered", ())), disk=RecordedDisk(),
    )  # fmt: skip
