"""What of the plugin is Qt alone, under PyQt6; behind ``make test-qt6``. No QGIS is here: ``stand_in`` says what is instead.

Tests of the plugin that need no QGIS run here a second time. Those that ask for one are skipped, and the run ends with how
much that was.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TESTS_OF_THE_PLUGIN = ROOT / "tests" / "plugin"
sys.path[:0] = [str(HERE / "stand_in"), str(TESTS_OF_THE_PLUGIN), str(ROOT)]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.register_assert_rewrite("test_icons", "test_options")

import qgis.core  # noqa: E402
from qgis.core import NeedsQgis, Nothing, QgsApplication  # noqa: E402
from qgis.PyQt.QtCore import PYQT_VERSION_STR, QT_VERSION_STR, QLocale  # noqa: E402
from qgis.PyQt.QtWidgets import QWidget  # noqa: E402


def pytest_report_header() -> str:
    return f"PyQt6 {PYQT_VERSION_STR} on Qt {QT_VERSION_STR}, without QGIS"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not run."""
    needing = {
        name
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "qgis_false"
        and any(isinstance(value, type) and issubclass(value, Nothing) for value in vars(module).values())
    }
    if needing:
        terminalreporter.section("not run: it needs QGIS")
        terminalreporter.write_line(f"These {len(needing)} modules were imported; what they ask of QGIS was not tried:")
        terminalreporter.write_line(", ".join(sorted(needing)))


class ProcessingModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module of Processing. Its names are what names of ``qgis.core`` are here."""

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.startswith("processing.") else None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__getattr__ = qgis.core.__getattr__


IN_CALLS_OF_QT: list[BaseException] = []
# Left alone, PyQt ends the process.
sys.excepthook = lambda kind, error, trace: IN_CALLS_OF_QT.append(error.with_traceback(trace))
sys.meta_path.append(ProcessingModules())


class WithoutQgis:
    """The provider of the plugin, which takes QGIS: a test that looks at it is skipped."""

    def __getattr__(self, name: str) -> object:
        pytest.skip("needs QGIS")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that turns out to need QGIS, and fail one in which Qt called something that failed."""
    try:
        yield
        assert not IN_CALLS_OF_QT, IN_CALLS_OF_QT
    except NeedsQgis as error:
        pytest.skip(f"needs QGIS: {error}")
    finally:
        IN_CALLS_OF_QT.clear()


@pytest.fixture(scope="session")
def qgis_app():
    QLocale.setDefault(QLocale("en_US"))
    application = QgsApplication.instance() or QgsApplication([])
    yield application
    application.processEvents()


@pytest.fixture(scope="session")
def provider(qgis_app) -> WithoutQgis:
    return WithoutQgis()


@pytest.fixture
def qgis_new_project() -> None:
    pytest.skip("needs QGIS: a project")


@pytest.fixture
def algorithm(provider):
    return lambda name: provider.algorithm(name)


@pytest.fixture
def qgis_parent(qgis_app):
    parent = QWidget()
    yield parent
    parent.close()


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Return where pictures of windows go: ``DIALOG_PICTURES``, as for the tests of the plugin."""
    folder = Path(os.environ.get("DIALOG_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
