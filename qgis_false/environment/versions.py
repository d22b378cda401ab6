"""Whether plugin, library and environment belong together, and the one step that mends it where they do not."""

from __future__ import annotations

from pathlib import Path

import false_core
from qgis_false.environment.host import this_host
from qgis_false.environment.interpreters import Interpreter, managed_folder
from qgis_false.environment.state import WORKS, State, read_state

SET_UP = "Run Set up the compute environment"


def problem_of_environment(interpreter: Interpreter) -> str:
    """Return what is wrong with the environment that was set up here, or nothing. Another Python is its owner's business:
    it runs the library that the plugin carries."""
    folder = managed_folder()
    if Path(interpreter.path) != Path(this_host().python_in(str(folder))):
        return ""
    state = read_state(folder)
    return (
        f"{SET_UP}: nothing tells what is in {folder}." if state is None else problem_of_state(state, false_core.__version__)
    )


def problem_of_state(state: State, plugin: str) -> str:
    """Return what is wrong with an environment in this state for a plugin of version ``plugin``, or nothing."""
    if state.version != plugin:
        return (
            f"The compute environment was set up by version {state.version} of the plugin, and this is {plugin}. "
            f"{SET_UP}: it brings it up to date."
        )
    if state.stage != WORKS:
        return f"The set-up of the compute environment was interrupted. {SET_UP}: it goes on where it stopped."
    return ""


def problem_of_library(library: str) -> str:
    """Return what is wrong where the compute process runs version ``library`` of the library, or nothing."""
    if library == false_core.__version__:
        return ""
    return (
        f"The library that computes is of version {library}, the plugin that QGIS has loaded of {false_core.__version__}. "
        "The plugin was updated while QGIS was running: restart QGIS."
    )
