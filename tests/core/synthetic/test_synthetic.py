"""The generated scene: farmland that looks like land, with its truth, and labels as a person would draw them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from false_core.synthetic import BAND_NAMES, CLASSES, Scene, SceneFiles, generate, write_large, write_scene

pytestmark = pytest.mark.thorough

FIELD, MEADOW, ROAD, ROOF, TREE, WATER = (c.code for c in CLASSES)
RED, NIR = BAND_NAMES.index("red"), BAND_NAMES.index("nir")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return generate(320, 320, seed=3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    return write_scene(tmp_path_factory.mktemp("a scene"), 320, 256, seed=1)


def test_the_same_seed_gives_the_same_scene_and_another_seed_another_one() -> None:
    first, again, other = generate(96, 80, seed=5), generate(96, 80, seed=5), generate(96, 80, seed=6)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.truth, again.truth)
    assert (first.truth != other.truth).mean() > 0.3


@pytest.mark.thorough
@pytest.mark.parametrize(("width", "height"), [(64, 64), (200, 70), (128, 301)])
def test_every_class_shows_in_a_scene_of_any_size(width: int, height: int) -> None:
    for seed in range(4):
        scene = generate(width, height, seed)
        assert scene.image.shape == (4, height, width)
        assert scene.truth.shape == (height, width)
        assert set(np.unique(scene.truth)) == {0, *(c.code for c in CLASSES)}


def test_a_scene_too_small_to_show_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 64 x 64"):
        generate(63, 200)


def test_no_data_and_unknown_truth_are_the_same_pixels_along_an_irregular_border(scene: Scene) -> None:
    assert np.array_equal(scene.truth == 0, ~scene.image.any(0))
    assert np.array_equal(scene.truth > 0, scene.image.all(0))
    assert 0.02 < (scene.truth == 0).mean() < 0.15
    first_valid_row = (scene.truth > 0).argmax(0)
    assert len(np.unique(first_valid_row[20:-20])) > 3  # Neither straight nor parallel to the pixels.


def test_a_scene_without_border_has_data_everywhere() -> None:
    scene = generate(100, 100, border=False)
    assert scene.image.all()
    assert scene.truth.all()


def test_the_near_infrared_shows_plants_bright_and_water_dark(scene: Scene) -> None:
    mean = {c.code: scene.image[:, scene.truth == c.code].mean(1) for c in CLASSES}
    assert mean[TREE][NIR] > 3 * mean[TREE][RED]
    assert mean[MEADOW][NIR] > 2 * mean[MEADOW][RED]
    assert mean[WATER][NIR] < mean[WATER][RED] < mean[ROAD][RED]


def test_what_stands_up_throws_its_shadow_away_from_the_sun() -> None:
    scene = generate(600, 600, seed=0, border=False)
    ground = (scene.truth != ROOF) & (scene.truth != TREE)
    roofs = scene.truth == ROOF
    north = np.roll(ndimage.binary_dilation(roofs, iterations=1), -5, axis=0) & ground
    south = np.roll(ndimage.binary_dilation(roofs, iterations=1), 5, axis=0) & ground
    assert np.median(scene.image[NIR][north]) < 0.7 * np.median(scene.image[NIR][south])


def test_fields_differ_more_among_themselves_than_from_other_classes(scene: Scene) -> None:
    red = scene.image[RED].astype(float)
    fields, soil_like = red[scene.truth == FIELD], red[scene.truth == ROAD]
    assert fields.std() > abs(fields.mean() - soil_like.mean())


@pytest.mark.thorough
def test_the_image_on_disk_says_what_it_is(files: SceneFiles) -> None:
    with rasterio.open(files.image) as source:
        assert (source.width, source.height, source.count) == (320, 256, 4)
        assert source.dtypes == ("uint16",) * 4
        assert source.descriptions == BAND_NAMES
        assert source.nodata == 0
        assert source.crs.to_epsg() == 32633
        assert source.profile["tiled"]
        assert source.compression.name == "deflate"
        assert np.array_equal(source.read(), generate(320, 256, seed=1).image)
    with rasterio.open(files.truth) as source:
        assert np.array_equal(source.read(1), generate(320, 256, seed=1).truth)
        assert source.bounds == rasterio.open(files.image).bounds


def _labelled(files: SceneFiles) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W) truth and (H, W) class codes of the labels, 0 where there are none."""
    labels = geopandas.read_file(files.labels, layer="labels")
    with rasterio.open(files.truth) as source:
        truth, transform = source.read(1), source.transform
    return truth, rasterize(zip(labels.geometry, labels["code"]), truth.shape, transform=transform, dtype="uint8")


def test_labels_are_polygons_of_every_class_with_code_and_name(files: SceneFiles) -> None:
    labels = geopandas.read_file(files.labels, layer="labels")
    assert labels.crs.to_epsg() == 32633
    assert labels.geom_type.eq("Polygon").all()
    assert labels.is_valid.all()
    assert {(code, name) for code, name in zip(labels["code"], labels["land_cover"])} == {(c.code, c.name) for c in CLASSES}
    assert labels.groupby("code").size().min() >= 2


def test_labels_cover_about_one_percent_inside_objects_of_their_class(files: SceneFiles) -> None:
    truth, labelled = _labelled(files)
    drawn = labelled > 0
    assert 0.006 < drawn.sum() / (truth > 0).sum() < 0.015
    assert (truth[drawn] == labelled[drawn]).mean() > 0.97


@pytest.mark.thorough
def test_more_labels_can_be_asked_for(tmp_path: Path) -> None:
    truth, labelled = _labelled(write_scene(tmp_path, 256, 256, seed=2, label_share=0.05))
    assert 0.03 < (labelled > 0).sum() / (truth > 0).sum() < 0.07


@pytest.mark.thorough
def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    write_scene(tmp_path, 128, 128, seed=0)
    before = len(geopandas.read_file(tmp_path / "labels.gpkg"))
    write_scene(tmp_path, 128, 128, seed=0)
    assert len(geopandas.read_file(tmp_path / "labels.gpkg")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "labels.gpkg", "truth.tif"]


def test_colours_alone_tell_something_but_far_from_everything(files: SceneFiles) -> None:
    truth, labelled = _labelled(files)
    with rasterio.open(files.image) as source:
        pixels = source.read()
    forest = RandomForestClassifier(30, random_state=0).fit(pixels[:, labelled > 0].T, labelled[labelled > 0])
    scored = (truth > 0) & (labelled == 0)
    mapped = forest.predict(pixels[:, scored].T)
    commonest = np.bincount(truth[scored]).max() / scored.sum()
    assert commonest + 0.15 < (mapped == truth[scored]).mean() < 0.9
    really_roofs = (truth[scored][mapped == ROOF] == ROOF).mean()
    assert really_roofs < 0.6  # Roads and bare fields have their colours too.


def test_a_large_image_is_made_of_flipped_blocks_without_gaps(tmp_path: Path) -> None:
    write_large(tmp_path / "large.tif", 250, 130, seed=1, block=100)
    with rasterio.open(tmp_path / "large.tif") as source:
        image = source.read()
    assert image.shape == (4, 130, 250)
    assert image.all()
    block = np.sort(image[:, :100, :100], axis=None)
    assert np.array_equal(block, np.sort(image[:, :100, 100:200], axis=None))


@pytest.mark.thorough
def test_a_scene_in_memory_needs_no_raster_library() -> None:
    program = (
        "import sys; from false_core.synthetic import generate; generate(64, 64); "
        "print([name for name in ('rasterio', 'geopandas', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
