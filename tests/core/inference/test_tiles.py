"""A map has no seams: overlapping tiles are blended so that every pixel's weights add up to one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import write_raster

from false_core.feedback import Feedback
from false_core.inference.batches import BatchedNetwork
from false_core.inference.tiled import TiledNetwork, blended
from false_core.inference.tiles import MAX_FILE_PIXELS, MOST_BYTES, Blender, Tile, TileContext, TilePlan
from false_core.mapping.classify.assemble import Assembly, layers_of
from false_core.mapping.classify.compute import compute_strips
from false_core.mapping.classify.plan import NO_CONFIDENCE, MapPlan
from false_core.mapping.classify.store import StripStore
from false_core.mapping.map_overview import MapOverview
from false_core.models.fused import SPECTRUM, TEXTURE, FusedSegmenter, FusedSpec, Member
from false_core.models.header import SEGMENTER
from false_core.models.model_file import ModelCard
from false_core.models.segmenter import class_probabilities
from false_core.outputs.publish import published
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation

CPU = torch.device("cpu")

plans = st.builds(
    lambda column, row, width, height, layout: TilePlan(Window(column, row, width, height), *layout),
    st.integers(-3, 70), st.integers(-3, 70), st.integers(1, 90), st.integers(1, 90),
    st.sampled_from([(16, 8, 4), (8, 8, 6), (24, 4, 2), (64, 32, 16)]),
)  # fmt: skip


def blend(plan: TilePlan, tile_field: Callable[[Tile], np.ndarray]) -> np.ndarray:
    """Feed a Blender tiles, and put what it hands out together: the area with a border of one pixel.

    What is handed out twice, as every tile comes with one pixel around it, must be the same both times.
    """
    blender: Blender | None = None
    out = np.zeros(0)
    for tile in plan:
        field = torch.from_numpy(np.ascontiguousarray(tile_field(tile)))
        if blender is None:
            blender = Blender(plan, len(field), CPU)
            out = np.full((len(field), plan.rows * plan.stride + 2, plan.columns * plan.stride + 2), np.nan, np.float32)
        x, y, size = tile.column * plan.stride, tile.row * plan.stride, plan.stride + 2
        done, place = blender.add(tile, field).numpy(), (slice(None), slice(y, y + size), slice(x, x + size))
        again = ~np.isnan(out[place])
        np.testing.assert_allclose(done[again], out[place][again], rtol=1e-4, atol=1e-5)
        out[place] = done
    return out[:, : plan.area.height + 2, : plan.area.width + 2]


def cut_from(plan: TilePlan, field: np.ndarray) -> Callable[[Tile], np.ndarray]:
    """Return what each tile sees of a field (classes, height, width) whose origin is the first tile's corner."""

    def cut(tile: Tile) -> np.ndarray:
        x, y = tile.column * plan.stride, tile.row * plan.stride
        return field[:, y : y + plan.side, x : x + plan.side]

    return cut


def field_for(plan: TilePlan, classes: int, seed: int = 0) -> np.ndarray:
    """Return random probabilities for all that the tiles of a plan see."""
    height, width = (n * plan.stride + plan.overlap for n in (plan.rows, plan.columns))
    return np.random.default_rng(seed).random((classes, height, width)).astype(np.float32)


def weights_along(plan: TilePlan, number: int) -> np.ndarray:
    """Return the weight of each pixel of a tile along one axis, the ``number``-th of its row or column."""
    u = np.arange(plan.side) - plan.lead  # From the first pixel of the square that the tile completes.
    rising = np.clip((u - 0.5) / plan.ramp, 0, 1) if number else np.ones(plan.side)
    return rising * np.clip(1 - (u - plan.stride - 0.5) / plan.ramp, 0, 1)


class TestTheTiles:
    @given(plans)
    def test_cover_the_area_and_come_row_by_row(self, plan: TilePlan) -> None:
        tiles = list(plan)
        assert len(tiles) == len(plan) == plan.rows * plan.columns
        assert [(tile.row, tile.column) for tile in tiles] == sorted((tile.row, tile.column) for tile in tiles)
        covered = np.zeros((plan.area.height, plan.area.width), int)
        for tile in tiles:
            assert tile.window.width == tile.window.height == plan.side
            x, y = (tile.column * plan.stride, tile.row * plan.stride)
            assert (tile.window.column, tile.window.row) == (
                plan.area.column + x - plan.lead,
                plan.area.row + y - plan.lead,
            )
            covered[max(0, y) : max(0, y + plan.stride), max(0, x) : max(0, x + plan.stride)] += 1
        assert (covered == 1).all(), "what a tile completes is completed by no other"

    @pytest.mark.parametrize(("classes", "factor"), [(2, 1), (6, 1), (254, 1), (6, 4), (20, 4), (6, 8), (3, 32), (254, 32)])
    def test_are_as_large_as_the_memory_allows(self, classes: int, factor: int) -> None:
        plan = TilePlan.for_area(Window(0, 0, 5000, 5000), classes, factor)
        assert 4 * classes * plan.side**2 <= MOST_BYTES
        assert (plan.side * factor) ** 2 <= MAX_FILE_PIXELS
        assert plan.overlap >= 32
        assert plan.side % 32 == 0, "as encoders want it"

    def test_of_a_small_area_is_one(self) -> None:
        plan = TilePlan.for_area(Window(0, 0, 300, 200), 6, 1)
        assert len(plan) == 1
        assert plan.stride == 320

    @pytest.mark.parametrize("side", [1024, 2048, 3000, 4896, 8192, 20_000])
    def test_see_less_than_one_and_a_half_times_the_pixels_of_a_large_area(self, side: int) -> None:
        plan = TilePlan.for_area(Window(0, 0, side, side), 6, 1)
        assert len(plan) * plan.side**2 <= 1.5 * side**2


HEADS = [
    FusedSpec(("a",), ((1, 2, 4),), (Member(("encoder 0 at 1", "encoder 0 at 4"), 1.0),)),
    FusedSpec(("a",), ((1, 2),), (Member(("encoder 0 at 2", TEXTURE), 1.0),), 20.0),
    FusedSpec(("a",), ((1,),), (Member((TEXTURE,), 1.0),)),
    FusedSpec((), (), (Member((SPECTRUM,), 1.0),), 900.0),
]


class TestTilesForAHead:
    @pytest.mark.parametrize("head", HEADS)
    @pytest.mark.parametrize("side", [300, 2_448, 30_000])
    @pytest.mark.parametrize("classes", [2, 6, 254])
    def test_lie_alike_on_the_grids_of_its_features(self, head: FusedSpec, side: int, classes: int) -> None:
        plan = TilePlan.for_area(Window(0, 0, side, side), classes, 2, TileContext.of(head))
        assert plan.stride % head.stride == plan.side % head.stride == 0
        assert 0 < plan.ramp < plan.overlap and plan.ramp % 2 == 0 and plan.stride >= plan.ramp + 2

    @pytest.mark.parametrize("head", HEADS)
    def test_see_what_it_depends_on(self, head: FusedSpec) -> None:
        plan = TilePlan.for_area(Window(0, 0, 2448, 2448), 6, 2, TileContext.of(head))
        assert plan.lead >= head.context >= 3 * min(head.smoothing, 80)
        assert plan.side <= 768 + 2 * head.context + 2 * head.stride, "and hardly more"


class TestBlending:
    @pytest.mark.thorough
    @settings(max_examples=60, deadline=None)
    @given(plans)
    def test_of_the_same_everywhere_is_the_same_everywhere(self, plan: TilePlan) -> None:
        constant = np.full_like(field_for(plan, 2), 0.25)
        constant[1] = 0.75
        blended = blend(plan, cut_from(plan, constant))
        np.testing.assert_allclose(blended[0], 0.25, rtol=1e-5)
        np.testing.assert_allclose(blended[1], 0.75, rtol=1e-5)

    @settings(max_examples=40, deadline=None)
    @given(plans, st.integers(0, 99))
    def test_of_tiles_that_agree_gives_what_they_agree_on(self, plan: TilePlan, seed: int) -> None:
        field = field_for(plan, 3, seed)
        first = plan.lead - 1
        wanted = field[:, first : first + plan.area.height + 2, first : first + plan.area.width + 2]
        np.testing.assert_allclose(blend(plan, cut_from(plan, field)), wanted, rtol=1e-5, atol=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(plans, st.integers(0, 99))
    def test_of_tiles_that_differ_is_their_weighted_mean(self, plan: TilePlan, seed: int) -> None:
        """Compared with adding everything up in two arrays as large as the area, and dividing."""
        chance = np.random.default_rng(seed)
        fields = {(tile.row, tile.column): chance.random((2, plan.side, plan.side)).astype(np.float32) for tile in plan}
        height, width = (n * plan.stride + plan.overlap for n in (plan.rows, plan.columns))
        total, weight = np.zeros((2, height, width)), np.zeros((height, width))
        for (row, column), field in fields.items():
            y, x = row * plan.stride, column * plan.stride
            counts = weights_along(plan, row)[:, None] * weights_along(plan, column)
            total[:, y : y + plan.side, x : x + plan.side] += field * counts
            weight[y : y + plan.side, x : x + plan.side] += counts
        first = plan.lead - 1
        inside = np.s_[:, first : first + plan.area.height + 2, first : first + plan.area.width + 2]
        got = blend(plan, lambda tile: fields[tile.row, tile.column])
        np.testing.assert_allclose(got, total[inside] / weight[inside[1:]], rtol=1e-4, atol=1e-5)

    def test_leaves_the_field_given_as_it_was(self) -> None:
        plan = TilePlan(Window(0, 0, 40, 40), 16, 8, 4)
        tile_field = torch.rand(2, 24, 24)
        before = tile_field.clone()
        Blender(plan, 2, CPU).add(next(iter(plan)), tile_field)
        assert torch.equal(tile_field, before)

    def test_a_tile_without_a_valid_pixel_adds_nothing(self) -> None:
        plan = TilePlan(Window(0, 0, 40, 8), 16, 8, 4)
        field = torch.ones(1, 24, 24)
        blender = Blender(plan, 1, CPU)
        tiles = list(plan)
        assert (blender.add(tiles[0], field) == 1).all()
        second = blender.add(tiles[1], None)
        assert (second[:, :, 6:] == 0).all()
        assert (second[:, :, 1] > second[:, :, 5]).all(), "what its neighbour saw fades out"

    def test_keeps_memory_that_does_not_grow_with_the_number_of_rows(self) -> None:
        def kept(height: int) -> int:
            blender = Blender(TilePlan(Window(0, 0, 2000, height), 512, 96, 32), 6, CPU)
            return sum(value.numel() for value in vars(blender).values() if isinstance(value, torch.Tensor))

        assert kept(1000) == kept(1_000_000)


def map_area(
    card: ModelCard, network: torch.nn.Module, source: RasterSource, area: Window, folder: Path, confidence: bool = True
) -> MapOverview:
    """Write ``map.tif`` and ``sure.tif`` of a part of a raster into a folder."""
    plan = MapPlan.of(card, source, area, confidence)
    store = StripStore(str(folder / "map.tif"), [])
    store.open()
    compute_strips(plan, network, CPU, plan.strips, store, Feedback())
    assembly = Assembly(plan, store, "")
    assembly.wait(Feedback())
    for layer in layers_of(plan, str(folder / "map.tif"), str(folder / "sure.tif") if confidence else None):
        with published(layer.target) as (path,):
            assembly.write(layer, path, Feedback())
    overview = assembly.overview()
    store.close(done=True, others=False)
    return overview


class ByBrightness(torch.nn.Module):
    """A network that looks at nothing but the pixel itself: dark, medium or bright."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        brightness = pixels[:, :1]
        return torch.cat([-brightness - 1, -3 * brightness.abs(), brightness - 1], dim=1)


class TestAMapWithoutSeams:
    CARD = ModelCard(
        SEGMENTER, "", ("Band 1",), (1,), "uint8", Normalisation((0,), (255,), (128,), (32,)), 1.0, 1.0, 64,
        classes=ClassTable(tuple(LandCoverClass(code, str(code), "#000000") for code in (3, 5, 9))),
    )  # fmt: skip

    @pytest.mark.thorough
    @pytest.mark.parametrize("area", [Window(0, 0, 1300, 700), Window(37, 601, 560, 99)], ids=["everything", "a part"])
    def test_a_network_that_sees_single_pixels_gives_the_same_with_tiles_as_without(
        self, tmp_path: Path, area: Window
    ) -> None:
        pixels = np.random.default_rng(0).integers(1, 256, (1, 700, 1300)).astype("uint8")
        pixels[:, 300:340] = 0
        source = RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0))
        assert len(TilePlan.for_area(area, 3, 1)) >= 2
        overview = map_area(self.CARD, ByBrightness(), source, area, tmp_path)
        seen = pixels[:, area.row : area.row + area.height, area.column : area.column + area.width]
        normal = torch.from_numpy(self.CARD.normalisation.apply(seen.astype(np.float32)))[None]
        best, index = ByBrightness()(normal).softmax(dim=1)[0].max(dim=0)
        valid = seen[0] > 0
        with rasterio.open(tmp_path / "map.tif") as file:
            np.testing.assert_array_equal(file.read(1), np.where(valid, np.array([3, 5, 9])[index], 0))
        with rasterio.open(tmp_path / "sure.tif") as file:
            percent = file.read(1)
        assert (percent[~valid] == NO_CONFIDENCE).all()
        assert np.abs(percent[valid] - (100 * best.numpy())[valid]).max() < 0.51
        assert overview.classified == valid.sum()
        for channel, code in enumerate((3, 5, 9)):
            assert overview.pixels[code] == (valid & (index.numpy() == channel)).sum()

    def test_nor_does_a_coarser_working_grid_make_any(self, tmp_path: Path) -> None:
        # On 4 x 4 blocks of one value each, the mean is the value, and blending must not move it from tile to tile.
        blocks = np.random.default_rng(0).choice([40, 128, 216], (1, 170, 330)).astype("uint8")
        source = RasterSource(write_raster(tmp_path / "r.tif", blocks.repeat(4, 1).repeat(4, 2)), factor=4)
        area = Window(0, 0, source.width, source.height)
        map_area(self.CARD, ByBrightness(), source, area, tmp_path, confidence=False)
        probabilities = ByBrightness()(torch.from_numpy(self.CARD.normalisation.apply(blocks.astype(np.float32)))[None])
        whole = torch.nn.functional.interpolate(probabilities.softmax(dim=1), scale_factor=4, mode="bilinear")[0]
        margin = whole.topk(2, dim=0).values.diff(dim=0).abs()[0].numpy() > 1e-4
        with rasterio.open(tmp_path / "map.tif") as file:
            mapped = file.read(1)
        inner = (slice(8, -8), slice(8, -8))  # Tiles see nothing beyond the raster, the whole repeats its edge.
        assert margin.mean() > 0.99
        assert (mapped == np.array([3, 5, 9])[whole.argmax(dim=0)])[inner][margin[inner]].all()


@pytest.mark.thorough
class TestAModelThatSmoothes:
    """It sees as much around a tile as its window of smoothing reaches."""

    @pytest.mark.parametrize("smoothing", [3.0, 9.0, 40.0])
    def test_gives_the_same_whatever_the_size_of_its_tiles(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smoothing: float
    ) -> None:
        pixels = np.random.default_rng(0).integers(1, 256, (1, 500, 700)).astype("uint8")
        seen = RasterSource(write_raster(tmp_path / "r.tif", pixels))
        head = FusedSpec((), (), (Member((SPECTRUM,), 1.0),), smoothing)
        network = FusedSegmenter(head, 1, 3).eval()
        network.set_member(0, {SPECTRUM: torch.tensor([[-2.0], [0.0], [2.0]])}, torch.zeros(3))
        card = dataclasses.replace(TestAMapWithoutSeams.CARD, head=head)
        made = []
        for longest in (768, 256):
            monkeypatch.setattr("false_core.inference.tiles.MAX_STRIDE_PX", longest)
            area = seen.window_of(None)
            plan = MapPlan.of(card, seen, area, False).tiles
            batched = BatchedNetwork(partial(class_probabilities, network), CPU, Feedback())
            tiled = TiledNetwork(batched, seen, card.normalisation)
            found = np.zeros((3, plan.rows * plan.stride, plan.columns * plan.stride), np.float32)
            for item, core in blended(tiled, plan, 3, range(plan.columns), plan):
                x, y = item.tile.column * plan.stride, item.tile.row * plan.stride
                found[:, y : y + plan.stride, x : x + plan.stride] = core[:, 1:-1, 1:-1].numpy()
            made.append(found[:, : area.height, : area.width])
        assert made[0].std() > 1e-3
        np.testing.assert_allclose(made[1], made[0], atol=1e-5)


class Surroundings(torch.nn.Module):
    """A network whose scores depend on what lies up to 3 pixels away, and on nothing else."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.weight = torch.randn(3, 1, 7, 7, generator=generator) / 3

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(pixels, self.weight, padding=3)


class TestTheWayOfComputing:
    """Which tiles are computed together, and by how many threads they are read, changes nothing."""

    @pytest.fixture
    def raster(self, tmp_path: Path) -> RasterSource:
        pixels = np.random.default_rng(1).integers(1, 256, (1, 520, 1000)).astype("uint8")
        pixels[:, :, 450:] = 0  # Whole tiles without a valid pixel.
        return RasterSource(write_raster(tmp_path / "r.tif", pixels, nodata=0))

    def made(self, raster: RasterSource, folder: Path, network: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
        whole = Window(0, 0, raster.width, raster.height)
        map_area(TestAMapWithoutSeams.CARD, network, raster, whole, folder)
        with rasterio.open(folder / "map.tif") as file, rasterio.open(folder / "sure.tif") as sure:
            return file.read(1), sure.read(1)

    @pytest.mark.thorough
    @pytest.mark.parametrize(("batch", "readers"), [(1, 4), (3, 1), (4, 3)])
    def test_changes_nothing(
        self, raster: RasterSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, readers: int
    ) -> None:
        monkeypatch.setattr("false_core.inference.tiles.MAX_STRIDE_PX", 256)
        monkeypatch.setattr("false_core.inference.tiled.readers_for", lambda device: 1)
        one_by_one, sure = self.made(raster, tmp_path, Surroundings())
        monkeypatch.setattr("false_core.inference.tiled.readers_for", lambda device: readers)
        monkeypatch.setattr("false_core.mapping.classify.compute.best_batch", lambda *_: batch)
        together, sure_too = self.made(raster, tmp_path, Surroundings())
        assert (one_by_one != together).sum() < 5, "only where two classes are equal up to rounding"
        assert np.abs(sure.astype(int) - sure_too).max() <= 1

    def test_a_network_that_sees_less_than_tiles_have_around_them_gives_the_same_as_on_the_whole(
        self, raster: RasterSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("false_core.inference.tiles.MAX_STRIDE_PX", 256)
        mapped, _ = self.made(raster, tmp_path, Surroundings())
        raw, valid = raster.read_with_validity(Window(0, 0, raster.width, raster.height))
        scores = Surroundings()(torch.from_numpy(TestAMapWithoutSeams.CARD.normalisation.apply(raw))[None])[0]
        margin = scores.topk(2, dim=0).values.diff(dim=0).abs()[0].numpy() > 1e-4
        wanted = np.where(valid, np.array([3, 5, 9])[scores.argmax(dim=0)], 0)
        assert margin[valid].mean() > 0.99
        assert (mapped == wanted)[margin].all()
        assert (mapped == 0).sum() == (~valid).sum()


class TestThePlanOfAnyArea:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 254), st.integers(1, 32))
    def test_covers_it_with_tiles_that_fit_the_memory(
        self, column: int, width: int, height: int, classes: int, factor: int
    ) -> None:
        plan = TilePlan.for_area(Window(column, 0, width, height), classes, factor)
        assert (plan.columns - 1) * plan.stride < width <= plan.columns * plan.stride
        assert (plan.rows - 1) * plan.stride < height <= plan.rows * plan.stride
        assert plan.side % 32 == 0
        assert 0 < plan.ramp < plan.overlap
        assert 2 * plan.lead + plan.ramp == plan.overlap
        assert plan.side <= 64 or (4 * classes * plan.side**2 <= MOST_BYTES and (plan.side * factor) ** 2 <= MAX_FILE_PIXELS)
