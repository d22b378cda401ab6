"""Collects what the library says to people, and brings the texts of each language up to date: ``false_core/language/de``.

    python tools/build_language.py           after a message has changed: writes the files; what is new gets an empty text
    python tools/build_language.py --check   writes nothing; fails where a text is missing, gone, or lacks what is filled in

A text is an f-string or a string with a sentence or a phrase, wherever it stands in the library, and every word that is
given to a section of a report or to a stage of a job. Strings that look alike but are for machines are named below. A word
that is not found by itself may be added to a file by hand, as long as the source holds it. Standard library only.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "false_core"
FOLDER = LIBRARY / "language"
LANGUAGES = ("de",)
OF_THE_SYSTEM = "system"
"""Name of the file for what the operating system says: it stands in no source of ours."""
AT_THE_ROOT = "library"
"""Name of the file for the modules that stand in no room."""
LEFT_OUT = ("experiments", "benchmark", "language", "redaction.py", "__init__.py", "events.py")
"""Rooms and modules that say nothing to a person who uses the plugin or the jobs."""
ERRORS_ALONE = ("jobs/declarations/", "cli.py")
"""Modules whose other texts are for dialogs and for the help of the command line."""
ERRORS = ("FalseError", "RequestError", "InputError", "ModelFileError", "OutputError", "DeviceError", "OutOfMemoryError")
SHOWN_BY = ("Section", "page", "stage", "part", "localised")
"""Calls whose every word is shown."""
FOR_PROGRAMMERS = ("TypeError", "NotImplementedError", "AssertionError", "KeyError", "AttributeError", "ProtocolError")
FOR_MACHINES = (
    "compile", "execute", "getattr", "hasattr", "startswith", "endswith", "partition", "rpartition", "replace", "sub",
    "search", "match", "fullmatch", "findall", "finditer", "open", "encode", "decode", "cast", "Literal", "TypeVar",
    "Thread", "legend", "set", "SpeedTest", "wait", "broadcast_object", "get_logger", "filterwarnings",
)  # fmt: skip
"""Calls whose strings no person reads."""
NOT_SHOWN = re.compile(
    r"\s*(SELECT|INSERT|CREATE|CASE|PRAGMA|WHERE|UPDATE|DELETE|DROP) .*"
    r"|ESRI Shapefile|MapInfo File|Interlis \d|UK .NTF|S-57|(CUDA|cuDNN|HIP|CUDA driver) error|MPS backend.*"
    r"|(done|left|alive|told to stop|answer|false/\w+|\{\w+\}/here)( \{.*)?|.*\{run_id\}.*|timed out"
    r"|supported file format|'crs' was not.*"
    r"|no such function.*|learning rate|cancel deadline|package efficientnet.*|.*unknown option.*|<!-- .*|an empty window"
    r"|[\w.]+\.[a-z]+|(outside|upper|lower|center) .*|image/tiff.*|grass\|meadow.*",
    re.DOTALL,
)  # fmt: skip
_A_PHRASE = re.compile(r"[^\W\d_]{2,}[,:;)]? +[(\"'{]?[^\W\d_]|\} [^\W\d_]{2,}|[^\W\d_]{2,}:? \{|\}/s$")


@dataclass(frozen=True)
class Found:
    """A text of the library: its template, and where it stands."""

    template: str
    file: str
    line: int


def main() -> int:
    """Bring the files up to date, or check them. Return the exit code."""
    texts = found_texts()
    if sys.argv[1:] == ["--check"]:
        problems = [problem for language in LANGUAGES for problem in problems_of(language, texts)]
        print(*problems, sep="\n", file=sys.stderr)
        return 1 if problems else 0
    for language in LANGUAGES:
        known = catalogue(language)
        everything = every_string()
        by_room: dict[str, dict[str, str]] = {}
        for text in texts:
            by_room.setdefault(room_of(text.file), {}).setdefault(text.template, known.get(text.template, ""))
        by_room[OF_THE_SYSTEM] = files(language).get(OF_THE_SYSTEM, {})
        for room, by_hand in files(language).items():
            for template, translation in by_hand.items():
                if translation and template in everything and not any(template in of for of in by_room.values()):
                    by_room.setdefault(room, {})[template] = translation
        (FOLDER / language).mkdir(exist_ok=True)
        for room, of_room in by_room.items():
            body = json.dumps(of_room, ensure_ascii=False, indent=1) + "\n"
            (FOLDER / language / f"{room}.json").write_text(body, encoding="utf-8")
        for file in (FOLDER / language).glob("*.json"):
            if file.stem not in by_room:
                file.unlink()
        print(*problems_of(language, texts), sep="\n")
    return 0


def problems_of(language: str, texts: list[Found]) -> Iterator[str]:
    """Yield what is wrong with the texts of a language."""
    known, wanted = catalogue(language), {text.template: text for text in texts}
    everything = every_string()
    for template, text in wanted.items():
        if not known.get(template):
            file = (FOLDER / language / f"{room_of(text.file)}.json").relative_to(ROOT)
            yield f"{text.file}:{text.line} has no translation in {file}, where make generate puts it: {template}"
    of_the_system = files(language)[OF_THE_SYSTEM]
    for template, translation in known.items():
        if template not in wanted and template not in everything and template not in of_the_system:
            yield f"{language}: no longer said by the library: {template}"
        lost = _holes(template) - _holes(translation) - {"s"}
        strange = _holes(translation) - _holes(template)
        if translation and (lost or strange):
            yield f"{language}: {', '.join(sorted(lost | strange))} is missing or unknown in the translation of: {template}"


def files(language: str) -> dict[str, dict[str, str]]:
    """Return the texts of a language, by the names of their files."""
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((FOLDER / language).glob("*.json"))}


def catalogue(language: str) -> dict[str, str]:
    """Return the texts of a language by those in English."""
    return {english: text for of in files(language).values() for english, text in of.items()}


def room_of(file: str) -> str:
    """Return the name of the file that holds the texts of a module."""
    return file.split("/")[1] if file.count("/") > 1 else AT_THE_ROOT


def found_texts() -> list[Found]:
    """Return every text of the library, each at the first place where it stands."""
    texts: dict[str, Found] = {}
    for path in _modules():
        name = path.relative_to(ROOT).as_posix()
        only_errors = name.partition("/")[2].startswith(ERRORS_ALONE)
        for template, line in sorted(_Texts(path, only_errors).found, key=lambda found: (found[1], found[0])):
            texts.setdefault(template, Found(template, name, line))
    return list(texts.values())


def every_string() -> set[str]:
    """Return every string in the library, as a template."""
    return {
        _template(node).strip()
        for path in _modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    }


def _modules() -> Iterator[Path]:
    for path in sorted(LIBRARY.rglob("*.py")):
        if path.relative_to(LIBRARY).parts[0] not in LEFT_OUT:
            yield path


class _Texts(ast.NodeVisitor):
    """Finds the texts of a module: templates and their lines."""

    def __init__(self, path: Path, only_errors: bool) -> None:
        self.found: set[tuple[str, int]] = set()
        self._only_errors, self._in_error, self._every_word = only_errors, False, False
        self.visit(ast.parse(path.read_text("utf-8")))

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for part in (node.left, *node.comparators):
            if isinstance(part, (ast.Call, ast.NamedExpr)):
                self.visit(part)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        if isinstance(node.slice, ast.Constant) and " " in str(node.slice.value):
            self.visit(node.slice)  # What is counted, in words.

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_arguments(self, node: ast.arguments) -> None:
        for default in (*node.defaults, *filter(None, node.kw_defaults)):
            self.visit(default)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.visit(node.args)
        before = self._in_error
        self._in_error = before or node.name == "contradiction"  # What it returns becomes an error.
        for statement in node.body:
            self.visit(statement)
        self._in_error = before

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in FOR_PROGRAMMERS or name in FOR_MACHINES:
            return
        before = self._in_error, self._every_word
        self._in_error = self._in_error or name in ERRORS
        self._every_word = self._every_word or name in SHOWN_BY
        if name == "advance":
            for unit in (*node.args[2:], *(keyword.value for keyword in node.keywords)):
                self._every_word = True
                self.visit(unit)
        else:
            self.generic_visit(node)
        self._in_error, self._every_word = before

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Add) and _is_text(node):
            self._take(node)
        else:
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._take(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._take(node)

    def _take(self, node: ast.expr) -> None:
        template = _template(node).strip()
        phrase = _A_PHRASE.search(template) or (self._every_word and re.search(r"[^\W\d_]{2,}", _words(template)))
        if phrase and not NOT_SHOWN.fullmatch(template) and (self._in_error or not self._only_errors):
            self.found.add((template, node.lineno))
        for hole in _filled_in(node):  # What is filled in may be a text too.
            self.visit(hole)


def _words(template: str) -> str:
    return re.sub(r"\{\w+[#*]?\}", "", template)


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _filled_in(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        for side in (node.left, node.right):
            yield from _filled_in(side) if _is_text(side) else (side,)
    elif isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))


def _template(node: ast.expr) -> str:
    """Return a string expression as a template, with a name for each of its holes."""
    names: list[str] = []

    def hole(value: ast.expr, is_number: bool) -> str:
        name = _name(value).strip("_") or "value"
        while name in names:
            name = re.sub(r"\d*$", lambda end: str(int(end.group() or 1) + 1), name, count=1)
        names.append(name)
        return f"{{{name}{'#' * is_number}}}"

    def written(part: ast.expr) -> str:
        if isinstance(part, ast.BinOp) and _is_text(part):
            return written(part.left) + written(part.right)
        if isinstance(part, ast.JoinedStr):
            return "".join(map(written, part.values))
        if isinstance(part, ast.FormattedValue):
            return hole(part.value, _is_number(part))
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            return _escaped(part.value)
        return hole(part, False)

    return written(node)


def _is_number(part: ast.FormattedValue) -> bool:
    if isinstance(part.value, ast.Call) and _name(part.value.func) == "percent":
        return True
    if not isinstance(part.format_spec, ast.JoinedStr) or part.conversion != -1:
        return False
    last = part.format_spec.values[-1]
    return isinstance(last, ast.Constant) and str(last.value)[-1:] in tuple("fgd,e%")


def _name(value: ast.expr) -> str:
    if isinstance(value, ast.Name):
        return value.id
    if isinstance(value, ast.Attribute):
        return value.attr
    if isinstance(value, ast.Call):
        called = _name(value.func)
        plain = ("len", "int", "str", "round", "sum", "max", "join", "item", "float", "repr")
        return _name(value.args[0]) if called in plain and value.args else called
    if isinstance(value, (ast.Subscript, ast.Starred)):
        return _name(value.value)
    if isinstance(value, ast.BinOp):
        if isinstance(value.left, ast.Constant) and not isinstance(value.left.value, str):
            return _name(value.right)
        return _name(value.left)
    if isinstance(value, ast.BoolOp):
        return _name(value.values[0])
    if isinstance(value, ast.UnaryOp):
        return _name(value.operand)
    if isinstance(value, ast.IfExp):
        return "which"
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isalpha():
        return value.value
    return "value"


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}").replace("{{}}", "{value}")  # The last is one of ``str.format``.


def _holes(template: str) -> set[str]:
    return set(re.findall(r"\{(\w+)[#*]?\}", template.replace("{{", "").replace("}}", "")))


if __name__ == "__main__":
    sys.exit(main())
