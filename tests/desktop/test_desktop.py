"""A QGIS desktop on a screen of its own: the zip is installed, the three dialogs are run, the map is on the canvas,
and QGIS is closed while it trains.

Behind ``make test-desktop``. Set DESKTOP_PICTURES to a folder to keep the pictures of the screen, and DESKTOP_STEPS to
train for longer, so that there is more to see on them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox", "import": "imagemagick"}
LIMIT_S = 1800
SOON_S = 10.0
"""5 s are promised. Here much else may run on the computer."""
STEPS = ["install_from_zip", "open_project", "open_toolbox", "pretrain", "finetune", "classify", "look_at_the_map",
         "begin_to_train"]  # fmt: skip


@pytest.fixture(scope="module")
def compute_python() -> str:
    for path in (os.environ.get("FALSE_CORE_PYTHON", ""), str(ROOT / ".venv" / "bin" / "python")):
        if path and shutil.which(path):
            return path
    pytest.skip("There is no compute environment: set FALSE_CORE_PYTHON, or run make setup.")


@pytest.fixture(scope="module")
def screen():
    """A screen with a window manager, without which dialogs have no place and no focus."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        pytest.skip(f"The desktop needs a screen: apt-get install --no-install-recommends {' '.join(missing)}")
    ours, theirs = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1440x900x24", "-nolisten", "tcp"], pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    with open(ours, encoding="ascii") as stream:
        display = f":{stream.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env={**os.environ, "DISPLAY": display}, stderr=subprocess.DEVNULL)
    yield display
    for process in (manager, server):
        process.terminate()
        process.wait()


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
    program = shutil.which("qgis.bin") or shutil.which("qgis")
    if program is None:
        pytest.skip("QGIS is not installed.")
    script = "import sys; from false_core.synthetic import write_scene; write_scene(sys.argv[1], 384, 256, 3, 0.04)"
    subprocess.run([compute_python, "-c", script, str(folder)], cwd=ROOT, check=True)
    short = int(os.environ.get("DESKTOP_STEPS", "3"))
    given = {"package": package, "image": folder / "image.tif", "labels": folder / "labels.gpkg"}
    (folder / "given.json").write_text(json.dumps({**{key: str(path) for key, path in given.items()}, "steps": short}))
    profile = folder / "profile"
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    variables = {
        **os.environ,
        "DISPLAY": screen,
        "QT_QPA_PLATFORM": "xcb",
        "XDG_RUNTIME_DIR": str(runtime),
        "QGIS_CUSTOM_CONFIG_PATH": str(profile),
        "FALSE_SESSION": str(folder),
        "FALSE_CACHE": str(folder / "cache"),
        "FALSE_CORE_PYTHON": compute_python,
    }
    # What the tests of the plugin set for themselves is nothing that a desktop has.
    for name in ("QGIS_OPTIONS_PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH"):
        variables.pop(name, None)
    settings = profile / "profiles" / "default" / "QGIS"
    settings.mkdir(parents=True)
    # The toolbox is Processing's, and a fresh profile greets its user with a tip of the day and its news.
    (settings / "QGIS3.ini").write_text(
        "[PythonPlugins]\nprocessing=true\n[qgis]\nshowTips=false\nnewsFeed\\disabled=true\n"
        "[app]\nfirstRunVersionFlag=99999\n[core]\nNewsFeed\\disabled=true\n",
        encoding="utf-8",
    )
    with open(folder / "qgis.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [program, "--nologo", "--noversioncheck", "--code", str(Path(__file__).with_name("session.py"))],
            env=variables, stdout=log, stderr=subprocess.STDOUT, cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            # What stood in its way is on the screen.
            subprocess.run(["import", "-window", "root", str(folder / "stuck.png")], env=variables, check=False)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            keep(folder)
    record = folder / "steps.jsonl"
    lines = record.read_text("utf-8").splitlines() if record.exists() else []
    said = {line.pop("step"): line for line in map(json.loads, lines)}
    failed = [f"{name}:\n{one['failed']}" for name, one in said.items() if "failed" in one]
    assert list(said) == STEPS and not failed, "\n".join([*failed, (folder / "qgis.log").read_text("utf-8")[-2000:]])
    return said


def keep(folder: Path) -> None:
    target = os.environ.get("DESKTOP_PICTURES")
    if target:
        time.sleep(0.2)
        Path(target).mkdir(parents=True, exist_ok=True)
        for picture in folder.glob("*.png"):
            shutil.copy(picture, target)


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
