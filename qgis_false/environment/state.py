"""The small file in the environment's folder that says what was done to it, so that a later run can go on."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from qgis_false.whole_file import write_whole

STATE_FILE = "false-setup.json"
STARTED, INSTALLED, WORKS = "started", "installed", "works"


@dataclass(frozen=True)
class State:
    """The progress of a set-up.

    Attributes:
        stage: ``started``: there is a Python. ``installed``: and all packages. ``works``: and it has computed something.
        version: Version of the plugin that did it.
        key: Key of what was asked for (``plan.key``).
        python: Version of its Python.
        base: The interpreter it was made from.
        build: The build of PyTorch in it, the fields of ``torch_build.Build``.
        results: Results of the check.
    """

    stage: str
    version: str
    key: str = ""
    python: Tuple[int, ...] = ()
    base: str = ""
    build: Dict[str, str] = dataclasses.field(default_factory=dict)
    results: Dict[str, Any] = dataclasses.field(default_factory=dict)


def read_state(environment: Path) -> Optional[State]:
    """Return the state of the environment in ``environment``, or None where there is none or it cannot be read."""
    try:
        said = json.loads((environment / STATE_FILE).read_text(encoding="utf-8"))
        state = State(**said)
    except (OSError, ValueError, TypeError):
        return None  # Cut off, or from a later version: it is set up again.
    return dataclasses.replace(state, python=tuple(state.python))


def write_state(environment: Path, state: State) -> None:
    """Write ``state``, whole or not at all."""
    write_whole(environment / STATE_FILE, json.dumps(dataclasses.asdict(state), indent=1))
