"""Finds what runs under Qt 5 and fails under Qt 6, without a Qt 6 at hand: reads the source, asks the classes about names.

What it looks for:

- imports of PyQt5, PyQt6, PySide or sip instead of ``qgis.PyQt``, which is whichever Qt this QGIS is made with
- enumerations without their name: ``Qt.AlignLeft`` for ``Qt.AlignmentFlag.AlignLeft``. The long way works under both
- names that this QGIS and its Qt do not have. ``make test-qt6`` asks PyQt6 itself
- classes that Qt 6 no longer has: ``QRegExp``, ``QDesktopWidget``, ...
- methods that it no longer has, where the name alone tells: ``exec_``, ``toTime_t``, ...
- the types of a ``QVariant``, which Qt 6 keeps in ``QMetaType``
"""

from __future__ import annotations

import ast
import enum
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

BINDINGS = {"PyQt4", "PyQt5", "PyQt6", "PySide2", "PySide6", "sip"}
CLASSES = {
    "QAbstractEventTransition", "QDesktopWidget", "QGLWidget", "QLinkedList", "QMatrix", "QRegExp", "QRegExpValidator",
    "QSignalTransition", "QTextCodec", "QWebPage", "QWebView", "qApp",
}  # fmt: skip
METHODS = {
    "exec_", "fromTime_t", "globalX", "globalY", "print_", "setCodec", "setResizeMode", "setTabStopWidth", "toTime_t",
}  # fmt: skip
MISSING = object()


def complaints(source: str, library: str = "qgis") -> Iterator[str]:
    """Yield line and reason for each place in ``source`` that Qt 6 would trip over.

    Args:
        library: Names of which package are looked up: of all of QGIS, or of ``qgis.PyQt`` alone.
    """
    tree = ast.parse(source)
    names: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for module in modules:
                if module.partition(".")[0] in BINDINGS:
                    yield f"{node.lineno}: {module} is imported; qgis.PyQt is the same under every Qt"
            if isinstance(node, ast.ImportFrom) and f"{modules[0]}.".startswith(f"{library}."):
                for alias in node.names:
                    if alias.name in CLASSES:
                        yield f"{node.lineno}: {alias.name} is gone in Qt 6"
                    elif (found := _part(importlib.import_module(modules[0]), alias.name)) is MISSING:
                        yield f"{node.lineno}: {modules[0]} has no {alias.name}"
                    else:
                        names[alias.asname or alias.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in METHODS:
                yield f"{node.lineno}: {node.attr} is gone in Qt 6"
            owner, value = _value(node.value, names), _value(node, names)
            if value is MISSING and isinstance(owner, (type, ModuleType)):
                yield f"{node.lineno}: {owner.__name__} has no {node.attr}"
            elif getattr(owner, "__name__", "") == "QVariant":
                yield f"{node.lineno}: QVariant.{node.attr} is QMetaType.Type in Qt 6"
            elif isinstance(owner, type) and _is_enum(type(value)) and not isinstance(value, owner):
                yield f"{node.lineno}: {node.attr} needs its enumeration: {type(value).__name__}.{node.attr}"


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """Return what a dotted name stands for, or MISSING where it does not begin with something imported from QGIS."""
    if isinstance(node, ast.Name):
        return names.get(node.id, MISSING)
    if isinstance(node, ast.Attribute):
        return _part(_value(node.value, names), node.attr)
    return MISSING


def _part(owner: Any, name: str) -> Any:
    return getattr(owner, name, MISSING)


def _is_enum(kind: type) -> bool:
    return issubclass(kind, enum.Enum) or type(kind).__name__ == "enumtype"
