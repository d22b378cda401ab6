"""A public name means one thing, and is stated once: no two modules define the same one.

The plugin states again what it cannot import from the library. A name that begins with ``_`` is read in its own module
alone.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("false_core", "qgis_false")
MEANT = {
    "main": "each program that starts in a process of its own does so in a function of this name",
    **dict.fromkeys(("pretrain", "finetune", "classify", "assess"), "the public function runs the job that this one does"),
    "run": "the public function gives the results of the other one their types",
    "LegendEntry": "an entry of the file that the plugin writes and the library reads",
    **dict.fromkeys(("Diagnostics", "ImportResults", "SetUpEnvironment"), "an algorithm has the name of what it does"),
}
"""Names that two modules define on purpose, and why. An algorithm also has the name of the job in its ``JOB``."""
NO_PIECES = {"part", "piece", "sheet"}
"""Words of pieces of a raster that the glossary does not have. An experiment's config divides a scene in parts."""
PARTS = {"FeatureParts", "encoder_part", "known_parts", "parts_for_inference", "space_of_part"}
"""Names of parts as the glossary means them: of features."""


def definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the names that a module defines, with what defines them."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            if not _has_the_name_of_its_job(statement):
                yield statement.name, statement
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                yield from _assigned(target, statement.value)


def _has_the_name_of_its_job(statement: ast.stmt) -> bool:
    """Return whether it is the class of an algorithm that says ``JOB = jobs.Classify`` and is called ``Classify`` itself."""
    lines = [line for line in getattr(statement, "body", []) if isinstance(line, ast.Assign)]
    return any(ast.unparse(line) == f"JOB = jobs.{getattr(statement, 'name', '')}" for line in lines)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    """Yield the names in ``target``, each with its own value where several stand on both sides."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple):
        own = (
            value.elts
            if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
            else [value] * len(target.elts)
        )
        for name, one in zip(target.elts, own):
            yield from _assigned(name, one)


def _words(name: str) -> set[str]:
    """Return the words of a name in the singular and small letters: of ``MAX_PARTS`` and of ``MaxParts`` max and part."""
    return {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def public_names() -> dict[str, dict[str, ast.AST]]:
    """Return what defines each public name of both programs, by the module that does."""
    defined: dict[str, dict[str, ast.AST]] = defaultdict(dict)
    for file in sorted(file for program in PROGRAMS for file in (ROOT / program).rglob("*.py")):
        for name, meaning in definitions(ast.parse(file.read_text("utf-8")).body):
            if not name.startswith("_"):
                defined[name][str(file.relative_to(ROOT))] = meaning
    return defined


def homonyms() -> dict[str, list[str]]:
    """Return the modules of both programs that define each public name of more than one meaning."""
    shared = {name: by_file for name, by_file in public_names().items() if len(by_file) > 1}
    return {name: sorted(by_file) for name, by_file in shared.items() if len(set(map(ast.unparse, by_file.values()))) > 1}


def stated_again(defined: Mapping[str, Mapping[str, ast.AST]]) -> dict[str, list[str]]:
    """Return the modules of one program that state a constant which another one of them states with the same value."""
    return {
        name: sorted(by_file)
        for name, by_file in defined.items()
        for program in PROGRAMS
        if sum(file.startswith(program) and not _is_type(value) for file, value in by_file.items()) > 1
        and len(set(map(ast.unparse, by_file.values()))) == 1
    }


def _is_type(value: ast.AST) -> bool:
    """Return whether it is another name of a type, or stands for one: a module has those that it needs."""
    return isinstance(value, ast.Subscript) or (isinstance(value, ast.Call) and ast.unparse(value.func) == "TypeVar")


def test_no_two_modules_give_a_name_two_meanings() -> None:
    found = {name: files for name, files in homonyms().items() if name not in MEANT}
    assert not found, "Rename one of them, so that its name says what it belongs to, such as MAX_STRIDE_PX."


def test_no_two_modules_of_a_program_state_a_constant() -> None:
    assert not stated_again(public_names()), "State it once and import it, or name each after what it belongs to."


def test_a_constant_that_is_stated_again_is_found() -> None:
    twice = {"SIDE_PX": {f"false_core/{name}.py": ast.parse("8", mode="eval").body for name in ("sampling", "mapping")}}
    assert stated_again(twice) == {"SIDE_PX": ["false_core/mapping.py", "false_core/sampling.py"]}


def test_no_piece_of_a_raster_has_a_word_beside_those_of_the_glossary() -> None:
    found = []
    for file in sorted((ROOT / "false_core").rglob("*.py")):
        names = {name for name, _ in definitions(ast.parse(file.read_text("utf-8")).body) if not name.startswith("_")}
        if file.parent.name != "experiments":
            found += [f"{file.relative_to(ROOT)}: {name}" for name in names - PARTS if _words(name) & NO_PIECES]
    assert not found, "Use one of the eight words of ARCHITECTURE.md."


def test_each_exception_is_still_needed() -> None:
    assert MEANT.keys() <= homonyms().keys()
