"""The user's data is only ever read: no file of it changes, and nothing appears beside it, whatever is done."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from small_world import label_boxes, on_map, textured_land, write_labels, write_raster

from false_core.dispatch import run
from false_core.jobs import (
    Assess,
    Change,
    Classify,
    ClassifyMany,
    CompareMaps,
    EditMap,
    Embed,
    Finetune,
    Job,
    ModelInfo,
    Polygonise,
    Pretrain,
    SamplePoints,
    SuggestLabels,
)

pytestmark = pytest.mark.thorough


def state(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Return content, date and permissions of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(f.relative_to(folder)): (hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_mtime_ns, f.stat().st_mode)
        for f in files
    }


class Inputs:
    """A folder of inputs as users have them, and a folder beside it where results go."""

    def __init__(self, folder: Path, encoder: str, model: str) -> None:
        self.folder, self.out = folder / "inputs", folder / "out"
        self.folder.mkdir()
        self.out.mkdir()
        self.raster = write_raster(self.folder / "land.tif", textured_land(), nodata=0)
        names, boxes = label_boxes()
        self.labels = write_labels(self.folder / "labels.gpkg", names, [on_map(box) for box in boxes])
        # QGIS leaves GeoPackages in the mode in which a database has files beside it while it is open.
        with sqlite3.connect(self.labels) as database:
            assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
            # They call functions of GDAL, and this is to be edited without it.
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
        database.close()
        self.shapes = str(self.folder / "labels.shp")
        import geopandas

        geopandas.read_file(self.labels).to_file(self.shapes, engine="pyogrio")
        self.encoder, self.model = encoder, model
        self.map = str(self.folder / "map.tif")
        run(Classify(self.raster, model, self.map, device="cpu"))
        self.truth = write_raster(self.folder / "truth.tif", np.ones((1, 120, 170), "uint8"))
        with rasterio.open(self.raster) as file:
            rasterio.shutil.copy(file, self.folder / "land.vrt", driver="VRT")
        self.vrt = str(self.folder / "land.vrt")

    def jobs(self) -> Iterator[Job]:
        out = self.out
        quick = {"preset": "quick", "device": "cpu", "steps": 1}
        for raster in (self.raster, self.vrt):
            yield Pretrain(
                (raster,), str(out / "e.safetensors"), truth=self.truth, report=str(out / "e.html"), batch_size=4, **quick
            )
            yield Classify(
                raster,
                self.model,
                str(out / "m.tif"),
                confidence=str(out / "c.tif"),
                report=str(out / "m.html"),
                device="cpu",
            )
            yield Embed(raster, self.encoder, str(out / "f.tif"), device="cpu")
        for labels in (self.labels, self.shapes):
            yield Finetune(
                self.raster, labels, "cover", str(out / "m.safetensors"), self.encoder, report=str(out / "m.html"),
                head="linear", device="cpu",
            )  # fmt: skip
            yield Assess(self.map, labels, "cover", report=str(out / "a.html"), table=str(out / "a.csv"))
            yield SuggestLabels(self.raster, self.model, str(out / "next.gpkg"), labels, size=8.0, device="cpu")
        yield Assess(self.map, truth=self.truth, report=str(out / "a.html"))
        yield ClassifyMany((self.raster,), self.model, str(out / "maps"), device="cpu")
        yield Polygonise(self.map, str(out / "polygons.gpkg"))
        yield CompareMaps(self.truth, self.map, str(out / "where.tif"), str(out / "t.csv"), str(out / "r.html"))
        yield Change(
            self.raster, self.raster, str(out / "change.tif"), self.labels, "cover", polygons=str(out / "changes.gpkg"),
            device="cpu",
        )  # fmt: skip
        yield EditMap(self.map, str(out / "new.tif"), self.labels, "cover")
        yield SamplePoints(self.map, str(out / "points.gpkg"), key=str(out / "key.csv"))
        yield ModelInfo(self.model, str(out / "i.html"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, encoder: str, model: str) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("untouched"), encoder, model)


NUMBER = 20


@pytest.mark.parametrize("number", range(NUMBER))
def test_no_job_changes_its_inputs_or_writes_beside_them(
    inputs: Inputs, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("false_core.change.date_classes.HEAD_OF_DATES", "texture")  # It is fitted in a moment.
    jobs = list(inputs.jobs())
    assert len(jobs) == NUMBER
    before = state(inputs.folder)
    models = state(Path(inputs.model).parent) | state(Path(inputs.encoder).parent)
    run(jobs[number])
    assert state(inputs.folder) == before
    assert state(Path(inputs.model).parent) | state(Path(inputs.encoder).parent) == models


def test_edits_that_a_database_has_not_taken_over_yet_are_read_and_stay(inputs: Inputs, warm: list[str]) -> None:
    # QGIS is open, with edits saved but not yet moved into the file itself.
    database = sqlite3.connect(inputs.labels)
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("UPDATE labels SET cover = 'swamp' WHERE cover = 'water'")
    database.commit()
    wal = Path(f"{inputs.labels}-wal")
    assert wal.stat().st_size
    before = Path(inputs.labels).read_bytes(), wal.read_bytes()
    model = str(inputs.out / "m.safetensors")
    # In a process of its own, as it is beside QGIS: within one process the locks of two SQLites do not see each other.
    arguments = ["--raster", inputs.raster, "--labels", inputs.labels, "--field", "cover", "--model", model]
    arguments += ["--encoder", inputs.encoder, "--head", "linear", "--device", "cpu"]
    subprocess.run([*warm, "-m", "false_core", "finetune", *arguments], check=True, capture_output=True)
    from false_core.models.model_file import read_card

    assert "swamp" in [c.name for c in read_card(model).classes]
    assert (Path(inputs.labels).read_bytes(), wal.read_bytes()) == before
    database.execute("UPDATE labels SET cover = 'water' WHERE cover = 'swamp'")
    database.commit()
    database.close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that cannot be written to")
def test_a_folder_that_cannot_be_written_to_is_enough(inputs: Inputs) -> None:
    inputs.folder.chmod(0o555)
    try:
        run(Classify(inputs.raster, inputs.model, str(inputs.out / "m.tif"), device="cpu"))
    finally:
        inputs.folder.chmod(0o755)
