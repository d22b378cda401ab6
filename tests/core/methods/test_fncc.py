"""FNCC: possible false negatives move to the positives as far as they are trusted."""

from __future__ import annotations

import itertools
import math

import naive_contrast
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import NTXentLoss

from false_core.methods.calibration import Calibration, adaptive_confidence, agreement
from false_core.methods.false_negatives import Search, determine_false_negatives
from false_core.methods.fncc import contrast, fncc_loss
from false_core.methods.pairs import directions, mean_similarities


def views(
    pairs: int, dimensions: int = 6, seed: int = 0, apart: float = 1.5, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """Return (2B, d) embeddings. The second views differ from the first by noise, a little in the first pair, by a
    deviation of ``apart`` in the last."""
    generator = np.random.default_rng(seed)
    first = generator.normal(size=(pairs, dimensions))
    second = first + generator.normal(size=first.shape) * np.linspace(0.05, apart, pairs)[:, None]
    return torch.from_numpy(np.concatenate([first, second])).to(dtype)


def confidences(z: torch.Tensor, threshold: float = 0.9, neighbours: int = 1) -> torch.Tensor:
    """Return the adaptive confidence weights (2B, k) of a batch."""
    unit = directions(z)
    found = determine_false_negatives(z, Search(threshold, neighbours))
    return adaptive_confidence(agreement(unit, found.indices), *mean_similarities(unit))


class TestByHand:
    # First views at 0 and 90 degrees, second views at 30 and 240. Similarities are cosines of the angles between them:
    # the first pair (cos 30 = 0.866) has two benchmark anchors, the second pair (cos 150) none.
    ANGLES = torch.tensor([0.0, 90.0, 30.0, 240.0], dtype=torch.float64) * math.pi / 180
    Z = torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)

    def by_hand(self, confidence: float) -> float:
        """The four losses with tau 1, written out. The false negative of 0 and 30 degrees is 90: cos 90 and cos 60."""
        e = {angle: math.exp(math.cos(math.radians(angle))) for angle in (30, 60, 90, 120, 150, 210)}
        anchor_0 = -math.log((e[30] + confidence * e[90]) / (e[30] + e[90] + e[120]))
        anchor_30 = -math.log((e[30] + confidence * e[60]) / (e[30] + e[60] + e[210]))
        anchor_90 = -math.log(e[150] / (e[150] + e[90] + e[60]))
        anchor_240 = -math.log(e[150] / (e[150] + e[120] + e[210]))
        return (anchor_0 + anchor_90 + anchor_30 + anchor_240) / 4

    @pytest.mark.parametrize("confidence", [0.0, 0.3, 1.0])
    def test_two_benchmark_anchors(self, confidence: float) -> None:
        found = determine_false_negatives(self.Z, Search(0.8))
        assert found.benchmark.tolist() == [True, False, True, False]
        assert found.indices[[0, 2], 0].tolist() == [1, 1]
        assert fncc_loss(self.Z, 1.0, 0.8, confidence).item() == pytest.approx(self.by_hand(confidence), abs=1e-12)

    def test_a_threshold_that_nobody_meets_leaves_nt_xent(self) -> None:
        assert fncc_loss(self.Z, 1.0, 0.9, 1.0).item() == pytest.approx(self.by_hand(0.0), abs=1e-12)

    def test_all_negatives_taken_and_trusted_leave_no_loss(self) -> None:
        # With as many neighbours as negatives and alpha 1 the numerator of every anchor is its whole denominator.
        assert fncc_loss(self.Z, 1.0, -1.01, 1.0, neighbours=2).item() == pytest.approx(0.0, abs=1e-12)

    def test_a_single_pair_has_nothing_to_tell_apart(self) -> None:
        assert fncc_loss(views(1), 0.5, 0.0, 1.0).item() == pytest.approx(0.0, abs=1e-12)


class TestAgainstTheEquations:
    @pytest.mark.parametrize("neighbours", [1, 2])
    @pytest.mark.parametrize("confidence", [0.0, 0.3, 1.0])
    @pytest.mark.parametrize("threshold", [-1.01, 0.9, 1.0])
    @pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
    def test_a_plain_loop_gives_the_same(
        self, temperature: float, threshold: float, confidence: float, neighbours: int
    ) -> None:
        z = views(9)
        wanted = naive_contrast.loss(z.numpy(), temperature, threshold, confidence, neighbours)
        assert fncc_loss(z, temperature, threshold, confidence, neighbours).item() == pytest.approx(wanted, rel=1e-10)

    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(2, 7), st.integers(0, 10**6), st.floats(0, 3), st.floats(0.05, 3), st.floats(-1, 1), st.floats(0, 1),
        st.integers(1, 4),
    )  # fmt: skip
    def test_so_it_does_for_any_settings(
        self, pairs: int, seed: int, apart: float, temperature: float, threshold: float, confidence: float, neighbours: int
    ) -> None:
        z = views(pairs, seed=seed, apart=apart)
        wanted = naive_contrast.loss(z.numpy(), temperature, threshold, confidence, neighbours)
        assert fncc_loss(z, temperature, threshold, confidence, neighbours).item() == pytest.approx(
            wanted, rel=1e-9, abs=1e-12
        )

    @pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
    def test_without_confidence_it_is_the_nt_xent_of_another_library(self, temperature: float) -> None:
        z = views(16, dtype=torch.float32)
        theirs = NTXentLoss(temperature)(z[:16], z[16:])
        assert fncc_loss(z, temperature, 0.9, 0.0).item() == pytest.approx(theirs.item(), rel=1e-5)

    @pytest.mark.thorough
    @pytest.mark.parametrize("confidence", [0.0, 0.3, 1.0])
    @pytest.mark.parametrize("neighbours", [1, 3])
    def test_gradients_match_finite_differences(self, confidence: float, neighbours: int) -> None:
        z = views(5).requires_grad_()
        assert determine_false_negatives(z, Search(0.9)).benchmark.any()
        assert not determine_false_negatives(z, Search(0.9)).benchmark.all()
        assert torch.autograd.gradcheck(lambda x: fncc_loss(x, 0.5, 0.9, confidence, neighbours), (z,))

    def test_the_gradient_reaches_every_embedding(self) -> None:
        z = views(8).requires_grad_()
        torch.autograd.backward(fncc_loss(z, 0.5, 0.9, 1.0))
        assert z.grad is not None
        assert (z.grad.abs().sum(dim=1) > 0).all()


class TestTheLoss:
    def test_does_not_depend_on_the_order_of_pairs(self) -> None:
        z = views(12)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
        shuffled = z[torch.cat([order, order + 12])]
        assert fncc_loss(shuffled, 0.2, 0.9, 0.7, 2).item() == pytest.approx(
            fncc_loss(z, 0.2, 0.9, 0.7, 2).item(), rel=1e-12
        )

    def test_does_not_depend_on_which_view_comes_first(self) -> None:
        z = views(12)
        assert fncc_loss(z.roll(12, dims=0)).item() == pytest.approx(fncc_loss(z).item(), rel=1e-12)

    def test_falls_as_confidence_rises(self) -> None:
        z = views(20)
        losses = [fncc_loss(z, 0.5, 0.9, confidence).item() for confidence in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]
        assert all(later < earlier for earlier, later in itertools.pairwise(losses))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_is_computed_in_single_precision_for_half_precision_embeddings(self, dtype: torch.dtype) -> None:
        half = views(64, 32, dtype=torch.float32).to(dtype)
        loss = fncc_loss(half, 0.1, 0.9, 1.0)
        assert loss.dtype == torch.float32
        # The same numbers in single precision: what is left is the rounding of the embeddings alone, which both share.
        assert loss.item() == pytest.approx(fncc_loss(half.float(), 0.1, 0.9, 1.0).item(), abs=1e-6)

    @pytest.mark.parametrize("confidence", [1.0, "adaptive"])
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_stays_close_to_single_precision_under_autocast(self, dtype: torch.dtype, confidence: float | str) -> None:
        z = views(64, 32, dtype=torch.float32)
        wanted = fncc_loss(z, 0.5, 0.9, confidence).item()
        with torch.autocast("cpu", dtype):
            assert fncc_loss(z, 0.5, 0.9, confidence).item() == pytest.approx(wanted, abs=1e-6)
        assert fncc_loss(z.to(dtype), 0.5, 0.9, confidence).item() == pytest.approx(wanted, abs=1e-3)

    def test_stays_finite_at_low_temperature_and_for_embeddings_without_length(self) -> None:
        z = views(6, dtype=torch.float32)
        z[2] = 0.0
        z = z.requires_grad_()
        loss = fncc_loss(z, 0.01, 0.5, 1.0)
        torch.autograd.backward(loss)
        assert torch.isfinite(loss)
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()

    def test_takes_batches_of_real_size(self) -> None:
        z = views(256, 128, dtype=torch.float32).requires_grad_()
        loss = fncc_loss(z, 0.5, 0.9, 1.0)
        torch.autograd.backward(loss)
        assert torch.isfinite(loss)

    @pytest.mark.parametrize(
        ("settings_", "named"),
        [({"temperature": 0.0}, "temperature"), ({"confidence": 1.1}, "confidence"), ({"neighbours": 0}, "neighbours")],
    )
    def test_refuses_settings_that_mean_nothing(self, settings_: dict[str, float], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            fncc_loss(views(4), **settings_)  # type: ignore[arg-type]


class TestAdaptiveConfidence:
    """Each false negative is trusted by how much all views of the two patches agree."""

    @pytest.mark.parametrize("neighbours", [1, 3])
    @pytest.mark.parametrize("threshold", [-1.01, 0.5, 0.9])
    def test_a_plain_loop_gives_the_same_loss(self, threshold: float, neighbours: int) -> None:
        z = views(9)
        weights = naive_contrast.adaptive_weights(z.numpy(), threshold, neighbours)
        assert any(0 < weight < 1 for row in weights for weight in row)
        wanted = naive_contrast.loss(z.numpy(), 0.3, threshold, weights, neighbours)
        assert fncc_loss(z, 0.3, threshold, "adaptive", neighbours).item() == pytest.approx(wanted, rel=1e-10)
        seen = contrast(z, 0.3, Calibration(Search(threshold, neighbours), "adaptive")).curves["confidence"]
        assert seen.item() == pytest.approx(np.mean([weight for row in weights for weight in row]))

    @settings(max_examples=40, deadline=None)
    @given(st.integers(2, 7), st.integers(0, 10**6), st.floats(0, 3), st.floats(-1.01, 1), st.integers(1, 4))
    def test_every_weight_is_from_0_to_1_and_the_loss_between_those_of_no_trust_and_of_full_trust(
        self, pairs: int, seed: int, apart: float, threshold: float, neighbours: int
    ) -> None:
        z = views(pairs, seed=seed, apart=apart)
        weights = confidences(z, threshold, neighbours)
        assert ((weights >= 0) & (weights <= 1)).all()
        without, adaptive, full = (
            fncc_loss(z, 0.5, threshold, confidence, neighbours).item() for confidence in (0.0, "adaptive", 1.0)
        )
        assert full - 1e-12 <= adaptive <= without + 1e-12

    def test_copies_of_a_patch_are_trusted_nearly_fully(self) -> None:
        # Patches 0 and 1 show the same thing in all four views, the other 18 something else each. Those 2 * 4 of 40 * 38
        # negatives are why positives and negatives lie a little less than 1 apart.
        directions = torch.eye(19, dtype=torch.float64)[[0, *range(19)]]
        weights = confidences(torch.cat([directions, directions]))
        assert weights[[0, 1, 20, 21], 0].tolist() == pytest.approx([1 - 8 / (40 * 38)] * 4)
        assert (weights[2:20] == 0).all(), "the nearest of the others has nothing in common with them"

    def test_an_encoder_that_cannot_tell_positives_from_negatives_is_not_trusted(self) -> None:
        # Both views of all patches come from the same cloud: positives are as alike as negatives, or less.
        cloud = torch.randn(40, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 3
        found = determine_false_negatives(cloud, Search(0.5))
        assert found.benchmark.any(), "they are alike enough to look for false negatives"
        of_positive, of_negative = mean_similarities(directions(cloud))
        assert of_positive < of_negative
        assert (confidences(cloud, 0.5) == 0).all()
        assert fncc_loss(cloud, 0.5, 0.5, "adaptive").item() == fncc_loss(cloud, 0.5, 0.5, 0.0).item()

    def test_the_more_the_other_views_agree_the_more_a_pair_is_trusted(self) -> None:
        # Patch 0 shows the same in both views, patch 1 something a little and then much different: FNSD looks at one pair.
        weights = []
        for angle in (10, 30, 50, 70):
            radians = torch.tensor([0.0, 10.0, 0.0, angle], dtype=torch.float64) * math.pi / 180
            z = torch.stack([radians.cos(), radians.sin()], dim=1)
            cosines = [math.cos(math.radians(angle)), math.cos(math.radians(10)), math.cos(math.radians(angle))]
            agreed = agreement(z, torch.tensor([[1], [0], [1], [0]]))[0]
            assert agreed.item() == pytest.approx(sum(cosines) / 3)
            weights.append(adaptive_confidence(agreed, torch.tensor(0.99), torch.tensor(0.1)).item())
        assert all(later < earlier for earlier, later in itertools.pairwise(weights))

    def test_gradients_are_those_of_the_loss_with_its_weights_held_fixed(self) -> None:
        z = views(5)
        weights = naive_contrast.adaptive_weights(z.numpy(), 0.9, 2)
        assert any(0 < weight < 1 for row in weights for weight in row)
        given = z.clone().requires_grad_()
        torch.autograd.backward(fncc_loss(given, 0.5, 0.9, "adaptive", 2))
        gradient = np.zeros(z.shape)
        for place in np.ndindex(*z.shape):
            ahead, behind = z.numpy().copy(), z.numpy().copy()
            ahead[place] += 1e-6
            behind[place] -= 1e-6
            rise = naive_contrast.loss(ahead, 0.5, 0.9, weights, 2) - naive_contrast.loss(behind, 0.5, 0.9, weights, 2)
            gradient[place] = rise / 2e-6
        assert given.grad is not None
        np.testing.assert_allclose(given.grad.numpy(), gradient, atol=1e-8)
        assert np.abs(gradient).max() > 1e-3

    def test_gradients_stay_finite_where_views_are_identical_or_without_length(self) -> None:
        z = torch.zeros(8, 3)
        z[[0, 4], 0], z[[1, 5], 0], z[[2, 6], 1] = 1.0, 1.0, 1.0
        z = z.requires_grad_()
        torch.autograd.backward(fncc_loss(z, 0.05, 0.5, "adaptive", 2))
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()

    def test_a_single_pair_has_nothing_to_trust(self) -> None:
        z = views(1).requires_grad_()
        loss = fncc_loss(z, 0.5, 0.0, "adaptive")
        torch.autograd.backward(loss)
        assert loss.item() == pytest.approx(0.0, abs=1e-12)
        assert z.grad is not None
        assert z.grad.abs().max() < 1e-12

    def test_does_not_depend_on_the_order_of_pairs(self) -> None:
        z = views(12)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
        shuffled = z[torch.cat([order, order + 12])]
        assert fncc_loss(shuffled, 0.2, 0.9, "adaptive", 2).item() == pytest.approx(
            fncc_loss(z, 0.2, 0.9, "adaptive", 2).item(), rel=1e-12
        )

    @pytest.mark.parametrize("word", ["fixed", ""])
    def test_there_is_no_other_word_for_it(self, word: str) -> None:
        with pytest.raises(ValueError, match="from 0 to 1 or 'adaptive'"):
            fncc_loss(views(4), confidence=word)


class TestWhatItSaw:
    def test_matches_the_similarities_of_the_batch(self) -> None:
        z = views(6)
        unit = torch.nn.functional.normalize(z, dim=1)
        s = (unit @ unit.T).numpy()
        count = len(s)
        positive = [s[i, (i + 6) % 12] for i in range(count)]
        possible = naive_contrast.false_negatives(z.numpy(), 0.9)
        seen = contrast(z, 0.5, Calibration()).curves
        assert seen["benchmark anchors"].item() == pytest.approx(sum(map(bool, possible)) / count)
        assert 0 < seen["benchmark anchors"].item() < 1
        assert seen["similarity of positives"].item() == pytest.approx(np.mean(positive))
        negatives = [s[i, j] for i in range(count) for j in naive_contrast.negatives_of(i, count)]
        assert seen["similarity of negatives"].item() == pytest.approx(np.mean(negatives))
        assert seen["similarity of false negatives"].item() == pytest.approx(
            np.mean([s[i, j] for i, p in enumerate(possible) for j in p])
        )

    def test_without_a_benchmark_anchor_has_no_similarity_of_false_negatives(self) -> None:
        assert contrast(views(6), 0.5, Calibration(Search(1.0))).curves["similarity of false negatives"].isnan()
