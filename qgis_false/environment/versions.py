"""The check that plugin, library and environment belong together, and the one step that mends it where they do not."""

from __future__ import annotations

from pathlib import Path

import false_core
from qgis_false.environment.host import this_host
from qgis_false.environment.interpreters import Interpreter, interrupted, managed_folder
from qgis_false.environment.state import WORKS, State, read_state
from qgis_false.translation import tr


def problem_of_environment(interpreter: Interpreter) -> str:
    """Return what is wrong with the environment that was set up here, or nothing. Another Python is its owner's business:
    it runs the library that the plugin carries."""
    folder = managed_folder()
    if Path(interpreter.path) != Path(this_host().python_in(str(folder))):
        return ""
    state = read_state(folder)
    if state is None:
        return tr("Run Set up the compute environment: nothing tells what is in {folder}.", folder=folder)
    return problem_of_state(state, false_core.__version__)


def problem_of_state(state: State, plugin: str) -> str:
    """Return what is wrong with an environment in this state for a plugin of version ``plugin``, or nothing."""
    if state.version != plugin:
        return tr(
            "The compute environment was set up by version {old} of the plugin, and this is {new}. Run Set up the compute "
            "environment: it brings it up to date.",
            old=state.version,
            new=plugin,
        )
    if state.stage != WORKS:
        return interrupted()
    return ""


def problem_of_library(library: str) -> str:
    """Return what is wrong where the compute process runs version ``library`` of the library, or nothing."""
    if library == false_core.__version__:
        return ""
    return tr(
        "The library that computes is of version {library}, the plugin that QGIS has loaded of {plugin}. The plugin was "
        "updated while QGIS was running: restart QGIS.",
        library=library,
        plugin=false_core.__version__,
    )
