"""FALSE for QGIS: land-cover maps from a few labels.

The plugin asks and shows; ``false_core`` computes, in a process of its own. No torch, numpy or rasterio is imported here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PLUGIN_FOLDER = Path(__file__).resolve().parent
"""The plugin's real folder, also where QGIS knows it through a symbolic link."""
ICON_FILE = PLUGIN_FOLDER / "icons" / "false.svg"


def _library_folder() -> Path:
    """Return the folder that holds ``false_core``: inside the plugin when packaged, beside it in a checkout."""
    for folder in (PLUGIN_FOLDER / "library", PLUGIN_FOLDER.parent):
        if (folder / "false_core" / "jobs").is_dir():
            return folder
    raise ImportError(f"The plugin in {PLUGIN_FOLDER} came without its library. Install it from the zip again.")


LIBRARY_FOLDER = _library_folder()
"""Holds the ``false_core`` that belongs to this plugin. The compute process runs the same one."""

# First, so that a false_core installed somewhere else never speaks for this plugin.
if str(LIBRARY_FOLDER) not in sys.path:
    sys.path.insert(0, str(LIBRARY_FOLDER))


def classFactory(iface: Any) -> Any:
    """Return the plugin. QGIS calls this; ``iface`` is None outside the desktop application."""
    from qgis_false.plugin import FalsePlugin

    return FalsePlugin(iface)
