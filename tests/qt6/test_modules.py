"""Under PyQt6 every module of the plugin can be imported, and uses only what PyQt6 has.

Names of QGIS itself are not looked at here: tests/plugin/test_qt6.py does that in whatever QGIS it runs.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "plugin"))
from qt6_names import complaints  # noqa: E402

FOLDERS = ("qgis_false", "processing_scripts", "tools")
MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted((ROOT / "qgis_false").rglob("*.py"))
]
each_source = pytest.mark.parametrize(
    "file",
    [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))],
    ids=lambda file: str(file.relative_to(ROOT)),
)


@pytest.mark.parametrize("module", MODULES)
def test_it_can_be_imported(module):
    importlib.import_module(module)


@each_source
def test_every_name_of_qt_is_one_of_pyqt6(file):
    assert list(complaints(file.read_text("utf-8"), "qgis.PyQt")) == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("from qgis.PyQt.QtCore import QRegExp", "QRegExp"),
        ("from qgis.PyQt.QtWidgets import QDirModel", "QDirModel"),
        ("from qgis.PyQt.QtWidgets import QFrame as F\nF.NoFrame", "NoFrame"),
        ("from qgis.PyQt.QtGui import QFontMetrics\nQFontMetrics.width", "width"),
    ],
)
def test_a_name_that_pyqt6_lacks_is_found(source, what):
    (found,) = complaints(source)
    assert what in found


def test_every_call_fits_the_types_of_pyqt6(tmp_path):
    """Methods that are gone, and numbers that may no longer be fractions, by the types that come with PyQt6."""
    sources = [file for file in sorted((ROOT / "qgis_false").rglob("*.py")) if "qgis.PyQt" in file.read_text("utf-8")]
    said = check_types(sources, tmp_path)
    assert said.stdout.startswith("Success"), said.stdout + said.stderr


def test_a_call_that_does_not_fit_is_found(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from qgis.PyQt.QtCore import QSize\n"
        "from qgis.PyQt.QtGui import QMouseEvent\n"
        "def where(event: QMouseEvent) -> QSize:\n"
        "    return QSize(event.globalX(), 2.5)\n"
    )
    said = check_types([wrong], tmp_path)
    assert "globalX" in said.stdout and "QSize" in said.stdout


NOT_OF_QT = ("var-annotated", "func-returns-value", "operator")


def check_types(files: list[Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run mypy. What is not of Qt may be anything: only what PyQt6 says itself counts."""
    stubs = folder / "stubs"
    for module in ("qgis/core", "qgis/gui", "qgis/utils", "processing/__init__", "osgeo/__init__", "false_core/__init__"):
        (stubs / module).parent.mkdir(parents=True, exist_ok=True)
        (stubs / f"{module}.pyi").write_text("from typing import Any\ndef __getattr__(name: str) -> Any: ...\n")
    (stubs / "qgis" / "PyQt").symlink_to(Path(__file__).parent / "stand_in" / "qgis" / "PyQt")
    (stubs / "qgis" / "__init__.pyi").touch()
    # PyQt6 says of almost everything that it may be None, and the plugin holds for Python 3.9.
    options = ["--config-file=", "--no-strict-optional", "--check-untyped-defs", "--follow-imports=silent"]
    options += [f"--cache-dir={folder / 'cache'}", *(f"--disable-error-code={code}" for code in NOT_OF_QT)]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, *map(str, files)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"MYPYPATH": str(stubs), "PATH": ""},
        check=False,
    )
