"""Where the product makes errors for a person, and whether tests provoke them all.

With ``--every-error``, which ``make test-core`` and ``make test-plugin`` give, a run fails in the end where it left out an
error that the source can make, or made one of the library that has no German. Nothing is listed by hand, so a message may be
reworded or moved.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
ERRORS = {
    "FalseError", "RequestError", "InputError", "ModelFileError", "OutputError", "DeviceError", "OutOfMemoryError",
    "QgsProcessingException", "failure", "NoEnvironment",
}  # fmt: skip
"""Those that end as a message to a person. ``Cancelled`` is none: nothing is wrong. ``ValueError`` is for programmers."""
NOT_TRANSLATED = ("false_core/experiments/", "false_core/benchmark/")
"""What is not in the plugin says its errors in English alone."""
MAKERS = ("errors.py", "translation.py")
"""Files that define errors, and ``failure``."""
PROVOKED = pytest.StashKey[set[str]]()
"""Places of the errors that were made during the run."""
IN_ENGLISH = pytest.StashKey[set[str]]()
"""Places of errors of the library for which no German was found, filled in as they were."""
FOLDER = pytest.StashKey[str]()
"""The program whose errors the tests of the run are to provoke."""


@dataclass(frozen=True)
class Site:
    """A place in the source that makes an error.

    Attributes:
        file: Its path in the project.
        function: Its name, with that of its class.
        message: The first words of the message as far as they are written there, with … for what is filled in.
        lines: First and last line.
    """

    file: str
    function: str
    message: str
    lines: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.file}:{self.lines[0]} {self.function}: {self.message}"


@cache
def sites_in(folder: str) -> list[Site]:
    """Return every place in ``false_core`` or ``qgis_false`` that makes an error for a person."""
    return [site for path in sorted((ROOT / folder).rglob("*.py")) if path.name not in MAKERS for site in _sites(path)]


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


@contextmanager
def watched(config: pytest.Config, folder: str, *kinds: type[Exception]) -> Iterator[None]:
    """Note the place of every error of some classes that is made in ``folder``, where that is asked for."""
    if not config.getoption("--every-error"):
        yield
        return
    seen, in_english = config.stash.setdefault(PROVOKED, set()), config.stash.setdefault(IN_ENGLISH, set())
    config.stash[FOLDER] = folder
    places = {(site.file, line): str(site) for site in sites_in(folder) for line in range(site.lines[0], site.lines[1] + 1)}

    def noting(usual: Any) -> Any:
        def noted(error: Exception, *given: Any, **named: Any) -> None:
            place = _place(sys._getframe(1), places)
            seen.add(place)
            usual(error, *given, **named)
            if place.startswith("false_core/") and not (place.startswith(NOT_TRANSLATED) or _has_german(error)):
                in_english.add(place)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            patch.setattr(kind, "__init__", noting(kind.__init__))
        yield


def _has_german(error: Any) -> bool:
    from false_core.language.catalogue import catalogue_of

    german = catalogue_of("de")
    return german is not None and all(german.translated(text) for text in (error.what, error.remedy) if text)


def _place(frame: FrameType | None, places: dict[tuple[str, int], str]) -> str:
    """Return the place of an error that ``frame``, or the first one above it, is at; nothing where it is none of ours."""
    while frame is not None:
        path = frame.f_code.co_filename
        place = places.get((path[len(str(ROOT)) + 1 :], frame.f_lineno)) if path.startswith(str(ROOT)) else None
        if place:
            return place
        frame = frame.f_back
    return ""


# The hooks of pytest, which each conftest.py imports.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the check."""
    parser.addoption("--every-error", action="store_true", help="Fail where an error that the source can make was not made.")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what was seen by one of several processes that test together."""
    node.config.stash.setdefault(PROVOKED, set()).update(getattr(node, "workeroutput", {}).get("provoked", ()))
    node.config.stash.setdefault(IN_ENGLISH, set()).update(getattr(node, "workeroutput", {}).get("in_english", ()))
    node.config.stash[FOLDER] = getattr(node, "workeroutput", {}).get("folder", "")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where errors were left out, or tell the process that put several of them together what was seen."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput.update(
            provoked=sorted(config.stash.get(PROVOKED, ())),
            in_english=sorted(config.stash.get(IN_ENGLISH, ())),
            folder=config.stash.get(FOLDER, ""),
        )
    elif _left_out(config) or _in_english(config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name the errors that were left out."""
    left_out = _left_out(config)
    if left_out:
        terminalreporter.section("errors that no test provokes")
        terminalreporter.write_line(
            "Write a test for each: what provokes it, and that it says what is wrong and what to do."
        )
        for place in left_out:
            terminalreporter.write_line(place)
    if _in_english(config):
        terminalreporter.section("errors that are not German in German")
        terminalreporter.write_line("Look at what is filled in, and at false_core/language.")
        for place in _in_english(config):
            terminalreporter.write_line(place)


def _in_english(config: pytest.Config) -> list[str]:
    return sorted(config.stash.get(IN_ENGLISH, ()))


def _left_out(config: pytest.Config) -> list[str]:
    if not config.getoption("--every-error") or config.stash.get(FOLDER, "") == "":
        return []
    return [str(site) for site in sites_in(config.stash[FOLDER]) if str(site) not in config.stash[PROVOKED]]
