"""The field for the device as a list of what this computer has. What is not in the list may be typed."""

from __future__ import annotations

import sys
from typing import Dict

from qgis.PyQt.QtWidgets import QComboBox, QLineEdit

from qgis_false.environment.interpreters import managed_folder
from qgis_false.environment.state import read_state
from qgis_false.translation import tr


def devices() -> Dict[str, str]:
    """Return the devices of this computer, with what is to be said of each. It starts nothing: the set-up has looked."""
    state = read_state(managed_folder())
    device, name = (str(state.results.get(key) or "") for key in ("device", "device_name")) if state else ("", "")
    has_gpu = bool(device) and device != "cpu"
    found = {"auto": tr("the GPU {name}", name=name) if has_gpu else tr("a GPU where there is a working one")}
    if has_gpu:
        found[device] = name
    elif not device:  # Nobody has looked yet.
        found["mps" if sys.platform == "darwin" else "cuda"] = tr("the GPU")
    found["cpu"] = tr("the processor, without a GPU")
    return found


def list_of_devices(line: QLineEdit) -> QComboBox:
    """Return a list that fills in a line. The line stays what Processing reads and writes."""
    combo = QComboBox()
    combo.setEditable(True)
    for device, said in devices().items():
        combo.addItem(f"{device} - {said}", device)
    combo.setEditText(line.text())

    def choose(index: int) -> None:
        combo.setEditText(combo.itemData(index))

    combo.activated.connect(choose)
    combo.editTextChanged.connect(lambda text: line.setText(text.partition(" - ")[0].strip()))
    line.textChanged.connect(lambda text: combo.currentText().partition(" - ")[0].strip() == text or combo.setEditText(text))
    combo.setToolTip(line.toolTip())
    line.setParent(combo)
    line.hide()
    return combo
