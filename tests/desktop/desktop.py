"""A QGIS desktop with a profile of its own, in which a script does what a user does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOON_S = 10.0
"""5 s are promised. Here much else may run on the computer."""
NO_GREETING = (
    "[qgis]\nshowTips=false\nnewsFeed\\disabled=true\n[app]\nfirstRunVersionFlag=99999\n[core]\nNewsFeed\\disabled=true\n"
)
"""A fresh profile greets its user with a tip of the day and its news."""


class Desktop:
    """QGIS, started as often as wanted.

    Args:
        folder: What it works with and what it leaves. Scripts find it as ``FALSE_SESSION``.
        screen: The display.
        compute_python: The Python that computes.
        plugins: Those that are switched on.
        settings: More of its settings, as its ini file has them.
        cache: Folder in which its sessions keep what they compute; one of its own where none is given.
    """

    def __init__(
        self,
        folder: Path,
        screen: str,
        compute_python: str,
        plugins: Sequence[str],
        settings: str = "",
        cache: Path | None = None,
    ) -> None:
        program = shutil.which("qgis.bin") or shutil.which("qgis")
        if program is None:
            pytest.skip("QGIS is not installed.")
        self._program, self._folder = program, folder
        self.profile = folder / "profile" / "profiles" / "default"
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        (self.profile / "QGIS").mkdir(parents=True)
        switched_on = "".join(f"{name}=true\n" for name in plugins)
        (self.profile / "QGIS" / "QGIS3.ini").write_text(
            f"[PythonPlugins]\n{switched_on}{NO_GREETING}{settings}", encoding="utf-8"
        )
        self._variables = {
            **os.environ,
            "DISPLAY": screen,
            "QT_QPA_PLATFORM": "xcb",
            "XDG_RUNTIME_DIR": str(runtime),
            "QGIS_CUSTOM_CONFIG_PATH": str(folder / "profile"),
            "FALSE_SESSION": str(folder),
            "FALSE_CACHE": str(cache or folder / "cache"),
            "FALSE_CORE_PYTHON": compute_python,
        }
        # What the tests of the plugin set for themselves is nothing that a desktop has.
        for name in ("QGIS_OPTIONS_PATH", "PYTHONPATH"):
            self._variables.pop(name, None)

    def install(self) -> None:
        """Put the plugin of this checkout into its profile."""
        plugin = self.profile / "python" / "plugins" / "qgis_false"
        plugin.mkdir(parents=True)
        for file in (*(ROOT / "qgis_false").iterdir(), ROOT / "metadata.txt"):
            (plugin / file.name).symlink_to(file)

    def run(self, script: str, limit_s: float) -> None:
        """Start QGIS with a script of this folder, and wait until it has ended."""
        self.wait_for(self.start(script), limit_s)

    def start(self, script: str) -> subprocess.Popen[bytes]:
        """Start QGIS with a script of this folder."""
        with open(self._folder / "qgis.log", "w", encoding="utf-8") as log:
            return subprocess.Popen(
                [self._program, "--nologo", "--noversioncheck", "--code", str(Path(__file__).with_name(script))],
                env=self._variables, stdout=log, stderr=subprocess.STDOUT, cwd=self._folder, start_new_session=True,
            )  # fmt: skip

    def wait_for(self, process: subprocess.Popen[bytes], limit_s: float) -> None:
        """Wait until a QGIS has ended. It is ended where that takes too long."""
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            # What stood in its way is on the screen.
            stuck = str(self._folder / "stuck.png")
            subprocess.run(["import", "-window", "root", stuck], env=self._variables, check=False)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._keep_pictures()

    def said(self, expected: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what each step has said so far, by its name, after a check that these have worked and no others."""
        record = self._folder / "steps.jsonl"
        lines = record.read_text("utf-8").splitlines() if record.exists() else []
        said = {line.pop("step"): line for line in map(json.loads, lines)}
        failed = [f"{name}:\n{one['failed']}" for name, one in said.items() if "failed" in one]
        log = (self._folder / "qgis.log").read_text("utf-8")[-2000:]
        assert list(said) == list(expected) and not failed, "\n".join([*failed, log])
        return said

    def _keep_pictures(self) -> None:
        target = os.environ.get("DESKTOP_PICTURES")
        if target:
            time.sleep(0.2)
            Path(target).mkdir(parents=True, exist_ok=True)
            for picture in self._folder.glob("*.png"):
                shutil.copy(picture, target)
