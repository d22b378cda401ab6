"""The menu *Raster > FALSE* and the toolbar: the ways to everything that the plugin does, in the order they are needed."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import Qgis, QgsApplication, QgsSettings
from qgis.PyQt import sip
from qgis.PyQt.QtCore import Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QIcon
from qgis.PyQt.QtWidgets import QAction, QDockWidget, QMenu, QPushButton, QToolButton

from qgis_false import ICON_FILE, PLUGIN_FOLDER
from qgis_false.help import help_page
from qgis_false.translation import tr

PROVIDER = "false"
MENU_GROUPS = (
    ("Map from a few labels", "pretrain", "finetune", "classify"),
    ("samplepoints", "assess"),
    ("suggestlabels", "Improve a map"),
)
"""Algorithms by what is done one after the other: making a map, checking it, improving it."""
DOCKS_BESIDE = ["ProcessingToolbox", "ResultsViewer", "LayerStyling"]
"""Docks that the one for labelling becomes a tab of, where they are open: below them it would have no room."""
GREETED = "false/greeted"
"""Set once the user has been told where everything is."""
GREETING_AFTER_MS = 1000


class FalseMenu:
    """Menu and toolbar of the desktop application."""

    def __init__(self, iface: Any) -> None:
        self._iface = iface
        self._dock: Any = None
        self._greeting: Any = None
        icon = QIcon(str(ICON_FILE))
        pencil = QIcon(str(PLUGIN_FOLDER / "icons" / "label.svg"))
        self.label_action = QAction(pencil, tr("FALSE: label and map"), iface.mainWindow())
        self.label_action.setObjectName("false_label")
        self.label_action.setToolTip(tr("Draw labels, and see the map that is made of them at once"))
        self.label_action.triggered.connect(self.open_dock)
        self.menu = QMenu("FALSE", iface.mainWindow())
        self.menu.setObjectName("false_menu")
        self.menu.setIcon(icon)
        self._fill()
        iface.rasterMenu().addMenu(self.menu)
        self.toolbar = iface.addToolBar("FALSE")
        self.toolbar.setObjectName("false_toolbar")
        button = QToolButton()
        button.setObjectName("false_button")
        button.setIcon(icon)
        button.setToolTip(tr("FALSE: land-cover maps from a few labels"))
        button.setMenu(self.menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.toolbar.addWidget(button)
        self.toolbar.addAction(self.label_action)

    def open_dock(self) -> None:
        """Show the dock for labelling. It says itself what comes first."""
        self._end_greeting()
        if self._dock is None:
            from qgis_false.dock.dock import LabelDock  # Much to load for a QGIS that does something else.

            self._dock = LabelDock(self._iface, self._open)
            self._iface.addTabifiedDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self._dock, DOCKS_BESIDE, True)
        self._dock.setUserVisible(True)

    def remove(self) -> None:
        """Take menu, toolbar and dock away again."""
        if self._dock is not None:
            self._dock.shut()
            self._iface.removeDockWidget(self._dock)
            self._dock.deleteLater()
            self._dock = None
        self.label_action.deleteLater()
        self._iface.rasterMenu().removeAction(self.menu.menuAction())
        self.menu.deleteLater()
        self._iface.mainWindow().removeToolBar(self.toolbar)
        self.toolbar.deleteLater()

    def greet(self) -> None:
        """Tell the user once, some moments after the plugin was installed, where it is and what comes first."""
        if not QgsSettings().value(GREETED, False, bool):
            QTimer.singleShot(GREETING_AFTER_MS, self._greet)

    def _greet(self) -> None:
        QgsSettings().setValue(GREETED, True)
        algorithm = _algorithm("finetune")
        if algorithm is None:
            return
        bar = self._iface.messageBar()
        if algorithm.what_is_missing():
            text, label, name = tr("First, set up what it computes with."), tr("Set up..."), "setupenvironment"
        else:
            text, label, name = tr("Try it on an example."), tr("Make example data"), "exampledata"
        item = bar.createMessage("FALSE", " ".join((tr("FALSE is in the menu Raster > FALSE."), text)))
        button = QPushButton(label)
        button.clicked.connect(self._end_greeting)
        button.clicked.connect(lambda: self._open(name, run=name == "exampledata"))
        self._greeting = item
        item.layout().addWidget(button)
        bar.pushWidget(item, Qgis.MessageLevel.Info, 0)

    def _end_greeting(self, *_: object) -> None:
        item, self._greeting = self._greeting, None
        if item is not None and not sip.isdeleted(item):
            self._iface.messageBar().popWidget(item)

    def _fill(self) -> None:
        self.menu.addAction(self.label_action)
        self.menu.addSeparator()
        self._add_algorithm("setupenvironment")
        example = self._add_algorithm("exampledata")
        if example is not None:
            example.triggered.disconnect()
            example.triggered.connect(lambda: self._open("exampledata", run=True))
        for names in MENU_GROUPS:
            self.menu.addSeparator()
            for name in names:
                self._add_algorithm(name)
        self.menu.addSeparator()
        self._add(tr("All algorithms"), self._show_toolbox)
        self._add(tr("Options..."), lambda: self._iface.showOptionsDialog(self._iface.mainWindow(), "FALSE"))
        self._add(tr("Your first map"), lambda: QDesktopServices.openUrl(QUrl(help_page("first_steps"))))
        self._add(tr("Help"), lambda: QDesktopServices.openUrl(QUrl(help_page("index"))))

    def _add(self, text: str, do: Any, icon: Optional[QIcon] = None) -> QAction:
        action = QAction(icon or QIcon(), text, self.menu)
        action.triggered.connect(do)
        self.menu.addAction(action)
        return action

    def _add_algorithm(self, name: str) -> Optional[QAction]:
        algorithm = _algorithm(name)
        if algorithm is None:
            return None
        action = self._add(algorithm.displayName() + "...", lambda: self._open(name), algorithm.icon())
        action.setObjectName(name)
        action.setToolTip(algorithm.shortDescription())
        return action

    def _open(self, name: str, run: bool = False) -> None:
        """Open the dialog of an algorithm; where nothing is left to choose, run it at once."""
        import processing  # Only here: the menu is there before Processing is.

        dialog = processing.createAlgorithmDialog(f"{PROVIDER}:{name}", {})
        dialog.show()
        if run:
            QTimer.singleShot(0, dialog.runAlgorithm)
        dialog.exec()

    def _show_toolbox(self) -> None:
        toolbox = self._iface.mainWindow().findChild(QDockWidget, "ProcessingToolbox")
        if toolbox is not None:
            toolbox.setUserVisible(True)


def _algorithm(name: str) -> Any:
    return QgsApplication.processingRegistry().algorithmById(f"{PROVIDER}:{name}")
