"""A person labels in a QGIS desktop, with mouse and keys; session and QGIS are killed meanwhile, and nothing is lost.

Behind ``make test-desktop``. Set DESKTOP_PICTURES to a folder to keep the pictures of the screen.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from desktop import ROOT, SOON_S, Desktop

LIMIT_S = 900
FIRST = ["open_dock", "begin", "draw", "undo", "look_at_confidence", "outline", "next_place", "kill_the_session",
         "kill_qgis"]  # fmt: skip
SECOND = ["find_again", "make_the_map", "kill_both"]
THIRD = ["find_after_both"]
SCENE = """\
import json, sys
from pathlib import Path
import geopandas
from false_core.synthetic import write_scene
folder = Path(sys.argv[1])
write_scene(str(folder), 384, 256, 3, 0.04)
labels = geopandas.read_file(folder / "labels.gpkg", layer="labels")
labels = labels[labels.area > 0].explode(index_parts=False)
classes = sorted(labels["land_cover"].unique())[:3]
polygons = []
for number in range(2):
    for code, name in enumerate(classes, 1):
        shape = labels[labels["land_cover"] == name].geometry.iloc[number].simplify(3).exterior
        polygons.append([code, [list(point) for point in shape.coords[:-1]]])
spot = labels[labels["land_cover"] == classes[1]].geometry.iloc[2].representative_point()
given = {"image": str(folder / "image.tif"), "classes": classes, "polygons": polygons, "outline": [spot.x, spot.y]}
(folder / "given.json").write_text(json.dumps(given))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("labelling")


@pytest.fixture(scope="module")
def steps(screen, compute_python, folder) -> dict[str, dict[str, Any]]:
    """Run the three QGIS, one after the other, and return what each step said."""
    desktop = Desktop(folder, screen, compute_python, ["processing", "qgis_false"], "[false]\ngreeted=true\n")
    desktop.install()
    subprocess.run([compute_python, "-c", SCENE, str(folder)], cwd=ROOT, check=True)
    for expected in (FIRST, FIRST + SECOND, FIRST + SECOND + THIRD):
        desktop.run("labelling.py", LIMIT_S)
        said = desktop.said(expected)
    return said


def test_the_dock_has_room_also_where_the_toolbox_is_open(steps):
    assert steps["open_dock"]["share"] > 0.5


def test_labels_drawn_with_mouse_and_keys_make_a_map(steps):
    assert steps["draw"]["count"] == 6
    assert max(steps["draw"]["seconds"][2:]) < SOON_S


def test_undo_and_redo_go_by_the_keys_that_everybody_knows(steps):
    assert steps["undo"] == {"undone": 5, "done": 6}


def test_each_class_has_an_accuracy_or_says_that_it_is_unknown(steps):
    assert all("%" in one or "unknown" in one for one in steps["look_at_confidence"]["accuracies"])


def test_a_click_outlines_a_label(steps):
    assert steps["outline"]["count"] == 7


def test_the_end_of_the_session_in_the_middle_of_a_polygon_loses_nothing(steps):
    assert steps["kill_the_session"]["count"] == 8


def test_the_end_of_qgis_in_the_middle_of_a_polygon_loses_nothing_but_that_one(steps):
    assert steps["kill_qgis"]["count"] == 9
    assert steps["find_again"]["count"] == 9


def test_the_session_ends_with_the_qgis_that_is_killed(steps):
    until = time.monotonic() + SOON_S
    while Path(f"/proc/{steps['kill_qgis']['session']}").exists():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_project_finds_its_work_and_has_no_broken_layer(steps):
    assert len(steps["find_again"]["classes"]) == 3
    assert all(steps["find_again"]["valid"])


def test_the_map_is_made_and_shown_with_its_classes(steps):
    assert set(steps["make_the_map"]["legend"]) == set(steps["find_again"]["classes"])


def test_the_end_of_qgis_and_session_at_once_loses_nothing_but_what_was_being_drawn(steps):
    end, found = steps["kill_both"], steps["find_after_both"]
    assert (end["count"], end["waiting"]) == (10, 1) and "1 label waits until" in end["status"]
    assert found["count"] == 11 and found["classes"] == steps["find_again"]["classes"]
    assert any("1 label that still waited" in one for one in found["said"]) and not found["left"]
