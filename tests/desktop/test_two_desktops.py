"""Two QGIS desktops, each with a dock on the same raster at the same time: both learn from the labels of both.

Behind ``make test-desktop``. Set DESKTOP_PICTURES to a folder to keep the pictures of the screen.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from desktop import ROOT, Desktop
from test_labelling import SCENE

LIMIT_S = 900
MOST_UNLIKE = 0.02
"""Share of the pixels of two pictures: as much as a session may differ by how its labels came, see ``test_session.py``."""
STEPS = ["open_dock", "begin_beside", "draw_beside", "undo_beside", "make_maps_beside", "outlive"]


@pytest.fixture(scope="module")
def steps(screen, compute_python, tmp_path_factory) -> list[dict[str, dict[str, Any]]]:
    """Run both QGIS beside each other, and return what each step of each of them said."""
    shared = tmp_path_factory.mktemp("shared")
    subprocess.run([compute_python, "-c", SCENE, str(shared)], cwd=ROOT, check=True)
    scene = json.loads((shared / "given.json").read_text("utf-8"))
    polygons, half = scene["polygons"], len(scene["polygons"]) // 2
    desktops = []
    for me in range(2):
        folder = tmp_path_factory.mktemp(f"desktop {me}")
        settings = "[false]\ngreeted=true\n"
        one = Desktop(folder, screen, compute_python, ["processing", "qgis_false"], settings, shared / "cache")
        one.install()
        given = {**scene, "me": me, "meeting": str(shared), "polygons": polygons[half * me : half * (me + 1)]}
        (folder / "given.json").write_text(json.dumps(given), encoding="utf-8")
        desktops.append(one)
    running = [one.start("labelling.py") for one in desktops]
    (shared / "process").write_text(str(running[0].pid), encoding="utf-8")
    for one, process in zip(desktops, running):
        one.wait_for(process, LIMIT_S)
    return [one.said(STEPS) for one in desktops]


def test_classes_of_one_are_classes_of_the_other_and_none_has_the_code_of_another(steps):
    first, second = (one["begin_beside"] for one in steps)
    assert first["labels"] == second["labels"]
    assert first["classes"] == second["classes"]
    assert [code for code, _ in first["classes"]] == [1, 2, 3]


def test_both_learn_from_the_labels_of_both_and_show_the_same_map(steps):
    first, second = (one["draw_beside"] for one in steps)
    assert first["extent"] == second["extent"]
    pixels, others = (Path(one["pixels"]).read_bytes() for one in (first, second))
    assert len(pixels) == len(others)
    # Each has learned step by step in another order, so that a pixel on a border may differ.
    assert sum(one != other for one, other in zip(pixels, others)) < MOST_UNLIKE * len(pixels)


def test_undo_takes_back_what_was_drawn_here(steps):
    drawn = [1, 1, 2, 2, 3]
    assert [one["undo_beside"]["undone"] for one in steps] == [drawn, drawn]


def test_no_map_overwrites_that_of_the_other(steps):
    assert [Path(one["make_maps_beside"]["map"]).name for one in steps] == ["image_map.tif", "image_map_2.tif"]


def test_one_that_is_killed_takes_nothing_from_the_other(steps):
    assert steps[1]["outlive"] == {"count": 7}
