"""The models that come with the plugin, run as they are shipped but for their patience."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis_profile import ROOT

MODELS = ROOT / "qgis_false" / "models"


@pytest.fixture
def labelled(scene) -> dict[str, str]:
    return {"raster": scene.image, "labels": scene.labels, "field": "land_cover", "preset": "quick"}


@pytest.fixture
def run_model(profile, tmp_path):
    """Return a function that runs a model by its title, with as little training as can be: its own parameters do not reach
    down to all of it. It returns what became of it."""

    def run(title: str, head: str = "linear", **values):
        short, model = tmp_path / "short.model3", (MODELS / f"{title}.model3").read_text("utf-8")
        short.write_text(shortened(model, head), "utf-8")
        asked = {"steps": 2} if 'value="steps"' in model else {}
        outcome = profile.run(str(short), **asked, **values)
        assert outcome.code == 0, outcome.said
        return outcome

    return run


def shortened(model: str, head: str) -> str:
    """Return the text of a model that trains a head for 2 steps of 8 patches, where the model leaves that to the preset."""
    short = {"STEPS": ("int", 2), "BATCH_SIZE": ("int", 8), "HEAD": ("QString", head)}
    lines, value = [], None
    for line in model.splitlines():
        value = next((one for name, one in short.items() if f'name="{name}"' in line), value)
        if 'name="parameter_name"' in line:
            value = None  # It is asked for in the dialog of the model.
        if value is not None and 'name="static_value"' in line:
            line, value = f'<Option name="static_value" type="{value[0]}" value="{value[1]}"/>', None
        lines.append(line)
    return "\n".join(lines)


def names_of_classes(path: Path) -> str:
    return gdal.Open(str(path)).GetMetadataItem("FALSE_CLASSES")


def test_map_from_a_few_labels_goes_all_the_way(run_model, labelled, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    run_model(
        "Map from a few labels", head="auto", **labelled,
        **{"finetune:model": made / "m.safetensors", "finetune:report": made / "report.html",
           "classify:map": made / "map.tif", "classify:map_report": made / "map.html"},
    )  # fmt: skip
    assert {path.name for path in made.iterdir()} >= {"m.safetensors", "report.html", "map.tif", "map.html"}
    assert names_of_classes(made / "map.tif")


def test_map_a_folder_of_rasters_makes_a_map_of_each(run_model, scene, labelled, tmp_path):
    rasters = []
    (tmp_path / "rasters").mkdir()
    for name in ("north.tif", "south.tif"):
        rasters.append(tmp_path / "rasters" / name)
        rasters[-1].write_bytes(Path(scene.image).read_bytes())
    run_model(
        "Map a folder of rasters", rasters=rasters, **labelled,
        **{"finetune:model": tmp_path / "m.safetensors", "finetune:report": tmp_path / "report.html",
           "classifymany:maps": tmp_path / "maps"},
    )  # fmt: skip
    maps = sorted((tmp_path / "maps").glob("*.tif"))
    assert [path.name for path in maps] == ["north_classified.tif", "south_classified.tif"]
    assert all(names_of_classes(path) for path in maps)


def test_improve_a_map_maps_again_and_says_where_to_digitise(run_model, labelled, pretrained, tmp_path):
    run_model(
        "Improve a map", **labelled, encoder=pretrained.results["ENCODER"], count=3,
        **{"finetune:model": tmp_path / "m.safetensors", "finetune:report": tmp_path / "report.html",
           "classify:map": tmp_path / "map.tif", "classify:map_report": tmp_path / "map.html",
           "suggestlabels:places": tmp_path / "places.gpkg"},
    )  # fmt: skip
    assert names_of_classes(tmp_path / "map.tif")
    places = ogr.Open(str(tmp_path / "places.gpkg"))
    assert 0 < places.GetLayer(0).GetFeatureCount() <= 3


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Map from a few labels", ["raster", "labels", "field", "preset", "extent", "classify:map", "finetune:model"]),
        (
            "Map a folder of rasters",
            ["rasters", "raster", "labels", "field", "preset", "classifymany:maps"],
        ),
        ("Improve a map", ["raster", "labels", "field", "encoder", "preset", "count", "extent", "suggestlabels:places"]),
    ],
)
def test_the_shipped_model_itself_is_complete(profile, title, names):
    shown = profile.call("help", f"false:{title}").said
    assert [name for name in names if f"{name}: " not in shown] == []
