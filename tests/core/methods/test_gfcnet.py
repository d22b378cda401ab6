"""GFCNet: what lies near an anchor and looks like it is no negative; what lies far away or looks unlike always is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import naive_neighbourhoods
import numpy as np
import pytest
import torch
from small_world import FROM_NOTHING, Listener, textured_land, write_raster
from torch import Tensor

from false_core.dispatch import run
from false_core.events import Metric
from false_core.jobs import Pretrain
from false_core.methods.calibration import Calibration
from false_core.methods.false_negatives import Search
from false_core.methods.fncc import fncc_loss
from false_core.methods.gfcnet import GFCNet, corrected, gfcnet_loss
from false_core.methods.method import Views
from false_core.methods.pairs import directions
from false_core.methods.simclr import nt_xent
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, PRETRAIN


def embeddings(pairs: int, dimensions: int = 4, seed: int = 0) -> Tensor:
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(pairs, dimensions))
    return torch.from_numpy(np.concatenate([first, first + 0.5 * generator.normal(size=first.shape)]))


def places(pairs: int, seed: int = 0) -> Tensor:
    """Return where pairs lie, of shape (2 * pairs, 3): anywhere within one unit."""
    return torch.from_numpy(np.random.default_rng([seed, 1]).uniform(size=(pairs, 3))).repeat(2, 1)


class TestByHand:
    def test_three_patches_of_which_two_are_near_and_alike(self) -> None:
        # Patches 0 and 1 are the same and next to each other, 2 is like neither and as near.
        z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64).repeat(2, 1)
        ground = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [0.25, 0.1, 0]], dtype=torch.float64).repeat(2, 1)
        # Anchors of 0 and 1 keep the two views of 2 alone; those of 2 keep all four others.
        e = float(np.e)
        wanted = (4 * np.log((e + 2) / e) + 2 * np.log((e + 4) / e)) / 6
        outcome = gfcnet_loss(z, ground, radius=1.0, temperature=1.0)
        assert outcome.loss.item() == pytest.approx(wanted, rel=1e-9)
        assert outcome.curves["negatives"].item() == pytest.approx((4 * 2 + 2 * 4) / (6 * 4))

    @pytest.mark.parametrize(("apart", "is_negative"), [(0.0, False), (0.49, False), (0.51, True), (5.0, True)])
    def test_what_is_half_alike_is_corrected_within_half_the_radius(self, apart: float, is_negative: bool) -> None:
        z = torch.tensor([[1.0, 0.0], [0.5, 0.75**0.5]], dtype=torch.float64).repeat(2, 1)
        ground = torch.tensor([[0.0, 0, 0], [0.0, apart, 0]], dtype=torch.float64).repeat(2, 1)
        assert gfcnet_loss(z, ground, 1.0).curves["negatives"].item() == float(is_negative)


class TestTheLoss:
    @pytest.mark.parametrize("radius", [0.0, 0.3, 1.0, 100.0])
    @pytest.mark.parametrize("fncc", [{}, {"threshold": 0.5, "confidence": 0.7, "neighbours": 2}], ids=["plain", "fncc"])
    def test_is_that_of_a_plain_loop(self, radius: float, fncc: dict[str, float]) -> None:
        z, ground = embeddings(9), places(9)
        calibration = Calibration(Search(fncc["threshold"], fncc["neighbours"]), fncc["confidence"]) if fncc else None
        wanted = naive_neighbourhoods.gfcnet(z.tolist(), ground.tolist(), radius, 0.3, **fncc)
        assert gfcnet_loss(z, ground, radius, 0.3, calibration).loss.item() == pytest.approx(wanted, rel=1e-9)

    def test_is_nt_xent_without_a_radius_and_fncc_with_false_negatives_besides(self) -> None:
        z, ground = embeddings(9), places(9)
        assert gfcnet_loss(z, ground, 0.0, 0.3).loss.item() == pytest.approx(nt_xent(z, 0.3).loss.item(), rel=1e-12)
        wanted = fncc_loss(z, 0.3, 0.5, 0.7, 2).item()
        assert gfcnet_loss(z, ground, 0.0, 0.3, Calibration(Search(0.5, 2), 0.7)).loss.item() == pytest.approx(
            wanted, rel=1e-12
        )

    def test_keeps_what_looks_unlike_however_near_and_what_is_far_however_alike(self) -> None:
        z = torch.cat([torch.eye(4, dtype=torch.float64)] * 2)
        assert gfcnet_loss(z, torch.zeros(8, 3, dtype=torch.float64), 1e9).curves["negatives"].item() == 1
        alike = torch.ones(8, 3, dtype=torch.float64)
        far = torch.arange(4, dtype=torch.float64)[:, None].repeat(2, 3)
        assert gfcnet_loss(alike, far, 1.0).curves["negatives"].item() == 1

    def test_keeps_what_nobody_knows_the_place_of(self) -> None:
        z, ground = torch.ones(6, 3, dtype=torch.float64), torch.full((6, 3), torch.nan, dtype=torch.float64)
        assert gfcnet_loss(z, ground, 1.0).curves["negatives"].item() == 1

    @pytest.mark.thorough
    def test_stays_finite_where_no_negative_is_left(self) -> None:
        z = torch.ones(6, 3, dtype=torch.float32).requires_grad_()
        outcome = gfcnet_loss(z, torch.zeros(6, 3), 1.0, calibration=Calibration(Search(-1.0)))
        torch.autograd.backward(outcome.loss)
        assert outcome.loss.item() == pytest.approx(0, abs=1e-6)
        assert z.grad is not None and z.grad.isfinite().all()
        assert outcome.found is not None and not outcome.found.benchmark.any()

    @pytest.mark.thorough
    @pytest.mark.parametrize("calibration", [None, Calibration(Search(0.5, 2), 0.7)])
    def test_has_the_gradients_of_finite_differences(self, calibration: Calibration | None) -> None:
        z, ground = embeddings(5).requires_grad_(), places(5)
        assert torch.autograd.gradcheck(lambda x: gfcnet_loss(x, ground, 0.7, 0.3, calibration).loss, (z,))

    def test_needs_memory_for_a_block_at_a_time_and_is_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ground = places(9)

        def loss_and_slope() -> tuple[Tensor, Tensor]:
            z = embeddings(9).requires_grad_()
            loss = gfcnet_loss(z, ground, 0.7, 0.3, Calibration(Search(0.5))).loss
            return loss, torch.autograd.grad(loss, z)[0]

        whole = loss_and_slope()
        monkeypatch.setattr("false_core.methods.pairs.SIMILARITIES_AT_A_TIME", 50)
        torch.testing.assert_close(loss_and_slope(), whole)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_is_computed_in_single_precision(self, dtype: torch.dtype) -> None:
        z, ground = embeddings(9).float(), places(9).float()
        wanted = gfcnet_loss(z, ground, 0.7).loss.item()
        with torch.autocast("cpu", dtype):
            assert gfcnet_loss(z, ground, 0.7).loss.item() == pytest.approx(wanted, abs=1e-6)

    def test_refuses_a_radius_below_0(self) -> None:
        with pytest.raises(ValueError, match="radius must be at least 0"):
            gfcnet_loss(embeddings(3), places(3), -1.0)


class TestCorrected:
    def test_are_the_pairs_of_a_joint_distance_below_1_the_nearest_first(self) -> None:
        z, ground = directions(embeddings(9)), places(9)
        joint = (ground[:, None] - ground).norm(dim=2) / 0.7 + 1 - z @ z.T
        indices, counts = corrected(z, ground, 0.7, 18)
        for i in range(18):
            wanted = [j for j in joint[i].argsort().tolist() if joint[i, j] < 1 and j not in (i, (i + 9) % 18)]
            assert indices[i][counts[i]].tolist() == wanted
        assert counts.any()
        assert corrected(z, ground, 0.7, 2)[0].equal(indices[:, :2])


class TestTheMethod:
    def views(self) -> Views:
        chance = torch.Generator().manual_seed(0)
        kept = torch.arange(0, 12)
        return Views(
            torch.randn(8, 2, 32, 32, generator=chance), 2 * torch.rand(8, 3, 2, generator=chance) - 1,
            torch.cat([kept, kept + 12]), torch.rand(4, 4, 3, generator=chance),
        )  # fmt: skip

    def test_compares_patches_by_their_centres_and_points_by_their_own_places(self) -> None:
        torch.manual_seed(0)
        settings = replace(PRETRAIN["quick"], level=BOTH, hidden=16, dimensions=8, method="gfcnet")
        method, views = GFCNet(build_encoder("test_resnet", 2), settings).eval(), self.views()
        made = method.represent(views)
        assert views.ground is not None
        assert made["image on the ground"].equal(torch.cat([views.ground[:, 0]] * 2))
        assert made["points on the ground"].equal(torch.cat([views.ground[:, 1:].flatten(0, 1)] * 2))
        of_levels = [
            gfcnet_loss(made[level], made[f"{level} on the ground"], 1.0, settings.temperature).loss
            for level in ("image", "points")
        ]
        assert method(views).loss.item() == pytest.approx(torch.stack(of_levels).mean().item())

    def test_says_so_where_it_does_not_know_the_ground(self) -> None:
        method = GFCNet(build_encoder("test_resnet", 2), replace(PRETRAIN["quick"], hidden=16, dimensions=8))
        with pytest.raises(ValueError, match="where the views lie on the ground"):
            method(replace(self.views(), ground=None))

    @pytest.mark.thorough
    def test_of_a_larger_radius_keeps_fewer_negatives_and_shows_it_on_the_map(
        self, tmp_path: Path, listener: Listener
    ) -> None:
        land = write_raster(tmp_path / "land.tif", textured_land(), nodata=0)
        report = tmp_path / "report.html"
        job = Pretrain(
            (land,), str(tmp_path / "e.safetensors"), method="gfcnet", steps=1, batch_size=4, radius=0.0, report=str(report),
            **FROM_NOTHING,
        )  # fmt: skip
        shares = {}
        for radius in (0.0, 0.2, 3.0):
            listener.events.clear()
            run(replace(job, radius=radius), listener)
            (shares[radius],) = (event.value for event in listener.all(Metric) if event.name == "negatives")
            html = report.read_text(encoding="utf-8")
            assert ("<h2>Corrected negatives</h2>" in html) and ("There are none among" in html) == (radius == 0)
        assert shares[0.0] == 1 > shares[0.2] > shares[3.0]
        assert "the anchor is a white ring" in html
