"""Correcting a map changes what was asked for, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_world import CRS, GRID, on_map, pixel_box, write_labels

from false_core.dispatch import run
from false_core.errors import InputError, RequestError
from false_core.jobs import EditMap
from false_core.raster.carried_classes import read_carried_classes
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.new_map import new_map
from false_core.raster.source import RasterSource

CLASSES = ClassTable(
    (
        LandCoverClass(1, "Forest", "#1b7837"),
        LandCoverClass(2, "Water", "#2b7bba"),
        LandCoverClass(5, "Scrub", "#c2a27c"),
        LandCoverClass(9, "Urban", "#b2182b"),
    )
)
CODES = np.kron(np.array([[1, 2, 5], [9, 0, 1], [5, 5, 2]], np.uint8), np.ones((300, 250), np.uint8))


@pytest.fixture(scope="module")
def the_map(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("edit")
    with rasterio.open(
        folder / "grid.tif", "w", driver="GTiff", width=750, height=900, count=1, dtype="uint8", crs=CRS, transform=GRID
    ):
        pass
    path = str(folder / "map.tif")
    with new_map(path, RasterSource(str(folder / "grid.tif")), CLASSES) as file:
        file.write(0, 0, CODES)
    return path


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def patches(folder: Path, boxes: list[tuple[str, tuple[float, float, float, float]]]) -> str:
    return write_labels(folder / "patches.gpkg", [name for name, _ in boxes], [on_map(pixel_box(*box)) for _, box in boxes])


class TestPainting:
    def test_polygons_overwrite_the_map_where_it_has_data_and_small_ones_lie_on_top(
        self, the_map: str, tmp_path: Path
    ) -> None:
        drawn = patches(tmp_path, [("water", (300, 350, 20, 20)), ("Quarry", (200, 250, 200, 400)), ("scrub", (0, 0, 9, 9))])
        told = run(EditMap(the_map, str(tmp_path / "new.tif"), drawn, "cover"))
        expected = CODES.copy()
        expected[250:650, 200:400] = 3
        expected[350:370, 300:320] = 2
        expected[:9, :9] = 5
        expected[CODES == 0] = 0
        assert np.array_equal(read(tmp_path / "new.tif"), expected)
        assert told["repainted"] == (expected != CODES).sum()
        assert told["classes"] == 5
        assert [c.name for c in read_carried_classes(str(tmp_path / "new.tif")).classes] == [
            "Forest", "Water", "Quarry", "Scrub", "Urban"
        ]  # fmt: skip

    def test_the_legend_says_what_numbers_mean_and_the_colour_of_what_is_new(self, the_map: str, tmp_path: Path) -> None:
        drawn = patches(tmp_path, [("1", (0, 0, 9, 9)), ("2", (20, 20, 9, 9))])
        legend = tmp_path / "legend.json"
        legend.write_text(
            '[{"value": "1", "name": "water", "color": null}, {"value": "2", "name": "Ice", "color": "#aabbcc"}]'
        )
        run(EditMap(the_map, str(tmp_path / "new.tif"), drawn, "cover", legend=str(legend)))
        made = read(tmp_path / "new.tif")
        assert (made[4, 4], made[24, 24]) == (2, 3)
        assert LandCoverClass(3, "Ice", "#aabbcc") in read_carried_classes(str(tmp_path / "new.tif")).classes


class TestNames:
    def test_classes_are_merged_and_renamed_and_keep_their_codes_and_colours(self, the_map: str, tmp_path: Path) -> None:
        told = run(EditMap(the_map, str(tmp_path / "new.tif"), names="scrub = forest; URBAN = Town"))
        assert np.array_equal(read(tmp_path / "new.tif"), np.where(CODES == 5, 1, CODES))
        assert told == {"output": str(tmp_path / "new.tif"), "repainted": (CODES == 5).sum(), "classes": 3}
        assert list(read_carried_classes(str(tmp_path / "new.tif")).classes) == [
            LandCoverClass(1, "Forest", "#1b7837"),
            LandCoverClass(2, "Water", "#2b7bba"),
            LandCoverClass(9, "Town", "#b2182b"),
        ]

    def test_two_swap_theirs_and_polygons_may_have_new_or_old_names(self, the_map: str, tmp_path: Path) -> None:
        drawn = patches(tmp_path, [("Water", (0, 0, 9, 9)), ("Scrub", (20, 20, 9, 9))])
        run(EditMap(the_map, str(tmp_path / "new.tif"), drawn, "cover", "Forest=Water;Water=Forest\nScrub=Heath"))
        made, classes = read(tmp_path / "new.tif"), read_carried_classes(str(tmp_path / "new.tif")).classes
        assert [(c.code, c.name) for c in classes] == [(1, "Water"), (2, "Forest"), (5, "Heath"), (9, "Urban")]
        assert (made[4, 4], made[24, 24]) == (1, 5)

    def test_what_cannot_be_done_is_said(self, the_map: str, tmp_path: Path) -> None:
        target = str(tmp_path / "new.tif")
        with pytest.raises(RequestError, match="nothing to change"):
            run(EditMap(the_map, target))
        with pytest.raises(RequestError, match="no old name and a new one"):
            run(EditMap(the_map, target, names="scrub"))
        with pytest.raises(RequestError, match="gives 'water' two new names"):
            run(EditMap(the_map, target, names="Water = a\nwater = b"))
        with pytest.raises(InputError, match="no class 'moor'"):
            run(EditMap(the_map, target, names="moor = forest"))
        assert not Path(target).exists()

    def test_codes_that_a_map_cannot_have_are_refused(self, tmp_path: Path) -> None:
        with rasterio.open(
            tmp_path / "large.tif", "w", driver="GTiff", width=8, height=8, count=1, dtype="int16", crs=CRS, transform=GRID
        ) as file:
            file.write(np.full((1, 8, 8), 300, np.int16))
        with pytest.raises(InputError, match="class code 300"):
            run(EditMap(str(tmp_path / "large.tif"), str(tmp_path / "new.tif"), names="300 = forest"))

    @pytest.mark.thorough
    def test_a_map_that_is_full_takes_no_new_class(self, tmp_path: Path) -> None:
        codes = np.arange(256, dtype=np.uint8).clip(1, 254).reshape(16, 16)
        with rasterio.open(
            tmp_path / "full.tif", "w", driver="GTiff", width=16, height=16, count=1, dtype="uint8", crs=CRS, transform=GRID
        ) as file:
            file.write(codes[None])
        drawn = patches(tmp_path, [("new", (0, 0, 9, 9))])
        # The number of a class that was merged away is not given again: it would mean two things on two maps.
        for names in (None, "254 = 253"):
            with pytest.raises(InputError, match="can hold 254 classes"):
                run(EditMap(str(tmp_path / "full.tif"), str(tmp_path / "new.tif"), drawn, "cover", names))

    @pytest.mark.thorough
    def test_a_map_from_0_to_253_is_full_too(self, tmp_path: Path) -> None:
        """One class more would make it a map that no algorithm takes for one."""
        full = str(tmp_path / "full.tif")
        with rasterio.open(
            full, "w", driver="GTiff", width=16, height=16, count=1, dtype="uint8", crs=CRS, transform=GRID
        ) as file:
            file.write(np.arange(256, dtype=np.uint8).clip(0, 253).reshape(1, 16, 16))
        with pytest.raises(InputError, match="can hold 254 classes"):
            run(EditMap(full, str(tmp_path / "new.tif"), patches(tmp_path, [("new", (0, 0, 9, 9))]), "cover"))
        told = run(EditMap(full, str(tmp_path / "new.tif"), patches(tmp_path, [("5", (0, 0, 9, 9))]), "cover"))
        assert (told["classes"], read(tmp_path / "new.tif")[8, 8], read(tmp_path / "new.tif")[15, 15]) == (254 - 80, 5, 253)

    def test_there_may_be_more_values_than_classes(self, the_map: str, tmp_path: Path) -> None:
        drawn = patches(tmp_path, [(f"Plot {k}", (20 * (k % 20), 20 * (k // 20), 9, 9)) for k in range(300)])
        legend = tmp_path / "legend.json"
        legend.write_text(json.dumps([{"value": [f"Plot {k}" for k in range(300)], "name": "Urban", "color": None}]))
        run(EditMap(the_map, str(tmp_path / "new.tif"), drawn, "cover", legend=str(legend)))
        assert read(tmp_path / "new.tif")[284, 384] == 9
