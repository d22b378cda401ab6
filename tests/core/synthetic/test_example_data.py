"""The example data are a raster, labels that QGIS draws in the colours of their classes, and where wanted the truth."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio

from false_core.dispatch import run
from false_core.jobs import ExampleData
from false_core.synthetic import CLASSES, write_scene


@pytest.mark.thorough
def test_they_are_the_scene_and_its_labels_under_the_names_that_were_asked_for(tmp_path: Path) -> None:
    raster, labels, truth = (str(tmp_path / name) for name in ("land.tif", "labels of land.gpkg", "true.tif"))
    wanted = ExampleData(raster, labels, truth, size=256)
    results = run(wanted)
    known = write_scene(tmp_path / "known", 256, 256)
    for path, same in ((wanted.raster, known.image), (str(wanted.truth), known.truth)):
        with rasterio.open(path) as made, rasterio.open(same) as scene:
            assert np.array_equal(made.read(), scene.read())
            assert made.crs == scene.crs
    table = geopandas.read_file(wanted.labels, layer="labels")
    assert results["polygons"] == len(table) == len(geopandas.read_file(known.labels))
    assert set(table["land_cover"]) == {c.name for c in CLASSES}
    with closing(sqlite3.connect(wanted.labels)) as database:
        ((style,),) = database.execute("SELECT styleQML FROM layer_styles WHERE useAsDefault").fetchall()
    for c in CLASSES:
        assert f'value="{c.name}" label="{c.name}"' in style
        assert "{},{},{},255".format(*bytes.fromhex(c.color[1:])) in style


@pytest.mark.thorough
def test_the_truth_is_left_out_where_nobody_asks_for_it(tmp_path: Path) -> None:
    run(ExampleData(str(tmp_path / "land.tif"), str(tmp_path / "labels.gpkg"), size=256, seed=3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.gpkg", "land.tif"]
