"""A person with a fresh profile makes a land-cover map of a real scene through the dock alone, with mouse and keys.

Behind ``make test-desktop``, where FALSE_DATA names the folder with the data. DESKTOP_PICTURES keeps pictures of each step.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from desktop import ROOT, Desktop

STEPS = [
    "open_from_the_toolbar",
    "begin_by_mouse",
    "name_classes",
    "draw_places",
    "make_the_map_by_mouse",
    "ask_what_improving_costs",
]
LIMIT_S, LIMIT_OF_A_STEP_S = 5400, 2400
"""Seconds. A map of 24 million pixels takes some minutes where the computer does nothing else."""
PLACES_PER_CLASS = 3
PLACES = """\
import json, sys
import geopandas
labels = geopandas.read_file(sys.argv[1])
labels = labels.explode(index_parts=False).assign(size=lambda table: table.area).sort_values("size", ascending=False)
classes = dict(sorted(zip(labels["code"], labels["land_cover"])))
polygons = []
for number in range(int(sys.argv[2])):
    for place, code in enumerate(classes, 1):
        shape = labels[labels["code"] == code].geometry.iloc[2 * number].simplify(2).exterior
        polygons.append([place, [list(point) for point in shape.coords[:-1]]])
print(json.dumps({"classes": list(classes.values()), "polygons": polygons}))
"""
AGREEMENT = """\
import sys
import rasterio
made, truth = (rasterio.open(path).read(1) for path in sys.argv[1:])
known = (made > 0) & (truth > 0)
print(float((made == truth)[known].mean()))
"""


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ.get("FALSE_DATA", "")) / "deepglobe"
    if not os.environ.get("FALSE_DATA") or not (folder / "scene.tif").is_file():
        pytest.skip("FALSE_DATA names no folder with deepglobe/scene.tif, its labels and its truth.")
    return folder


@pytest.fixture(scope="module")
def steps(screen, compute_python, data, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Run QGIS once, from a fresh profile to the map, and return what each step said."""
    folder = tmp_path_factory.mktemp("real")
    desktop = Desktop(folder, screen, compute_python, ["processing", "qgis_false"])
    desktop.install()
    shutil.copy(data / "scene.tif", folder)  # Labels and map lie beside it.
    command = [compute_python, "-c", PLACES, str(data / "scene_labels.gpkg"), str(PLACES_PER_CLASS)]
    places = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    given = {"image": str(folder / "scene.tif"), "is_real": True, "limit_s": LIMIT_OF_A_STEP_S, **places}
    (folder / "given.json").write_text(json.dumps(given))
    desktop.run("labelling.py", LIMIT_S)
    return {**desktop.said(STEPS), "given": given}


def test_classes_and_labels_are_those_that_were_typed_and_drawn(steps):
    assert steps["name_classes"]["classes"] == steps["given"]["classes"]
    assert steps["draw_places"]["count"] == len(steps["given"]["polygons"])


def test_time_memory_and_disk_are_said_before_a_map_and_a_pretraining(steps):
    assert "GB of disk" in steps["make_the_map_by_mouse"]["estimate"]
    asked = steps["ask_what_improving_costs"]
    assert "GB of disk" in asked["estimate"] and asked["can_begin"] and asked["says"] == "Cancelled."


def test_the_map_shows_its_classes_and_is_right_far_more_often_than_by_chance(steps, compute_python, data):
    made = steps["make_the_map_by_mouse"]
    assert made["legend"] == steps["given"]["classes"]
    command = [compute_python, "-c", AGREEMENT, made["map"], str(data / "scene_truth.tif")]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert float(found) > 0.5, "the largest class has 31 % of the scene"
