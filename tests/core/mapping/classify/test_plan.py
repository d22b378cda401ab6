"""A map is cut into strips that hold all of it, do not depend on who computes them, and are shared out evenly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from false_core.computing.distributed import Share
from false_core.inference.tiles import Blender, TilePlan
from false_core.mapping.classify import plan as plan_module
from false_core.mapping.classify.plan import Strip, cut_into_strips, own_share, runs_of
from false_core.raster.map_file import FILE_BLOCK_PX
from false_core.raster.source import Window

CPU = torch.device("cpu")
CLASSES = 3

layouts = st.tuples(
    st.integers(1, 6000), st.integers(1, 6000), st.sampled_from([1, 2, 3, 4, 7]),
    st.sampled_from([(768, 96, 32), (704, 96, 32), (288, 96, 32), (256, 96, 32), (128, 96, 32), (64, 96, 32), (32, 32, 16)]),
)  # fmt: skip


def made_of(layout: tuple[int, int, int, tuple[int, int, int]]) -> tuple[TilePlan, int, int, int]:
    """Return a plan, the factor, and the size of the map, whose last working pixels reach beyond the file."""
    width, height, factor, tiles = layout
    plan = TilePlan(Window(0, 0, width, height), *tiles)
    return plan, factor, max(1, width * factor - factor // 2), max(1, height * factor - factor // 3)


class TestParts:
    @settings(max_examples=150, deadline=None)
    @given(layouts, st.integers(1, 4_000_000), st.integers(1, 4_000_000))
    def test_cover_the_map_once_in_whole_blocks(self, layout: object, least: int, most_strip: int) -> None:
        plan, factor, width, height = made_of(layout)  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan_module, "LEAST_PIXELS", least)
            patch.setattr(plan_module, "MOST_WAITING_BYTES", most_strip)
            strips = cut_into_strips(plan, factor, width, height, CLASSES)
        assert [strip.number for strip in strips] == list(range(len(strips)))
        covered = np.zeros((-(-height // FILE_BLOCK_PX), -(-width // FILE_BLOCK_PX)), int)
        for strip in strips:
            window = strip.window
            assert window.column % FILE_BLOCK_PX == window.row % FILE_BLOCK_PX == 0
            assert window.width > 0 and window.height > 0
            for start, size, whole in ((window.column, window.width, width), (window.row, window.height, height)):
                assert (start + size) % FILE_BLOCK_PX == 0 or start + size == whole
            covered[
                window.row // FILE_BLOCK_PX : -(-(window.row + window.height) // FILE_BLOCK_PX),
                window.column // FILE_BLOCK_PX : -(-(window.column + window.width) // FILE_BLOCK_PX),
            ] += 1
        assert (covered == 1).all()
        assert sum(len(strip.rows) * len(strip.columns) for strip in strips) == len(plan)

    def test_are_large_enough_to_be_worth_writing_and_small_enough_to_lose(self) -> None:
        def megapixels(side: int, factor: int) -> list[float]:
            plan = TilePlan.for_area(Window(0, 0, side, side), 6, factor)
            strips = cut_into_strips(plan, factor, side * factor, side * factor, 6)
            return [strip.window.width * strip.window.height / 1e6 for strip in strips]

        assert len(megapixels(512, 1)) == 1
        assert 3 <= len(megapixels(4096, 1)) <= 12
        assert max(megapixels(20_000, 1)) < 40
        assert max(megapixels(5_000, 4)) < 100

    def test_of_a_very_wide_map_do_not_make_the_memory_grow_with_its_width(self) -> None:
        plan = TilePlan.for_area(Window(0, 0, 4_000_000, 10_000), 6, 1)
        strips = cut_into_strips(plan, 1, 4_000_000, 10_000, 6)
        widest = max(len(run.columns) for run in runs_of(strips))
        assert 4 * 6 * plan.shared * widest * plan.stride < 80_000_000
        again = sum(len(run.columns) * len(run.rows) for run in runs_of(strips)) / len(plan)
        assert again < 1.02, "hardly any tile is computed twice for that"


class TestTheTilesOfAPart:
    @pytest.mark.thorough
    @settings(max_examples=25, deadline=None)
    @given(
        st.integers(600, 1500), st.integers(600, 1500), st.sampled_from([(128, 96, 32), (256, 96, 32), (160, 96, 32)]),
        st.data(),
    )  # fmt: skip
    def test_give_the_same_numbers_whatever_else_is_computed(
        self, width: int, height: int, layout: tuple[int, int, int], data: st.DataObject
    ) -> None:
        plan = TilePlan(Window(0, 0, width, height), *layout)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan_module, "LEAST_PIXELS", 1)
            patch.setattr(plan_module, "MOST_WAITING_BYTES", data.draw(st.sampled_from([1, 100_000, 10**9])))
            strips = cut_into_strips(plan, 1, width, height, 1)
        whole = self.blended(plan, strips)
        assert not np.isnan(whole).any()
        some = data.draw(st.lists(st.sampled_from(strips), unique=True, min_size=1).map(lambda p: sorted(p, key=number)))
        alone = self.blended(plan, some)
        for strip in some:
            window = strip.window
            place = np.s_[window.row : window.row + window.height, window.column : window.column + window.width]
            np.testing.assert_array_equal(alone[place], whole[place])

    def blended(self, plan: TilePlan, strips: list[Strip]) -> np.ndarray:
        """Return what is blended for strips, NaN elsewhere. Every tile is noise of its own."""
        out = np.full((plan.area.height, plan.area.width), np.nan, np.float32)
        for run in runs_of(strips):
            blender = Blender(plan, 1, CPU, run.columns)
            for tile in run.tiles(plan):
                noise = torch.rand(
                    1, plan.side, plan.side, generator=torch.Generator().manual_seed(tile.row * 999 + tile.column)
                )
                done = blender.add(tile, noise)[0, 1:-1, 1:-1].numpy()
                column, row = tile.column * plan.stride, tile.row * plan.stride
                square = Window(
                    column, row, min(plan.stride, plan.area.width - column), min(plan.stride, plan.area.height - row)
                )
                for _, place in run.meeting(square):
                    here = np.s_[place.row : place.row + place.height, place.column : place.column + place.width]
                    assert np.isnan(out[here]).all(), "nothing is written twice"
                    out[here] = done[place.row - row :, place.column - column :][: place.height, : place.width]
        return out


def number(strip: Strip) -> int:
    return strip.number


class TestShares:
    PARTS = cut_into_strips(TilePlan.for_area(Window(0, 0, 20_000, 20_000), 6, 1), 1, 20_000, 20_000, 6)

    @pytest.mark.parametrize("world", [1, 2, 3, 8, 26, 27, 40])
    def test_hold_each_part_once_and_lie_in_one_piece(self, world: int) -> None:
        shares = [own_share(self.PARTS, Share(rank, world)) for rank in range(world)]
        assert [strip.number for own in shares for strip in own] == [strip.number for strip in self.PARTS]
        assert all(len(runs_of(own)) == bool(own) for own in shares)

    @pytest.mark.parametrize("world", [2, 3, 8])
    def test_take_about_as_long(self, world: int) -> None:
        rows = [sum(len(run.rows) for run in runs_of(own_share(self.PARTS, Share(rank, world)))) for rank in range(world)]
        assert max(rows) - min(rows) <= 1, "counted with the row above that all but the first compute again"
