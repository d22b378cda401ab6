"""``qgis_process`` as a user runs it: a process of its own, in a fresh profile with the plugin in it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 900
"""A call that takes longer hangs, even where the machine has much else to do."""
SHORT_RUN = {"PRESET": "quick", "STEPS": 2, "DEVICE": "cpu"}
"""Enough training to prove that it runs."""
SHORT_PRETRAINING = {**SHORT_RUN, "BATCH_SIZE": 8}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one call of ``qgis_process`` left behind."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def results(self) -> dict[str, Any]:
        assert self.code == 0, self.said
        return json.loads(self.out[self.out.index("{") :])["results"]


@dataclasses.dataclass(frozen=True)
class Profile:
    """A QGIS profile with the plugin switched on."""

    program: str
    folder: Path
    variables: dict[str, str]

    @property
    def scripts(self) -> Path:
        return self.folder / "profiles" / "default" / "processing" / "scripts"

    def call(self, *arguments: str, **variables: str) -> Outcome:
        done = subprocess.run(
            [self.program, *arguments], env={**self.variables, **variables}, capture_output=True, text=True, check=False,
            timeout=LIMIT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def run(self, algorithm: str, variables: dict[str, str] | None = None, **values: Any) -> Outcome:
        return self.call("run", algorithm, "--json", "--", *assignments(values), **(variables or {}))

    def start(self, algorithm: str, **values: Any) -> tuple[subprocess.Popen, list[str]]:
        """Start a run in a terminal of its own. Return the process, and the list that its lines go to."""
        ours, theirs = os.openpty()  # Into a pipe, qgis_process would speak only when it ends.
        process = subprocess.Popen(
            [self.program, "run", algorithm, "--", *assignments(values)], env=self.variables, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        said: list[str] = []
        threading.Thread(target=_collect, args=(ours, said), daemon=True).start()
        return process, said


def _collect(terminal: int, said: list[str]) -> None:
    with open(terminal, encoding="utf-8", errors="replace") as stream:
        while True:
            try:
                line = stream.readline()
            except OSError:
                return  # That is how a terminal ends when nobody is left at the other side.
            if not line:
                return
            said.append(line)


def assignments(values: dict[str, Any]) -> list[str]:
    return [f"{name}={one}" for name, value in values.items() for one in (value if isinstance(value, list) else [value])]


def make_profile(folder: Path, program: str, compute_python: str, install: Callable[[Path], None]) -> Profile:
    """Return a fresh profile in ``folder`` into whose plugins folder ``install`` has put the plugin."""
    plugins = folder / "profiles" / "default" / "python" / "plugins"
    plugins.mkdir(parents=True)
    install(plugins)
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    variables = {
        **os.environ,
        "QGIS_CUSTOM_CONFIG_PATH": str(folder),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "FALSE_CORE_PYTHON": compute_python,
        "FALSE_CACHE": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    variables.pop("QGIS_OPTIONS_PATH", None)
    made = Profile(program, folder, variables)
    enabled = made.call("plugins", "enable", "qgis_false")
    assert enabled.code == 0, enabled.said
    return made


def link_checkout(plugins: Path) -> None:
    """Put the checkout's plugin into a profile without copying it. Its metadata.txt lies outside of it."""
    plugin = plugins / "qgis_false"
    plugin.mkdir()
    for source in (*(ROOT / "qgis_false").iterdir(), ROOT / "metadata.txt"):
        if source.name != "__pycache__":
            (plugin / source.name).symlink_to(source)


def interrupt(process: subprocess.Popen) -> int:
    """Press Ctrl-C and return the exit code."""
    os.kill(process.pid, signal.SIGINT)
    return process.wait(LIMIT_S)


def wait_until(condition: Callable[[], Any], process: subprocess.Popen | None = None) -> Any:
    """Return the first true value of ``condition``, which must come while ``process`` runs, where one is given."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise AssertionError("it ended too early")
        time.sleep(0.05)
    raise AssertionError("it did not happen")
