"""Crops around labels learn from what the image shows, and from nothing else."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from small_world import BORDER, HEIGHT, WIDTH, Listener, on_map, pixel_box, write_labels

from false_core.errors import InputError
from false_core.labels.annotation import IGNORE, Annotation
from false_core.labels.reading import read_annotation
from false_core.models.segmenter import build_segmenter, class_probabilities, with_prior
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import ChunkCache
from false_core.sampling.geometry import resample
from false_core.sampling.labelled import LabelSampler, on_valid_pixels

ON_LAND = pixel_box(40, 40, 10, 10)
ON_BORDER = pixel_box(1, 1, BORDER - 2, BORDER - 2)
ACROSS = pixel_box(0, 60, 2 * BORDER, 20)


@pytest.fixture
def cache(land: str) -> ChunkCache:
    return ChunkCache([RasterSource(land)], Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4), 10**8)


def read(cache: ChunkCache, tmp_path: Path, listener: Listener, labels: dict[str, list[shapely.Geometry]]) -> Annotation:
    pairs = [(name, on_map(shape)) for name, shapes in labels.items() for shape in shapes]
    path = write_labels(tmp_path / "l.gpkg", [name for name, _ in pairs], [shape for _, shape in pairs])
    return read_annotation(path, "cover", cache.sources[0], [], listener.feedback)


class TestLabelsOverNodata:
    def test_are_left_out_and_the_user_is_told(self, cache: ChunkCache, tmp_path: Path, listener: Listener) -> None:
        every = read(cache, tmp_path, listener, {"a": [ON_BORDER], "b": [ON_LAND, ON_BORDER], "c": [ACROSS]})
        kept = on_valid_pixels(every, cache, listener.feedback)
        assert [c.name for c in kept.classes] == ["b", "c"], "of class a the image shows nothing"
        assert {kept.classes.classes[k].name for k in kept.targets} == {"b", "c"}
        assert "2 of 4 label shapes have only nodata under them" in listener.warnings

    def test_leave_labels_that_show_something_as_they_are(
        self, cache: ChunkCache, tmp_path: Path, listener: Listener
    ) -> None:
        every = read(cache, tmp_path, listener, {"b": [ON_LAND], "c": [ACROSS, shapely.Point(80.5, 50.5)]})
        assert on_valid_pixels(every, cache, listener.feedback) is every
        assert not listener.warnings

    @pytest.mark.thorough
    def test_are_found_among_very_many_points_in_seconds(
        self, cache: ChunkCache, tmp_path: Path, listener: Listener
    ) -> None:
        columns, rows = np.random.default_rng(0).uniform((0, 0), (WIDTH, HEIGHT), (20_000, 2)).T
        every = read(cache, tmp_path, listener, {"b": [ON_LAND], "c": [ON_LAND]})
        points = shapely.points(columns, rows)
        many = replace(every, shapes=points, targets=np.arange(20_000) % 2, tree=shapely.STRtree(points))
        started = time.process_time()
        kept = on_valid_pixels(many, cache, listener.feedback)
        assert time.process_time() - started < 8
        valid = cache.look_at(Window(0, 0, WIDTH, HEIGHT)).valid(0)
        assert len(kept.shapes) == valid[rows.astype(int), columns.astype(int)].sum() < 20_000

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            ({"a": [ON_BORDER], "b": [ON_BORDER]}, "Under all labels"),
            ({"a": [ON_BORDER], "b": [ON_LAND]}, "of all classes but 'b'"),
        ],
    )
    def test_are_an_error_where_too_little_remains(
        self, cache: ChunkCache, tmp_path: Path, listener: Listener, labels: dict[str, list[shapely.Geometry]], said: str
    ) -> None:
        every = read(cache, tmp_path, listener, labels)
        with pytest.raises(InputError, match=f"{said}.*the raster is nodata"):
            on_valid_pixels(every, cache, listener.feedback)

    def test_teach_nothing(self, cache: ChunkCache, tmp_path: Path, listener: Listener) -> None:
        # Class a covers the whole left edge, border and all.
        labels = read(cache, tmp_path, listener, {"a": [pixel_box(0, 0, 2 * BORDER, HEIGHT)], "b": [ON_LAND]})
        crops = LabelSampler(cache, labels, batch_size=32, crop_size=32, scales=(1.0, 1.0), seed=0).batch(0)
        shown = resample(crops.windows, crops.placement, 32)
        on_border = (shown == 0).all(dim=1)
        assert on_border.any(), "some crop must reach into the border for this to say anything"
        assert (crops.targets[on_border] == IGNORE).all()
        assert {0, 1} < set(crops.targets.unique().tolist())


class TestPriorRatio:
    @pytest.mark.thorough
    def test_leads_from_what_batches_hold_back_to_what_is_labelled(
        self, cache: ChunkCache, tmp_path: Path, listener: Listener
    ) -> None:
        big, small = pixel_box(40, 40, 60, 60), [pixel_box(120 + 20 * i, 40, 6, 6) for i in range(3)]
        labels = read(cache, tmp_path, listener, {"field": [big], "house": small})
        sampler = LabelSampler(cache, labels, batch_size=128, crop_size=32, scales=(0.7, 1.4), seed=0)
        batches = [sampler.batch(number).targets for number in range(100, 140)]
        drawn = torch.stack([torch.stack([(t == k).sum() for k in range(2)]) for t in batches]).sum(0).double()
        assert drawn[1] / drawn.sum() < 0.5 * 108 / 3708, "one big polygon fills crops that small ones cannot"
        corrected = drawn * sampler.prior_ratio()
        assert float(corrected[1] / corrected.sum()) == pytest.approx(108 / 3708, rel=0.2)

    def test_is_the_same_every_time(self, cache: ChunkCache, tmp_path: Path, listener: Listener) -> None:
        labels = read(cache, tmp_path, listener, {"b": [ON_LAND], "c": [ACROSS]})
        ratios = [LabelSampler(cache, labels, 8, 32, (0.7, 1.4), seed=3).prior_ratio() for _ in range(2)]
        assert torch.equal(*ratios), "a run that goes on where it was interrupted must end as the others"


@pytest.mark.parametrize("decoder", ["segformer", "deeplabv3plus"])
def test_a_moved_prior_multiplies_the_probabilities(decoder: str) -> None:
    network, ratio = build_segmenter("resnet10t", decoder, bands=3, classes=3).eval(), torch.tensor([0.5, 1.0, 3.0])
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = class_probabilities(network, pixels) * ratio[:, None, None]
    moved = class_probabilities(with_prior(network, ratio), pixels)
    assert torch.allclose(moved, expected / expected.sum(dim=1, keepdim=True), atol=1e-6)
