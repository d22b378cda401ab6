"""The picture of classified areas: every pixel has the colour of the area that it lies in."""

import numpy as np
import shapely

from false_core.areas.areas_picture import AREAS_PICTURE_PX, draw_areas, paint_areas

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def test_areas_have_their_colour_and_what_lies_between_them_has_none() -> None:
    shapes = np.array([shapely.box(0, 0, 40, 50), shapely.box(60, 0, 100, 50)])
    picture = paint_areas(shapes, np.array([1, 0]), ["#ff0000", "#0000ff"], 100, 50)
    assert picture.shape == (AREAS_PICTURE_PX // 2, AREAS_PICTURE_PX, 3)
    across = {tuple(pixel) for pixel in picture[:, : int(0.4 * AREAS_PICTURE_PX)].reshape(-1, 3).tolist()}
    assert across == {BLUE}
    assert tuple(picture[10, AREAS_PICTURE_PX // 2]) == GREY
    assert tuple(picture[-1, -1]) == RED


def test_of_areas_that_overlap_the_last_one_is_seen() -> None:
    shapes = np.array([shapely.box(0, 0, 10, 10), shapely.box(5, 0, 10, 10), shapely.Polygon()])
    picture = paint_areas(shapes, np.array([0, 1, 0]), ["#ff0000", "#0000ff"], 10, 10)
    assert (tuple(picture[0, 0]), tuple(picture[0, -1])) == (RED, BLUE)


def test_the_legend_names_the_classes_that_there_are() -> None:
    drawn = draw_areas(
        np.array([shapely.box(0, 0, 5, 5)]), np.array([1]), [("road", "#ff0000"), ("roof", "#0000ff")], 10, 10
    )
    assert "roof" in drawn
    assert "road" not in drawn
