"""GLCNet: style of patches and windows of them, each pair against all others; the decoder learns too and is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from small_world import Listener
from test_gfcnet import embeddings
from torch import Tensor, nn

from false_core.dispatch import run
from false_core.errors import RequestError
from false_core.jobs import Embed, Finetune, ModelInfo, Pretrain
from false_core.methods.calibration import Calibration
from false_core.methods.fncc import contrast
from false_core.methods.glcnet import DECODER_STRIDE, LOCAL_WINDOWS, GLCNet, style, window_means
from false_core.methods.method import Views
from false_core.methods.simclr import nt_xent
from false_core.models.encoder import build_encoder
from false_core.models.model_file import DECODER_PREFIX, load_weights, read_card
from false_core.models.segmenter import build_segmenter
from false_core.presets import BOTH, FINETUNE, PRETRAIN, PretrainSettings
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.views import PatchDraw, PatchSampler

SETTINGS = GLCNet.adapted(replace(PRETRAIN["quick"], encoder="test_resnet", hidden=16, dimensions=8, method="glcnet"))


def as_published(z: np.ndarray, temperature: float) -> float:
    """The loss of the code published with GLCNet: its mask of negatives is all but the diagonal, the positive among them."""
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    similarity = np.exp(unit @ unit.T / temperature)
    pairs = len(z) // 2
    eye, none = np.eye(pairs), np.zeros((pairs, pairs))
    positive = np.block([[none, eye], [eye, none]]) > 0
    negative = ~np.eye(2 * pairs, dtype=bool)
    return float(-np.log(similarity[positive] / (similarity * negative).sum(axis=1)).mean())


def some_views(pairs: int = 4, seed: int = 0, windows: int = LOCAL_WINDOWS) -> Views:
    chance = torch.Generator().manual_seed(seed)
    points = torch.rand(2 * pairs, windows, 2, generator=chance) - 0.5
    kept = torch.tensor([row for row in range(pairs * windows) if row % windows])
    return Views(torch.randn(2 * pairs, 3, 64, 64, generator=chance), points, torch.cat([kept, kept + pairs * windows]))


def new(settings: PretrainSettings = SETTINGS) -> GLCNet:
    torch.manual_seed(0)
    return GLCNet(build_encoder(settings.encoder, 3), settings)


class TestTheLoss:
    @pytest.mark.thorough
    @pytest.mark.parametrize("temperature", [0.05, 0.5])
    @pytest.mark.parametrize("pairs", [2, 9])
    def test_is_that_of_the_published_code(self, pairs: int, temperature: float) -> None:
        z = embeddings(pairs)
        method = new(replace(SETTINGS, temperature=temperature))
        assert method.compare_all({"image": z}).loss.item() == pytest.approx(as_published(z.numpy(), temperature), rel=1e-9)

    def test_without_confidence_in_false_negatives_fncc_is_the_same(self) -> None:
        z = embeddings(7)
        with_fncc = new(replace(SETTINGS, false_negatives=True, confidence=0.0))
        torch.testing.assert_close(new().compare_all({"image": z}).loss, with_fncc.compare_all({"image": z}).loss)

    def test_weighs_style_and_windows_the_same(self) -> None:
        method = new().eval()
        made = method.represent(some_views())
        assert {level: len(rows) for level, rows in made.items()} == {"image": 8, "points": 2 * 4 * 3}
        wanted = 0.5 * sum(nt_xent(rows, SETTINGS.temperature).loss for rows in made.values())
        torch.testing.assert_close(method(some_views()).loss, wanted)

    def test_is_fncc_where_false_negatives_are_asked_for(self) -> None:
        s = replace(SETTINGS, false_negatives=True, threshold=-1.0)
        method = new(s).eval()
        made = method.represent(some_views())
        wanted = 0.5 * sum(contrast(r, s.temperature, Calibration.of(s)).loss for r in made.values())
        torch.testing.assert_close(method(some_views()).loss, wanted)

    def test_does_without_windows_where_no_pair_shares_one(self) -> None:
        views = replace(some_views(), kept=torch.zeros(0, dtype=torch.long))
        method = new().eval()
        assert method(views).loss.item() == pytest.approx(
            nt_xent(method.represent(views)["image"], SETTINGS.temperature).loss.item()
        )


class TestWhatIsCompared:
    @pytest.mark.thorough
    def test_with_the_published_decoder_style_is_that_of_its_pyramid(self) -> None:
        method = new(replace(SETTINGS, decoder="deeplabv3plus-d8")).eval()
        views, seen = some_views(), []
        handle = method.decoder.bottleneck.register_forward_hook(lambda *given: seen.append(given[2]))  # type: ignore[union-attr, operator]
        with torch.inference_mode():
            made = method.represent(views)
        handle.remove()
        (pyramid,) = seen
        assert pyramid.shape == (8, 512, 8, 8)
        variance, mean = pyramid.var(dim=(2, 3), correction=0), pyramid.mean(dim=(2, 3))
        torch.testing.assert_close(made["image"], method.style(torch.cat([mean, variance], dim=1)))

    def test_style_is_mean_and_variance(self) -> None:
        features = torch.randn(3, 5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        for one, wanted in zip(style(features).numpy(), features.numpy()):
            np.testing.assert_allclose(one, [*wanted.mean(axis=(1, 2)), *wanted.var(axis=(1, 2))])

    def test_of_half_precision_is_computed_in_single(self) -> None:
        features = 100 + torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(style(features.bfloat16()), style(features.bfloat16().float()))

    @pytest.mark.parametrize(("column", "row"), [(2, 2), (7, 4), (5, 11)])
    def test_a_window_is_the_mean_of_its_pixels(self, column: int, row: int) -> None:
        """On the grid of the decoder a window of 4 x 4 pixels holds 16 of them, whole."""
        decoded = torch.randn(1, 3, 16, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        column = min(column, 10)
        middle = torch.tensor([[[column / 12 * 2 - 1, row / 16 * 2 - 1]]], dtype=torch.float64)
        wanted = decoded[0, :, row - 2 : row + 2, column - 2 : column + 2].mean(dim=(1, 2))
        torch.testing.assert_close(window_means(decoded, middle, 4.0)[0, 0], wanted)

    def test_a_window_between_pixels_lies_between_their_windows(self) -> None:
        decoded = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

        def at(column: float) -> Tensor:
            middle = torch.tensor([[[column / 8 - 1, 0.0]]], dtype=torch.float64)
            return window_means(decoded, middle, 4.0)[0, 0]

        torch.testing.assert_close(at(6.25), 0.75 * at(6.0) + 0.25 * at(7.0))

    def test_windows_lie_in_both_views_and_show_the_same_ground(self, land: str) -> None:
        source = RasterSource(land)
        plain = Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4)
        settings = replace(SETTINGS, crop_size=48, window=16)
        batch = PatchSampler(
            MeasuredRasters([source], [source.window_of(None)], plain),
            PatchDraw(8, 48, (0.8, 1.2), settings.points, 0),
            10**7,
            requirements=GLCNet.sampling_requirements(settings),
        ).batch(0)
        assert batch.seen.any()
        for points in batch.points:
            middles = points[batch.seen].numpy() * 24
            assert np.abs(middles).max() <= 24 - 8
        where = batch.positions("points").pixels
        np.testing.assert_allclose(*np.split(where, 2), atol=0.01)

    @pytest.mark.thorough
    def test_windows_too_large_for_the_patch_are_refused(self, land: str, tmp_path: Path) -> None:
        job = Pretrain((land,), str(tmp_path / "e.safetensors"), preset="quick", device="cpu", method="glcnet", window=33)
        with pytest.raises(RequestError, match="Windows of 33 pixels are too large for patches of 64 pixels"):
            run(job)
        assert run(replace(job, window=32, steps=1, batch_size=2))["steps"] == 1


@pytest.fixture(scope="module")
def encoder_file(land: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("glcnet") / "encoder.safetensors")
    run(
        Pretrain(
            (land,),
            path,
            preset="quick",
            backbone="test_resnet",
            weights="none",
            device="cpu",
            method="glcnet",
            steps=2,
            batch_size=4,
        )
    )
    return path


class TestTheDecoder:
    @pytest.mark.parametrize("preset", PRETRAIN)
    def test_is_that_of_fine_tuning_with_the_same_preset(self, preset: str) -> None:
        assert PRETRAIN[preset].decoder == FINETUNE[preset].decoder

    @pytest.mark.thorough
    @pytest.mark.parametrize("decoder", ["segformer", "deeplabv3plus"])
    def test_learns_along_with_the_encoder_and_leaves_nothing_to_chance(self, decoder: str) -> None:
        method = new(replace(SETTINGS, decoder=decoder))
        one, other = (method(some_views()).loss for _ in range(2))
        assert one.equal(other), "dropout would make them differ"
        torch.autograd.backward(one)
        assert method.decoder is not None
        reached = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in method.decoder.parameters()]
        assert np.mean(reached) > 0.9
        assert next(method.encoder.parameters()).grad is not None

    def test_weights_that_were_given_are_kept(self) -> None:
        torch.manual_seed(3)
        encoder = build_encoder("test_resnet", 3)
        method = GLCNet(encoder, replace(SETTINGS, decoder="deeplabv3plus"))
        assert all(value.equal(method.encoder.state_dict()[name]) for name, value in encoder.state_dict().items())

    @pytest.mark.thorough
    def test_lies_in_the_encoder_file_beside_the_encoder(self, encoder_file: str, tmp_path: Path) -> None:
        card = read_card(encoder_file, "encoder")
        assert card.decoder == "segformer"
        assert (card.method["level"], card.method["points"]) == (BOTH, LOCAL_WINDOWS)
        network = build_segmenter(card.encoder, card.decoder, 4, 2)
        load_weights(encoder_file, build_encoder(card.encoder, 4))
        load_weights(encoder_file, network.encoder)
        load_weights(encoder_file, network.decoder, DECODER_PREFIX)
        held = safetensors.torch.load_file(encoder_file)
        own = network.state_dict()
        assert all(value.equal(own[f"decoder.{name}"]) for name, value in network.decoder.state_dict().items())
        assert {name for name in held if name.startswith("decoder.")} == {n for n in own if n.startswith("decoder.")}

    @pytest.mark.thorough
    def test_is_where_fine_tuning_starts(
        self, encoder_file: str, land: str, labels: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started: list[dict[str, Tensor]] = []
        real = nn.Module.__call__

        def watched(self: nn.Module, *given: object, **named: object) -> object:
            if not started and hasattr(self, "segmentation_head"):
                started.append({name: value.clone() for name, value in self.decoder.state_dict().items()})  # type: ignore[operator, union-attr]
            return real(self, *given, **named)

        monkeypatch.setattr(nn.Module, "__call__", watched)
        job = Finetune(
            land,
            labels,
            "cover",
            str(tmp_path / "m.safetensors"),
            encoder=encoder_file,
            head="network",
            preset="quick",
            backbone="test_resnet",
            device="cpu",
            steps=1,
        )
        run(job, listener)
        held = safetensors.torch.load_file(encoder_file)
        assert started and all(value.equal(held[f"decoder.{name}"]) for name, value in started[0].items())
        assert "The decoder starts as it was pretrained too (segformer)" in listener.infos

    @pytest.mark.thorough
    def test_of_another_kind_is_not_used_and_that_is_said(
        self, encoder_file: str, land: str, labels: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(FINETUNE, "quick", replace(FINETUNE["quick"], decoder="deeplabv3plus"))
        run(
            Finetune(
                land, labels, "cover", str(tmp_path / "m.safetensors"), encoder=encoder_file, preset="quick", device="cpu",
                head="network", steps=1,
            ),
            listener,
        )  # fmt: skip
        assert "also holds a pretrained decoder, a segformer. It is not used: this preset trains a deeplabv3plus" in (
            listener.infos
        )
        assert read_card(str(tmp_path / "m.safetensors")).decoder == "deeplabv3plus"

    @pytest.mark.thorough
    def test_is_in_nobodys_way(self, encoder_file: str, land: str, tmp_path: Path) -> None:
        """Features, weights to start from and the report on the file take the encoder alone, or say what else there is."""
        run(Embed(land, encoder_file, str(tmp_path / "features.tif"), device="cpu"))
        again = Pretrain(
            (land,),
            str(tmp_path / "e.safetensors"),
            preset="quick",
            backbone="test_resnet",
            device="cpu",
            steps=1,
            batch_size=2,
            weights=encoder_file,
        )
        run(again)
        assert read_card(again.encoder).decoder == ""
        run(ModelInfo(encoder_file, str(tmp_path / "info.html")))
        assert "test_resnet + segformer" in (tmp_path / "info.html").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_the_report_shows_matched_windows(report_of: Callable[..., str]) -> None:
    html = report_of("glcnet", steps=1)
    assert "<h2>Windows that were matched</h2>" in html
    assert "<h2>Nearest neighbours (patches)</h2>" in html and "<h2>Nearest neighbours (points)</h2>" in html
    figure = html[html.index("Windows that were matched") :]
    figure = figure[: figure.index("</svg>")]
    assert figure.count("data:image/png;base64") == 2 * 4
    assert DECODER_STRIDE == 4
