"""A QGIS desktop on a screen of its own: the zip is installed, the three dialogs are run, the map is on the canvas,
and QGIS is closed while it trains.

Behind ``make test-desktop``. Set DESKTOP_PICTURES to a folder to keep the pictures of the screen, and DESKTOP_STEPS to
train for longer, so that there is more to see on them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from desktop import ROOT, SOON_S, Desktop

LIMIT_S = 1800
STEPS = ["install_from_zip", "open_project", "open_toolbox", "pretrain", "finetune", "classify", "look_at_the_map",
         "begin_to_train"]  # fmt: skip


@pytest.fixture(scope="module")
def package(compute_python) -> Path:
    done = subprocess.run([compute_python, str(ROOT / "tools" / "package.py")], capture_output=True, text=True, check=True)
    return ROOT / done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("a session")


@pytest.fixture(scope="module")
def steps(screen, package, compute_python, folder) -> dict[str, dict[str, Any]]:
    """Run the session and return what each step said."""
    desktop = Desktop(folder, screen, compute_python, ["processing"])  # The toolbox is Processing's.
    script = "import sys; from false_core.synthetic import write_scene; write_scene(sys.argv[1], 384, 256, 3, 0.04)"
    subprocess.run([compute_python, "-c", script, str(folder)], cwd=ROOT, check=True)
    short = int(os.environ.get("DESKTOP_STEPS", "3"))
    given = {"package": package, "image": folder / "image.tif", "labels": folder / "labels.gpkg"}
    (folder / "given.json").write_text(json.dumps({**{key: str(path) for key, path in given.items()}, "steps": short}))
    desktop.run("session.py", LIMIT_S)
    return desktop.said(STEPS)


def test_the_plugin_manager_installs_the_zip_and_shows_what_it_is(steps, folder):
    installed = steps["install_from_zip"]
    assert installed["name"] == "FALSE for QGIS"
    assert installed["about"].startswith("Digitise")
    assert Path(installed["folder"]).is_relative_to(folder / "profile")


def test_the_toolbox_lists_the_algorithms_and_models(steps):
    groups = steps["open_toolbox"]["entries"]
    assert sorted(groups) == ["1 Start here", "2 Map", "3 Check", "4 Improve", "5 Models and files"]
    entries = [entry for group in groups.values() for entry in group]
    for title in ("1. Pretrain", "2. Fine-tune", "3. Classify", "Check the compute environment", "Map from a few labels"):
        assert any(entry.startswith(title) for entry in entries), title


def test_each_dialog_runs_to_its_end(steps):
    assert steps["pretrain"]["STEPS"] >= 1
    assert 0 <= steps["finetune"]["MIOU"] <= 1
    assert steps["classify"]["PIXELS"] > 0


def test_the_map_is_on_the_canvas_in_the_colours_of_the_label_layer(steps):
    chosen, shown = steps["open_project"]["colors"], steps["look_at_the_map"]
    assert set(shown["legend"].items()) <= set(chosen.items())
    assert len(shown["legend"]) >= 2
    assert shown["seen"]


def test_what_was_asked_for_is_there_and_nothing_else(steps, folder):
    made = {path.name for path in folder.iterdir() if path.suffix in {".safetensors", ".html", ".tif"}}
    assert made == {"image.tif", "truth.tif", "map.tif", "encoder.safetensors", "model.safetensors", "pretrain.html",
                    "finetune.html", "image_classify_report.html"}  # fmt: skip


def test_a_training_ends_with_the_qgis_that_is_closed_on_it(steps):
    processes = steps["begin_to_train"]["processes"]
    assert processes
    until = time.monotonic() + SOON_S
    while left := [one for one in processes if Path(f"/proc/{one}").exists()]:
        assert time.monotonic() < until, left
        time.sleep(0.1)
