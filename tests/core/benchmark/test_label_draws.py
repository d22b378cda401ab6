"""Labels are drawn alike for every encoder, few ones among more, and never where it is scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from small_world import HEIGHT, WIDTH, label_boxes, on_map, textured_land, write_labels, write_raster

from false_core.benchmark.budgets import Budget, draws_of
from false_core.benchmark.label_pool import labels_before, pool_of
from false_core.benchmark.settings import settings_of
from false_core.benchmark.tasks import CHANGE, SEGMENTATION, BenchmarkTask
from false_core.computing.device import choose_device
from false_core.errors import InputError, RequestError
from false_core.feedback import Feedback
from false_core.labels.drawing import draw_area_of_shapes, draw_number_of_shapes, draw_shapes

CLASSES = np.repeat([0, 1, 2], [30, 20, 6])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A raster of three stripes, its truth, and label polygons by name and by code."""
    folder = tmp_path_factory.mktemp("pool")
    truth = np.broadcast_to(1 + np.arange(WIDTH) * 3 // WIDTH, (HEIGHT, WIDTH)).astype(np.uint8)
    scattered = np.zeros((HEIGHT, WIDTH), np.uint8)
    scattered[::9, ::9], scattered[4::9, 4::9] = 1, 2
    names, boxes = label_boxes()
    shapes = [on_map(box) for box in boxes]
    codes = [("field", "forest", "water").index(name) + 1 for name in names]
    return {
        "raster": write_raster(folder / "land.tif", textured_land(), nodata=0),
        "truth": write_raster(folder / "truth.tif", truth[None], nodata=0),
        "small": write_raster(folder / "small.tif", truth[None, :50], nodata=0),
        "plain": write_raster(folder / "plain.tif", np.ones_like(truth)[None], nodata=0),
        "scattered": write_raster(folder / "scattered.tif", scattered[None], nodata=0),
        "labels": write_labels(folder / "labels.gpkg", names, shapes),
        "codes": write_labels(folder / "codes.gpkg", codes, shapes),
        "strange": write_labels(folder / "strange.gpkg", [one + 6 for one in codes], shapes),
        "folder": str(folder),
    }


def task(world: dict[str, str], **more: str) -> BenchmarkTask:
    return BenchmarkTask("land", SEGMENTATION, world["raster"], **more)


class TestDraws:
    def test_of_fewer_labels_are_among_those_of_more(self) -> None:
        one, five = (draw_number_of_shapes(CLASSES, number, seed=3) for number in (1, 5))
        assert set(one) <= set(five)
        assert np.bincount(CLASSES[one]).tolist() == [1, 1, 1]
        assert np.bincount(CLASSES[five]).tolist() == [5, 5, 5]
        assert set(draw_shapes(CLASSES, 0.5, 3)) >= set(draw_number_of_shapes(CLASSES, 3, 3))

    def test_of_a_share_cover_about_so_many_pixels_and_show_each_class(self) -> None:
        pixels = np.random.default_rng(0).uniform(10, 20, len(CLASSES))
        chosen = draw_area_of_shapes(CLASSES, pixels, 300, seed=0)
        assert pixels[chosen].sum() == pytest.approx(300, abs=10)
        assert set(CLASSES[chosen]) == {0, 1, 2}
        assert len(draw_area_of_shapes(CLASSES, pixels, 1, seed=0)) == 3

    def test_are_left_out_where_there_are_too_few_labels(self) -> None:
        budgets = [Budget(6), Budget(40), Budget(share=0.1), Budget(share=0.9)]
        draws = draws_of(CLASSES, np.full(len(CLASSES), 10.0), 1000.0, budgets, draws=3)
        assert [(draw.budget, draw.number) for draw in draws if draw.budget.labels] == [(Budget(6), n) for n in range(3)]
        shares = {draw.budget.share: len(draw.chosen) for draw in draws if draw.budget.share}
        assert shares == {0.1: 10, 0.9: 56}

    def test_of_all_labels_there_is_one(self) -> None:
        draws = draws_of(np.repeat([0, 1], 5), np.ones(10), 10.0, [Budget(5)], draws=4)
        assert len(draws) == 1

    def test_differ_by_their_number_alone(self) -> None:
        there, again = (draws_of(CLASSES, np.ones(56), 56.0, [Budget(2)], draws=3) for _ in range(2))
        assert [draw.chosen.tolist() for draw in there] == [draw.chosen.tolist() for draw in again]
        assert len({tuple(draw.chosen.tolist()) for draw in there}) == 3


class TestAPool:
    def test_of_the_truth_shows_one_class_in_each_label_and_is_not_scored(self, world: dict[str, str]) -> None:
        pool = pool_of(task(world, truth=world["truth"]), 500, Feedback())
        shapes = pool.outlines(np.arange(len(pool.targets)))
        with rasterio.open(world["truth"]) as file:
            truth = file.read(1)
        for shape, target, pixels in zip(shapes, pool.targets, pool.pixels):
            inside = rasterio.features.rasterize([shape], truth.shape).astype(bool)
            assert set(truth[inside]) == {target + 1}
            assert inside.sum() <= pixels
        under = shapely.contains_xy(shapely.union_all(shapes), *pool.scored.middles.T)
        assert len(under) == 500 and not under.any()
        assert (truth[pool.scored.rows, pool.scored.columns] == pool.scored.targets + 1).all()

    def test_of_labels_alone_is_scored_on_labels_that_are_held_out(self, world: dict[str, str]) -> None:
        pool = pool_of(task(world, labels=world["labels"], field="cover"), 100, Feedback())
        shapes = pool.outlines(np.arange(len(pool.targets)))
        under = shapely.contains_xy(shapely.union_all(shapes), *pool.scored.middles.T)
        assert len(under) == 100 and not under.any()
        assert len(pool.targets) < 12

    def test_of_labels_and_truth_is_scored_on_the_truth_that_no_label_covers(self, world: dict[str, str]) -> None:
        pool = pool_of(task(world, truth=world["truth"], labels=world["codes"], field="cover"), 1000, Feedback())
        shapes = pool.outlines(np.arange(len(pool.targets)))
        assert len(shapes) == 12
        assert not shapely.contains_xy(shapely.union_all(shapes), *pool.scored.middles.T).any()

    def test_for_another_raster_is_scored_there(self, world: dict[str, str]) -> None:
        more = {"unseen_raster": world["raster"], "unseen_truth": world["truth"]}
        pool = pool_of(task(world, truth=world["truth"], **more), 30_000, Feedback())
        assert len(pool.scored.targets) == WIDTH * HEIGHT
        assert pool.scored_raster == world["raster"]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"truth": "small"}, "the truth is 170 x 50 pixels, its raster 170 x 120"),
            ({"truth": "plain"}, "fewer than two class codes"),
            ({"truth": "plain", "labels": "codes"}, "fewer than two class codes"),
            ({"truth": "truth", "labels": "strange"}, "does not have the classes 7, 8, 9 of the labels"),
            ({"truth": "labels"}, "the truth .* cannot be opened"),
        ],
    )
    def test_is_not_made_of_what_does_not_fit(self, world: dict[str, str], given: dict[str, str], said: str) -> None:
        files = {kind: world[name] for kind, name in given.items()}
        with pytest.raises(InputError, match=f"land: .*{said}"):
            pool_of(task(world, **files, field="cover"), 100, Feedback())

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("small", "the land cover is 170 x 50 pixels, its raster 170 x 120. Bring the land cover onto"),
            ("plain", "the land cover holds fewer than two class codes"),
            ("scattered", "the land cover has too few places of two classes"),
            ("labels", "the land cover cannot be used. .* cannot be opened"),
        ],
    )
    def test_of_the_earlier_date_names_the_land_cover_where_it_does_not_fit(
        self, world: dict[str, str], given: str, said: str
    ) -> None:
        of_change = BenchmarkTask("dates", CHANGE, world["raster"], world["truth"], land_cover=world[given])
        with pytest.raises(InputError, match=f"dates: {said}"):
            labels_before(of_change, Feedback())

    def test_has_no_truth_that_shows_the_bytes_of_other_files(self, world: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(bytes(WIDTH * HEIGHT))
        (tmp_path / "task").mkdir()
        truth = tmp_path / "task" / "truth.vrt"
        truth.write_text(
            f"<VRTDataset rasterXSize='{WIDTH}' rasterYSize='{HEIGHT}'>"
            "<VRTRasterBand dataType='Byte' band='1' subClass='VRTRawRasterBand'>"
            "<SourceFilename relativeToVRT='1'>../secret</SourceFilename></VRTRasterBand></VRTDataset>"
        )
        with pytest.raises(InputError, match="land: the truth cannot be used.*outside its own folder"):
            pool_of(task(world, truth=str(truth)), 100, Feedback())

    def test_needs_places_large_enough_for_a_label(self, world: dict[str, str]) -> None:
        with pytest.raises(InputError, match="the truth has too few places of two classes"):
            pool_of(task(world, truth=world["scattered"]), 100, Feedback())

    def test_needs_something_to_score_on(self, world: dict[str, str], tmp_path: Path) -> None:
        empty = write_raster(tmp_path / "empty.tif", np.zeros((1, HEIGHT, WIDTH), np.uint8), nodata=0)
        more = {"unseen_raster": world["raster"], "unseen_truth": empty}
        with pytest.raises(InputError, match="no pixel of a known class is left to score on"):
            pool_of(task(world, truth=world["truth"], **more), 100, Feedback())


class TestSettings:
    def test_say_how_much_is_drawn(self) -> None:
        device = choose_device("cpu", Feedback())
        settings = settings_of([1, 5], [0.01], None, is_quick=True, device=device)
        assert [budget.title for budget in settings.budgets] == ["1 a class", "5 a class", "1 % of pixels"]
        assert settings.draws == 3

    @pytest.mark.parametrize(
        ("labels", "shares", "draws", "said"),
        [
            ([0], [], None, "no budgets of labels: 0"),
            ([], [0.7], None, "no budgets of labels: 0.7"),
            ([], [], None, "no budgets of labels: none"),
            ([1], [], 0, "0 draws cannot be made"),
        ],
    )
    def test_are_refused_where_they_mean_nothing(
        self, labels: list[int], shares: list[float], draws: int | None, said: str
    ) -> None:
        with pytest.raises(RequestError, match=said):
            settings_of(labels, shares, draws, is_quick=False, device=choose_device("cpu", Feedback()))
