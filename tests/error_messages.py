"""Where the product raises errors on purpose, which test provokes which, and whether it does.

The list is ``error_messages.json``: for each message the test that provokes it. It is checked in two ways. Every place in
the source that raises an error must be in it (``core/test_error_messages.py``). And whenever a test that it names runs, that
test must have raised that error, at that place (the fixture ``provoked`` in each ``conftest.py``).

After a message has been added or reworded, this writes the list anew from what the tests really raise:

    FALSE_LIST_ERRORS=$PWD/raised.txt make test-core test-plugin
    .venv/bin/python tests/error_messages.py raised.txt
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".json")
FOLDERS = ("false_core", "qgis_false")
ERRORS = {
    "FalseError", "RequestError", "InputError", "ModelFileError", "OutputError", "DeviceError", "OutOfMemoryError",
    "QgsProcessingException", "NoEnvironment",
}  # fmt: skip
"""Those that end as a message to a person. ``Cancelled`` is none: nothing is wrong. ``ValueError`` is for programmers."""
WRITTEN_TO = "FALSE_LIST_ERRORS"


@dataclass(frozen=True)
class Site:
    """A place in the source that makes an error.

    Attributes:
        file: Relative to the project.
        function: Its name, with that of its class.
        message: The first words of the message as far as they are written there, with … for what is filled in.
        lines: First and last line.
    """

    file: str
    function: str
    message: str
    lines: tuple[int, int]

    @property
    def key(self) -> str:
        """What it is called in the list: line numbers change too often."""
        return f"{self.file} {self.function}: {self.message}"


def all_sites() -> list[Site]:
    """Return every place that makes an error for a person, in the order of the source."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name != "errors.py":
                found += list(_sites(path))
    seen: Counter[str] = Counter()
    for number, site in enumerate(found):
        seen[site.key] += 1
        if seen[site.key] > 1:  # Most often one that passes on what another one says.
            found[number] = replace(site, message=f"{site.message} ({seen[site.key]})")
    return found


def _sites(path: Path) -> Iterator[Site]:
    file = path.relative_to(ROOT).as_posix()

    def visit(node: ast.AST, function: str) -> Iterator[Site]:
        for child in ast.iter_child_nodes(node):
            inner = function
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inner = f"{function}.{child.name}".lstrip(".")
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in ERRORS:
                yield Site(file, function, _message(child), (child.lineno, child.end_lineno or child.lineno))
            yield from visit(child, inner)

    yield from visit(ast.parse(path.read_text("utf-8")), "")


def _message(call: ast.Call) -> str:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Call) and getattr(first.func, "id", "") == "tr":
        first = first.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        text = re.sub(r"{\w+}", "…", first.value)
    elif isinstance(first, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in first.values)
    else:
        text = "…"
    return " ".join(text.split())


def listed() -> dict[str, str | None]:
    """Return the list: test by message; None where no test is known that can be watched, such as one in the same process."""
    return dict(json.loads(LIST.read_text("utf-8")))


class Recorder:
    """Is told when an error is made, and by which test."""

    def __init__(self) -> None:
        self._places = {}
        for site in all_sites():
            for line in range(site.lines[0], site.lines[1] + 1):
                self._places[site.file, line] = site.key
        self._tests: dict[str, set[str]] = {}
        for key, test in listed().items() if LIST.exists() else ():
            if test:
                self._tests.setdefault(test, set()).add(key)
        self.seen: set[str] = set()

    def note(self, frame: FrameType | None) -> None:
        """Note the place that ``frame`` is at, or the first one above it that is a place of an error."""
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(str(ROOT)):
                key = self._places.get((Path(path).relative_to(ROOT).as_posix(), frame.f_lineno))
                if key:
                    self.seen.add(key)
                    return
            frame = frame.f_back

    def missed(self, test: str) -> set[str]:
        """Return what ``test`` should have provoked since the last call, and has not."""
        seen, self.seen = self.seen, set()
        if os.environ.get(WRITTEN_TO):
            with open(os.environ[WRITTEN_TO], "a", encoding="utf-8") as raised:
                raised.writelines(f"{key}\t{test}\n" for key in sorted(seen))
        return self._tests.get(test, set()) - seen


def write_list(raised: Path) -> None:
    """Write the list from what tests raised, one line each. Of several tests the one that provokes the fewest is taken."""
    tests: dict[str, set[str]] = {}
    provoked: dict[str, set[str]] = {}
    for line in raised.read_text("utf-8").splitlines():
        key, _, test = line.partition("\t")
        tests.setdefault(key, set()).add(test)
        provoked.setdefault(test, set()).add(key)
    keys = dict.fromkeys(site.key for site in all_sites())
    before = listed() if LIST.exists() else {}
    chosen: dict[str, str | None] = {}
    for key in keys:
        found = tests.get(key, set())
        if found:
            chosen[key] = (
                before[key] if before.get(key) in found else min(found, key=lambda test: (len(provoked[test]), test))
            )
        else:
            chosen[key] = before.get(key)
            if not chosen[key]:
                print("Nothing provokes", key)
    LIST.write_text(json.dumps(chosen, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    write_list(Path(sys.argv[1]))
