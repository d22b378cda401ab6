"""Pixels are read and decoded once and used many times, within a budget, and ahead of their use."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import write_raster

from false_core.computing.threads import prefetch
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import CHUNK_PX, ChunkCache, chunk_bytes
from false_core.sampling.views import Shuffled

NORMAL = Normalisation((0.0, 0.0), (255.0, 255.0), (100.0, 50.0), (50.0, 25.0))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RasterSource:
    pixels = np.random.default_rng(0).integers(0, 255, (2, CHUNK_PX + 90, 2 * CHUNK_PX + 30)).astype("uint8")
    path = tmp_path_factory.mktemp("cache") / "r.tif"
    return RasterSource(write_raster(path, pixels, nodata=0, tiled=True, blockxsize=128, blockysize=128))


class TestTheCache:
    @pytest.mark.parametrize("factor", [1, 3])
    @pytest.mark.parametrize("budget", [0, 10**9], ids=["one chunk", "everything"])
    def test_gives_what_the_raster_holds(self, source: RasterSource, factor: int, budget: int) -> None:
        raster = source.at_factor(factor)
        cache = ChunkCache([raster], NORMAL, budget)
        for window in (
            Window(0, 0, 20, 30),
            Window(CHUNK_PX - 40, CHUNK_PX - 40, 80, 80),
            Window(-30, -20, 64, 64),
            Window(raster.width - 10, raster.height - 10, 64, 64),
            Window(5000, 5000, 16, 16),
        ):
            pixels, valid = cache.read(window)
            raw = raster.read(window)
            np.testing.assert_allclose(pixels, NORMAL.apply(raw), rtol=1e-3, atol=1e-3)
            np.testing.assert_array_equal(valid, np.isfinite(raw).any(axis=0))
            assert (pixels[:, ~valid] == 0).all()

    def test_decodes_a_chunk_once_and_forgets_what_was_not_used_for_longest(
        self, source: RasterSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decoded: list[tuple[int, int]] = []
        real = RasterSource.read

        def watched(self: RasterSource, window: Window) -> np.ndarray:
            decoded.append((window.column // CHUNK_PX, window.row // CHUNK_PX))
            return real(self, window)

        monkeypatch.setattr(RasterSource, "read", watched)
        cache = ChunkCache([source], NORMAL, 2 * CHUNK_PX * CHUNK_PX * 5)
        first, second, third = (Window(column * CHUNK_PX, 0, 8, 8) for column in range(3))
        for window in (first, second, first, third, first, second):
            cache.read(window)
        assert decoded == [(0, 0), (1, 0), (2, 0), (1, 0)]

    def test_can_be_read_from_several_threads(self, source: RasterSource) -> None:
        cache = ChunkCache([source], NORMAL, 2 * CHUNK_PX * CHUNK_PX * 5)
        wanted = NORMAL.apply(source.read(Window(0, 0, source.width, source.height)))
        wrong: list[int] = []

        def read(seed: int) -> None:
            chance = np.random.default_rng(seed)
            for _ in range(10):
                x, y = int(chance.integers(source.width - 50)), int(chance.integers(source.height - 50))
                pixels, _ = cache.read(Window(x, y, 50, 50))
                if not np.allclose(pixels, wanted[:, y : y + 50, x : x + 50], rtol=1e-3, atol=1e-3):
                    wrong.append(seed)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


class TestWorkAhead:
    def test_comes_in_order_and_complete(self) -> None:
        assert list(prefetch(lambda n: n * n, range(50))) == [n * n for n in range(50)]
        assert list(prefetch(lambda n: n, [])) == []
        assert list(prefetch(lambda n: None, range(3))) == [None] * 3

    def test_is_done_in_another_thread_and_not_further_ahead_than_asked_for(self) -> None:
        made: list[int] = []
        threads = set()

        def make(n: int) -> int:
            made.append(n)
            threads.add(threading.current_thread())
            return n

        items = prefetch(make, range(100), depth=2)
        assert next(items) == 0
        assert len(made) <= 5
        items.close()
        assert threading.current_thread() not in threads

    def test_an_error_is_raised_when_its_turn_comes(self) -> None:
        items = prefetch(lambda n: 1 / (3 - n), range(9))
        assert [next(items) for _ in range(3)] == [1 / 3, 1 / 2, 1]
        with pytest.raises(ZeroDivisionError):
            next(items)

    def test_leaving_early_ends_the_thread(self) -> None:
        before = threading.active_count()
        items = prefetch(lambda n: n, range(10**9))
        assert next(items) == 0
        assert threading.active_count() == before + 1
        items.close()
        assert threading.active_count() == before


def test_a_chunk_of_a_much_coarser_grid_is_no_larger(tmp_path: Path) -> None:
    raster = RasterSource(write_raster(tmp_path / "r.tif", np.ones((2, 40, 50), "uint8")), factor=32)
    pixels, valid = ChunkCache([raster], NORMAL, 0).read(Window(0, 0, 8, 8))
    assert valid.sum() == 2 * 2
    assert pixels.shape == (2, 8, 8)


class TestManyRasters:
    def test_share_one_budget(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        rasters = [RasterSource(write_raster(tmp_path / f"{n}.tif", np.full((2, 40, 50), n + 1, "uint8"))) for n in range(6)]
        decoded: list[str] = []
        real = RasterSource.read

        def watched(self: RasterSource, window: Window) -> np.ndarray:
            decoded.append(self.name)
            return real(self, window)

        monkeypatch.setattr(RasterSource, "read", watched)
        cache = ChunkCache(rasters, NORMAL, 3 * chunk_bytes(2))
        for number in (0, 1, 2, 0, 3, 0, 1):
            pixels, _ = cache.read(Window(0, 0, 8, 8), number)
            np.testing.assert_allclose(pixels[0], (number + 1 - 100) / 50, rtol=2e-3)
        assert decoded == ["0.tif", "1.tif", "2.tif", "3.tif", "1.tif"]

    def test_are_visited_chunk_by_chunk_in_one_random_order(self) -> None:
        areas = [Window(0, 0, 1300, 700), Window(500, 1000, 30, 600), Window(512, 512, 512, 512), Window(3, 5, 1, 1)]
        listed = []
        for number, area in enumerate(areas):
            right, bottom = area.column + area.width, area.row + area.height
            for top in range(0, 2048, CHUNK_PX):
                for left in range(0, 2048, CHUNK_PX):
                    x0, y0 = max(left, area.column), max(top, area.row)
                    x1, y1 = min(left + CHUNK_PX, right), min(top + CHUNK_PX, bottom)
                    if x1 > x0 and y1 > y0:
                        listed.append((number, Window(x0, y0, x1 - x0, y1 - y0)))
        shuffled = Shuffled(list(enumerate(areas)), 5)
        rasters, parts = shuffled.at(np.arange(len(shuffled)))
        found = [(raster, Window(*part)) for raster, part in zip(rasters.tolist(), parts.tolist())]
        assert found == [listed[place] for place in np.random.default_rng(5).permutation(len(listed))]


class TestACard:
    """Cuts all windows out at once, of chunks that it normalised itself. Here the processor stands in for it."""

    @pytest.mark.parametrize("size", [(300, 300), (40, 90), (CHUNK_PX + 200, 30)])
    def test_gets_the_windows_that_memory_holds(
        self, source: RasterSource, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
    ) -> None:
        chance = np.random.default_rng(0)
        corners = chance.integers((-200, -200), (source.width + 50, source.height + 50), (24, 2))
        rasters = np.zeros(24, np.int64)
        wanted = ChunkCache([source], NORMAL, 10**9).windows(rasters, corners, *size)
        stored = [wanted_chunk.valid for wanted_chunk in wanted.chunks]
        on_gpu = wanted.slices.gathered([torch.from_numpy(chunk.pixels) for chunk in wanted.chunks])
        assert torch.equal(on_gpu, wanted.pixels())
        monkeypatch.setattr("false_core.sampling.cache.takes_stored_pixels", lambda device: True)
        card = ChunkCache([source], NORMAL, 10**9)
        monkeypatch.setattr(card, "device", torch.device("meta"))
        made = card.windows(rasters, corners, *size)
        assert made.pixels().shape == on_gpu.shape
        assert [chunk.valid is None for chunk in made.chunks] == [valid is None for valid in stored]
        np.testing.assert_array_equal(made.valid_shares(), wanted.valid_shares())
