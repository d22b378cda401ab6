"""The gallery shows anchors that were sure, what was taken for alike, and says so where there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import Listener, write_raster

from false_core.errors import Cancelled
from false_core.feedback import Feedback
from false_core.methods.false_negatives import Search, determine_false_negatives
from false_core.methods.pairs import directions
from false_core.presets import PRETRAIN, PretrainSettings
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.reports.figures import in_colour
from false_core.sampling.views import PatchDraw, PatchSampler, ViewPairs
from false_core.training.gallery import SHOWN_ANCHORS, Gallery, collect_galleries, draw_gallery
from false_core.training.purity import Truth

pytestmark = pytest.mark.thorough

PATCHES, POINTS = 6, 4
SETTINGS = dataclasses.replace(PRETRAIN["quick"], crop_size=32, batch_size=PATCHES, points=POINTS)


@pytest.fixture
def sampler(land: str) -> PatchSampler:
    source = RasterSource(land)
    plain = Normalisation((0.0,) * 4, (300.0,) * 4, (90.0,) * 4, (50.0,) * 4)
    return PatchSampler(
        MeasuredRasters([source], [source.window_of(None)], plain), PatchDraw(PATCHES, 32, (0.8, 1.2), POINTS, 0), 10**7
    )


class Embedder:
    """Embeds batches with numbers drawn at random; the views of the first few patches are alike."""

    def __init__(self, sampler: PatchSampler, alike: int, level: str = "image") -> None:
        self.sampler, self.alike, self.level = sampler, alike, level
        self.given: dict[int, tuple[ViewPairs, torch.Tensor]] = {}

    def __call__(self, number: int) -> tuple[ViewPairs, dict[str, torch.Tensor]]:
        batch = self.sampler.batch(number)
        generator = torch.Generator().manual_seed(number)
        patch = torch.from_numpy(batch.positions(self.level).patches)
        noise = torch.randn(len(patch), 16, generator=generator)
        shared = torch.randn(PATCHES, 16, generator=generator)[patch]
        embeddings = torch.where((patch < self.alike)[:, None], shared + 0.05 * noise, noise)
        self.given[number] = batch, embeddings
        return batch, {self.level: embeddings}


def gallery(
    embedder: Embedder, settings: PretrainSettings = SETTINGS, numbers: int = 2, truth: Truth | None = None
) -> Gallery:
    (only,) = collect_galleries(embedder, range(numbers), settings, truth, 0, Listener().feedback)
    return only


class TestChoosing:
    @pytest.mark.parametrize(("alike", "shown"), [(1, 2), (3, 6), (6, SHOWN_ANCHORS)])
    def test_shows_benchmark_anchors_one_of_a_patch_and_as_many_as_there_are(
        self, sampler: PatchSampler, alike: int, shown: int
    ) -> None:
        embedder = Embedder(sampler, alike)
        made = gallery(embedder)
        assert made.determined
        assert len(made.examples) == shown
        assert made.anchors == 2 * 2 * alike
        assert made.looked_at == 2 * 2 * PATCHES
        # Every similarity shown is that of a benchmark anchor, its other view and the false negative determined for it.
        admitted = set()
        for _, embeddings in embedder.given.values():
            found = determine_false_negatives(embeddings, Search(SETTINGS.threshold))
            similarity = directions(embeddings) @ directions(embeddings).T
            for anchor in found.benchmark.nonzero().flatten().tolist():
                other, false_negative = (anchor + PATCHES) % (2 * PATCHES), int(found.indices[anchor, 0])
                admitted.add((float(similarity[anchor, other]), float(similarity[anchor, false_negative])))
        assert {example.similarities for example in made.examples} <= admitted
        assert all(example.similarities[0] > SETTINGS.threshold for example in made.examples)

    def test_goes_from_the_least_to_the_most_similar(self, sampler: PatchSampler) -> None:
        shown = [example.similarities[1] for example in gallery(Embedder(sampler, 6), numbers=4).examples]
        assert shown == sorted(shown)
        assert shown[-1] - shown[0] > 0.1

    def test_there_may_be_none(self, sampler: PatchSampler) -> None:
        made = gallery(Embedder(sampler, 0))
        assert (made.examples, made.anchors, made.looked_at) == ((), 0, 24)
        assert draw_gallery(made) == ""

    def test_shows_a_few_false_negatives_of_each_where_more_are_determined(self, sampler: PatchSampler) -> None:
        made = gallery(Embedder(sampler, 6), dataclasses.replace(SETTINGS, neighbours=5))
        assert {len(example.pictures) for example in made.examples} == {1 + 1 + 3}

    def test_other_methods_show_the_nearest_of_another_patch(self, sampler: PatchSampler) -> None:
        embedder = Embedder(sampler, 6, "points")
        made = gallery(embedder, dataclasses.replace(SETTINGS, method="simclr"), numbers=1)
        assert not made.determined
        batch, embeddings = embedder.given[0]
        patch = batch.positions("points").patches
        z = directions(embeddings)
        similarity = (z @ z.T).masked_fill(torch.from_numpy(patch[:, None] == patch), -1)
        nearest = similarity.max(dim=1).values
        assert {example.similarities[1] for example in made.examples} <= set(nearest.tolist())

    def test_the_same_seed_shows_the_same(self, sampler: PatchSampler) -> None:
        one, two = (draw_gallery(gallery(Embedder(sampler, 6))) for _ in range(2))
        assert one == two

    def test_can_be_cancelled(self, sampler: PatchSampler) -> None:
        feedback = Listener().feedback
        feedback._cancel.set()
        with pytest.raises(Cancelled):
            collect_galleries(Embedder(sampler, 1), range(2), SETTINGS, None, 0, feedback)


class TestPictures:
    def test_show_the_ground_in_the_middle_of_a_patch(self, sampler: PatchSampler) -> None:
        made = gallery(Embedder(sampler, 1), numbers=1)
        (example,) = made.examples
        assert {picture.shape for picture in example.pictures} == {(32, 32, 3)}
        assert len(example.pictures) == 3
        assert all(picture.std() > 0 for picture in example.pictures)

    def test_of_points_have_the_point_in_the_middle(self, land: str, tmp_path: Path) -> None:
        # One bright spot on a dark plain; only points on the spot are shown, so all pictures are bright in the middle.
        pixels = np.full((1, 64, 64), 10, "uint8")
        pixels[0, 20:44, 20:44] = 200
        source = RasterSource(write_raster(tmp_path / "spot.tif", pixels))
        plain = Normalisation((0.0,), (255.0,), (100.0,), (50.0,))
        sampler = PatchSampler(
            MeasuredRasters([source], [source.window_of(None)], plain), PatchDraw(8, 32, (0.8, 1.2), 12, 0), 10**7
        )

        def look(number: int) -> tuple[ViewPairs, dict[str, torch.Tensor]]:
            batch = sampler.batch(number)
            where = batch.positions("points").pixels
            inside = torch.from_numpy((np.abs(where - 32) < 6).all(axis=1))
            generator = torch.Generator().manual_seed(0)
            elsewhere = torch.randn(len(where), 16, generator=generator)
            on_spot = torch.ones(16) + 0.01 * torch.randn(len(where), 16, generator=generator)
            return batch, {"points": torch.where(inside[:, None], on_spot, elsewhere)}

        (made,) = collect_galleries(look, range(3), SETTINGS, None, 0, Listener().feedback)
        assert len(made.examples) > 2
        for example in made.examples:
            for picture in example.pictures:
                assert (picture[14:18, 14:18] > 200).all()
                assert picture.min() < 50

    def test_larger_than_a_thumbnail_are_made_smaller(self, land: str) -> None:
        source = RasterSource(land)
        plain = Normalisation((0.0,) * 4, (300.0,) * 4, (90.0,) * 4, (50.0,) * 4)
        sampler = PatchSampler(
            MeasuredRasters([source], [source.window_of(None)], plain), PatchDraw(PATCHES, 128, (0.8, 1.2), 0, 0), 10**7
        )
        made = gallery(Embedder(sampler, 6), dataclasses.replace(SETTINGS, crop_size=128), numbers=1)
        assert {picture.shape for example in made.examples for picture in example.pictures} == {(96, 96, 3)}

    def test_say_whether_the_class_is_the_same(self, sampler: PatchSampler, land: str, tmp_path: Path) -> None:
        codes = np.ones((1, 120, 170), "uint8")
        same = write_raster(tmp_path / "one.tif", codes)
        one = gallery(Embedder(sampler, 6), truth=Truth(same, [RasterSource(land)], Feedback()))
        assert all(example.same_class == (True, True) for example in one.examples)
        assert "same class" in draw_gallery(one)
        unknown = write_raster(tmp_path / "none.tif", codes, nodata=1)
        other = gallery(Embedder(sampler, 6), truth=Truth(unknown, [RasterSource(land)], Feedback()))
        assert all(example.same_class == (None, None) for example in other.examples)
        assert " class" not in draw_gallery(other).replace("<svg", "")


class TestColours:
    def test_first_three_bands_are_red_green_and_blue(self) -> None:
        pixels = np.stack([np.full((2, 2), value) for value in (2.5, 0.0, -2.5, 9.0)])
        np.testing.assert_array_equal(in_colour(pixels)[0, 0], [255, 128, 0])

    @pytest.mark.parametrize("bands", [1, 2])
    def test_fewer_bands_are_shown_in_grey(self, bands: int) -> None:
        picture = in_colour(np.random.default_rng(0).normal(size=(bands, 4, 5)))
        assert picture.shape == (4, 5, 3)
        assert (picture == picture[..., :1]).all()
