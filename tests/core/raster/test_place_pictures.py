"""Pictures of places show what is there, and squares on rasters where they lie."""

from __future__ import annotations

import base64
import io
import re
import tracemalloc
from pathlib import Path

import matplotlib.image
import numpy as np
import numpy.typing as npt
import pytest
from small_world import write_raster

from false_core.raster import place_pictures
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


@pytest.mark.thorough
def test_a_huge_place_takes_no_memory_for_what_lies_outside(source: RasterSource) -> None:
    window = Window(-500_000, -500_000, 1_000_000, 1_000_000)
    tracemalloc.start()
    try:
        (picture,) = pictures(draw_places([PlaceShown(source, window)], [""]))
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(picture.shape[:2]) <= 96 and taken < 100_000_000


def test_a_place_of_many_pixels_is_shown_by_some_of_them(source: RasterSource, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Window] = []
    monkeypatch.setattr(RasterSource, "read", lambda own, window: read.append(window))
    monkeypatch.setattr(place_pictures, "MOST_AVERAGED", 1)
    (picture,) = pictures(draw_places([PlaceShown(source, Window(-100, 0, 200, 200))], [""]))
    assert not read and picture.shape[:2] == (67, 67)
    white = (picture == 255).all(axis=2)
    assert white[:, :33].all() and not white[:63, 34:].any() and white[64:].all()
    (halves,) = pictures(draw_places([PlaceShown(source, Window(0, 0, 200, 100))], [""]))
    assert halves.shape[:2] == (34, 67) and (halves[:, :33] < 100).all() and (halves[:, 34:] > 100).all()


@pytest.mark.thorough
def test_bands_that_are_not_shown_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    pixels = chance.integers(1, 255, (5, 50, 50), np.uint8)
    many, few = (RasterSource(write_raster(tmp_path / f"{len(one)}.tif", one)) for one in (pixels, pixels[:3]))
    seen: list[int] = []
    drawn = place_pictures.in_colour

    def in_colour(normal: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        seen.append(len(normal))
        return drawn(normal)

    monkeypatch.setattr(place_pictures, "in_colour", in_colour)
    places = [PlaceShown(source, Window(5, 5, 40, 40)) for source in (many, few)]
    for draw in (lambda place: draw_places([place], [""]), lambda place: draw_on_rasters([place])):
        of_many, of_few = (pictures(draw(place))[0] for place in places)
        np.testing.assert_array_equal(of_many, of_few)
    assert seen == [3, 3, 3, 3]


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
