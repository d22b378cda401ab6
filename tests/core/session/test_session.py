"""A labelling session: labels come and go, and views show what a map by the same model would show."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from session_client import codes_of
from session_here import SessionHere
from small_world import GRID, on_map, pixel_box, textured_land, write_raster

from false_core.dispatch import run
from false_core.errors import InputError, ModelFileError
from false_core.inference import tiles as tile_plans
from false_core.jobs import Classify, Finetune
from false_core.models import feature_identity
from false_core.models.model_file import MADE_BY, SEGMENTER, read_card
from false_core.models.record import read_record
from false_core.raster.source import RasterSource, Window
from false_core.session import current_view, kept_tiles, learning, pictures, session_work
from false_core.session_protocol import (
    NO_CLASS,
    ChangeLabels,
    ClassEntry,
    Label,
    Learned,
    Open,
    Opened,
    Outline,
    Outlined,
    Picture,
    Refused,
    Save,
    Saved,
    Score,
    SessionScores,
    SetClasses,
    Suggest,
    SuggestedPlaces,
    View,
    Withdraw,
    Withdrawn,
)

WIDTH, HEIGHT = 400, 300
CLASSES = ((1, "field"), (2, "forest"), (3, "water"))
WHOLE = (GRID.c, GRID.c + WIDTH, GRID.f - HEIGHT, GRID.f)


def extent_of(column: float, row: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Return the extent of pixels."""
    return GRID.c + column, GRID.c + column + width, GRID.f - row - height, GRID.f - row


def boxes(number: int = 2) -> list[tuple[int, int, shapely.Geometry]]:
    """Return labels by id, code and geometry: ``number`` of each class."""
    found = []
    for code, _ in CLASSES:
        for k in range(number):
            column = round((code - 1 + (0.25 if k % 2 else 0.6)) * WIDTH / 3)
            row = 30 + round(k * (HEIGHT - 60) / number)
            found.append((10 * code + k, code, on_map(pixel_box(column, row, 14, 11))))
    return found


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("session")
    return write_raster(folder / "land.tif", textured_land(WIDTH, HEIGHT), nodata=0)


@pytest.fixture(scope="module", autouse=True)
def small_tiles() -> Iterator[None]:
    """Cut the raster into several tiles, as a large one is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile_plans, "MAX_STRIDE_PX", 256)
        yield


@pytest.fixture
def opened(raster: str) -> Iterator[SessionHere]:
    with SessionHere() as session:
        session.open(raster, CLASSES)
        yield session


@pytest.fixture(scope="module")
def labelled(raster: str) -> Iterator[SessionHere]:
    """A session with two labels of each class, for tests that do not change them."""
    with SessionHere() as session:
        session.open(raster, CLASSES)
        session.label(*boxes())
        session.answer(Learned, labels=6)
        yield session


def mapped(folder: Path, session: SessionHere, raster: str) -> np.ndarray:
    """Return the map that ``classify`` makes with the model of a session."""
    session.ask(Save, path=str(folder / "live.safetensors"))
    session.answer(Saved)
    run(Classify(raster=raster, model=str(folder / "live.safetensors"), output=str(folder / "map.tif")))
    with rasterio.open(folder / "map.tif") as file:
        found: np.ndarray = file.read(1)
        return found


def shown(land_cover: np.ndarray, extent: Sequence[float], width: int, height: int, grid: Affine = GRID) -> np.ndarray:
    """Return what a view of a map shows."""
    xmin, xmax, ymin, ymax = extent
    to_map = Affine((xmax - xmin) / width, 0, xmin, 0, (ymin - ymax) / height, ymax)
    to_pixel = ~grid * to_map
    picture = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            x, y = to_pixel * (column + 0.5, row + 0.5)
            if 0 <= x < land_cover.shape[1] and 0 <= y < land_cover.shape[0]:
                picture[row, column] = land_cover[int(y), int(x)]
    return picture


class TestAView:
    VIEWS = (
        (WHOLE, WIDTH, HEIGHT),
        (WHOLE, 90, 70),
        (extent_of(210, 100, 100, 90), 100, 90),
        (extent_of(250.3, 240.7, 20, 15), 120, 90),
        (extent_of(-60, -40, 150, 120), 75, 60),
    )

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("smoothing", "weights"),
        [(0.0, "general"), (6.0, "general"), (0.0, "none"), pytest.param(6.0, "none", marks=pytest.mark.slow)],
    )
    def test_it_shows_the_very_pixels_of_a_map_by_the_saved_model(
        self, raster: str, tmp_path: Path, smoothing: float, weights: str
    ) -> None:
        with SessionHere() as session:
            session.open(raster, CLASSES, smoothing=smoothing, weights=weights)
            session.label(*boxes())
            session.answer(Learned, labels=6)
            pictures = []
            for extent, width, height in self.VIEWS:
                number = session.view(extent, width, height)
                pictures.append(codes_of(session.picture(number=number)))
            land_cover = mapped(tmp_path, session, raster)
        assert len(np.unique(land_cover)) == 4
        for (extent, width, height), picture in zip(self.VIEWS, pictures):
            np.testing.assert_array_equal(picture, shown(land_cover, extent, width, height))

    @pytest.mark.thorough
    def test_a_rotated_raster_is_shown_where_it_lies(self, tmp_path: Path) -> None:
        grid = GRID * Affine.rotation(25)
        path = write_raster(tmp_path / "turned.tif", textured_land(WIDTH, HEIGHT), nodata=0, transform=grid)
        with SessionHere() as session:
            session.open(path, CLASSES)
            session.label(*((one, code, on_map(on_map(shape, ~GRID), grid)) for one, code, shape in boxes()))
            session.answer(Learned, labels=6)
            extent = next(answer.extent for _, answer in session.said if isinstance(answer, Opened))
            number = session.view(extent, 110, 100)
            picture = codes_of(session.picture(number=number))
            land_cover = mapped(tmp_path, session, path)
        assert len(np.unique(picture)) == 4
        np.testing.assert_array_equal(picture, shown(land_cover, extent, 110, 100, grid))

    @pytest.mark.thorough
    def test_confidence_is_in_percent_and_nothing_where_the_raster_is_nodata(self, labelled: SessionHere) -> None:
        number = labelled.view(WHOLE, WIDTH, HEIGHT, "confidence")
        percent = codes_of(labelled.picture(number=number))
        assert percent[0, 0] == 255
        assert 30 <= percent[50, 50] <= 100

    @pytest.mark.thorough
    def test_a_view_beyond_the_raster_shows_nothing(self, labelled: SessionHere) -> None:
        number = labelled.view(extent_of(9_000, 9_000, 100, 100), 50, 50)
        assert (codes_of(labelled.picture(number=number)) == NO_CLASS).all()

    @pytest.mark.thorough
    def test_of_many_views_the_last_one_is_drawn(self, labelled: SessionHere) -> None:
        numbers = [labelled.view(extent_of(10 * k, 0, 100, 100), 60, 60) for k in range(30)]
        labelled.picture(number=numbers[-1])
        drawn = {answer.number for _, answer in labelled.said if type(answer).__name__ == "Picture"}
        assert len(drawn & set(numbers)) < 10

    @pytest.mark.thorough
    def test_a_view_without_a_size_is_refused(self, labelled: SessionHere) -> None:
        number = labelled.ask(View, extent=(0.0, 0.0, 1.0, 2.0), width=10, height=10)
        assert labelled.answer(Refused, number=number).what == "The view has no size."

    @pytest.mark.thorough
    def test_what_changed_since_the_last_label_can_be_shown(self, opened: SessionHere) -> None:
        opened.label(*boxes())
        number = opened.view(WHOLE, 200, 150)
        before = codes_of(opened.picture(number=number))
        asked = opened.label((99, 2, on_map(pixel_box(60, 200, 40, 40))))
        after = codes_of(opened.picture(asked, number=number))
        number = opened.view(WHOLE, 200, 150, "change")
        change = codes_of(opened.picture(asked, number=number))
        np.testing.assert_array_equal(change == 1, (before != after) & (before != NO_CLASS) & (after != NO_CLASS))
        assert change.any()


@pytest.mark.thorough
class TestLabels:
    def test_two_classes_make_a_map_and_one_does_not(self, opened: SessionHere) -> None:
        asked = opened.label(boxes()[0])
        assert "one class" in opened.answer(Learned, number=asked).problem
        asked = opened.label(boxes()[2])
        learned = opened.answer(Learned, number=asked)
        assert (learned.labels, learned.problem) == (2, "")

    @pytest.mark.thorough
    def test_the_map_depends_on_the_labels_and_not_on_how_they_came(self, raster: str) -> None:
        pictures = []
        for in_one_go in (True, False):
            with SessionHere() as session:
                session.open(raster, CLASSES)
                if in_one_go:
                    session.label(*boxes())
                else:
                    for one, code, shape in boxes():
                        session.label((one, 4 - code, shape))  # Of another class at first.
                    session.label((77, 1, on_map(pixel_box(300, 100, 30, 30))))
                    for one in boxes():
                        session.label(one)
                    session.ask(ChangeLabels, removed=(77,))
                session.until_idle()
                number = session.view(WHOLE, WIDTH, HEIGHT)
                pictures.append(codes_of(session.picture(number=number)))
        assert (pictures[0] != pictures[1]).mean() < 0.02

    @pytest.mark.thorough
    def test_a_small_label_within_a_large_one_stays_visible(self, opened: SessionHere) -> None:
        opened.label((1, 1, on_map(pixel_box(20, 20, 200, 200))), (2, 2, on_map(pixel_box(100, 100, 10, 10))))
        opened.answer(Learned, labels=2)
        opened.until_idle()
        labels = opened.session._work.learning.labels.of_codes([1, 2])
        taken = [label.positions[label.taken] for label in labels.values()]
        inside = [((places > 100) & (places < 110)).all(axis=1) for places in taken]
        assert not inside[0].any()
        assert inside[1].all()
        assert len(taken[0]) == 2000

    @pytest.mark.thorough
    def test_a_label_beyond_the_raster_is_counted_and_does_no_harm(self, opened: SessionHere) -> None:
        asked = opened.label(*boxes(), (90, 1, on_map(pixel_box(5_000, 0, 10, 10))))
        assert opened.answer(Learned, number=asked).outside == 1

    @pytest.mark.thorough
    def test_labels_on_nodata_teach_nothing(self, opened: SessionHere) -> None:
        asked = opened.label(boxes()[0], (90, 2, on_map(pixel_box(1, 1, 5, 5))))
        assert "one class" in opened.answer(Learned, number=asked, waiting=0).problem

    @pytest.mark.thorough
    @pytest.mark.parametrize("wkb", ["", "zz", "0103", "00" * 40, shapely.Point(np.nan, 1.0).wkb_hex])
    def test_what_is_no_geometry_is_refused_and_all_else_stays(self, labelled: SessionHere, wkb: str) -> None:
        number = labelled.ask(ChangeLabels, changed=(Label(5, 1, wkb),), removed=(10,))
        assert "label 5" in labelled.answer(Refused, number=number).what
        asked = labelled.label((11, 1, boxes()[1][2]))  # As it is already.
        assert labelled.answer(Learned, number=asked).labels == 6

    @pytest.mark.thorough
    @pytest.mark.parametrize("code", [0, 255, -3])
    def test_a_code_that_no_map_can_show_is_refused(self, labelled: SessionHere, code: int) -> None:
        number = labelled.label((7, code, boxes()[0][2]))
        assert labelled.answer(Refused, number=number).what == f"Label 7 has the class code {code}."

    @pytest.mark.thorough
    def test_points_and_lines_are_labels_too(self, opened: SessionHere) -> None:
        shapes = [
            shapely.Point(60, 60),
            shapely.LineString([(200, 50), (220, 90)]),
            shapely.MultiPoint([(350, 40), (350, 80)]),
        ]
        asked = opened.label(*((k, k + 1, on_map(shape)) for k, shape in enumerate(shapes)))
        assert opened.answer(Learned, number=asked, waiting=0).labels == 3

    @pytest.mark.thorough
    def test_a_class_that_is_not_known_waits_for_its_name(self, opened: SessionHere) -> None:
        opened.label(*boxes(), (50, 9, on_map(pixel_box(150, 200, 10, 10))))
        opened.answer(Learned, labels=6)
        opened.ask(SetClasses, classes=tuple(ClassEntry(code, str(code), "#000000") for code in (1, 2, 3, 9)))
        opened.answer(Learned, labels=7)

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "classes", [((1, "a"), (1, "b")), ((0, "a"), (1, "b")), ((1, "a"), (300, "b"))], ids=["twice", "nodata", "large"]
    )
    def test_classes_that_no_map_can_have_are_refused(self, labelled: SessionHere, classes: Any) -> None:
        number = labelled.ask(SetClasses, classes=tuple(ClassEntry(code, name, "#112233") for code, name in classes))
        assert labelled.answer(Refused, number=number).code == "request"

    @pytest.mark.thorough
    def test_many_labels_may_come_in_several_requests(self, opened: SessionHere) -> None:
        for part in (boxes()[:3], boxes()[3:]):
            changed = tuple(Label(one, code, shape.wkb_hex) for one, code, shape in part)
            asked = opened.ask(ChangeLabels, changed=changed, more=part[0] == boxes()[0])
        assert opened.answer(Learned, number=asked, waiting=0).labels == 6
        assert asked - 1 not in {answer.number for _, answer in opened.said if isinstance(answer, Learned)}

    def test_those_of_several_requests_are_learned_from_where_the_last_one_is_refused(self, opened: SessionHere) -> None:
        changed = tuple(Label(one, code, shape.wkb_hex) for one, code, shape in boxes())
        asked = opened.ask(ChangeLabels, changed=changed, more=True)
        opened.answer(Refused, number=opened.label((99, 300, on_map(pixel_box(60, 200, 40, 40)))))
        assert opened.answer(Learned, number=asked, waiting=0).labels == 6

    @pytest.mark.slow
    def test_ten_thousand_labels_are_learned_from_in_seconds(self, opened: SessionHere) -> None:
        chance = np.random.default_rng(0)
        places = chance.uniform((15, 15), (WIDTH - 25, HEIGHT - 25), (10_000, 2))
        many = [(k, 1 + int(3 * x / WIDTH), on_map(pixel_box(x, y, 3, 3))) for k, (x, y) in enumerate(places)]
        opened.answer(Opened)
        began = time.process_time()
        asked = opened.label(*many)
        assert opened.answer(Learned, number=asked, waiting=0).labels > 3000
        assert time.process_time() - began < 60
        began = time.process_time()
        asked = opened.label((20_000, 1, on_map(pixel_box(50, 50, 5, 5))))
        opened.answer(Learned, number=asked)
        assert time.process_time() - began < 15


@pytest.mark.thorough
class TestWhatIsKept:
    @pytest.mark.parametrize("has_identity", [True, False])
    def test_features_are_computed_twice_only_where_the_raster_has_no_identity(
        self, has_identity: bool, raster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path))
        if not has_identity:
            monkeypatch.setattr(feature_identity, "facts_of_pixels", lambda source: None)
        computed = []
        real = kept_tiles._at_precision
        monkeypatch.setattr(kept_tiles, "_at_precision", lambda *given: computed.append(given[2]) or real(*given))
        counts = []
        for _ in range(2):
            with SessionHere() as session:
                session.open(raster, CLASSES)
                session.until_idle()
            counts.append(len(computed))
        assert counts[0] > 0
        assert counts[1] == (counts[0] if has_identity else 2 * counts[0])

    def test_the_rest_of_the_raster_is_looked_at_while_nobody_asks(self, opened: SessionHere) -> None:
        opened.until_idle()
        work = opened.session._work
        assert all(map(work._grid.knows, work.learning.plan))
        assert len(work.learning.plan) > 1

    def test_work_that_nobody_wants_any_more_is_given_up(self, opened: SessionHere, monkeypatch: pytest.MonkeyPatch) -> None:
        fits = []
        real = learning.fit_live

        def slow(*given: Any) -> Any:
            fits.append("begun")
            for _ in range(100):
                time.sleep(0.02)
                given[-1]()  # Asks whether it is still wanted.
            fits.append("done")
            return real(*given)

        opened.label(*boxes())
        opened.answer(Learned, labels=6)
        monkeypatch.setattr(learning, "fit_live", slow)
        opened.label((90, 1, on_map(pixel_box(60, 60, 9, 9))))
        time.sleep(0.5)
        monkeypatch.setattr(learning, "fit_live", real)
        asked = opened.label((91, 1, on_map(pixel_box(60, 80, 9, 9))))
        opened.answer(Learned, number=asked, labels=8)
        assert fits == ["begun"]


@pytest.mark.thorough
class TestScores:
    def test_they_are_unknown_while_there_are_few_labels_and_say_how_many_more_it_takes(self, labelled: SessionHere) -> None:
        number = labelled.ask(Score)
        scores = labelled.answer(SessionScores, number=number)
        assert (scores.accuracy, scores.low) == (None, None)
        assert [(score.code, score.labels, score.accuracy, score.missing) for score in scores.classes] == [
            (1, 2, None, 2), (2, 2, None, 2), (3, 2, None, 2)
        ]  # fmt: skip

    def test_a_class_without_labels_needs_as_many_as_any_other(self, labelled: SessionHere) -> None:
        named = (*CLASSES, (9, "bridge"))
        labelled.ask(SetClasses, classes=tuple(ClassEntry(code, name, "#000000") for code, name in named))
        scores = labelled.answer(SessionScores, number=labelled.ask(Score))
        assert (scores.classes[-1].code, scores.classes[-1].labels, scores.classes[-1].missing) == (9, 0, 4)

    @pytest.mark.thorough
    def test_with_enough_labels_they_have_an_interval(self, opened: SessionHere) -> None:
        opened.label(*boxes(8))
        opened.answer(Learned, labels=24)
        scores = opened.answer(SessionScores, number=opened.ask(Score))
        assert 0.0 <= scores.low < scores.accuracy <= scores.high <= 1.0
        assert all(score.low <= score.accuracy <= score.high for score in scores.classes)


def interrupted_view(session: SessionHere, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[float], threading.Event]:
    """Return a view that is being drawn, the shares that are known of it, and what it waits for after the first one."""
    drawn: list[float] = []
    asked, real = threading.Event(), pictures.ViewRenderer.draw

    def wait_for_somebody_who_asks(*given: Any) -> Iterator[Any]:
        for picture in real(*given):
            drawn.append(picture.known)
            if len(drawn) == 1:
                assert picture.known < 1 and asked.wait(30)
            yield picture

    monkeypatch.setattr(pictures, "FIRST_S", 0.0)
    monkeypatch.setattr(pictures, "BETWEEN_S", 0.0)
    monkeypatch.setattr(pictures.ViewRenderer, "draw", wait_for_somebody_who_asks)
    view = session.view(WHOLE, 200, 150)
    until = time.monotonic() + 30
    while not drawn and time.monotonic() < until:
        time.sleep(0.01)
    return view, drawn, asked


@pytest.mark.thorough
def test_a_view_that_takes_long_gives_way_to_labels_that_wait(opened: SessionHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_view, "VIEW_S", 0.0)
    monkeypatch.setattr(current_view, "SLICE_S", 0.0)
    view = opened.view(WHOLE, 200, 150)
    asked = opened.label(*boxes())
    opened.picture(asked, number=view)
    said = [answer for _, answer in opened.said if isinstance(answer, (Learned, Picture))]
    assert [one.waiting > 0 for one in said if isinstance(one, Learned)][-2:] == [True, False], "some waited"
    assert [one.known for one in said if isinstance(one, Picture)][-1] == 1
    assert all(one.known < 1 for one in said[:-1] if isinstance(one, Picture)), "and came before the whole picture"


class TestPlaces:
    @pytest.mark.thorough
    def test_they_touch_no_label_and_lie_on_the_raster(self, labelled: SessionHere) -> None:
        labelled.until_idle()
        places = labelled.answer(SuggestedPlaces, number=labelled.ask(Suggest, places=12)).places
        assert len(places) == 12
        for place in places:
            xmin, xmax, ymin, ymax = place.extent
            square = shapely.box(xmin, ymin, xmax, ymax)
            assert not any(square.intersects(shape) for _, _, shape in boxes())
            assert square.intersects(shapely.box(WHOLE[0], WHOLE[2], WHOLE[1], WHOLE[3]))
            assert place.likely != place.second
            assert 0 <= place.doubt <= 1

    @pytest.mark.thorough
    def test_of_a_large_view_are_said_before_all_of_it_has_been_looked_at(
        self, opened: SessionHere, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session_work, "SUGGEST_S", 0.0)
        monkeypatch.setattr(session_work.SessionWork, "idle_work", lambda work: None)
        opened.label(*boxes())
        opened.answer(Learned, labels=6)
        opened.picture(number=opened.view(WHOLE, 200, 150))
        assert opened.answer(SuggestedPlaces, number=opened.ask(Suggest)).places
        work = opened.session._work
        assert sum(map(work._grid.knows, work.learning.plan)) == 1 < len(work.learning.plan)

    @pytest.mark.thorough
    @pytest.mark.parametrize("kind", [Suggest, Save])
    def test_nobody_who_asks_waits_for_the_picture_of_a_large_view(
        self, opened: SessionHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
    ) -> None:
        opened.label(*boxes())
        opened.answer(Learned, labels=6)
        view, drawn, asked = interrupted_view(opened, monkeypatch)
        values = {"path": str(tmp_path / "live.safetensors")} if kind is Save else {}
        number = opened.ask(kind, **values)
        asked.set()
        opened.answer(Saved if kind is Save else SuggestedPlaces, number=number)
        assert 1.0 not in drawn, "it is answered first"
        assert opened.picture(number=view).known == 1

    @pytest.mark.thorough
    @pytest.mark.parametrize("refused", ["a model", "labels"])
    def test_what_is_refused_keeps_no_picture_from_being_finished(
        self, opened: SessionHere, monkeypatch: pytest.MonkeyPatch, refused: str
    ) -> None:
        opened.label(*boxes())
        opened.answer(Learned, labels=6)
        view, drawn, asked = interrupted_view(opened, monkeypatch)
        if refused == "a model":
            number = opened.ask(Save, path="/no/such/folder/live.safetensors")
        else:
            number = opened.label((99, 300, on_map(pixel_box(60, 200, 40, 40))))
        asked.set()
        opened.answer(Refused, number=number)
        assert 1.0 not in drawn
        assert opened.picture(number=view).known == 1

    @pytest.mark.thorough
    def test_without_a_map_there_are_none(self, opened: SessionHere) -> None:
        assert opened.answer(Refused, number=opened.ask(Suggest)).what == "There is no map yet."


@pytest.fixture(scope="module")
def pond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SessionHere, shapely.Geometry]]:
    """A dark pond in bright land."""
    land = np.full((3, HEIGHT, WIDTH), 200, np.uint8)
    land += np.random.default_rng(1).integers(0, 6, land.shape).astype(np.uint8)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = (columns - 150) ** 2 + (rows - 120) ** 2 < 40**2
    land[:, inside] = land[:, inside] - 150
    path = write_raster(tmp_path_factory.mktemp("pond") / "pond.tif", land)
    with SessionHere() as session:
        session.open(path, CLASSES)
        yield session, on_map(shapely.Point(150, 120).buffer(40))


@pytest.mark.thorough
class TestAnOutline:
    @pytest.mark.thorough
    def test_it_follows_what_is_like_the_click(self, pond: tuple[SessionHere, shapely.Geometry]) -> None:
        session, truth = pond
        x, y = GRID * (150, 120)
        shared = []
        for reach in (0.3, 0.4, 0.5, 0.6):
            wkb = session.answer(Outlined, number=session.ask(Outline, x=x, y=y, reach=reach)).wkb
            found = shapely.from_wkb(bytes.fromhex(wkb))
            shared.append(found.intersection(truth).area / found.union(truth).area)
        assert max(shared) > 0.85

    @pytest.mark.thorough
    def test_it_grows_with_its_reach(self, pond: tuple[SessionHere, shapely.Geometry]) -> None:
        session, _ = pond
        x, y = GRID * (150, 120)
        areas = []
        for reach in (0.0, 0.2, 0.5, 1.0):
            wkb = session.answer(Outlined, number=session.ask(Outline, x=x, y=y, reach=reach)).wkb
            areas.append(shapely.from_wkb(bytes.fromhex(wkb)).area if wkb else 0.0)
        assert areas == sorted(areas)
        assert areas[-1] > areas[0]

    def test_beyond_the_raster_there_is_nothing(self, pond: tuple[SessionHere, shapely.Geometry]) -> None:
        session, _ = pond
        assert session.answer(Outlined, number=session.ask(Outline, x=0.0, y=0.0)).wkb == ""


@pytest.mark.thorough
class TestAModel:
    @pytest.mark.thorough
    def test_it_is_an_ordinary_model_file_and_another_session_goes_on_from_it(
        self, labelled: SessionHere, raster: str, tmp_path: Path
    ) -> None:
        number = labelled.view(WHOLE, 200, 150)
        picture = codes_of(labelled.picture(number=number))
        path = str(tmp_path / "live.safetensors")
        labelled.ask(Save, path=path)
        labelled.answer(Saved)
        card = read_card(path, SEGMENTER)
        assert [(c.code, c.name) for c in card.classes] == list(CLASSES)
        with SessionHere() as other:
            other.ask(Open, raster=raster, model=path)
            assert [(c.code, c.name) for c in other.answer(Opened).classes] == list(CLASSES)
            number = other.view(WHOLE, 200, 150)
            np.testing.assert_array_equal(codes_of(other.picture(number=number)), picture)

    @pytest.mark.thorough
    def test_it_is_said_that_no_job_makes_it_again(self, labelled: SessionHere, labels: str, tmp_path: Path) -> None:
        path = str(tmp_path / "live.safetensors")
        labelled.ask(Save, path=path, labels=labels)
        labelled.answer(Saved)
        card = read_card(path, SEGMENTER)
        assert MADE_BY not in card.provenance
        # Earlier versions recorded a job that makes another one.
        for told in (card, replace(card, provenance={**card.provenance, MADE_BY: {"job": {"job": "finetune"}}})):
            with pytest.raises(ModelFileError, match="was made in a labelling session, which no job repeats"):
                read_record(told, path)

    @pytest.mark.parametrize("is_pretrained", [True, False])
    def test_one_that_goes_on_from_a_model_tells_of_the_encoders_of_that(
        self, is_pretrained: bool, land: str, labels: str, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        first, second = str(tmp_path / "first.safetensors"), str(tmp_path / "second.safetensors")
        own = request.getfixturevalue("encoder") if is_pretrained else None
        run(Finetune(land, labels, "cover", first, own, head="linear", device="cpu"))
        with SessionHere() as session:
            session.open(land, CLASSES, model=first)
            session.label(*((n, 1 + n % 2, on_map(pixel_box(20 + 55 * (n % 2), 10 + 25 * n, 12, 12))) for n in range(4)))
            session.answer(Learned, labels=4)
            session.ask(Save, path=second)
            session.answer(Saved)
        then, now = (read_card(path, SEGMENTER).provenance for path in (first, second))
        assert now["raster"] == "land.tif" and now["labels"] != then["labels"]
        for name in ("encoder", "pretraining", "weights"):
            assert now.get(name) == then.get(name)
        assert (now["encoder"] == "untrained") != is_pretrained

    @pytest.mark.thorough
    def test_without_an_encoder_it_is_made_of_colours_and_texture(self, raster: str, tmp_path: Path) -> None:
        path = str(tmp_path / "plain.safetensors")
        with SessionHere() as session:
            session.open(raster, CLASSES, weights="none")
            session.label(*boxes())
            session.answer(Learned, labels=6)
            number = session.view(WHOLE, 200, 150)
            picture = codes_of(session.picture(number=number))
            session.until_idle()
            assert session.answer(SuggestedPlaces, number=session.ask(Suggest)).places
            outlined = session.ask(Outline, x=GRID.c + 60, y=GRID.f - 60)
            assert session.answer(Outlined, number=outlined).wkb
            session.ask(Save, path=path)
            session.answer(Saved)
        assert read_card(path, SEGMENTER).method["head"] == "texture and spectrum"
        with SessionHere() as other:
            other.ask(Open, raster=raster, model=path)
            other.answer(Opened)
            number = other.view(WHOLE, 200, 150)
            np.testing.assert_array_equal(codes_of(other.picture(number=number)), picture)

    def test_one_that_is_taken_back_is_not_written_and_what_was_answered_stays(
        self, opened: SessionHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked, taken_back, real = threading.Event(), threading.Event(), session_work.hold_out

        def wait_for_the_word(*given: Any) -> Any:
            asked.set()
            assert taken_back.wait(30)
            return real(*given)

        monkeypatch.setattr(session_work, "hold_out", wait_for_the_word)
        opened.label(*boxes())
        opened.answer(Learned, labels=6)
        path = tmp_path / "live.safetensors"
        saving = opened.ask(Save, path=str(path))
        assert asked.wait(30)
        number = opened.ask(Withdraw, asked=saving)
        taken_back.set()
        assert opened.answer(Withdrawn, number=number).in_time
        opened.until_idle()
        assert not list(tmp_path.iterdir()) and not any(isinstance(answer, Saved) for _, answer in opened.said)
        opened.answer(Saved, number=(again := opened.ask(Save, path=str(path))))
        for other in (again, 999, opened.view(WHOLE, 20, 15)):
            assert not opened.answer(Withdrawn, number=opened.ask(Withdraw, asked=other)).in_time
        assert path.exists()

    @pytest.mark.parametrize("is_asked_before", [False, True])
    def test_it_is_refused_where_labels_far_from_the_view_cannot_be_looked_at(
        self, raster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_asked_before: bool
    ) -> None:
        path, is_away, real = tmp_path / "live.safetensors", True, learning.Learning.look_far
        held = threading.Event()

        def look_far(*given: Any) -> None:
            held.wait(30)
            if is_away:
                raise InputError("The server is gone.", "Wait for it.")
            real(*given)

        monkeypatch.setattr(learning.Learning, "look_far", look_far)
        monkeypatch.setattr(kept_tiles.KeptTiles, "is_at_hand", lambda *_: False)
        with SessionHere() as session:
            session.open(raster, CLASSES)
            session.view(extent_of(0, 0, 100, 75), 100, 75)
            session.label(*boxes())
            assert session.answer(Learned, problem="").waiting
            saving = session.ask(Save, path=str(path)) if is_asked_before else 0
            held.set()
            if not is_asked_before:
                assert session.answer(Refused).what == "The server is gone."
                session.until_idle()
                saving = session.ask(Save, path=str(path))
            assert session.answer(Refused, 20, number=saving).what == "The server is gone."
            session.until_idle()
            assert not path.exists()
            is_away = False
            session.answer(Saved, number=session.ask(Save, path=str(path)))

    def test_it_is_never_written_over_the_raster(self, labelled: SessionHere, raster: str) -> None:
        before = Path(raster).read_bytes()
        number = labelled.ask(Save, path=raster)
        assert labelled.answer(Refused, number=number).code in ("output", "request")
        assert Path(raster).read_bytes() == before


@pytest.mark.thorough
class TestARasterThatCannotBeRead:
    def test_it_is_said_once_and_the_session_goes_on_when_it_is_back(
        self, raster: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read, is_away = RasterSource.read_with_validity, True

        def away(source: RasterSource, window: Window) -> Any:
            if is_away:
                raise InputError("The server is gone.", "Wait for it.")
            return read(source, window)

        with SessionHere() as session:
            session.open(raster, CLASSES)
            session.answer(Opened)
            session.until_idle()
            session.session._work._tiles._tiles.clear()  # As other parts of a large raster take their place.
            monkeypatch.setattr(RasterSource, "read_with_validity", away)
            session.label(*boxes())
            assert session.answer(Refused, 30).what == "The server is gone."
            session.until_idle()
            assert len([answer for _, answer in session.said if isinstance(answer, Refused)]) == 1
            is_away = False
            number = session.view(WHOLE, 100, 75)
            session.picture(number=number)


class TestOpening:
    @pytest.mark.thorough
    def test_a_raster_that_is_not_there_is_refused_and_another_one_opened(self, raster: str, tmp_path: Path) -> None:
        with SessionHere() as session:
            number = session.ask(Open, raster=str(tmp_path / "none.tif"))
            assert "does not exist" in session.answer(Refused, number=number).what
            session.open(raster, CLASSES)
            opened = session.answer(Opened)
        assert opened.extent == pytest.approx(WHOLE)
        assert (opened.width, opened.height, opened.pixel_size) == (WIDTH, HEIGHT, 1.0)

    @pytest.mark.thorough
    def test_a_model_that_was_trained_step_by_step_is_refused(self, land: str, model: str) -> None:
        with SessionHere() as session:
            number = session.ask(Open, raster=land, model=model)
            assert "head network" in session.answer(Refused, number=number).what

    def test_nothing_but_opening_comes_first(self) -> None:
        with SessionHere() as session:
            number = session.view(WHOLE, 10, 10)
            assert session.answer(Refused, number=number).what == "No raster is open."
