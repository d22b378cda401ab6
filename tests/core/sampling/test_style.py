"""ColourSamples are brought over by optimal transport, and nothing else about a patch changes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import write_raster

from false_core.computing.distributed import Share
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.spectral import SpectralJitter
from false_core.sampling.style import ColourSamples, StyleTransfers, transported
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews

PLAIN = Normalisation((0.0,), (255.0,), (0.0,), (100.0,))


def colours(count: int, bands: int, seed: int) -> ColourSamples:
    return np.random.default_rng(seed).normal(size=(count, bands)).astype(np.float32)


class TestTransport:
    def test_costs_the_least_of_all_matchings(self) -> None:
        own, other = colours(6, 3, 0), colours(6, 3, 1)

        def cost(order: tuple[int, ...]) -> float:
            return sum(float((own[i] - other[j]) @ (own[i] - other[j])) for i, j in enumerate(order))

        cheapest = min(itertools.permutations(range(6)), key=cost)
        np.testing.assert_array_equal(transported(own, other), other[list(cheapest)])

    def test_of_the_same_pixels_leaves_them(self) -> None:
        own = colours(40, 3, 0)
        np.testing.assert_array_equal(transported(own, own[::-1]), own)

    def test_of_one_band_matches_the_histograms(self) -> None:
        own, other = colours(40, 1, 0), colours(40, 1, 1)
        goal = transported(own, other)
        np.testing.assert_array_equal(goal[np.argsort(own[:, 0]), 0], np.sort(other[:, 0]))
        scaled = 2.5 * own + 3
        np.testing.assert_array_equal(transported(own, scaled[::-1]), scaled)

    def test_has_the_mean_of_the_other_patch(self) -> None:
        own, other = colours(40, 3, 0), colours(40, 3, 1)
        np.testing.assert_allclose(transported(own, other).mean(axis=0), other.mean(axis=0), atol=1e-6)


class TestApplying:
    def test_a_plain_loop_gives_the_same(self) -> None:
        own, other = colours(20, 3, 0), colours(20, 3, 1)
        styles = StyleTransfers.between([1], [(own, other)])
        assert styles is not None
        crops = torch.from_numpy(np.random.default_rng(2).normal(size=(2, 3, 4, 5)).astype(np.float32))
        crops[1, :, 0, 0] = 0
        changed = styles.apply(crops.clone())
        assert changed[0].equal(crops[0])
        goal = transported(own, other)
        low, high = np.minimum(own.min(axis=0), other.min(axis=0)), np.maximum(own.max(axis=0), other.max(axis=0))
        for row, column in itertools.product(range(4), range(5)):
            x = crops[1, :, row, column].numpy()
            k = min(range(20), key=lambda i: float(np.linalg.norm(x - own[i])))
            wanted = np.clip(x + goal[k] - own[k], low, high) if (row, column) != (0, 0) else x
            np.testing.assert_allclose(changed[1, :, row, column].numpy(), wanted, rtol=1e-5, atol=1e-5)

    def test_the_same_colours_change_nothing(self) -> None:
        crops = torch.from_numpy(colours(50, 3, 0)).T.reshape(1, 3, 5, 10).contiguous()
        own = colours(50, 3, 0)
        styles = StyleTransfers.between([0], [(own, own[::-1].copy())])
        assert styles is not None
        torch.testing.assert_close(styles.apply(crops.clone()), crops)

    def test_parts_have_the_transfers_of_their_patches(self) -> None:
        styles = StyleTransfers.between([0, 3, 4], [(colours(5, 2, n), colours(5, 2, n + 9)) for n in range(3)])
        assert styles is not None
        crops = torch.from_numpy(np.random.default_rng(2).normal(size=(6, 2, 4, 4)).astype(np.float32))
        wanted = styles.apply(crops.clone())
        for start, stop in ((0, 2), (2, 4), (4, 6)):
            some, part = styles.subset(slice(start, stop)), crops[start:stop].clone()
            torch.testing.assert_close(some.apply(part) if some else part, wanted[start:stop])
        assert styles.subset(slice(1, 3)) is None


class TestSampling:
    @pytest.fixture
    def rasters(self, tmp_path: Path) -> list[RasterSource]:
        """One dark and one light raster; the upper half of the dark one is nodata."""
        noise = np.random.default_rng(0).integers(0, 50, (1, 200, 200)).astype(np.uint8)
        mask = np.full((200, 200), 255, np.uint8)
        mask[:40] = 0
        return [
            RasterSource(write_raster(tmp_path / "dark.tif", noise + 1, mask)),
            RasterSource(write_raster(tmp_path / "light.tif", noise + 200)),
        ]

    def sampler(
        self, rasters: list[RasterSource], transfer: float, styles: list[RasterSource] | None = None
    ) -> PatchSampler:
        measured = MeasuredRasters(rasters, [one.window_of(None) for one in rasters], PLAIN)
        return PatchSampler(measured, PatchDraw(8, 16, (1, 1), 2, 0, transfer=transfer), 10**8, styles=styles or [])

    def test_takes_colours_of_another_raster_where_there_are_several(self, rasters: list[RasterSource]) -> None:
        batch = self.sampler(rasters, 1.0).batch(0)
        assert batch.styles is not None
        assert batch.styles.rows == tuple(range(8))
        goal = (batch.styles.samples + batch.styles.moves).mean(dim=(1, 2))
        assert [value > 1 for value in goal.tolist()] == [raster == 0 for raster in batch.rasters.tolist()]
        assert batch.styles.samples.min() > 0, "nodata gives no colours"

    def test_takes_colours_of_the_rasters_that_are_named(self, rasters: list[RasterSource]) -> None:
        batch = self.sampler(rasters[:1], 1.0, rasters[1:]).batch(0)
        assert batch.styles is not None
        assert (batch.styles.samples + batch.styles.moves).min() > 1

    def test_changes_some_second_views_and_nothing_else(self, rasters: list[RasterSource]) -> None:
        none, some = (self.sampler(rasters, share).batch(3) for share in (0.0, 0.4))
        assert none.styles is None
        assert some.styles is not None
        assert 0 < len(some.styles.rows) < 8
        assert some.windows.equal(none.windows)
        assert some.first.matrix.tolist() == none.first.matrix.tolist()

    @pytest.mark.parametrize("transfer", [0.4, 1.0])
    def test_pixels_come_from_the_device_in_one_copy(
        self, transfer: float, rasters: list[RasterSource], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sampler, copied = self.sampler(rasters, transfer), []
        copy = torch.Tensor.cpu

        def counted(tensor: torch.Tensor) -> torch.Tensor:
            copied.append(tensor.shape)
            return copy(tensor)

        monkeypatch.setattr(torch.Tensor, "cpu", counted)
        styles = sampler.batch(3).styles
        assert styles is not None
        assert [len(styles.rows) > 1, *copied] == [True, (2 * len(styles.rows), 1, styles.samples.shape[1])]

    def test_does_not_depend_on_how_a_batch_is_shared(self, rasters: list[RasterSource]) -> None:
        sampler = self.sampler(rasters, 0.4)
        whole = RawViews.of(sampler.batch(3), SpectralJitter(), 0, 3)
        assert whole.styles is not None
        for rank in range(3):
            pairs = sampler.batch(3, Share(rank, 3))
            mine, part = pairs.styles, whole.styles.subset(pairs.share)
            assert (mine is None) == (part is None)
            if mine is not None and part is not None:
                assert mine.rows == part.rows
                assert mine.moves.equal(part.moves)
