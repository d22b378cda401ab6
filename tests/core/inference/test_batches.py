"""How tiles are computed: as many at a time as pay, fewer where memory is short, and with a network that does less work."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import rasterio
import torch
from small_world import CRS, GRID, Listener

from false_core.computing.device_limits import DeviceLimit
from false_core.inference.batches import BatchedNetwork, best_batch, fastest_batch
from false_core.inference.folding import for_inference
from false_core.inference.upsample import _everywhere, _mixed_only, upsample
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.raster.source import RasterSource, Window

CPU = torch.device("cpu")


class SmallMemory(torch.nn.Module):
    """A network for which the memory holds so many tiles and no more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return torch.cat([pixels, -pixels], dim=1)


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceLimit:
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
    return DeviceLimit("tiles at a time", CPU)


class TestShortOfMemory:
    def test_fewer_tiles_are_computed_at_a_time_and_it_says_so_and_remembers(
        self, listener: Listener, limit: DeviceLimit
    ) -> None:
        tiles = [torch.full((1, 32, 32), float(number)) for number in range(7)]
        network = BatchedNetwork(partial(class_probabilities, SmallMemory(2)), CPU, listener.feedback, 8, limit)
        found = network.compute(tiles)
        assert network.batch == limit.number() == 1, "7, 3 and then 1, which fits"
        assert len(found) == 7
        for number, probabilities in enumerate(found):
            assert probabilities.shape == (2, 32, 32)
            torch.testing.assert_close(probabilities[0, 0, 0], torch.tensor(2.0 * number).sigmoid())
        assert "too small for" in listener.infos

    def test_for_a_single_tile_is_an_error(self, listener: Listener, limit: DeviceLimit) -> None:
        network = BatchedNetwork(partial(class_probabilities, SmallMemory(0)), CPU, listener.feedback, 4, limit)
        with pytest.raises(torch.OutOfMemoryError):
            network.compute([torch.zeros(1, 32, 32)] * 4)


class TestTheNumberOfTiles:
    def test_is_that_with_the_least_time_each(self) -> None:
        per_tile = {1: 1.0, 2: 0.7, 4: 0.6, 8: 0.595, 16: 0.1}
        assert fastest_batch(lambda n: n * per_tile[n]) == 4, "8 are hardly faster, and take twice the memory"
        assert fastest_batch(float) == 1
        assert fastest_batch(lambda n: 1.0) == 16

    def test_stays_below_what_the_memory_holds(self) -> None:
        def seconds(n: int) -> float:
            if n > 4:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return 1.0

        assert fastest_batch(seconds) == 4

    def test_is_measured_once_and_remembered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("false_core.computing.device_limits.describe", lambda device: "some GPU")
        measured = []

        def seconds(network: torch.nn.Module, device: torch.device, shape: tuple[int, ...]) -> float:
            measured.append(shape[0])
            return 1.0 if shape[0] <= 2 else 5.0

        monkeypatch.setattr("false_core.inference.batches._seconds", seconds)
        gpu = torch.device("meta")

        def batch(side: int, device: torch.device = gpu) -> int:
            return best_batch(SmallMemory(9), device, (3, side, side), DeviceLimit("tiles at a time", device, side))

        assert [batch(64) for _ in range(3)] == [2, 2, 2]
        assert measured == [1, 2, 4]
        assert batch(96) == 2
        assert len(measured) == 6, "other tiles are measured by themselves"
        (tmp_path / "cache" / "device_limits.json").write_text("no JSON")
        assert batch(64) == 2
        assert batch(64, CPU) == 1


class TestTheRewrittenNetwork:
    @pytest.mark.thorough
    @pytest.mark.parametrize("encoder", ["resnet10t", "resnet18", "mobilenetv3_small_050", "convnext_atto"])
    @pytest.mark.parametrize("decoder", ["segformer", "deeplabv3plus"])
    def test_gives_the_same_scores(self, encoder: str, decoder: str) -> None:
        if (encoder, decoder) == ("convnext_atto", "deeplabv3plus"):
            pytest.skip("This encoder cannot be dilated.")
        torch.manual_seed(0)
        network = build_segmenter(encoder, decoder, 3, 4)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # As after training: not 0, 1 as they begin.
                torch.nn.init.normal_(module.running_mean, 0, 0.3)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
                torch.nn.init.uniform_(module.weight, 0.5, 2)
                torch.nn.init.normal_(module.bias, 0, 0.3)
        network.eval()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        rewritten = for_inference(network, 3)
        assert rewritten is not network
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in rewritten.modules()) or "convnext" in encoder
        pixels = torch.randn(2, 3, 96, 160)
        with torch.inference_mode():
            wanted, got = network(pixels), rewritten(pixels)
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4 * float(wanted.std()))
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[name]), "the network given is not changed"

    def test_is_not_used_where_it_would_differ(self) -> None:
        class Twice(torch.nn.Module):
            """The same convolution before a batch norm and by itself, so that nothing can be folded into it."""

            def __init__(self) -> None:
                super().__init__()
                self.conv, self.norm = torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.BatchNorm2d(2)
                torch.nn.init.constant_(self.norm.running_mean, 5.0)

            def forward(self, pixels: torch.Tensor) -> torch.Tensor:
                raw = self.conv(pixels)
                return self.norm(raw) + raw

        network = Twice().eval()
        assert for_inference(network, 2) is network


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_what_is_computed_between_classes_only_is_what_is_computed_everywhere(
    factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = torch.randn(1, 6, 42, 33, generator=torch.Generator().manual_seed(factor))
    probabilities = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)[0].mul(4).softmax(0)
    codes = torch.tensor([3, 5, 9, 11, 20, 40], dtype=torch.uint8)
    whole = torch.nn.functional.interpolate(probabilities[None], scale_factor=factor, mode="bilinear")[0]
    best, index = whole[:, factor:-factor, factor:-factor].max(dim=0)
    for most in ("MOST_PROBABILITIES", "MOST_MIXED"):
        monkeypatch.setattr(f"false_core.inference.upsample.{most}", 6 * factor * factor * 33 * 5)
    for way in (_mixed_only, _everywhere, upsample):
        mapped = way(probabilities, factor, codes, True)
        assert mapped.percent is not None
        assert (mapped.codes == codes[index]).float().mean() > 0.9999, "but where two classes are equal up to rounding"
        assert ((mapped.percent.float() - 100 * best).abs() < 0.502).all()
        assert way(probabilities, factor, codes, False).percent is None


class TestHoles:
    def test_of_a_sparse_file_are_known_without_reading(self, tmp_path: Path) -> None:
        path = tmp_path / "sparse.tif"
        profile = {
            "driver": "GTiff",
            "width": 256,
            "height": 128,
            "count": 2,
            "dtype": "uint8",
            "crs": CRS,
            "transform": GRID,
        }
        tiled = {"tiled": True, "blockxsize": 64, "blockysize": 64, "sparse_ok": True}
        pixels = torch.ones(2, 64, 64, dtype=torch.uint8).numpy()
        for nodata in (0, None):
            with rasterio.open(path, "w", **profile, **tiled, nodata=nodata) as file:
                file.write(pixels, window=rasterio.windows.Window(64, 0, 64, 64))
            for factor in (1, 4):
                source = RasterSource(str(path), factor=factor)
                for column in (-64, 0, 64, 100, 128, 256):
                    window = Window(column // factor, 0, 64 // factor, 128 // factor)
                    empty = not source.read_with_validity(window)[1].any()
                    outside = column in (-64, 256)
                    assert source.is_hole(window) == (empty if nodata == 0 or outside else False)

    def test_of_a_file_on_a_server_are_not_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As rasterio does so with the lock of the interpreter, a thread that reads could not go on."""
        monkeypatch.setattr("false_core.raster.stored_bands.is_on_network", lambda path: True)
        shape = {"width": 64, "height": 64, "count": 1, "dtype": "uint8", "crs": CRS, "transform": GRID}
        with rasterio.open(tmp_path / "sparse.tif", "w", driver="GTiff", sparse_ok=True, nodata=0, **shape):
            pass
        source = RasterSource(str(tmp_path / "sparse.tif"))
        monkeypatch.setattr("false_core.raster.stored_bands._is_stored", lambda *asked: pytest.fail("asked for a block"))
        assert not source.is_hole(Window(0, 0, 64, 64))

    def test_are_not_supposed_where_the_file_does_not_tell(self, land: str) -> None:
        assert not RasterSource(land).is_hole(Window(0, 0, 5, 5)), "nodata, but stored"
