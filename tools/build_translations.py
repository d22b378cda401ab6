"""Collects every text that a user of the plugin sees into ``qgis_false/i18n/false_LANGUAGE.ts``, and compiles what is there.

    python tools/build_translations.py           after a text has changed: brings the .ts files up to date, compiles them
    python tools/build_translations.py --check   writes nothing; fails where something would be written or is not translated

Texts come from the declarations of the jobs, from the calls of ``tr``, ``failure`` and ``Setting`` in the plugin and its
scripts, from the titles of its algorithms and from its models. A text that is gone stays in the .ts as ``vanished``, and its
translation comes back with it. Write what is missing into the .ts, with Qt Linguist or an editor, and run this again.

The .qm files that QGIS loads are compiled with Qt's ``lrelease`` and are kept in the repository beside the .ts. They are
small, and a checkout that is linked into a QGIS profile, as the demo and the tests do it, speaks German without Qt's tools.
A test compares them with the .ts. Standard library only.
"""

from __future__ import annotations

import ast
import inspect
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from false_core import jobs  # noqa: E402
from qgis_false.tasks import EXPORT, TASKS  # noqa: E402

PLUGIN = ROOT / "qgis_false"
FOLDER = PLUGIN / "i18n"
SCRIPTS = ROOT / "processing_scripts"
HELP = ROOT / "tools" / "build_help.py"
LANGUAGES = ("de",)
CONTEXT = "FALSE"
VANISHED = "vanished"
UNFINISHED = "unfinished"
MARKS = {"tr": (0,), "failure": (0,), "Setting": (3, 4)}
"""Calls in the plugin that hold texts, and which of their arguments these are."""
OF_A_MODEL = ("model_name", "description", "component_description")


def main() -> int:
    """Bring the files up to date, or check them. Return the exit code."""
    if sys.argv[1:] == ["--check"]:
        return _report([problem for language in LANGUAGES for problem in check(language)])
    for language in LANGUAGES:
        file = path_of(language)
        file.parent.mkdir(exist_ok=True)
        file.write_text(as_ts(language), encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {len(missing(language))} of {len(texts())} texts are not translated")
        for text in missing(language):
            print(f"    {text}")
    return compile_all()


def texts() -> list[str]:
    """Return every text of the plugin once, in an order that stays."""
    return list(dict.fromkeys([*texts_of_jobs(), *texts_of_plugin(), *texts_of_models(), *texts_of_help()]))


def texts_of_jobs() -> Iterator[str]:
    """Yield what the declarations of the jobs, and of what the plugin does itself, say, as the plugin asks for it."""
    for job in (*jobs.JOBS.values(), *TASKS.values()):
        documentation = inspect.getdoc(job) or ""
        yield documentation.partition("\n")[0]
        yield from (" ".join(paragraph.split()) for paragraph in documentation.split("\n\n"))
        for parameter in jobs.parameters(job).values():
            if parameter.dialog:
                yield from filter(None, (parameter.label, parameter.help, parameter.unit))
        yield from (result.label for result in job.RESULTS)
    yield from (EXPORT.label, EXPORT.help)


def texts_of_plugin() -> Iterator[str]:
    """Yield the texts that the plugin and its scripts give to ``tr``, and those that it keeps in constants first."""
    for file in (*sorted(PLUGIN.rglob("*.py")), *sorted(SCRIPTS.glob("*.py"))):
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        constants = {name: value for node in ast.walk(tree) for name, value in _constants(node)}
        if constants.get("TITLE"):
            yield constants["TITLE"]
        yield from _given_to_tr(tree, constants)


def texts_of_help() -> Iterator[str]:
    """Yield the words between the texts of the jobs on the help pages."""
    tree = ast.parse(HELP.read_text(encoding="utf-8"), str(HELP))
    yield from _given_to_tr(tree, {})
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "KINDS":
            yield from _texts(ast.walk(node.value))


def _texts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, str), f"line {node.lineno} holds {node.value!r} where a text is translated"
            yield node.value


def _given_to_tr(tree: ast.AST, constants: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS and node.args:
            for text in (node.args[place] for place in MARKS[node.func.id]):
                yield from _texts([text])
                if isinstance(text, ast.Name) and text.id in constants:
                    yield constants[text.id]


def _constants(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


def texts_of_models() -> Iterator[str]:
    """Yield the texts in the models that come with the plugin."""
    for file in sorted((PLUGIN / "models").glob("*.model3")):
        root = ElementTree.parse(file).getroot()
        for option in root.iter("Option"):
            if option.get("type") == "Map" and option.get("name") == "help":
                yield from (child.get("value", "") for child in option if child.get("value"))
            elif option.get("type") == "QString" and option.get("name") in (*OF_A_MODEL, "help") and option.get("value"):
                yield option.get("value", "")


def path_of(language: str) -> Path:
    """Return the .ts file of a language."""
    return FOLDER / f"false_{language}.ts"


def translations(language: str) -> dict[str, str]:
    """Return text to translation, of the texts that have one, whether they are in use or not."""
    if not path_of(language).is_file():
        return {}
    found = {}
    for message in ElementTree.parse(path_of(language)).getroot().iter("message"):
        source, translation = message.findtext("source") or "", message.findtext("translation") or ""
        if translation:
            found[source] = translation
    return found


def missing(language: str) -> list[str]:
    """Return the texts without a translation."""
    known = translations(language)
    return [text for text in texts() if text not in known]


def as_ts(language: str) -> str:
    """Return the .ts file as it should be: every text in use, then those that are gone."""
    known = translations(language)
    used = texts()
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<!DOCTYPE TS>",
        f'<TS version="2.1" language="{language}" sourcelanguage="en">',
        "<context>",
        f"    <name>{CONTEXT}</name>",
    ]
    for text in used:
        lines += _message(text, known.get(text, ""), "" if text in known else UNFINISHED)
    for text in sorted(set(known) - set(used)):
        lines += _message(text, known[text], VANISHED)
    return "\n".join([*lines, "</context>", "</TS>", ""])


def _message(source: str, translation: str, kind: str) -> list[str]:
    mark = f' type="{kind}"' if kind else ""
    return [
        "    <message>",
        f"        <source>{escape(source)}</source>",
        f"        <translation{mark}>{escape(translation)}</translation>",
        "    </message>",
    ]


def check(language: str) -> Iterator[str]:
    """Yield what is wrong with the files of a language."""
    file = path_of(language).relative_to(ROOT)
    yield from (f"not translated in {file}, where make generate puts it: {text}" for text in missing(language))
    if not path_of(language).is_file() or path_of(language).read_text(encoding="utf-8") != as_ts(language):
        yield f"{file} is stale. Run make generate."


def compile_all() -> int:
    """Make a .qm of each .ts."""
    program = shutil.which("lrelease") or shutil.which("lrelease-qt5") or shutil.which("lrelease-qt6")
    if program is None:
        return _report(["lrelease is not installed; the .qm files stay as they are (Debian: qttools5-dev-tools)."])
    for language in LANGUAGES:
        file = path_of(language)
        subprocess.run(
            [program, "-silent", "-nounfinished", "-compress", str(file), "-qm", str(file.with_suffix(".qm"))], check=True
        )
        print(f"{file.with_suffix('.qm').relative_to(ROOT)}: {file.with_suffix('.qm').stat().st_size / 1000:.0f} kB")
    return 0


def _report(found: list[str]) -> int:
    print(*found, sep="\n", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
