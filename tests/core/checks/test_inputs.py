"""Slips of the pen are told before torch is loaded, whichever door the job came through."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import safetensors.torch
import torch
from shapely.geometry import box
from small_world import write_raster

PROGRAM = """
import json, sys
sys.modules["torch"] = None  # An import fails.
from false_core import errors, jobs
from false_core.dispatch import run
for line in sys.stdin:
    try:
        run(jobs.from_json(line))
    except errors.FalseError as error:
        print(f"{error.what} {error.remedy}")
    except ImportError as error:
        print("It went on to", error.name)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("inputs")
    write_raster(made / "land.tif", np.ones((3, 64, 64), np.float32))
    shapes = [box(500_000 + x, 5_600_000 - 20, 500_010 + x, 5_600_000) for x in (0, 20)]
    table = geopandas.GeoDataFrame({"cover": ["a", "b"]}, geometry=shapes, crs="EPSG:32633")
    table.to_file(made / "labels.gpkg", layer="labels", engine="pyogrio")
    for kind in ("encoder", "segmenter"):
        path = made / f"{kind}.safetensors"
        safetensors.torch.save_file({"w": torch.zeros(1)}, path, {"false-model": json.dumps({"kind": kind})})
    (made / "text.safetensors").write_text("no model", encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def said(folder: Path) -> dict[str, str]:
    """What is said of each job, all of them in one process."""
    land, labels, out = str(folder / "land.tif"), str(folder / "labels.gpkg"), str(folder / "out.tif")
    classify = {"job": "classify", "raster": land, "model": str(folder / "segmenter.safetensors"), "output": out}
    finetune = {
        "job": "finetune", "raster": land, "labels": labels, "field": "cover", "model": str(folder / "m.safetensors"),
    }  # fmt: skip
    areas = {"job": "classifyareas", "raster": land, "areas": labels, "labels": labels, "field": "cover"}
    asked: dict[str, dict[str, Any]] = {
        "nothing wrong": classify,
        "nothing wrong with labels": finetune,
        "no raster": {**classify, "raster": str(folder / "gone.tif")},
        "no raster of many": {"job": "pretrain", "rasters": [land, str(folder / "gone.tif")], "encoder": out},
        "a vector as a raster": {**classify, "raster": labels},
        "no model": {**classify, "model": str(folder / "gone.safetensors")},
        "an encoder as a model": {**classify, "model": str(folder / "encoder.safetensors")},
        "a model as an encoder": {**finetune, "encoder": str(folder / "segmenter.safetensors")},
        "a text as a model": {**classify, "model": str(folder / "text.safetensors")},
        "no labels": {**finetune, "labels": str(folder / "gone.gpkg")},
        "a raster as labels": {**finetune, "labels": land},
        "no such field": {**finetune, "field": "class"},
        "areas as a table": {**areas, "output": str(folder / "out.csv")},
        "a map as a drawing": {"job": "polygonise", "map": land, "output": str(folder / "out.dxf")},
        "points as a text": {"job": "samplepoints", "map": land, "output": str(folder / "out.txt")},
        "no folder": {**classify, "output": str(folder / "gone" / "out.tif")},
    }
    lines = "".join(json.dumps(job) + "\n" for job in asked.values())
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=lines, capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(asked), done.stdout + done.stderr
    return dict(zip(asked, answers))


@pytest.mark.parametrize("name", ["nothing wrong", "nothing wrong with labels"])
def test_where_nothing_is_wrong_torch_comes_next(said: dict[str, str], name: str) -> None:
    assert said[name] == "It went on to torch"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("no raster", "gone.tif does not exist."),
        ("no raster of many", "gone.tif does not exist."),
        ("a vector as a raster", "labels.gpkg cannot be opened"),
        ("no model", "gone.safetensors does not exist."),
        ("an encoder as a model", "encoder.safetensors holds an encoder, but a segmenter (a fine-tuned model) is needed."),
        ("a model as an encoder", "segmenter.safetensors holds a segmenter (a fine-tuned model), but an encoder is needed."),
        ("a text as a model", "text.safetensors is not a model made by FALSE"),
        ("no labels", "gone.gpkg does not exist."),
        ("a raster as labels", "land.tif cannot be read"),
        ("no such field", "The labels have no field 'class'. They have cover."),
        ("areas as a table", "out.csv: CSV keeps no geometries."),
        ("a map as a drawing", "out.dxf: DXF does not keep shapes together with their classes."),
        ("points as a text", "out.txt: no vector format has that extension."),
        ("no folder", "does not exist. Create it"),
    ],
)
def test_a_slip_is_told_without_torch(said: dict[str, str], name: str, what: str) -> None:
    assert what in said[name]
