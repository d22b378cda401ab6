"""The plugin, as QGIS switches it on and off."""

from __future__ import annotations

import sys
from typing import Any, Optional

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTranslator

from qgis_false import LIBRARY_FOLDER, translation
from qgis_false.environment.supervisor import SUPERVISOR, PlainPython
from qgis_false.provider import FalseProvider


class FalsePlugin:
    """Adds the FALSE algorithms to Processing, on the desktop and in ``qgis_process``."""

    def __init__(self, iface: Any = None) -> None:
        self._iface = iface
        self._provider: Optional[FalseProvider] = None
        self._options: Any = None
        self._menu: Any = None
        self._translator: Optional[QTranslator] = None

    def initProcessing(self) -> None:
        """Add the algorithms. Called by ``qgis_process``."""
        # First: an algorithm in the registry keeps the words it was made with.
        self._translator = translation.install_translator()
        SUPERVISOR.find_python = _plain_python
        self._provider = FalseProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)
        self._provider.refreshAlgorithms()  # Only now it can load them.

    def initGui(self) -> None:
        """Add the algorithms, the options page, the menu and the toolbar. Called by the desktop application."""
        self.initProcessing()
        from qgis_false.options import OptionsFactory  # qgis_process has no windows.

        self._options = OptionsFactory()
        self._iface.registerOptionsWidgetFactory(self._options)
        from qgis_false.menu import FalseMenu  # As above.

        self._menu = FalseMenu(self._iface)
        self._menu.greet()

    def unload(self) -> None:
        """Take everything away again."""
        if self._menu is not None:
            self._menu.remove()
            self._menu = None
        if self._options is not None:
            self._iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
        translation.remove(self._translator)
        self._translator = None
        # QGIS forgets the modules of a plugin that it reloads or updates, but not those of its library: the new plugin
        # would go on with the old false_core.
        for name in [name for name in sys.modules if name.partition(".")[0] == "false_core"]:
            del sys.modules[name]
        if str(LIBRARY_FOLDER) in sys.path:
            sys.path.remove(str(LIBRARY_FOLDER))


def _plain_python() -> Optional[PlainPython]:
    from qgis_false.environment.interpreters import plain_python  # Not needed when QGIS starts.

    return plain_python()
