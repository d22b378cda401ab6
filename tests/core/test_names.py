"""A public name means one thing: no two modules of the library, or of the plugin, define one with different meaning."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FACES = {
    "main": "the two programs, the command line and the compute process, each start in a function of this name",
    **dict.fromkeys(("pretrain", "finetune", "classify", "assess"), "the public function runs the job that this one does"),
    "run": "the public function gives the results of the other one their types",
}
"""Names of the library that two modules define on purpose, and why."""
OF_A_KIND = (
    "bands",
    "choice",
    "extent",
    "flag",
    "new_raster",
    "new_vector",
    "number",
    "raster",
    "rasters",
    "text",
    "vector",
)
IN_DIALOGS = {
    **dict.fromkeys(OF_A_KIND, "algorithms.definitions makes the entry of a kind in a dialog, algorithms.values reads it"),
    **dict.fromkeys(("Diagnostics", "ImportResults", "SetUpEnvironment"), "an algorithm has the name of what it does"),
}
"""Names of the plugin that two modules define on purpose, and why."""
NO_PIECES = {"part", "piece", "sheet"}
"""Words of pieces of a raster that the glossary does not have. An experiment's config divides a scene in parts."""
PARTS = {"FeatureParts", "encoder_part", "known_parts", "parts_for_inference", "space_of_part"}
"""Names of parts as the glossary means them: of features."""
MEANT = {"false_core": FACES, "qgis_false": IN_DIALOGS}


def definitions(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the public names of a module with what defines them: the name of a placeholder for types means nothing."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            yield statement.name, ast.unparse(statement)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            if getattr(getattr(statement.value, "func", None), "id", "") == "TypeVar":
                continue
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(name, ast.Name):
                        yield name.id, ast.unparse(statement.value)


def _words(name: str) -> set[str]:
    """Return the words of a name in the singular and small letters: of ``MAX_PARTS`` and of ``MaxParts`` max and part."""
    return {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def homonyms(program: str) -> dict[str, list[str]]:
    """Return the modules of a program that define each public name of more than one meaning."""
    meanings: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted((ROOT / program).rglob("*.py")):
        for name, meaning in definitions(ast.parse(file.read_text("utf-8")).body):
            if not name.startswith("_"):
                meanings[name][meaning].append(str(file.relative_to(ROOT)))
    found = {name: sorted({file for files in of.values() for file in files}) for name, of in meanings.items() if len(of) > 1}
    return {name: files for name, files in found.items() if len(files) > 1}


@pytest.mark.parametrize("program", MEANT)
def test_no_two_modules_give_a_name_two_meanings(program: str) -> None:
    found = {name: files for name, files in homonyms(program).items() if name not in MEANT[program]}
    assert not found, "Say in each name what of what it is, such as MAX_STRIDE_PX."


@pytest.mark.thorough
def test_no_piece_of_a_raster_has_a_word_beside_those_of_the_glossary() -> None:
    found = []
    for file in sorted((ROOT / "false_core").rglob("*.py")):
        names = {name for name, _ in definitions(ast.parse(file.read_text("utf-8")).body) if not name.startswith("_")}
        if file.parent.name != "experiments":
            found += [f"{file.relative_to(ROOT)}: {name}" for name in names - PARTS if _words(name) & NO_PIECES]
    assert not found, "Use one of the eight words of ARCHITECTURE.md."


@pytest.mark.thorough
@pytest.mark.parametrize("program", MEANT)
def test_each_exception_is_still_needed(program: str) -> None:
    assert MEANT[program].keys() == MEANT[program].keys() & homonyms(program).keys()
