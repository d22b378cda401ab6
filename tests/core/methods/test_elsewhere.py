"""False negatives off the anchor's own ground, a share of the negatives, and a share of the anchors."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import naive_elsewhere
import numpy as np
import pytest
import torch
from torch import Tensor

from false_core.methods.calibration import Calibration
from false_core.methods.chosen_pairs import contrast_chosen
from false_core.methods.false_negatives import ANCHOR, FOUND, POSITIVE, Search, determine_false_negatives, lowest
from false_core.methods.fncc import FALSE, contrast, fncc_loss
from false_core.methods.geolocated import GroundPositions, by_level
from false_core.methods.method import Outcome, Views
from false_core.methods.pairs import every_other
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, PRETRAIN

PATCHES, POINTS = 5, 3
CHOICES = list(itertools.product([0.3, 1.0], [2, 0.1, 0.9], [0.0, 0.25, 1.0], [POSITIVE, ANCHOR], [POSITIVE, FOUND]))
"""Values of ``apart`` and of ``Search`` without the threshold."""


def embeddings(seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return the embeddings of two views of some points of some patches."""
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(PATCHES * POINTS, 4))
    return torch.from_numpy(np.concatenate([first, first + 0.5 * generator.normal(size=first.shape)])).to(dtype)


def positions(seed: int = 0, dtype: torch.dtype = torch.float64) -> GroundPositions:
    """Return where they lie: patches within two widths, points within half a width of their centres."""
    generator = np.random.default_rng([seed, 1])
    centres = np.repeat(generator.uniform(0, 2, (PATCHES, 3)), POINTS, axis=0)
    ground = centres + generator.uniform(-0.5, 0.5, centres.shape)
    ground, centres = (torch.from_numpy(np.tile(where, (2, 1))).to(dtype) for where in (ground, centres))
    return GroundPositions(ground, centres)


def looked_for(
    z: Tensor,
    where: GroundPositions,
    apart: float,
    calibration: Calibration,
    near_negatives: bool = True,
    temperature: float = 0.3,
) -> Outcome:
    elsewhere = where.farther_than(apart)
    return contrast(z, temperature, calibration, elsewhere, every_other if near_negatives else elsewhere)


class TestAgainstPlainLoops:
    @pytest.mark.parametrize(("apart", "choice"), [(apart, choice) for apart, *choice in CHOICES])
    def test_finds_the_same(self, apart: float, choice: list[Any]) -> None:
        z, where = embeddings(), positions()
        search = Search(0.5, *choice)
        wanted = naive_elsewhere.false_negatives(
            z.tolist(), where.ground.tolist(), where.patches.tolist(), apart, 0.5, *choice
        )
        for found in (
            determine_false_negatives(z, search, where.farther_than(apart)),
            looked_for(z, where, apart, Calibration(search)).found,
        ):
            assert found is not None
            pairs = zip(found.indices.tolist(), found.pairs().tolist())
            assert [[j for j, counts in zip(row, counted) if counts] for row, counted in pairs] == wanted
        assert any(wanted)

    @pytest.mark.thorough
    @pytest.mark.parametrize("near_negatives", [True, False])
    @pytest.mark.parametrize("confidence", [0.0, 0.4, 1.0])
    @pytest.mark.parametrize(("apart", "choice"), [(apart, choice) for apart, *choice in CHOICES[::3]])
    def test_loses_the_same(self, apart: float, choice: list[Any], confidence: float, near_negatives: bool) -> None:
        z, where = embeddings(1), positions(1)
        ground, patches = where.ground.tolist(), where.patches.tolist()
        possible = naive_elsewhere.false_negatives(z.tolist(), ground, patches, apart, 0.5, *choice)
        wanted = naive_elsewhere.loss(z.tolist(), ground, patches, 0.3, apart, near_negatives, confidence, possible)
        calibration = Calibration(Search(0.5, *choice), confidence)
        assert looked_for(z, where, apart, calibration, near_negatives).loss.item() == pytest.approx(wanted, rel=1e-9)

    def test_a_share_without_a_place_is_fncc_with_as_many(self) -> None:
        z = embeddings()
        wanted = fncc_loss(z, 0.3, 0.5, 0.7, round(0.2 * (len(z) - 2))).item()
        assert contrast(z, 0.3, Calibration(Search(0.5, 0.2), 0.7)).loss.item() == pytest.approx(wanted, rel=1e-12)


class TestTheLoss:
    SHARE = Calibration(Search(neighbours=0.2, benchmark=0.5, closest_to=ANCHOR, surest_by=FOUND), 0.7)

    @pytest.mark.thorough
    @pytest.mark.parametrize("near_negatives", [True, False])
    @pytest.mark.parametrize("calibration", [SHARE, Calibration(Search(0.5, 2)), Calibration(Search(0.5, 0.2), "adaptive")])
    def test_has_the_gradients_of_finite_differences(self, calibration: Calibration, near_negatives: bool) -> None:
        z, where = embeddings().requires_grad_(), positions()
        if calibration.confidence == "adaptive":
            # Its weights are held fixed, which finite differences do not know.
            assert torch.autograd.grad(looked_for(z, where, 0.3, calibration).loss, z)[0].isfinite().all()
            return
        assert torch.autograd.gradcheck(lambda x: looked_for(x, where, 0.3, calibration, near_negatives).loss, (z,))

    def test_needs_memory_for_a_block_at_a_time_and_is_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def loss_and_slope() -> tuple[Tensor, Tensor]:
            z = embeddings().requires_grad_()
            loss = looked_for(z, positions(), 0.3, replace(self.SHARE, confidence="adaptive")).loss
            return loss, torch.autograd.grad(loss, z)[0]

        whole = loss_and_slope()
        monkeypatch.setattr("false_core.methods.pairs.SIMILARITIES_AT_A_TIME", 50)
        torch.testing.assert_close(loss_and_slope(), whole)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_is_computed_in_single_precision(self, dtype: torch.dtype) -> None:
        z, where = embeddings(dtype=torch.float32), positions(dtype=torch.float32)
        wanted = looked_for(z, where, 0.3, self.SHARE).loss.item()
        with torch.autocast("cpu", dtype):
            assert looked_for(z, where, 0.3, self.SHARE).loss.item() == pytest.approx(wanted, abs=1e-6)
        half = z.to(dtype)
        loss = looked_for(half, where, 0.3, self.SHARE).loss
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(looked_for(half.float(), where, 0.3, self.SHARE).loss.item(), abs=1e-6)

    @pytest.mark.parametrize("near_negatives", [True, False])
    def test_is_nt_xent_of_what_is_left_where_nothing_lies_elsewhere(self, near_negatives: bool) -> None:
        z = embeddings().requires_grad_()
        outcome = looked_for(z, positions(), 100.0, self.SHARE, near_negatives)
        assert outcome.found is not None and not outcome.found.benchmark.any()
        wanted = fncc_loss(z, 0.3, confidence=0.0).item() if near_negatives else 0.0
        assert outcome.loss.item() == pytest.approx(wanted, abs=1e-9)
        assert torch.autograd.grad(outcome.loss, z)[0].isfinite().all()

    def test_tells_which_share_is_left_where_some_leave_the_denominator(self) -> None:
        z, where = embeddings(), positions()
        assert "negatives" not in looked_for(z, where, 0.3, self.SHARE).curves
        left = looked_for(z, where, 0.3, self.SHARE, near_negatives=False).curves["negatives"].item()
        chosen = contrast_chosen(z, 0.3, where.farther_than(0.3)).curves["negatives"].item()
        assert 0 < left == chosen < 1

    @pytest.mark.parametrize(
        ("search", "named"),
        [
            ({"neighbours": 1.5}, "neighbours"),
            ({"neighbours": -0.1}, "neighbours"),
            ({"benchmark": 1.1}, "benchmark"),
            ({"closest_to": "all"}, "closest_to"),
            ({"surest_by": "all"}, "surest_by"),
        ],
    )
    def test_refuses_what_means_nothing(self, search: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            Search(**search)


class TestLowest:
    @pytest.mark.parametrize("number", [0, 1, 2, 5, 9])
    def test_are_those_of_a_stable_sort_also_among_equals_and_infinite_ones(self, number: int) -> None:
        values = torch.from_numpy(np.random.default_rng(number).integers(0, 4, (40, 9))).float()
        values[values == 3] = torch.inf
        assert lowest(values, number).equal(values.sort(dim=1, stable=True).indices[:, :number])


class TestTheMethod:
    def views(self) -> Views:
        chance = torch.Generator().manual_seed(0)
        kept = torch.arange(0, 12)
        return Views(
            torch.randn(8, 2, 32, 32, generator=chance),
            2 * torch.rand(8, 3, 2, generator=chance) - 1,
            torch.cat([kept, kept + 12]),
            4 * torch.rand(4, 4, 3, generator=chance),
        )

    def method(self, **settings: Any) -> FALSE:
        torch.manual_seed(0)
        chosen = replace(PRETRAIN["quick"], level=BOTH, hidden=16, dimensions=8, **settings)
        return FALSE(build_encoder("test_resnet", 2), chosen).eval()

    @pytest.mark.parametrize("near_negatives", [True, False])
    def test_looks_elsewhere_at_each_level(self, near_negatives: bool) -> None:
        method = self.method(apart=1.0, near_negatives=near_negatives, benchmark=0.5, neighbours=0.2)
        made = method.represent(self.views())
        s = method.settings
        wanted = [
            looked_for(z, where, 1.0, Calibration.of(s), near_negatives, s.temperature).loss
            for z, where in by_level(made).values()
        ]
        outcome = method.compare_all(made)
        assert outcome.loss.item() == pytest.approx(torch.stack(wanted).mean().item())
        points = by_level(made)["points"][1]
        found = outcome.levels["points"].found
        assert found is not None and found.pairs().any()
        patch = torch.arange(24) % 12 // 3
        apart = (points.ground[:, None] - points.ground).norm(dim=2)
        for anchor, other in found.pairs().nonzero().tolist():
            other = int(found.indices[anchor, other])
            assert patch[anchor] != patch[other] and apart[anchor, other] >= 1

    def test_knows_nothing_of_the_ground_as_published(self) -> None:
        method = self.method(apart=0.0)
        assert set(method.represent(replace(self.views(), ground=None))) == {"image", "points"}
