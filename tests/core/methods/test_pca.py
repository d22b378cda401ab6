"""PCA: filters are the eigenvectors that another library finds, level after level, and the encoder is one like any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_world import Listener
from torch import Tensor

from false_core.dispatch import run
from false_core.errors import RequestError
from false_core.events import Metric
from false_core.jobs import Classify, Finetune, Pretrain
from false_core.methods.method import Views
from false_core.methods.pca import PCA, leading_components, neighbourhoods
from false_core.models.components import COMPONENTS_OF_LEVELS, SIDES_OF_NEIGHBOURHOODS
from false_core.models.encoder import DEPTH, build_encoder, channels_of
from false_core.models.model_file import read_card
from false_core.models.segmenter import build_segmenter
from false_core.presets import PRETRAIN

BANDS, BATCH = 2, 3


def new_pca() -> PCA:
    torch.manual_seed(0)
    settings = PCA.adapted(PRETRAIN["quick"])
    return PCA(build_encoder(settings.encoder, BANDS), settings)


def batches(number: int, size: int = 128) -> Iterator[Views]:
    """Yield views of smooth noise around 1, that no two bands have alike."""
    chance = torch.Generator().manual_seed(0)
    for _ in range(number):
        noise = torch.randn(2 * BATCH, BANDS, size, size, generator=chance)
        smooth = torch.nn.functional.avg_pool2d(noise, 3, 1, 1) * torch.tensor([4.0, 2.0])[:, None, None] + 1
        yield Views(smooth, torch.zeros(2 * BATCH, 0, 2), torch.zeros(0, dtype=torch.long))


def cut_out(seen: Tensor, side: int, step: int) -> np.ndarray:
    """Return the neighbourhoods of maps, one after the other."""
    found = [
        one[:, row : row + side, column : column + side].reshape(-1).double().numpy()
        for one in seen
        for row in range(0, one.shape[1] - side + 1, step)
        for column in range(0, one.shape[2] - side + 1, step)
    ]
    return np.stack(found)


class TestComponents:
    def test_are_those_of_a_singular_value_decomposition(self) -> None:
        rows = np.random.default_rng(0).normal(size=(50, 12)) * np.linspace(1, 4, 12)
        centred = rows - rows.mean(axis=0)
        axes, variances, total = leading_components(torch.from_numpy(centred.T @ centred / 50), 5)
        _, values, vectors = np.linalg.svd(centred, full_matrices=False)
        assert variances.numpy() == pytest.approx(values[:5] ** 2 / 50, rel=1e-9)
        assert total.item() == pytest.approx((values**2).sum() / 50, rel=1e-9)
        assert np.abs((axes.numpy() * vectors[:5]).sum(axis=1)) == pytest.approx(np.ones(5), rel=1e-9)

    def test_point_to_where_their_largest_part_is_positive(self) -> None:
        axes, _, _ = leading_components(torch.diag(torch.tensor([1.0, 3.0, 2.0])), 2)
        torch.testing.assert_close(axes, torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))


class TestNeighbourhoods:
    @pytest.mark.parametrize(("size", "side", "step"), [(64, 5, 10), (16, 3, 2), (8, 3, 1), (3, 3, 1)])
    def test_lie_on_a_grid_of_about_six_by_six(self, size: int, side: int, step: int) -> None:
        seen = torch.randn(2, 3, size, size)
        assert neighbourhoods(seen, side).flatten(0, 1).numpy() == pytest.approx(cut_out(seen, side, step), rel=1e-6)

    def test_that_do_not_fit_are_filled_up(self) -> None:
        found = neighbourhoods(torch.ones(1, 1, 2, 2), 3)
        assert found.shape == (1, 4, 9)
        assert found.sum(dim=2).tolist() == [[4.0] * 4]


class TestTheEncoder:
    @pytest.mark.thorough
    def test_has_at_every_level_the_filters_that_numpy_finds(self) -> None:
        """Level after level, in the layers of the trained network."""
        method, steps = new_pca(), 2 * DEPTH
        seen: list[list[np.ndarray]] = [[] for _ in range(DEPTH)]
        for step, views in enumerate(batches(steps), start=1):
            level = int(method.level)
            with torch.no_grad():
                maps = method.encoder(views.pixels)[level]
            across = maps.shape[-1] - SIDES_OF_NEIGHBOURHOODS[level] + 1
            seen[level].append(cut_out(maps, SIDES_OF_NEIGHBOURHOODS[level], max(1, across // 6)))
            method.compare_all(method.represent(views))
            method.after_step(step, steps)
        for own, rows, number in zip(method.levels, map(np.concatenate, seen), COMPONENTS_OF_LEVELS):
            centred = rows - rows.mean(axis=0)
            _, values, vectors = np.linalg.svd(centred, full_matrices=False)
            scale = 1 / np.sqrt((values[:number] ** 2).mean() / len(rows))
            filters = own.filters.weight.detach().double().numpy().reshape(2 * number, -1)
            bias = own.filters.bias.detach().double().numpy()
            # An axis may point either way: what is compared is what all of them keep, by their variances.
            wanted = (vectors[:number].T * values[:number] ** 2) @ vectors[:number] * scale**2
            kept = (filters[:number].T * values[:number] ** 2) @ filters[:number]
            assert np.abs(kept - wanted).max() < 1e-3 * np.abs(wanted).max()
            assert filters[number:] == pytest.approx(-filters[:number])
            assert bias == pytest.approx(-(filters @ rows.mean(axis=0)), abs=1e-4)

    @pytest.mark.thorough
    def test_gives_responses_above_and_below_0_their_own_channels(self) -> None:
        encoder = build_encoder("pca", BANDS)
        level = encoder.model.levels[0]
        level.take(torch.full((50,), 0.5), torch.eye(50)[: COMPONENTS_OF_LEVELS[0]], torch.tensor(2.0))
        pixels = torch.randn(1, BANDS, 32, 32)
        with torch.no_grad():
            finest = encoder(pixels)[1]
        # The first component is the upper left corner of a neighbourhood in the first band.
        responses = 2 * (torch.nn.functional.pad(pixels, (2, 2, 2, 2))[0, 0, :32, :32] - 0.5)
        for channel, sign in ((0, 1), (COMPONENTS_OF_LEVELS[0], -1)):
            wanted = (sign * responses).clamp(min=0).view(16, 2, 16, 2).mean(dim=(1, 3))
            torch.testing.assert_close(finest[0, channel], wanted)

    def test_sees_more_and_more_at_coarser_strides(self) -> None:
        encoder = build_encoder("pca", 5).eval()
        features = encoder(torch.randn(2, 5, 64, 96))
        assert [tuple(one.shape[-2:]) for one in features] == [(64 >> n, 96 >> n) for n in range(DEPTH + 1)]
        assert (
            [one.shape[1] for one in features]
            == channels_of(encoder)
            == [5, *(2 * number for number in COMPONENTS_OF_LEVELS)]
        )

    @pytest.mark.thorough
    def test_can_be_dilated_and_sees_the_same_there(self) -> None:
        """DeepLabV3+ has features at a stride of 8 where others have them at 16 and 32."""
        plain = build_encoder("pca", BANDS)
        dilated = build_segmenter("pca", "deeplabv3plus-d8", BANDS, 3).encoder
        dilated.load_state_dict(plain.state_dict())
        pixels = torch.randn(1, BANDS, 256, 256)
        with torch.no_grad():
            wanted, found = plain(pixels), dilated(pixels)
        for level, step in ((3, 1), (4, 2), (5, 4)):
            inner = slice(1, -1)
            torch.testing.assert_close(
                found[level][..., ::step, ::step][..., inner, inner], wanted[level][..., inner, inner]
            )

    @pytest.mark.thorough
    def test_is_equal_where_all_pixels_are(self) -> None:
        """Nothing varies, and nothing is divided by that."""
        method = new_pca()
        flat = Views(torch.ones(2, BANDS, 128, 128), torch.zeros(2, 0, 2), torch.zeros(0, dtype=torch.long))
        for step in range(DEPTH):
            assert method(flat).loss.isfinite()
            method.after_step(step + 1, DEPTH)
        assert all(parameter.isfinite().all() for parameter in method.encoder.parameters())


@pytest.mark.thorough
class TestPretraining:
    def job(self, land: str, folder: Path, **more: Any) -> Pretrain:
        settings = {"steps": 5, "batch_size": 4, **more}
        return Pretrain((land,), str(folder / "e.safetensors"), preset="quick", device="cpu", method="pca", **settings)

    def test_takes_a_step_for_each_level_at_least_and_ten_at_most(self, land: str, tmp_path: Path) -> None:
        assert run(self.job(land, tmp_path, steps=1))["steps"] == DEPTH
        assert run(self.job(land, tmp_path, steps=10_000, batch_size=2))["steps"] == 10 * DEPTH

    def test_shows_filters_and_what_they_explain(self, land: str, tmp_path: Path, listener: Listener) -> None:
        report = tmp_path / "report.html"
        run(self.job(land, tmp_path, steps=10, report=str(report)), listener)
        html = report.read_text("utf-8")
        assert "Further components" in html
        assert "The encoder was computed, not trained." in html
        shares = [event.value for event in listener.all(Metric) if event.name.startswith("variance explained by level")]
        assert shares and all(0.3 < share <= 1 for share in shares)

    def test_makes_an_encoder_that_fine_tuning_and_classifying_take(self, land: str, labels: str, tmp_path: Path) -> None:
        job = self.job(land, tmp_path)
        run(job)
        assert read_card(job.encoder).encoder == "pca"
        for head in ("linear", "network"):
            model, out = str(tmp_path / f"{head}.safetensors"), str(tmp_path / f"{head}.tif")
            steps = 2 if head == "network" else None
            named = {"encoder": job.encoder, "weights": "none", "head": head, "steps": steps}
            run(Finetune(land, labels, "cover", model, preset="quick", device="cpu", **named))  # type: ignore[arg-type]
            run(Classify(land, model, out, device="cpu"))
            assert Path(out).is_file()

    def test_with_weights_is_refused(self, land: str, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="method pca takes no weights. It computes all of them"):
            run(self.job(land, tmp_path, weights="general"))
