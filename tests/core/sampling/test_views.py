"""Batches of pretraining depend on the seed and their number alone, reach every place, and decode little."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import write_raster

from false_core.computing.threads import prefetch
from false_core.presets import PRETRAIN
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling import cache
from false_core.sampling.cache import CHUNK_PX, chunk_bytes
from false_core.sampling.views import PatchDraw, PatchSampler, SamplingRequirements, ViewPairs

PLAIN = Normalisation((0.0,), (255.0,), (100.0,), (50.0,))
SIDE = 20_480


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MeasuredRasters, list[int]]:
    """Return a raster that is not as large as it says, and the chunks that would have been decoded."""
    source = RasterSource(write_raster(tmp_path / "r.tif", np.ones((1, 8, 8), "uint8")))
    source.width = source.height = SIDE
    decoded: list[int] = []
    pixels = np.zeros((1, CHUNK_PX, CHUNK_PX), np.float16)

    def made(self: cache.ChunkCache, number: int) -> cache._Chunk:
        decoded.append(number)
        return cache._Chunk(pixels, None)

    monkeypatch.setattr(cache.ChunkCache, "_decoded", made)
    # What is cut out is not looked at.
    monkeypatch.setattr(cache.SourceWindows, "pixels", lambda windows: torch.zeros(len(windows.slices.table), 1, 2, 2))
    return MeasuredRasters([source], [Window(0, 0, SIDE, SIDE)], PLAIN), decoded


def of_preset(preset: str) -> PatchDraw:
    s = PRETRAIN[preset]
    return PatchDraw(s.batch_size, s.crop_size, s.scales, 1, 0, s.patch_size)


@pytest.mark.thorough
class TestARasterThatDoesNotFit:
    GIGABYTE_OF_FOUR_BANDS = 10**9 // chunk_bytes(4) * chunk_bytes(1)

    @pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
    def test_has_few_chunks_decoded_for_a_batch(self, large: tuple[MeasuredRasters, list[int]], preset: str) -> None:
        rasters, decoded = large
        sampler = PatchSampler(rasters, of_preset(preset), self.GIGABYTE_OF_FOUR_BANDS)
        for number in range(60):
            sampler.batch(number)
        decoded.clear()
        for number in range(60, 80):
            sampler.batch(number)
        assert len(decoded) / 20 <= 8

    @pytest.mark.thorough
    def test_is_seen_in_every_place_within_a_pass(self, large: tuple[MeasuredRasters, list[int]]) -> None:
        rasters, _ = large
        side = SIDE // 2
        area = [Window(0, 0, side, side)]
        draw = PatchDraw(128, 64, (1, 1), 1, 0)
        sampler = PatchSampler(MeasuredRasters(rasters.sources, area, PLAIN), draw, self.GIGABYTE_OF_FOUR_BANDS)
        chunks = side // CHUNK_PX
        centres = np.concatenate([sampler.batch(number).centres for number in range(chunks**2 + 50)])
        # In quarters of chunks, to see that edges and corners are reached as the middle is.
        found = np.zeros((2 * chunks,) * 2, int)
        np.add.at(found, tuple((centres // (CHUNK_PX // 2)).astype(int).T), 1)
        assert found.all()
        within = found.reshape(chunks, 2, chunks, 2).sum(axis=(0, 2))
        assert within.max() < 1.1 * within.min()
        of_chunks = found.reshape(chunks, 2, chunks, 2).sum(axis=(1, 3))
        assert of_chunks.max() < 4 * of_chunks.min()


class TestABatch:
    @pytest.fixture
    def rasters(self, land: str, tmp_path: Path) -> MeasuredRasters:
        chance = np.random.default_rng(0)
        pixels = [chance.integers(1, 255, (1, 700, 900)).astype("uint8") for _ in range(2)]
        pixels[0][:, 200:400, 300:] = 0
        sources = [RasterSource(write_raster(tmp_path / f"{n}.tif", p, nodata=0)) for n, p in enumerate(pixels)]
        return MeasuredRasters(sources, [source.window_of(None) for source in sources], PLAIN)

    def sampler(self, rasters: MeasuredRasters, budget: int = 3 * chunk_bytes(1)) -> PatchSampler:
        near = SamplingRequirements(neighbours=2, reach=1.5)
        return PatchSampler(rasters, PatchDraw(9, 48, (0.7, 1.4), 3, 5), budget, requirements=near)

    @pytest.mark.thorough
    def test_is_the_same_however_many_threads_make_it(self, rasters: MeasuredRasters) -> None:
        one = self.sampler(rasters)
        wanted = [one.batch(number) for number in range(12)]
        for threads in (1, 4):
            many = self.sampler(rasters)
            for expected, found in zip(wanted, prefetch(many.batch, range(12), threads=threads), strict=True):
                assert_same(found, expected)

    def test_is_the_same_when_those_before_it_were_not_made(self, rasters: MeasuredRasters) -> None:
        one = self.sampler(rasters)
        batches = [one.batch(number) for number in range(8)]
        assert_same(self.sampler(rasters).batch(7), batches[7])

    def test_shows_mostly_what_is_valid_and_holds_neighbours(self, rasters: MeasuredRasters) -> None:
        batch = self.sampler(rasters).batch(3)
        groups, centres = batch.rasters.reshape(3, 3), batch.centres.reshape(3, 3, 2)
        assert (groups == groups[:, :1]).all()
        assert np.linalg.norm(centres - centres[:, :1], axis=2).max() <= 1.5 * 48 + 1
        middle = batch.windows[:, 0, 20:-20, 20:-20]
        assert (middle == 0).float().mean() < 0.3


def assert_same(found: ViewPairs, expected: ViewPairs) -> None:
    for field in fields(ViewPairs):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(one, torch.Tensor):
            assert torch.equal(one, other), field.name
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
