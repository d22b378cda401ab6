"""The plugin inside a real QGIS without a screen. Its algorithms are in the registry, as the plugin manager would do it."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from pathlib import Path

import pytest
from qgis import utils
from qgis.core import (
    QgsApplication,
    QgsLayerTreeModel,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
)
from qgis.gui import QgsLayerTreeView
from small_labels import add, memory_layer, square
from small_raster import write_raster

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from error_messages import (  # noqa: E402, F401 - it lies beside the folders of tests.
    pytest_addoption,
    pytest_sessionfinish,
    pytest_terminal_summary,
    watched,
)


@pytest.fixture(scope="session", autouse=True)
def errors_are_noted(qgis_app, pytestconfig):
    """See ``error_messages.py``."""
    from qgis_false.environment.interpreters import NoEnvironment

    with watched(pytestconfig, "qgis_false", QgsProcessingException, NoEnvironment):
        yield


@pytest.fixture(scope="session", autouse=True)
def layers_go_before_qgis(qgis_app):
    """Free the layers of objects that refer to each other before QGIS ends: without its providers that is a crash."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_desktop(qgis_app, monkeypatch):
    """As in ``qgis_process``: there is no desktop where a test does not make one."""
    monkeypatch.setattr(utils, "iface", None)


@pytest.fixture(scope="session")
def layer_tree_view(qgis_app):
    """Give the interface of the tests a real list of layers: QGIS 3.44 puts results below the layer that is chosen in it."""
    view = QgsLayerTreeView()
    view.setModel(QgsLayerTreeModel(QgsProject.instance().layerTreeRoot(), view))
    utils.iface.layerTreeView = lambda: view
    return view


@pytest.fixture(scope="session")
def provider(qgis_app, qgis_processing, layer_tree_view):
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
        shown = provider.algorithm(name)
        assert shown, f"false:{name} is not in the toolbox: is its class in ALGORITHMS in qgis_false/provider.py?"
        alive.append(shown.create())
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


@pytest.fixture
def labels(qgis_app):
    layer = memory_layer()
    for x, value in ((0, "road"), (10, "roof"), (20, "tree"), (30, None)):
        add(layer, square(x), value)
    return layer
