"""Many rasters, one model: a folder with a map of each."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_world import Listener, textured_land, write_raster

from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, OutputError, RequestError
from false_core.events import Event, Progress
from false_core.jobs import Classify, ClassifyMany

pytestmark = pytest.mark.thorough


@pytest.fixture
def sheets(land: str, tmp_path: Path) -> list[str]:
    """Three rasters in a folder; the last is smaller than the others."""
    (tmp_path / "sheets").mkdir()
    copies = [str(shutil.copy(land, tmp_path / "sheets" / f"{name}.tif")) for name in ("north", "south")]
    return [*copies, write_raster(tmp_path / "sheets" / "west.tif", textured_land(70, 60), nodata=0)]


def pixels_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read()


@pytest.mark.thorough
def test_each_raster_gets_the_map_it_gets_alone(sheets: list[str], model: str, tmp_path: Path, listener: Listener) -> None:
    done = run(ClassifyMany(tuple(sheets), model, str(tmp_path / "maps"), device="cpu"), listener)
    assert (done["maps"], done["left_out"]) == (3, 0)
    maps = sorted((tmp_path / "maps").glob("*.tif"))
    assert [path.name for path in maps] == ["north_classified.tif", "south_classified.tif", "west_classified.tif"]
    for sheet in sheets:
        alone = tmp_path / "alone.tif"
        run(Classify(sheet, model, str(alone), device="cpu"))
        made = tmp_path / "maps" / f"{Path(sheet).stem}_classified.tif"
        np.testing.assert_array_equal(pixels_of(made), pixels_of(alone))
        assert made.with_suffix(".qml").is_file(), "it has its classes"
    fractions = [event.fraction for event in listener.all(Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert any(event.stage == "2 of 3, south.tif: Classifying" for event in listener.all(Progress))
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["north.tif", "south.tif", "west.tif"]


def test_one_that_does_not_fit_is_left_out_with_a_warning(
    sheets: list[str], model: str, tmp_path: Path, listener: Listener
) -> None:
    grey = write_raster(tmp_path / "sheets" / "grey.tif", textured_land(bands=1), nodata=0)
    done = run(ClassifyMany((grey, sheets[0]), model, str(tmp_path / "maps"), device="cpu"), listener)
    assert (done["maps"], done["left_out"]) == (1, 1)
    assert "grey.tif is left out." in listener.warnings
    assert [path.name for path in (tmp_path / "maps").glob("*.tif")] == ["north_classified.tif"]
    with pytest.raises(InputError, match="band"):
        run(ClassifyMany((grey,), model, str(tmp_path / "others"), device="cpu"))


def test_maps_that_are_complete_stay_when_it_is_cancelled(sheets: list[str], model: str, tmp_path: Path) -> None:
    cancel = threading.Event()

    def cancel_at_the_second(event: Event) -> None:
        if isinstance(event, Progress) and event.stage.startswith("2 of 3"):
            cancel.set()

    with pytest.raises(Cancelled):
        run(ClassifyMany(tuple(sheets), model, str(tmp_path / "maps"), device="cpu"), cancel_at_the_second, cancel)
    assert [path.name for path in (tmp_path / "maps").glob("*.tif")] == ["north_classified.tif"]
    assert not list((tmp_path / "maps").glob(".*")), "nothing half-written"


@pytest.mark.thorough
def test_maps_of_rasters_of_the_same_name_are_told_apart_by_their_folders(
    sheets: list[str], model: str, tmp_path: Path
) -> None:
    same = []
    for folder in ("2023/n", "2024/n", "2024/s"):
        (tmp_path / folder).mkdir(parents=True)
        same.append(str(shutil.copy(sheets[2], tmp_path / folder / "image.tif")))
    run(ClassifyMany((*same, sheets[0]), model, str(tmp_path / "maps"), device="cpu"))
    made = sorted(path.name for path in (tmp_path / "maps").glob("*.tif"))
    wanted = ["2023_n_image", "2024_n_image", "north", "s_image"]
    assert made == [f"{name}_classified.tif" for name in wanted]


def test_refuses_a_folder_where_maps_would_mix_with_rasters_or_overwrite_each_other(
    sheets: list[str], model: str, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="mix with the rasters"):
        run(ClassifyMany(tuple(sheets), model, str(tmp_path / "sheets"), device="cpu"))
    twin = str(shutil.copy(sheets[0], tmp_path / "sheets" / "north.tiff"))
    with pytest.raises(InputError, match="Two rasters are called north"):
        run(ClassifyMany((sheets[0], twin), model, str(tmp_path / "maps"), device="cpu"))
    assert not (tmp_path / "maps").exists()
    with pytest.raises(OutputError, match="is a file"):
        run(ClassifyMany(tuple(sheets), model, model, device="cpu"))
    with pytest.raises(RequestError, match="rasters is empty"):
        run(ClassifyMany((), model, str(tmp_path / "maps"), device="cpu"))
