"""The choices of a list in the language of QGIS. What is chosen stays the word that scripts and the help know."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QComboBox

from false_core import jobs
from qgis_false.translation import tr


def choice_name(choice: str) -> str:
    """Return what a list shows for a choice: its name, and the choice itself where the name does not say it already."""
    name = name_alone(choice)
    return name if _plain(name) == _plain(choice) else f"{name} ({choice})"


def name_alone(choice: str) -> str:
    """Return the name of a choice."""
    names = {
        **jobs.METHODS,
        "auto": tr("Automatic"),
        jobs.FLOAT32: tr("Single precision"),
        jobs.INT8: tr("Fast map, in 8 bits (CPU)"),
        "quick": tr("Quick"),
        "standard": tr("Standard"),
        "paper": tr("As published"),
        "linear": tr("Linear"),
        "texture": tr("Texture"),
        "network": tr("Network"),
        "published": tr("As published"),
        "elsewhere": tr("Elsewhere"),
        jobs.BY_CHANCE: tr("At random"),
        jobs.BY_FEATURES: tr("By features"),
        jobs.BY_GRADIENTS: tr("By gradients"),
        jobs.NOTHING_KEPT: tr("Nothing"),
        "norms": tr("What normalises"),
        "stride2": tr("Levels up to a stride of 2 pixels"),
        "stride4": tr("Levels up to a stride of 4 pixels"),
        "stride8": tr("Levels up to a stride of 8 pixels"),
        "stride16": tr("Levels up to a stride of 16 pixels"),
        jobs.LABELLED_BEFORE: tr("Before"),
        jobs.LABELLED_AFTER: tr("After"),
        jobs.LABELLED_BOTH: tr("At both dates"),
        "general": tr("General encoder"),
        "none": tr("None"),
        "yes": tr("Yes"),
        "no": tr("No"),
        "index": tr("From the package index"),
        jobs.UNTRAINED: tr("Untrained"),
        "cuda": tr("NVIDIA GPU"),
        "cpu": tr("CPU"),
        "mps": tr("Apple GPU"),
        "remote": tr("Only remote ones"),
        "all": tr("All"),
        "warning": tr("Warnings"),
        "info": tr("Messages"),
        "debug": tr("Everything"),
    }
    return names.get(choice, choice)


def name_choices(box: QComboBox) -> None:
    """Have a list whose entries hold their choices as data show the names of these."""
    for number in range(box.count()):
        choice = box.itemData(number)
        if isinstance(choice, str):
            box.setItemText(number, choice_name(choice))


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
