"""RiSSNet: of what lies near an anchor, what looks most like it is a positive too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import naive_neighbourhoods
import numpy as np
import pytest
import torch
from test_gfcnet import embeddings, places
from torch import Tensor

from false_core.methods.calibration import Calibration
from false_core.methods.false_negatives import Search
from false_core.methods.fncc import fncc_loss
from false_core.methods.pairs import directions
from false_core.methods.rissnet import DRAWN, RELAXED, RiSSNet, relaxed_positives, rissnet_loss
from false_core.methods.simclr import nt_xent
from false_core.presets import IMAGE, POINTS, PRETRAIN
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.views import PatchDraw, PatchSampler, SamplingRequirements


class TestByHand:
    def test_three_patches_of_which_one_is_near(self) -> None:
        # 0 and 1 are neighbours at right angles; 2 is far away and like 0.
        z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64).repeat(2, 1)
        ground = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [9.0, 0, 0]], dtype=torch.float64).repeat(2, 1)
        e = float(np.e)
        # Anchors of 0: positives at 1 (own) and 0 (both views of 1), negatives are the two views of 2, at 1.
        of_0 = (np.log((e + 2 * e) / e) + 2 * np.log((1 + 2 * e) / 1)) / 3
        # Anchors of 1: own positive at 1, those of 0 at 0, negatives at 0.
        of_1 = (np.log((e + 2) / e) + 2 * np.log((1 + 2) / 1)) / 3
        # Anchors of 2 have no neighbour.
        of_2 = np.log((e + 2 * e + 2) / e)
        loss = rissnet_loss(z, ground, radius=1.0, relaxed=2, temperature=1.0)
        assert loss.loss.item() == pytest.approx((of_0 + of_1 + of_2) / 3, rel=1e-9)
        assert loss.curves["relaxed positives"].item() == pytest.approx((1 + 1 + 0) / 3)
        assert loss.curves["similarity of relaxed positives"].item() == pytest.approx(0)


class TestTheLoss:
    @pytest.mark.thorough
    @pytest.mark.parametrize("radius", [0.0, 0.4, 100.0])
    @pytest.mark.parametrize("relaxed", [0, 1, 3, 20])
    @pytest.mark.parametrize("fncc", [{}, {"threshold": 0.5, "confidence": 0.7, "neighbours": 2}], ids=["plain", "fncc"])
    def test_is_that_of_a_plain_loop(self, radius: float, relaxed: int, fncc: dict[str, float]) -> None:
        z, ground = embeddings(9), places(9)
        if fncc and relaxed == 20 and radius == 100:
            z, ground = embeddings(3), places(3)  # No negative is left: FNSD finds nothing.
        calibration = Calibration(Search(fncc["threshold"], fncc["neighbours"]), fncc["confidence"]) if fncc else None
        wanted = naive_neighbourhoods.rissnet(z.tolist(), ground.tolist(), radius, relaxed, 0.3, **fncc)
        assert rissnet_loss(z, ground, radius, relaxed, 0.3, calibration).loss.item() == pytest.approx(wanted, rel=1e-9)

    @pytest.mark.parametrize(("radius", "relaxed"), [(0.0, 2), (1.0, 0)])
    def test_is_nt_xent_without_relaxed_positives_and_fncc_with_false_negatives_besides(
        self, radius: float, relaxed: int
    ) -> None:
        z, ground = embeddings(9), places(9)
        wanted = nt_xent(z, 0.3).loss.item()
        assert rissnet_loss(z, ground, radius, relaxed, 0.3).loss.item() == pytest.approx(wanted, rel=1e-12)
        wanted = fncc_loss(z, 0.3, 0.5, 0.7, 2).item()
        loss = rissnet_loss(z, ground, radius, relaxed, 0.3, Calibration(Search(0.5, 2), 0.7)).loss
        assert loss.item() == pytest.approx(wanted, rel=1e-12)

    @pytest.mark.thorough
    @pytest.mark.parametrize("calibration", [None, Calibration(Search(0.5, 2), 0.7)])
    def test_has_the_gradients_of_finite_differences(self, calibration: Calibration | None) -> None:
        z, ground = embeddings(5).requires_grad_(), places(5)
        assert torch.autograd.gradcheck(lambda x: rissnet_loss(x, ground, 0.7, 2, 0.3, calibration).loss, (z,))

    def test_needs_memory_for_a_block_at_a_time_and_is_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ground = places(9)

        def loss_and_slope() -> tuple[Tensor, Tensor]:
            z = embeddings(9).requires_grad_()
            loss = rissnet_loss(z, ground, 0.7, 2, 0.3, Calibration(Search(0.5))).loss
            return loss, torch.autograd.grad(loss, z)[0]

        whole = loss_and_slope()
        monkeypatch.setattr("false_core.methods.pairs.SIMILARITIES_AT_A_TIME", 50)
        torch.testing.assert_close(loss_and_slope(), whole)

    def test_pulls_a_neighbour_and_pushes_what_is_far_away(self) -> None:
        z = (
            torch.tensor([[1.0, 0.3, 0.0], [1.0, -0.3, 0.0], [1.0, 0.0, 2.0]], dtype=torch.float64)
            .repeat(2, 1)
            .requires_grad_()
        )
        ground = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [9.0, 0, 0]], dtype=torch.float64).repeat(2, 1)
        torch.autograd.backward(rissnet_loss(z, ground, 1.0, relaxed=1).loss)
        assert z.grad is not None
        with torch.no_grad():
            moved = directions(z - 0.1 * z.grad)
            before = directions(z)
        assert moved[0] @ moved[1] > before[0] @ before[1]
        assert moved[0] @ moved[2] < before[0] @ before[2]


class TestRelaxedPositives:
    def test_are_the_best_of_what_is_near(self) -> None:
        z, ground = embeddings(9), places(9)
        found = relaxed_positives(directions(z), ground, 0.5, 3)
        wanted = naive_neighbourhoods.relaxed_places(z.tolist(), ground.tolist(), 0.5, 3)
        assert {len(best) for best in wanted} >= {3}
        for i, best in enumerate(wanted):
            chosen = found.indices[i][found.counts[i]].tolist()
            assert chosen == [*best, *(j + 9 for j in best)]

    def test_are_none_where_nobody_knows_the_place(self) -> None:
        nowhere = torch.full((18, 3), torch.nan, dtype=torch.float64)
        assert not relaxed_positives(directions(embeddings(9)), nowhere, 1e9, 3).counts.any()


class TestSampling:
    def sampler(self, path: str, requirements: SamplingRequirements, area: Window | None = None) -> PatchSampler:
        source = RasterSource(path)
        plain = Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4)
        return PatchSampler(
            MeasuredRasters([source], [area or source.window_of(None)], plain),
            PatchDraw(10, 16, (0.8, 1.2), 0, 0),
            10**7,
            requirements=requirements,
        )

    def test_draws_groups_of_neighbours(self, land: str) -> None:
        sampler = self.sampler(land, SamplingRequirements(neighbours=3, reach=1.5))
        middles, distances = [], []
        for number in range(30):
            centres = sampler.batch(number).centres
            assert len(centres) == 10
            for start in (0, 4, 8):
                group = centres[start : start + 4]
                middles.append(group[0])
                distances += np.linalg.norm(group[1:] - group[0], axis=1).tolist()
        assert max(distances) <= 1.5 * 16 + 1
        # Uniform over a disc: the mean distance from its middle is two thirds of its radius.
        assert np.mean(distances) == pytest.approx(1.5 * 16 * 2 / 3, rel=0.15)
        assert np.std(middles, axis=0).min() > 20, "the groups themselves lie anywhere"

    def test_stays_inside_the_area(self, land: str) -> None:
        area = Window(60, 40, 30, 20)
        sampler = self.sampler(land, SamplingRequirements(neighbours=4, reach=50.0), area)
        for number in range(20):
            x, y = sampler.batch(number).centres.T
            assert (x >= 59).all() and (x <= 91).all() and (y >= 39).all() and (y <= 61).all()

    def test_is_as_ever_where_no_neighbours_are_asked_for(self, land: str) -> None:
        one, other = (
            self.sampler(land, requirements).batch(3)
            for requirements in (SamplingRequirements(), SamplingRequirements(margin=5.0, reach=9.0))
        )
        np.testing.assert_array_equal(one.centres, other.centres)

    @pytest.mark.parametrize(("level", "drawn"), [(IMAGE, DRAWN), (POINTS, 0)])
    def test_is_asked_for_where_embeddings_stand_for_patches_alone(self, level: str, drawn: int) -> None:
        settings = replace(PRETRAIN["quick"], level=level, radius=2.5)
        requirements = RiSSNet.sampling_requirements(settings)
        assert requirements.neighbours == drawn
        assert not drawn or requirements.reach == 2.5


@pytest.mark.thorough
def test_the_report_shows_the_neighbours_that_were_chosen(report_of: Callable[..., str]) -> None:
    html = report_of("rissnet", steps=1)
    assert "<h2>Chosen neighbours</h2>" in html
    assert RELAXED >= 1 and html.count("Neighbour") > 1
    assert "Relaxed positives are places near an anchor" in html
