"""The help pages that come with the plugin: one HTML page per algorithm and language, made by ``tools/build_help.py``."""

from __future__ import annotations

from qgis.PyQt.QtCore import QUrl

from qgis_false import PLUGIN_FOLDER
from qgis_false.translation import language

HELP_FOLDER = PLUGIN_FOLDER / "help"
ORIGINAL = "en"


def help_page(algorithm: str) -> str:
    """Return the address of the help page of ``algorithm`` in the language of QGIS, or nothing where there is none."""
    for folder in (HELP_FOLDER / language(), HELP_FOLDER / ORIGINAL):
        page = folder / f"{algorithm}.html"
        if page.is_file():
            return str(QUrl.fromLocalFile(str(page)).toString())
    return ""


def page_of_model(name: str) -> str:
    """Return the name of the help page of a model that comes with the plugin."""
    return name.lower().replace(" ", "_")
