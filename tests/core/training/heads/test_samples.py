"""Features are taken at pixels under the labels, and of the same pixels each time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from small_world import Listener, write_raster
from torch import nn

from false_core.labels.annotation import Annotation
from false_core.models.fused import SPECTRUM, TEXTURE, FeatureParts, reduced
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation
from false_core.training.heads import samples
from false_core.training.heads.samples import FeatureSampler, adapt_batch_norms, labelled_points

WIDTH, HEIGHT = 300, 260


def annotation(shapes: Sequence[shapely.Geometry], targets: Sequence[int]) -> Annotation:
    array = np.array(shapes, dtype=object)
    table = ClassTable(tuple(LandCoverClass(code, f"class {code}", "#000000") for code in range(1, max(targets) + 2)))
    return Annotation(table, array, np.array(targets), shapely.STRtree(array))


BLOB = shapely.Point(80.3, 90.7).buffer(30)
SQUARE, LINE, POINT = shapely.box(70, 80, 90, 100), shapely.LineString([(200, 20), (280, 60)]), shapely.Point(250, 200)
LABELS = annotation([BLOB, SQUARE, LINE, POINT], [0, 1, 2, 0])
"""A round polygon, a square that lies on it, a line and a point."""


def test_points_lie_under_their_shapes_and_the_uppermost_one_wins() -> None:
    points = labelled_points(LABELS, 0)
    assert set(points.owners.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(points.targets, LABELS.targets[points.owners])
    places = shapely.points(points.positions)
    for number, shape in enumerate(LABELS.shapes):
        assert (shapely.distance(places[points.owners == number], shape) <= 1).all()
    polygon = points.owners < 2
    assert shapely.covers(LABELS.shapes[points.owners[polygon]], places[polygon]).all()
    assert not shapely.contains_properly(LABELS.shapes[1], places[points.owners == 0]).any()
    np.testing.assert_allclose(points.positions % 1, 0.5)


@pytest.mark.thorough
def test_no_pixel_is_taken_twice_also_where_a_polygon_is_looked_at_in_squares() -> None:
    labels = annotation([shapely.box(0, 0, 600, 700), shapely.box(900, 3, 903, 40)], [0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "MAX_POINTS", 10**6)
        points = labelled_points(labels, 0)
    assert len(np.unique(points.positions, axis=0)) == len(points.positions)
    assert (points.owners == 0).sum() == 600 * 700


def test_shapes_give_about_as_many_points_as_each_other() -> None:
    boxes = [shapely.box(10, 10 + 60 * k, 10 + 40 * (k + 1), 60 + 60 * k) for k in range(4)]
    points = labelled_points(annotation(boxes, [0, 1, 0, 1]), 0)
    np.testing.assert_array_equal(np.bincount(points.owners), [samples.MAX_POINTS // 4] * 4)


def test_of_many_shapes_not_more_points_are_taken_than_may_be() -> None:
    boxes = [shapely.box(6 * (k % 40), 6 * (k // 40), 6 * (k % 40) + 5, 6 * (k // 40) + 5) for k in range(1000)]
    points = labelled_points(annotation(boxes, [k % 2 for k in range(1000)]), 0)
    assert len(points.owners) == len(points.positions) == len(points.targets) == samples.MAX_POINTS
    assert len(np.unique(points.owners)) > 900


@pytest.mark.thorough
def test_small_shapes_that_are_looked_at_together_give_the_same_points() -> None:
    chance = np.random.default_rng(0)
    middles = chance.uniform(0, 300, (400, 2))
    small = [shapely.Point(x, y).buffer(r) if r else shapely.Point(x, y) for (x, y), r in zip(middles, [0, 0, 1, 3] * 100)]
    labels = annotation([BLOB, SQUARE, LINE, *small], [0, 1, 2, *([0, 1, 2, 1] * 100)])
    together = labelled_points(labels, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "SMALL_SIDE_PX", -1)
        one_by_one = labelled_points(labels, 0)
    for name in ("positions", "owners", "targets"):
        np.testing.assert_array_equal(getattr(together, name), getattr(one_by_one, name))


@pytest.mark.thorough
def test_the_points_of_a_hundred_thousand_are_drawn_in_a_moment() -> None:
    middles = np.random.default_rng(0).uniform(0, 2000, (100_000, 2))
    labels = annotation(list(shapely.points(middles)), [0, 1] * 50_000)
    start = time.process_time()
    assert len(labelled_points(labels, 0).owners) == samples.MAX_POINTS
    assert time.process_time() - start < 20, "seconds; it takes 2"


def test_the_seed_decides_which_points_are_taken() -> None:
    boxes = annotation([shapely.box(0, 0, 90, 90), shapely.box(100, 0, 190, 90)], [0, 1])
    first, again, other = (labelled_points(boxes, seed).positions for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_shape_that_another_one_covers_gives_none() -> None:
    covered = annotation([shapely.box(0, 0, 9, 9), shapely.box(0, 0, 9, 9), shapely.box(20, 0, 29, 9)], [0, 1, 0])
    assert set(labelled_points(covered, 0).owners.tolist()) == {1, 2}


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three bands: the column, the row, and noise. The right third is nodata."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(0).normal(0, 50, row.shape)
    pixels = np.stack([column, row, noise]).astype(np.float32)
    pixels[:, :, 200:] = -9999
    return write_raster(tmp_path_factory.mktemp("samples") / "raster.tif", pixels, nodata=-9999)


def sampler(raster: str, names: Sequence[str], factor: int = 1) -> FeatureSampler:
    torch.manual_seed(0)
    source = RasterSource(raster).at_factor(factor)
    parts = FeatureParts(["resnet10t"], [(1, 2)], 3).eval()
    plain = Normalisation((-500.0,) * 3, (500.0,) * 3, (0.0,) * 3, (1.0,) * 3)
    return FeatureSampler(parts, tuple(names), source, plain, torch.device("cpu"), Listener().feedback)


@pytest.mark.parametrize("factor", [1, 2])
def test_features_are_those_of_the_pixel(raster: str, factor: int) -> None:
    boxes = [shapely.box(20 / factor, 30 / factor, 120 / factor, 160 / factor), shapely.box(40, 20, 60, 29)]
    points = labelled_points(annotation(boxes, [0, 1]), 0)
    features, kept = sampler(raster, [SPECTRUM], factor).at(points)
    np.testing.assert_array_equal(kept.positions, points.positions)
    # The pixels of the file whose mean a working pixel is lie around its middle.
    np.testing.assert_allclose(features[SPECTRUM][:, :2], kept.positions * factor - 0.5, atol=1e-2)


def test_pixels_without_data_are_left_out(raster: str) -> None:
    boxes = annotation(
        [shapely.box(190, 50, 210, 90), shapely.box(250, 50, 260, 60), shapely.box(20, 20, 30, 30)], [0, 1, 1]
    )
    points = labelled_points(boxes, 0)
    features, kept = sampler(raster, [SPECTRUM, TEXTURE]).at(points)
    assert (kept.positions[:, 0] < 200).all() and set(kept.owners.tolist()) == {0, 2}
    assert (points.positions[:, 0] < 200).sum() == len(kept.owners) == len(features[SPECTRUM]) == len(features[TEXTURE])


@pytest.mark.thorough
def test_what_the_raster_is_like_comes_from_pixels_with_data_and_is_the_same_each_time(raster: str) -> None:
    names = (SPECTRUM, TEXTURE, "encoder 0 at 1", "encoder 0 at 2")
    first, again = (sampler(raster, names).adapt_to_raster(3) for _ in range(2))
    assert set(first) == set(names)
    assert len({len(values) for values in first.values()}) == 1 and len(first[SPECTRUM]) > 1000
    assert (first[SPECTRUM][:, 0] < 200).all()
    for name in names:
        np.testing.assert_array_equal(first[name], again[name])


def test_batch_norms_measure_the_raster_and_weights_stay() -> None:
    torch.manual_seed(0)
    encoder = FeatureParts(["resnet10t"], [(1, 2)], 3).encoders[0]
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    images = [5 + 3 * torch.randn(1, 3, 128, 128) for _ in range(2)]
    seen: list[torch.Tensor] = []
    first = next(module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d))
    hook = first.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach().clone()))
    adapt_batch_norms(encoder, images, 2)
    hook.remove()
    assert not encoder.training and first.momentum == 0.1
    assert len(seen) == 2
    torch.testing.assert_close(first.running_mean, torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0))
    torch.testing.assert_close(
        first.running_var, torch.stack([x.var(dim=(0, 2, 3)) for x in seen]).mean(dim=0), rtol=1e-3, atol=1e-4
    )
    changed = {name for name, value in encoder.state_dict().items() if not value.equal(before[name])}
    assert changed and all(
        name.rpartition(".")[2] in {"running_mean", "running_var", "num_batches_tracked"} for name in changed
    )


def test_many_bands_are_mixed_to_components_of_unit_variance(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    pixels = np.einsum("cb,bhw->chw", chance.normal(size=(9, 9)), chance.normal(size=(9, 128, 128))).astype(np.float32)
    source = RasterSource(write_raster(tmp_path / "nine.tif", pixels))
    parts = FeatureParts([], [], 9).eval()
    plain = Normalisation((-500.0,) * 9, (500.0,) * 9, (0.0,) * 9, (1.0,) * 9)
    FeatureSampler(parts, (TEXTURE,), source, plain, torch.device("cpu"), Listener().feedback).adapt_to_raster(0)
    mixed = torch.einsum("cb,bhw->chw", parts.statistics.mixing, torch.from_numpy(pixels)).flatten(1)
    assert len(mixed) == 6
    torch.testing.assert_close(mixed.std(dim=1), torch.ones(6), atol=0.15, rtol=0)
    correlation = torch.corrcoef(mixed) - torch.eye(6)
    assert float(correlation.abs().max()) < 0.2


def test_reduced_pixels_are_means_of_squares() -> None:
    pixels = torch.arange(16.0).view(1, 1, 4, 4)
    assert reduced(pixels, 1) is pixels
    torch.testing.assert_close(reduced(pixels, 2), torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]))
