"""The values of a preset, shown where nothing is entered. ``presets.json`` is written by ``tools/build_help.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

from qgis.gui import QgsFileWidget
from qgis.PyQt.QtWidgets import QAbstractSpinBox, QComboBox, QLineEdit, QWidget

from qgis_false.choice_names import name_alone
from qgis_false.translation import tr, with_decimal_sign

SAID = Path(__file__).with_name("presets.json")
AUTO_PRESETS = ("quick", "standard")
"""The presets that ``auto`` may stand for: without a GPU, and with one."""


def texts_of_preset(algorithm: str, preset: str) -> Dict[str, str]:
    """Return what to show for the parameters of an algorithm that are left to a preset."""
    of_job = json.loads(SAID.read_text(encoding="utf-8")).get(algorithm, {})
    chosen = [name for name in (AUTO_PRESETS if preset == "auto" else (preset,)) if name in of_job]
    names = {name for of_preset in of_job.values() for name in of_preset}
    return {name: _text(name, chosen, of_job) for name in sorted(names)}


def _text(name: str, chosen: List[str], of_job: Dict[str, Dict[str, Any]]) -> str:
    values = {preset: _shown(of_job[preset].get(name)) for preset in chosen}
    if not all(values.values()):
        return tr("from the preset")
    if len(set(values.values())) == 1:
        return tr("from the preset: {value}", value=next(iter(values.values())))
    listed = ", ".join(f"{value} ({name_alone(preset)})" for preset, value in values.items())
    return tr("from the preset: {value}", value=listed)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return with_decimal_sign(f"{value:g}") if isinstance(value, float) else "" if value is None else str(value)


def show_where_empty(widget: QWidget, text: str) -> None:
    """Have the widget of a parameter show ``text`` as long as nothing is entered."""
    for spin in [widget, *widget.findChildren(QAbstractSpinBox)]:
        if isinstance(spin, QAbstractSpinBox) and spin.specialValueText():
            spin.setSpecialValueText(text)
            return
    if isinstance(widget, QgsFileWidget):
        widget = widget.lineEdit()
    if isinstance(widget, QLineEdit):
        widget.setPlaceholderText(text)
        return
    for combo in [widget, *widget.findChildren(QComboBox)]:
        if isinstance(combo, QComboBox) and combo.count() and combo.itemData(0) is None:
            combo.setItemText(0, f"[{text}]")
            return
