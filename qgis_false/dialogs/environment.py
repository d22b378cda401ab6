"""The message of a dialog where the set-up or an option mends what is wrong, with the buttons that lead there."""

from __future__ import annotations

from typing import List, Optional

import processing
from qgis import utils
from qgis.core import Qgis
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtWidgets import QMessageBox, QPushButton, QWidget

from qgis_false.translation import tr

SET_UP = "false:setupenvironment"
OPTIONS = "> FALSE"
"""End of the way to our options, as errors name it in every language."""


def offer_in_bar(bar: QgsMessageBar, what: str, title: Optional[str] = None) -> List[QPushButton]:
    """Say ``what`` is missing in a message bar that stays, as far as it has room, and return its buttons."""
    item = bar.createMessage(title or tr("Nothing can be computed yet"), what.partition(". ")[0].rstrip(".") + ".")
    item.setToolTip(what)
    buttons = [QPushButton(tr("Set up...")), QPushButton(tr("Options..."))]
    for button, mend in zip(buttons, (run_set_up, show_options)):
        button.clicked.connect(lambda _=False, mend=mend: mend(bar.window()))
        item.layout().addWidget(button)
    bar.pushWidget(item, Qgis.MessageLevel.Warning, 0)
    return buttons


def offer_in_box(parent: QWidget, what: str) -> None:
    """Say ``what`` is missing in a box, and do what the user chooses."""
    box = QMessageBox(QMessageBox.Icon.Warning, tr("Nothing can be computed yet"), what, parent=parent)
    first = box.addButton(tr("Set up..."), QMessageBox.ButtonRole.AcceptRole)
    second = box.addButton(tr("Options..."), QMessageBox.ButtonRole.ActionRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(first)
    box.exec()
    if box.clickedButton() is first:
        run_set_up(parent)
    elif box.clickedButton() is second:
        show_options(parent)


def run_set_up(parent: QWidget) -> None:
    """Open the dialog of the set-up, and wait until it is closed."""
    processing.execAlgorithmDialog(SET_UP, {})


def show_options(parent: QWidget) -> None:
    """Open the page FALSE of the options."""
    utils.iface.showOptionsDialog(parent, "FALSE")
