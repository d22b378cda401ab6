"""Pretraining starts from given weights: an encoder of ours, a file of timm weights, or weights that timm knows by name."""

from __future__ import annotations

import dataclasses
import os
import pickle  # To write files with that must be refused. Nothing reads one.
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import safetensors.torch
import timm
import torch
from rasterio.enums import ColorInterp
from small_world import Listener, textured_land, write_raster
from torch import Tensor, nn

from false_core.dispatch import run
from false_core.errors import Cancelled, ModelFileError, OutputError
from false_core.events import Metric
from false_core.jobs import Finetune, Pretrain
from false_core.models import general
from false_core.models.encoder import build_encoder
from false_core.models.from_file import encoder_from, general_from
from false_core.models.general import general_weights
from false_core.models.model_file import GENERAL_PREFIX, read_card
from false_core.models.model_report import model_sections
from false_core.models.weights import bands_in_words, fit_to_bands, origin_in_words, start_from
from false_core.raster.band_colours import BandColours
from false_core.raster.source import RasterSource

pytestmark = pytest.mark.thorough

BACKBONE = "resnet10t"
IN_TURN = "Nothing says which bands are red, green and blue: the weights take the bands in turn."


def timm_network(bands: int = 3, backbone: str = BACKBONE) -> nn.Module:
    """Return a network as timm makes it, batch norms included that have seen something."""
    torch.manual_seed(bands)
    network = timm.create_model(backbone, in_chans=bands)
    network(torch.randn(4, bands, 64, 64))
    return network.eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return timm_network()


@pytest.fixture(scope="module")
def rgb_file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("weights") / "rgb.safetensors")
    safetensors.torch.save_file(network.state_dict(), path)
    return path


def of_unknown_colours(bands: int) -> BandColours:
    return BandColours(tuple(range(1, bands + 1)), ("",) * bands)


def started(weights: str, bands: int = 3, backbone: str = BACKBONE) -> nn.Module:
    """Return an encoder that was filled with ``weights``."""
    encoder = build_encoder(backbone, bands)
    start_from(weights, encoder, backbone, "image.tif", of_unknown_colours(bands), Listener().feedback)
    return encoder.eval()


def refusal(weights: str | Path, bands: int = 3, backbone: str = BACKBONE) -> str:
    encoder = build_encoder(backbone, bands)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(ModelFileError) as caught:
        start_from(str(weights), encoder, backbone, "image.tif", of_unknown_colours(bands), Listener().feedback)
    assert all(tensor.equal(before[name]) for name, tensor in encoder.state_dict().items()), "nothing was filled in"
    return str(caught.value)


def deepest(network: Any, pixels: Tensor) -> Tensor:
    """Return the coarsest features of a timm network or of an encoder."""
    with torch.no_grad():
        features: Tensor = network.forward_features(pixels) if hasattr(network, "forward_features") else network(pixels)[-1]
    return features


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and nothing downloaded before."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


class TestTimmWeightsInAFile:
    def test_of_as_many_bands_are_taken_as_they_are(self, network: nn.Module, rgb_file: str) -> None:
        pixels = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(deepest(started(rgb_file), pixels), deepest(network, pixels))

    @pytest.mark.parametrize("bands", [1, 2, 4, 5, 11])
    def test_see_in_a_grey_image_of_any_bands_what_they_saw_in_one_of_three(
        self, network: nn.Module, rgb_file: str, bands: int
    ) -> None:
        grey = torch.randn(2, 1, 64, 64)
        wanted = deepest(network, grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(
            deepest(started(rgb_file, bands), grey.expand(-1, bands, -1, -1)), wanted, atol=1e-4, rtol=1e-4
        )

    @pytest.mark.parametrize("bands", [3, 5, 13])
    def test_may_have_been_made_for_any_bands_themselves(self, tmp_path: Path, bands: int) -> None:
        # As of networks trained on all bands of a satellite.
        network = timm_network(13)
        safetensors.torch.save_file(network.state_dict(), tmp_path / "w.safetensors")
        grey = torch.randn(2, 1, 64, 64)
        one = deepest(started(str(tmp_path / "w.safetensors"), bands), grey.expand(-1, bands, -1, -1))
        torch.testing.assert_close(one, deepest(network, grey.expand(-1, 13, -1, -1)), atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("ending", ["pth", "pt", "bin"])
    @pytest.mark.parametrize("inside", ["", "state_dict", "model"])
    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_may_lie_in_files_of_torch_also_in_a_checkpoint(
        self, network: nn.Module, tmp_path: Path, ending: str, inside: str, prefix: str
    ) -> None:
        state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
        path = tmp_path / f"weights.{ending}"
        torch.save({inside: state, "epoch": 7} if inside else state, path)
        pixels = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(deepest(started(str(path)), pixels), deepest(network, pixels))

    def test_need_no_classifier_and_no_count_of_batches_and_may_be_in_half_precision(
        self, network: nn.Module, tmp_path: Path
    ) -> None:
        state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
        state = {name: tensor.half() for name, tensor in state.items() if not name.startswith("fc")}
        safetensors.torch.save_file(state, tmp_path / "w.safetensors")
        encoder = started(str(tmp_path / "w.safetensors"))
        assert next(encoder.parameters()).dtype == torch.float32
        pixels = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(deepest(encoder, pixels), deepest(network, pixels), atol=0.02, rtol=0.02)

    def test_of_networks_whose_pyramid_has_other_names_are_found(self, tmp_path: Path) -> None:
        network = timm.create_model("convnext_atto").eval()
        safetensors.torch.save_file(network.state_dict(), tmp_path / "w.safetensors")
        encoder = started(str(tmp_path / "w.safetensors"), backbone="convnext_atto")
        pixels = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(deepest(encoder, pixels), network.forward_features(pixels))


class TestFirstConvolutions:
    WEIGHT = torch.randn(7, 3, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    @pytest.mark.parametrize("bands", [1, 2, 3, 4, 6, 11])
    def test_keep_their_response_to_grey(self, bands: int) -> None:
        fitted = fit_to_bands(self.WEIGHT, bands)
        assert fitted.shape == (7, bands, 5, 5)
        torch.testing.assert_close(fitted.sum(dim=1), self.WEIGHT.sum(dim=1))

    def test_of_one_band_are_the_sum_of_the_others(self) -> None:
        torch.testing.assert_close(fit_to_bands(self.WEIGHT, 1), self.WEIGHT.sum(dim=1, keepdim=True))

    def test_of_twice_the_bands_say_everything_twice_and_half_as_loud(self) -> None:
        torch.testing.assert_close(fit_to_bands(self.WEIGHT, 6), torch.cat([self.WEIGHT, self.WEIGHT], dim=1) / 2)

    def test_still_tell_bands_apart(self) -> None:
        fitted = fit_to_bands(self.WEIGHT, 4)
        between = fitted[:, 0] - fitted[:, 1]
        torch.testing.assert_close(between, (self.WEIGHT[:, 0] - self.WEIGHT[:, 1]) * 3 / 4)


class TestBandsOfKnownColours:
    WEIGHT = TestFirstConvolutions.WEIGHT
    RGB = ("red", "green", "blue")

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_take_the_filters_of_their_colours(self, order: tuple[int, ...]) -> None:
        fitted = fit_to_bands(self.WEIGHT, 3, [self.RGB[number] for number in order])
        torch.testing.assert_close(fitted, self.WEIGHT[:, list(order)], rtol=0, atol=0)

    @pytest.mark.parametrize(
        "colours",
        [
            ("blue", "green", "red", ""), ("", "", "red", "", "green", "blue"), ("", "red", "green"), ("red", "", "", ""),
            ("blue", "blue", "", "green", "green", "green", "red", *[""] * 200), ("green",), ("red", "blue"),
        ],
    )  # fmt: skip
    def test_keep_the_response_to_grey(self, colours: tuple[str, ...]) -> None:
        fitted = fit_to_bands(self.WEIGHT, len(colours), colours)
        assert fitted.shape == (7, len(colours), 5, 5)
        torch.testing.assert_close(fitted.sum(dim=1), self.WEIGHT.sum(dim=1), rtol=1e-6, atol=1e-6)

    def test_leave_the_mean_of_the_three_to_near_infrared(self) -> None:
        fitted = fit_to_bands(self.WEIGHT, 4, ("blue", "green", "red", ""))
        torch.testing.assert_close(fitted[:, :3], 0.75 * self.WEIGHT[:, [2, 1, 0]])
        torch.testing.assert_close(fitted[:, 3], 0.75 * self.WEIGHT.mean(dim=1))

    def test_do_not_drown_among_many_others(self) -> None:
        fitted = fit_to_bands(self.WEIGHT, 203, (*self.RGB, *[""] * 200))
        torch.testing.assert_close(fitted[:, :3], 0.75 * self.WEIGHT)

    def test_of_one_colour_share_its_filter(self) -> None:
        fitted = fit_to_bands(self.WEIGHT, 4, ("red", "green", "green", "blue"))
        torch.testing.assert_close(fitted[:, 1], self.WEIGHT[:, 1] / 2)
        torch.testing.assert_close(fitted[:, 2], self.WEIGHT[:, 1] / 2)

    def test_put_near_infrared_in_the_place_of_a_colour_that_is_missing(self) -> None:
        fitted = fit_to_bands(self.WEIGHT, 3, ("", "red", "green"))
        torch.testing.assert_close(fitted, self.WEIGHT[:, [2, 0, 1]])

    @pytest.mark.parametrize("colours", [("red", "green", "blue"), ("blue", "green", "red")])
    def test_make_the_order_in_a_file_indifferent(self, tmp_path: Path, colours: tuple[str, ...]) -> None:
        land = textured_land(64, 64, 3, "uint8")
        stored = land[[self.RGB.index(colour) for colour in colours]]
        path = write_raster(tmp_path / "land.tif", stored)
        with rasterio.open(path, "r+") as file:
            file.colorinterp = [ColorInterp[colour] for colour in colours]
        source = RasterSource(path)
        encoder = build_encoder("tf_efficientnet_lite0", 3)
        listener = Listener()
        origin = start_from("general", encoder, "tf_efficientnet_lite0", source.name, source.colours, listener.feedback)
        network = timm.create_model("tf_efficientnet_lite0")
        network.load_state_dict(general_weights())
        pixels = torch.from_numpy(land.astype(np.float32) / 100)[None]
        shown = pixels[:, [self.RGB.index(colour) for colour in colours]]
        with torch.no_grad():
            found = encoder.eval()(shown)[-1]
            wanted = network.eval().blocks(network.bn1(network.conv_stem(pixels)))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
        assert origin["bands"] in listener.infos
        assert f"band {1 + colours.index('red')} for red" in origin["bands"]

    @pytest.mark.parametrize(
        ("bands", "given", "said"),
        [
            (BandColours((1, 2, 3), RGB[::-1], "as their names say"), 3,
             "The weights take band 3 for red, band 2 for green, band 1 for blue, as their names say."),
            (BandColours((2, 3, 4, 7), ("red", "red", "red", "green"), "as their wavelengths say"), 3,
             "The weights take bands 2 to 4 for red, band 7 for green, as their wavelengths say."),
            (of_unknown_colours(4), 3, IN_TURN),
            (of_unknown_colours(3), 3,
             "Nothing says which bands are red, green and blue: the weights take the bands 1 to 3 for these."),
            (of_unknown_colours(1), 3, "The weights take the only band for grey."),
            (of_unknown_colours(13), 13, ""),
            (of_unknown_colours(4), 13, "The weights were made for 13 bands and take the 4 bands in turn."),
        ],
    )  # fmt: skip
    def test_are_told_of_in_a_sentence(self, bands: BandColours, given: int, said: str) -> None:
        assert bands_in_words(bands, given) == said


class Program:
    """Pickled, it is a program that leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


class TestWhatIsRefused:
    ENCODER = build_encoder(BACKBONE, 3)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        for path in (tmp_path / "weights", Path("weights.pth"), Path("weights.safetensors")):
            assert "does not exist" in refusal(path)
        assert "is a folder" in refusal(tmp_path)

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        for backbone in ("resnet18", "resnet14t", "convnext_atto"):
            safetensors.torch.save_file(timm.create_model(backbone).state_dict(), tmp_path / "w.safetensors")
            assert f"w.safetensors does not hold the weights of a {BACKBONE}" in refusal(tmp_path / "w.safetensors")

    def test_weights_of_a_longer_network_with_the_same_beginning(self, tmp_path: Path) -> None:
        torch.save(timm.create_model("resnet34").state_dict(), tmp_path / "w.pth")
        said = refusal(tmp_path / "w.pth", backbone="resnet18")
        assert "are unknown to it, such as layer1_2" in said
        assert "are missing" not in said

    def test_a_file_with_a_part_of_the_weights(self, network: nn.Module, tmp_path: Path) -> None:
        state = {name: tensor for name, tensor in network.state_dict().items() if "layer4" not in name}
        safetensors.torch.save_file(state, tmp_path / "w.safetensors")
        assert "are missing or of another shape, such as layer4.0" in refusal(tmp_path / "w.safetensors")

    @pytest.mark.parametrize("ending", ["pth", "bin", "safetensors", "tif"])
    @pytest.mark.parametrize("content", [b"", b"weights", random.Random(0).randbytes(5000)], ids=["empty", "text", "noise"])
    def test_a_file_of_something_else(self, tmp_path: Path, content: bytes, ending: str) -> None:
        path = tmp_path / f"w.{ending}"
        path.write_bytes(content)
        assert "w." in refusal(path)

    def test_a_file_that_was_cut_off(self, network: nn.Module, rgb_file: str, tmp_path: Path) -> None:
        torch.save(network.state_dict(), tmp_path / "whole.pth")
        for whole, ending in ((rgb_file, "safetensors"), (tmp_path / "whole.pth", "pth")):
            content = Path(whole).read_bytes()
            (tmp_path / f"w.{ending}").write_bytes(content[: len(content) // 2])
            assert "cut off" in refusal(tmp_path / f"w.{ending}")

    @pytest.mark.parametrize("way", ["zip", "legacy", "safetensors"])
    def test_a_file_with_a_wrong_byte(self, tmp_path: Path, way: str) -> None:
        # Some are read all the same; then the weights are not those of the network.
        path, state = tmp_path / f"w.{'safetensors' if way == 'safetensors' else 'pth'}", {"one": torch.zeros(3, 2)}
        if way == "safetensors":
            safetensors.torch.save_file(state, path)
        else:
            torch.save(state, path, _use_new_zipfile_serialization=way == "zip")
        content, chance = path.read_bytes(), random.Random(0)
        for _ in range(60):
            damaged = bytearray(content)
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            path.write_bytes(damaged)
            with pytest.raises(ModelFileError, match=path.name):
                start_from(str(path), self.ENCODER, BACKBONE, "image.tif", of_unknown_colours(3), Listener().feedback)

    @pytest.mark.parametrize("way", ["torch", "pickle"])
    def test_a_program_and_it_does_not_run(self, tmp_path: Path, way: str) -> None:
        mark, path = tmp_path / "it ran", tmp_path / "w.pth"
        content = {"conv1.weight": Program(mark)}
        if way == "torch":
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(content, protocol=2))
        assert "holds no weights, or more than weights, and is not opened" in refusal(path)
        assert not mark.exists()

    def test_a_whole_network_instead_of_its_weights(self, network: nn.Module, tmp_path: Path) -> None:
        torch.save(network, tmp_path / "w.pt")
        assert "Save the state_dict of the network alone" in refusal(tmp_path / "w.pt")

    @pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], {}, {"state_dict": 1}])
    def test_a_file_of_torch_without_named_weights(self, tmp_path: Path, content: Any) -> None:
        torch.save(content, tmp_path / "w.pt")
        assert "w.pt" in refusal(tmp_path / "w.pt")


class TestNamesOfTimm:
    @pytest.mark.parametrize("name", ["imagenet", "resnet10t.c3_in1k"])
    def test_without_the_network_say_what_to_do(self, offline: None, name: str) -> None:
        said = refusal(name)
        assert "The weights resnet10t.c3_in1k cannot be downloaded" in said
        assert "Connect to the network" in said
        assert "https://huggingface.co/timm/resnet10t.c3_in1k" in said

    @pytest.mark.parametrize("name", ["imagenet", "resnet10t.c3_in1k"])
    def test_with_it_are_filled_in(
        self, network: nn.Module, monkeypatch: pytest.MonkeyPatch, listener: Listener, name: str
    ) -> None:
        asked = []

        def create_model(name: str, pretrained: bool = False, **more: Any) -> nn.Module:
            if not pretrained:
                return create(name, **more)
            asked.append(name)
            return network

        create = timm.create_model
        monkeypatch.setattr("timm.create_model", create_model)
        encoder = build_encoder(BACKBONE, 4)
        origin = start_from(name, encoder, BACKBONE, "image.tif", of_unknown_colours(4), Listener().feedback)
        source = "https://huggingface.co/timm/resnet10t.c3_in1k"
        assert origin == {"timm": "resnet10t.c3_in1k", "source": source, "licence": "apache-2.0", "bands": IN_TURN}
        assert origin_in_words(origin) == f"resnet10t.c3_in1k ({source}, apache-2.0)"
        assert asked == ["resnet10t.c3_in1k"]
        grey = torch.randn(1, 1, 64, 64)
        torch.testing.assert_close(
            deepest(encoder.eval(), grey.expand(-1, 4, -1, -1)), deepest(network, grey.expand(-1, 3, -1, -1)),
            atol=1e-4, rtol=1e-4,
        )  # fmt: skip

    @pytest.mark.parametrize("name", ["resnet50.a1_in1k", "resnet10t.nothing", "imagnet", "c3_in1k"])
    def test_that_the_backbone_has_not_are_answered_with_those_it_has(self, name: str) -> None:
        said = refusal(name)
        assert f"no weights called '{name}' for resnet10t" in said
        assert "There are: imagenet, resnet10t.c3_in1k" in said

    @pytest.mark.parametrize("name", ["hf_hub:someone/resnet10t", "https://example.org/w.pth", "local-dir:/tmp"])
    def test_never_lead_to_another_place_in_the_network(self, name: str) -> None:
        assert "does not exist" in refusal(name)


def pretrained_weights(path: str) -> dict[str, Tensor]:
    """Return the weights of the encoder in an encoder file, without those of the one that it began with."""
    stored = safetensors.torch.load_file(path)
    return {name: tensor for name, tensor in stored.items() if not name.startswith(GENERAL_PREFIX)}


@pytest.fixture
def job(land: str, tmp_path: Path) -> Pretrain:
    return Pretrain(
        (land,), str(tmp_path / "e.safetensors"), preset="quick", backbone=BACKBONE, device="cpu", steps=2, batch_size=4
    )


def going_on(job: Pretrain, encoder: str) -> Pretrain:
    """Return the job that starts from an encoder file."""
    return dataclasses.replace(job, weights=encoder, backbone=read_card(encoder).encoder)


class TestPretrainingFromWeights:
    def test_with_the_method_random_makes_an_encoder_of_them_as_they_are(
        self, job: Pretrain, network: nn.Module, rgb_file: str, listener: Listener
    ) -> None:
        run(dataclasses.replace(job, method="random", weights=rgb_file), listener)
        assert f"Starting from rgb.safetensors. {IN_TURN}" in listener.infos
        made = pretrained_weights(job.encoder)
        given = network.state_dict()
        seen = 0
        for name, tensor in made.items():
            own = given[name.removeprefix("model.")]
            if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                seen += not tensor.equal(own)
            elif tensor.shape == own.shape:
                assert tensor.equal(own), name
            else:
                torch.testing.assert_close(tensor, fit_to_bands(own, 4))
        assert seen, "the batch norms got used to the raster"
        card = read_card(job.encoder)
        assert card.provenance["weights"] == {"file": "rgb.safetensors", "bands": IN_TURN}
        assert ["Started from", "rgb.safetensors"] in [list(row) for part in model_sections(card) for row in part.rows]

    def test_of_an_encoder_file_goes_on_from_it(self, job: Pretrain, encoder: str) -> None:
        run(dataclasses.replace(going_on(job, encoder), method="random"))
        before, after = (safetensors.torch.load_file(path) for path in (encoder, job.encoder))
        for name, tensor in after.items():
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                assert tensor.equal(before[name]), name
        card = read_card(job.encoder)
        assert card.normalisation == read_card(encoder).normalisation, "it is the same raster"
        assert card.provenance["weights"]["file"] == Path(encoder).name
        assert card.provenance["weights"]["method"] == read_card(encoder).method
        assert card.provenance["weights"]["provenance"] == read_card(encoder).provenance

    def test_with_a_method_that_learns_changes_them(self, job: Pretrain, encoder: str, tmp_path: Path) -> None:
        run(going_on(job, encoder))
        before, after = (safetensors.torch.load_file(path) for path in (encoder, job.encoder))
        name = "model.layer4.0.conv2.weight"
        assert not after[name].equal(before[name])
        assert (after[name] - before[name]).abs().max() < 0.05, "but starts from them"

    def test_of_an_encoder_measures_the_raster_anew(self, job: Pretrain, encoder: str, tmp_path: Path) -> None:
        # The same land on a scale a thousand times as large: by the encoder's own measure it would be one flat white.
        bright = write_raster(tmp_path / "bright.tif", textured_land(dtype="float32") * 1000, nodata=0)
        run(dataclasses.replace(going_on(job, encoder), rasters=(bright,)))
        old, new = read_card(encoder).normalisation, read_card(job.encoder).normalisation
        np.testing.assert_allclose(new.mean, 1000 * np.array(old.mean), rtol=0.05)
        np.testing.assert_allclose(new.std, 1000 * np.array(old.std), rtol=0.05)

    def test_of_an_encoder_of_another_preset_or_for_other_bands_is_refused(
        self, job: Pretrain, encoder: str, model: str
    ) -> None:
        for change, said in (
            (
                {"preset": "standard", "backbone": None},
                "holds a test_resnet, but this preset trains a resnet50. Choose the preset",
            ),
            ({"bands": (1, 2)}, "was made for 4 bands (Band 1, Band 2, Band 3, Band 4), but 2 of land.tif"),
            ({"weights": model}, "holds a segmenter (a fine-tuned model), but an encoder is needed"),
        ):
            with pytest.raises(ModelFileError) as caught:
                run(dataclasses.replace(going_on(job, encoder), **change))  # type: ignore[arg-type]
            assert said in str(caught.value)
            assert not Path(job.encoder).exists()

    def test_of_an_encoder_cut_off_is_refused(self, job: Pretrain, encoder: str, tmp_path: Path) -> None:
        (tmp_path / "cut.safetensors").write_bytes(Path(encoder).read_bytes()[:-1000])
        with pytest.raises(ModelFileError, match="damaged or cut off"):
            run(dataclasses.replace(going_on(job, encoder), weights=str(tmp_path / "cut.safetensors")))

    def test_never_writes_over_them(self, job: Pretrain, encoder: str) -> None:
        with pytest.raises(OutputError, match="would overwrite an input"):
            run(dataclasses.replace(job, weights=encoder, encoder=encoder))

    def test_from_a_file_that_has_changed_starts_from_the_beginning(
        self, job: Pretrain, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        path = tmp_path / "w.safetensors"
        job = dataclasses.replace(job, steps=4, weights=str(path))

        def first_step() -> int:
            """Run to the first step that is reported, cancel there, and return its number."""
            cancel, seen = threading.Event(), []

            def watch(event: Any) -> None:
                if isinstance(event, Metric):
                    seen.append(event.step)
                    cancel.set()

            with pytest.raises(Cancelled):
                run(job, watch, cancel)
            return seen[0]

        safetensors.torch.save_file(network.state_dict(), path)
        assert first_step() == 1
        safetensors.torch.save_file({k: v * 2 for k, v in network.state_dict().items()}, path)
        assert first_step() == 1
        checkpoints = list((tmp_path / "cache").rglob("*.safetensors"))
        assert len(checkpoints) == 2


class TestTheGeneralEncoder:
    def test_is_where_pretraining_starts_unless_told_otherwise(self, job: Pretrain, listener: Listener) -> None:
        run(dataclasses.replace(job, method="random", backbone=None), listener)
        given = {name.replace(".", "_"): tensor for name, tensor in general_weights().items()}
        made = pretrained_weights(job.encoder)
        for name, tensor in made.items():
            own = given[name.removeprefix("model.").replace(".", "_")]
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked")) and tensor.shape == own.shape:
                assert tensor.equal(own), name
        card = read_card(job.encoder)
        assert card.provenance["weights"]["licence"] == "Apache-2.0"
        assert "Starting from the general encoder tf_efficientnet_lite0" in listener.infos
        assert "weights" not in card.method

    def test_is_not_taken_where_nothing_is_asked_for(self, job: Pretrain) -> None:
        run(dataclasses.replace(job, method="random", weights="none"))
        assert "weights" not in read_card(job.encoder).provenance

    def test_of_a_backbone_that_comes_with_none_gives_way_to_random_weights(
        self, job: Pretrain, listener: Listener, offline: None
    ) -> None:
        run(dataclasses.replace(job, method="random"), listener)
        assert read_card(job.encoder).encoder == BACKBONE
        assert "cannot be downloaded" in listener.warnings
        assert "The encoder starts from random weights." in listener.warnings
        assert f"choose the backbone {general.BACKBONE}, whose weights come with the library" in listener.warnings

    @pytest.mark.parametrize("preset", ["standard"])
    def test_takes_the_place_of_a_presets_backbone_whose_weights_cannot_be_had(
        self, job: Pretrain, listener: Listener, offline: None, preset: str
    ) -> None:
        run(dataclasses.replace(job, method="random", backbone=None, preset=preset), listener)
        card = read_card(job.encoder)
        assert card.encoder == card.general == general.BACKBONE
        assert card.provenance["weights"]["general"] == general.BACKBONE
        assert "cannot be downloaded" in listener.warnings
        assert f"The general encoder {general.BACKBONE} is taken instead." in listener.warnings
        assert "random weights" not in listener.warnings

    def test_keeps_the_encoder_that_it_began_with_beside_the_pretrained_one(
        self, job: Pretrain, rgb_file: str, land: str, labels: str, tmp_path: Path
    ) -> None:
        run(dataclasses.replace(job, weights=rgb_file))
        card = read_card(job.encoder)
        assert card.general == BACKBONE
        began = started(rgb_file, 4).state_dict()
        kept = general_from(job.encoder, card).state_dict()
        assert kept.keys() == began.keys() and all(kept[name].equal(began[name]) for name in kept)
        trained = encoder_from(job.encoder, card).state_dict()
        assert not any(trained[name].equal(kept[name]) for name in kept if name.endswith("conv1.weight"))
        assert any("heads see both" in row[1] for part in model_sections(card) for row in part.rows)

        # Going on from the file hands the first one on.
        further = dataclasses.replace(job, weights=job.encoder, encoder=str(tmp_path / "further.safetensors"))
        run(further)
        again = general_from(further.encoder, read_card(further.encoder)).state_dict()
        assert all(again[name].equal(began[name]) for name in began)

        # Both are in a model that is fitted to their features.
        model = str(tmp_path / "model.safetensors")
        run(Finetune(land, labels, "cover", model, further.encoder, head="linear", device="cpu"))
        head = read_card(model).head
        assert head is not None and head.encoders == (BACKBONE, BACKBONE)
        started_from = [row[1] for part in model_sections(read_card(model)) for row in part.rows if row[0] == "Started from"]
        assert started_from and all(started_from), "each line says where something came from"

    def test_keeps_none_beside_what_was_pretrained_from_nothing(self, job: Pretrain) -> None:
        run(dataclasses.replace(job, weights="none"))
        assert not read_card(job.encoder).general
        assert not any(name.startswith(GENERAL_PREFIX) for name in safetensors.torch.load_file(job.encoder))
