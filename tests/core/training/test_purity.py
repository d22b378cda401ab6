"""Where embeddings lie on the ground, and how often those taken for alike are of the same true class."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from affine import Affine
from rasterio.warp import transform
from small_world import CRS, GRID, Listener, textured_land, write_raster

from false_core.dispatch import run
from false_core.errors import InputError
from false_core.events import Metric
from false_core.feedback import Feedback
from false_core.jobs import Pretrain
from false_core.methods.false_negatives import FalseNegatives
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.geometry import resample
from false_core.sampling.views import EmbeddingPositions, PatchDraw, PatchSampler, ViewPairs
from false_core.training.purity import TRUTH_TILE_PX, Truth, purity, purity_by_chance

pytestmark = pytest.mark.thorough

NAN = float("nan")


def places(*positions: tuple[float, float], patches: tuple[int, ...] = ()) -> EmbeddingPositions:
    count = len(positions)
    views = np.arange(count)
    return EmbeddingPositions(np.zeros(count, int), np.array(positions, np.float64), views, np.array(patches or views))


class TestPlaces:
    """On a raster whose bands are the column and the row of each pixel, a view shows where it lies."""

    @pytest.fixture
    def batch(self, tmp_path: Path) -> ViewPairs:
        column, row = np.meshgrid(np.arange(150), np.arange(110))
        path = write_raster(tmp_path / "ramp.tif", np.stack([column, row]).astype("float32"))
        source = RasterSource(path)
        plain = Normalisation((0.0, 0.0), (150.0, 110.0), (75.0, 55.0), (30.0, 30.0))
        sampler = PatchSampler(
            MeasuredRasters([source, source], [source.window_of(None)] * 2, plain), PatchDraw(6, 16, (0.6, 1.4), 5, 3), 10**7
        )
        return sampler.batch(0)

    @staticmethod
    def seen(views: torch.Tensor, points: torch.Tensor) -> np.ndarray:
        """Return what the views show at points, as pixel coordinates."""
        values = torch.nn.functional.grid_sample(views, points[:, None].float(), align_corners=False)[:, :, 0]
        return (values * 30 + torch.tensor([75.0, 55.0])[:, None] + 0.5).transpose(1, 2).flatten(0, 1).numpy()

    def views(self, batch: ViewPairs) -> torch.Tensor:
        return torch.cat([resample(batch.windows, placement, 16) for placement in (batch.first, batch.second)])

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Return which positions lie so far inside the raster that its edge, where all is 0, plays no part."""
        return ((positions > 3) & (positions < (147, 107))).all(axis=1)

    def test_of_patches_are_the_middles_of_their_views(self, batch: ViewPairs) -> None:
        found = batch.positions("image")
        clear = self.inside(found.pixels)
        assert clear.sum() > 6
        middle = self.seen(self.views(batch), torch.zeros(12, 1, 2))
        np.testing.assert_allclose(found.pixels[clear], middle[clear], atol=0.1)
        assert found.views.tolist() == list(range(12))
        assert found.rasters.tolist() == [*batch.rasters, *batch.rasters]

    def test_of_points_are_where_both_views_see_them(self, batch: ViewPairs) -> None:
        found = batch.positions("points")
        kept = batch.kept.numpy()
        clear = self.inside(found.pixels)
        assert clear.sum() > 10
        shown = self.seen(self.views(batch), torch.cat(batch.points))[kept]
        np.testing.assert_allclose(found.pixels[clear], shown[clear], atol=0.1)
        one, two = np.split(found.pixels, 2)
        np.testing.assert_allclose(one, two, atol=1e-3)
        np.testing.assert_array_equal(found.views, kept // 5)
        np.testing.assert_array_equal(found.patches, found.views % 6)


class TestTruth:
    def truth(self, tmp_path: Path, codes: np.ndarray, **profile: object) -> str:
        return write_raster(tmp_path / "truth.tif", codes.astype("uint8")[None], **profile)

    @pytest.fixture
    def source(self, land: str) -> RasterSource:
        return RasterSource(land)

    def test_is_looked_up_at_the_pixel_under_each_place(self, source: RasterSource, tmp_path: Path) -> None:
        codes = np.arange(120 * 170).reshape(120, 170) % 251
        truth = Truth(self.truth(tmp_path, codes), [source], Feedback())
        found = truth.classes_at(places((0.01, 0.01), (0.99, 0.99), (1.01, 0.5), (169.9, 119.9), (7.5, 30.5)))
        assert found.tolist() == [codes[0, 0], codes[0, 0], codes[0, 1], codes[119, 169], codes[30, 7]]

    def test_may_have_pixels_of_another_size_and_lie_elsewhere_in_part(self, source: RasterSource, tmp_path: Path) -> None:
        codes = np.array([[1, 2], [3, 0]])
        path = self.truth(tmp_path, codes, transform=GRID * Affine.translation(20, 10) * Affine.scale(30), nodata=0)
        truth = Truth(path, [source.at_factor(2)], Feedback())
        found = truth.classes_at(places((10.1, 5.1), (25.1, 5.1), (10.1, 20.1), (26, 21), (2, 2), (80, 8)))
        np.testing.assert_array_equal(found, [1, 2, 3, NAN, NAN, NAN])

    def test_may_be_in_another_crs(self, source: RasterSource, tmp_path: Path) -> None:
        codes = np.arange(1, 101).reshape(10, 10)
        xmin, xmax, ymin, ymax = 15.0, 15.0025, 50.5495, 50.552
        degrees = Affine((xmax - xmin) / 10, 0, xmin, 0, (ymin - ymax) / 10, ymax)
        truth = Truth(self.truth(tmp_path, codes, crs="EPSG:4326", transform=degrees), [source], Feedback())
        x, y = transform(CRS, "EPSG:4326", [500_050.5], [5_599_950.5])
        wanted = codes[int((ymax - y[0]) / 0.00025), int((x[0] - xmin) / 0.00025)]
        assert truth.classes_at(places((50.5, 49.5))).tolist() == [wanted]

    def test_is_read_in_pieces_that_fit_together(self, tmp_path: Path) -> None:
        codes = np.random.default_rng(0).integers(1, 9, (TRUTH_TILE_PX + 40, 2 * TRUTH_TILE_PX + 10))
        path = self.truth(tmp_path, codes)
        x, y = np.random.default_rng(1).integers(0, codes.shape[::-1], (500, 2)).T
        found = Truth(path, [RasterSource(path)], Feedback()).classes_at(places(*zip(x + 0.5, y + 0.5)))
        np.testing.assert_array_equal(found, codes[y, x])

    def test_of_another_area_is_refused(self, source: RasterSource, tmp_path: Path) -> None:
        path = self.truth(tmp_path, np.ones((5, 5)), transform=GRID * Affine.translation(5000, 0))
        with pytest.raises(InputError, match=r"truth raster truth\.tif does not overlap land\.tif"):
            Truth(path, [source], Feedback())


class TestPurity:
    def test_is_one_where_all_is_of_one_class(self) -> None:
        classes, benchmark = np.ones(6, np.float32), np.array([True] * 5 + [False])
        assert purity(classes, benchmark[:, None], np.array([[1], [2], [0], [0], [0], [0]])) == 1
        assert purity_by_chance(classes, benchmark) == 1

    def test_counts_the_pairs_of_benchmark_anchors_whose_classes_are_known(self) -> None:
        classes = np.array([1, 1, 2, 1, NAN, 2], np.float32)
        benchmark = np.array([True, True, True, False, True, True])
        # Known pairs: 0-1 alike, 0-2 not, 1-2 not, 2-5 alike, 2-0 not, 5-0 not, 5-1 not. 1-4 and those of 4 are unknown.
        indices = np.array([[1, 2], [2, 4], [5, 0], [0, 1], [0, 1], [0, 1]])
        assert purity(classes, benchmark[:, None], indices) == pytest.approx(2 / 7)

    def test_by_chance_is_that_of_all_negatives(self) -> None:
        classes = np.array([1, 1, 2, 1, NAN, 2], np.float32)
        benchmark = np.array([True, True, True, False, True, False])
        # Of anchor 0, whose other view is 3, the negatives are 1, 2, (4), 5: one alike in three. Of 1 (other view 4):
        # 0, 2, 3, 5: two in four. Of 2 (other view 5): 0, 1, 3, (4): none. Of 4 nothing is known.
        assert purity_by_chance(classes, benchmark) == pytest.approx((1 / 3 + 2 / 4 + 0) / 3)

    def test_is_no_number_without_pairs(self) -> None:
        classes, none = np.ones(4, np.float32), np.zeros(4, bool)
        assert math.isnan(purity(classes, none[:, None], np.zeros((4, 1), int)))
        assert math.isnan(purity_by_chance(classes, none))
        assert math.isnan(purity(np.ones(2, np.float32), np.ones((2, 1), bool), np.zeros((2, 0), int)))
        assert math.isnan(purity_by_chance(np.ones(2, np.float32), np.ones(2, bool)))

    def test_is_put_together_from_what_was_determined(self, land: str, tmp_path: Path) -> None:
        codes = np.ones((120, 170))
        codes[:, 100:] = 2
        path = write_raster(tmp_path / "truth.tif", codes.astype("uint8")[None])
        found = FalseNegatives(torch.tensor([True, True, False, False]), torch.tensor([[1], [3], [0], [0]]))
        where = places((10, 10), (20, 50), (120, 5), (30, 30))
        curves = Truth(path, [RasterSource(land)], Feedback()).purity(where, found)
        # 0-1 and 1-3 are alike. By chance: anchor 0 has the negatives 1 and 3, anchor 1 has 0 and 2.
        assert curves == {"purity of false negatives": 1.0, "purity by chance": (1 + 0.5) / 2}

    def test_is_told_apart_for_places_in_other_patches(self, land: str, tmp_path: Path) -> None:
        codes = np.ones((120, 170))
        codes[:, 100:] = 2
        path = write_raster(tmp_path / "truth.tif", codes.astype("uint8")[None])
        indices = torch.tensor([[1], [3], [1], [2], [0], [0], [0], [0]])
        found = FalseNegatives(torch.arange(8) < 4, indices)
        # Two patches with two places each: 0 and 1, 2 and 3. In one patch: 0-1, alike, and 3-2. In two: 2-1, alike, and 1-3.
        where = places((10, 10), (10, 20), (20, 50), (120, 60), *[(0, 0)] * 4, patches=(0, 0, 1, 1, 0, 0, 1, 1))
        curves = Truth(path, [RasterSource(land)], Feedback()).purity(where, found)
        assert curves["purity of false negatives"] == pytest.approx(2 / 4)
        assert curves["purity in other patches"] == pytest.approx(1 / 2)


class TestOverATraining:
    """The truth is looked at while training, and changes nothing in it."""

    def learn(self, land: str, folder: Path, listener: Listener, **more: object) -> dict[str, list[float]]:
        run(
            Pretrain((land,), str(folder / "e.safetensors"), preset="quick", device="cpu", steps=2, batch_size=4, **more),  # type: ignore[arg-type]
            listener,
        )
        curves: dict[str, list[float]] = {}
        for metric in listener.all(Metric):
            curves.setdefault(metric.name, []).append(metric.value)
        return curves

    def test_all_is_pure_where_there_is_one_class(self, land: str, encoder: str, tmp_path: Path, listener: Listener) -> None:
        truth = write_raster(tmp_path / "truth.tif", np.ones((1, 120, 170), "uint8"))
        curves = self.learn(land, tmp_path, listener, threshold=-1.0, truth=truth)
        assert curves["purity of false negatives"] == curves["purity by chance"] == [1, 1]

    @pytest.mark.thorough
    def test_the_same_is_learned(self, land: str, encoder: str, tmp_path: Path, listener: Listener) -> None:
        truth = write_raster(tmp_path / "truth.tif", (textured_land()[:1] > 60).astype("uint8"))
        curves = self.learn(land, tmp_path, listener, truth=truth, backbone="test_resnet", weights="none")
        learned, wanted = (safetensors.torch.load_file(path) for path in (tmp_path / "e.safetensors", encoder))
        assert learned.keys() == wanted.keys()
        assert all(weights.equal(wanted[name]) for name, weights in learned.items())
        assert all(0 <= value <= 1 for name in curves if name.startswith("purity") for value in curves[name])

    def test_other_methods_have_nothing_to_be_pure(self, land: str, tmp_path: Path, listener: Listener) -> None:
        truth = write_raster(tmp_path / "truth.tif", np.ones((1, 120, 170), "uint8"))
        curves = self.learn(land, tmp_path, listener, method="simclr", truth=truth)
        assert not [name for name in curves if name.startswith("purity")]
