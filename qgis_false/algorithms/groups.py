"""The groups of the toolbox, in the order in which they are needed. QGIS sorts them by their titles, hence the numbers."""

from __future__ import annotations

from typing import Dict

from qgis_false.translation import tr

START, MAP, CHECK, IMPROVE, FILES = "start", "map", "check", "improve", "files"


def title_of_group(group: str) -> str:
    """Return the title of a group in the language of QGIS."""
    titles: Dict[str, str] = {
        START: tr("1 Start here"),
        MAP: tr("2 Map"),
        CHECK: tr("3 Check"),
        IMPROVE: tr("4 Improve"),
        FILES: tr("5 Models and files"),
    }
    return titles[group]
