"""Pictures of places show what is there, and squares on rasters where they lie."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import numpy.typing as npt
import pytest
from small_world import write_raster

from false_core.raster.place_pictures import PLACE_COLOUR, PlaceShown, draw_on_rasters, draw_places, window_within
from false_core.raster.source import RasterSource, Window
from false_core.reports.figures import rgb_of

SIDE = 200


@pytest.fixture
def source(tmp_path: Path) -> RasterSource:
    """Return a raster that is dark on the left, bright on the right, and holds no data in its last ten rows."""
    pixels = np.zeros((3, SIDE, SIDE), np.uint8)
    pixels[:, :, : SIDE // 2], pixels[:, :, SIDE // 2 :] = 50, 150
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[-10:] = 0
    return RasterSource(write_raster(tmp_path / "land.tif", pixels, mask))


def pictures(svg: str) -> list[npt.NDArray[np.uint8]]:
    found = re.findall(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", svg)
    read = (matplotlib.image.imread(io.BytesIO(base64.b64decode(one)), format="png") for one in found)
    return [np.rint(255 * picture[..., :3]).astype(np.uint8) for picture in read]


def coloured(picture: npt.NDArray[np.uint8], colour: tuple[int, ...]) -> int:
    return int((picture == np.array(colour, np.uint8)).all(axis=2).sum())


def test_what_is_there_is_shown_in_one_contrast(source: RasterSource) -> None:
    places = [PlaceShown(source, Window(column, 20, 40, 40)) for column in (10, 80, 150)]
    dark, both, bright = pictures(draw_places(places, ["1", "2", "3"]))
    assert dark.std() == bright.std() == 0 and int(dark[0, 0, 0]) < 100 < int(bright[0, 0, 0])
    assert coloured(both, tuple(dark[0, 0])) == coloured(both, tuple(bright[0, 0])) == both.shape[0] * both.shape[1] // 2


def test_a_large_place_is_averaged_and_what_lies_outside_is_white(source: RasterSource) -> None:
    whole = PlaceShown(source, Window(-SIDE, 0, 2 * SIDE, 2 * SIDE))
    (picture,) = pictures(draw_places([whole], [""]))
    assert max(picture.shape[:2]) <= 96
    assert coloured(picture, (255, 255, 255)) / picture[..., 0].size == pytest.approx(1 - 0.5 * 190 / 400, abs=0.02)


def test_squares_lie_where_the_places_do_as_far_as_they_are_on_the_raster(source: RasterSource) -> None:
    middle, edge = Window(92, 92, 16, 16), Window(SIDE - 8, 92, 16, 16)
    (picture,) = pictures(draw_on_rasters([PlaceShown(source, middle)]))
    found = np.argwhere((picture == np.array(rgb_of(PLACE_COLOUR), np.uint8)).all(axis=2))
    assert len(found) == 4 * 13  # Within a white square of the size of the place.
    assert found.min(axis=0).tolist() == [93, 93] and found.max(axis=0).tolist() == [106, 106]
    (picture,) = pictures(draw_on_rasters([PlaceShown(source, edge)]))
    assert coloured(picture, rgb_of(PLACE_COLOUR)) == 14 + 2 * 6


def test_the_rasters_with_most_places_are_shown(source: RasterSource, tmp_path: Path) -> None:
    others = [RasterSource(write_raster(tmp_path / f"{n}.tif", np.full((1, 20, 20), n, np.uint8))) for n in range(1, 6)]
    places = [PlaceShown(one, Window(2, 2, 9, 9)) for one in (source, *others, *others[:3])]
    svg = draw_on_rasters(places)
    assert len(pictures(svg)) == 4 and all(f"{n}.tif" in svg for n in (1, 2, 3))


def test_the_window_of_a_box_is_what_it_touches() -> None:
    assert window_within(np.array([1.0, 2.0, 4.0, 6.0])) == Window(1, 2, 3, 4)
    assert window_within(np.array([-0.5, 2.3, 0.2, 2.4])) == Window(-1, 2, 2, 1)
