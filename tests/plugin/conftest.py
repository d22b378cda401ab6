"""The plugin inside a real QGIS without a screen. Its algorithms are in the registry, as the plugin manager would do it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
)
from small_raster import write_raster

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from error_messages import Recorder  # noqa: E402 - it lies beside the folders of tests.

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[PASSED] = report.passed


@pytest.fixture(scope="session")
def recorder():
    """Is told of every error that the plugin makes, by the error itself."""
    from qgis_false.environment.interpreters import NoEnvironment

    recorder = Recorder()

    def noting(usual):
        def noted(error, *given):
            recorder.note(sys._getframe(1))
            usual(error, *given)

        return noted

    with pytest.MonkeyPatch.context() as patch:
        for kind in (QgsProcessingException, NoEnvironment):
            patch.setattr(kind, "__init__", noting(kind.__init__))
        yield recorder


@pytest.fixture(autouse=True)
def provoked(recorder, request):
    """A test that is said to provoke an error must do so: see ``error_messages.py``."""
    recorder.seen.clear()
    yield
    missed = recorder.missed(request.node.nodeid)
    assert not (missed and request.node.stash.get(PASSED, False)), f"This test no longer provokes {sorted(missed)}."


@pytest.fixture(scope="session")
def provider(qgis_app, qgis_processing):
    plugins = Path(QgsApplication.pkgDataPath()) / "python" / "plugins"
    if str(plugins) not in sys.path:
        sys.path.append(str(plugins))
    from qgis_false.plugin import FalsePlugin

    plugin = FalsePlugin()
    plugin.initProcessing()
    return QgsApplication.processingRegistry().providerById("false")


@pytest.fixture
def algorithm(provider):
    """Return a fresh instance of the algorithm with this name. It lives as long as the test: it owns its parameters."""
    alive = []

    def fresh(name: str):
        alive.append(provider.algorithm(name).create())
        return alive[-1]

    return fresh


@pytest.fixture
def context(qgis_app):
    made = QgsProcessingContext()
    made.setProject(QgsProject.instance())
    yield made
    QgsProject.instance().clear()


class Listener(QgsProcessingFeedback):
    """Keeps what an algorithm says to the user."""

    def __init__(self) -> None:
        super().__init__(False)
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.debugs: list[str] = []
        self.consoles: list[str] = []
        self.texts: list[str] = []
        self.errors: list[str] = []
        self.fractions: list[float] = []
        self.progressChanged.connect(self.fractions.append)

    def pushInfo(self, info: str) -> None:
        self.infos.append(info)

    def pushWarning(self, warning: str) -> None:
        self.warnings.append(warning)

    def pushDebugInfo(self, info: str) -> None:
        self.debugs.append(info)

    def pushConsoleInfo(self, info: str) -> None:
        self.consoles.append(info)

    def reportError(self, error: str, fatalError: bool = False) -> None:
        self.errors.append(error)

    def setProgressText(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def feedback(qgis_app):
    return Listener()


@pytest.fixture(scope="session")
def compute_python() -> str:
    """Return the interpreter of a real compute environment, or skip and say so."""
    for path in (os.environ.get("FALSE_CORE_PYTHON", ""), str(ROOT / ".venv" / "bin" / "python")):
        if path and shutil.which(path):
            return path
    pytest.skip("There is no compute environment: set FALSE_CORE_PYTHON, or run make setup.")


@pytest.fixture
def raster(qgis_app, tmp_path) -> QgsRasterLayer:
    layer = QgsRasterLayer(str(write_raster(tmp_path / "raster.tif")), "raster")
    assert layer.isValid()
    return layer
