"""FNSD: a benchmark anchor takes the negative that looks most like its own positive for a possible false negative."""

from __future__ import annotations

import math

import naive_contrast
import numpy as np
import pytest
import torch

from false_core.methods.false_negatives import FalseNegatives, Search, determine_false_negatives


def at_angles(*degrees: float) -> torch.Tensor:
    """Return unit vectors in the plane: their similarities are the cosines of the angles between them."""
    radians = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def as_lists(found: FalseNegatives) -> list[list[int]]:
    return [row.tolist() if is_one else [] for is_one, row in zip(found.benchmark.tolist(), found.indices)]


class TestByHand:
    def test_one_benchmark_anchor_pair_takes_the_nearest_negatives(self) -> None:
        # First views at 0, 90 and 200 degrees, second views at 10, 150 and 300. Only the first pair is alike.
        found = determine_false_negatives(at_angles(0, 90, 200, 10, 150, 300), Search(0.9))
        assert found.benchmark.tolist() == [True, False, False, True, False, False]
        # From 0 degrees the positive lies at 10: 300 (60 away) comes closest in cosine. From 10 degrees it is 300 (70) or
        # 90 (80): the smaller angle has the cosine closer to that of 10 degrees.
        assert found.indices[0].item() == 5
        assert found.indices[3].item() == 5

    def test_the_closest_to_the_positive_wins_not_the_most_similar(self) -> None:
        # The anchor at 0 has its positive at 25. A negative at 1 degree is more similar, one at 27 is closer.
        found = determine_false_negatives(at_angles(0, 1, 180, 25, 27, 180), Search(0.9))
        assert found.benchmark[0]
        assert found.indices[0].item() == 4

    @pytest.mark.parametrize("neighbours", [1, 2, 3])
    def test_of_equals_the_lowest_index_wins(self, neighbours: int) -> None:
        found = determine_false_negatives(at_angles(0, 60, -60, 60, 5, -60, 60, -60), Search(0.9, neighbours))
        assert found.indices[0].tolist() == [1, 2, 3][:neighbours]
        identical = torch.ones(8, 3)
        assert determine_false_negatives(identical, Search(0.5, 2)).indices[:4].tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]

    def test_the_threshold_is_strict(self) -> None:
        z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        assert determine_false_negatives(z, Search(1.0)).benchmark.tolist() == [False] * 4
        assert determine_false_negatives(z, Search(0.999)).benchmark.tolist() == [True] * 4

    def test_none_or_all_can_be_benchmark_anchors(self) -> None:
        z = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
        assert not determine_false_negatives(z, Search(1.0)).benchmark.any()
        assert determine_false_negatives(z, Search(-1.01)).benchmark.all()

    def test_a_single_pair_has_no_negatives(self) -> None:
        found = determine_false_negatives(at_angles(0, 1), Search(0.0, 3))
        assert found.indices.shape == (2, 0)

    def test_no_more_are_taken_than_there_are(self) -> None:
        assert determine_false_negatives(torch.randn(6, 3), Search(0.0, 64)).indices.shape == (6, 4)


class TestAgainstTheEquations:
    @pytest.mark.parametrize("neighbours", [1, 2, 5])
    @pytest.mark.parametrize("threshold", [-0.5, 0.2, 0.9])
    @pytest.mark.parametrize("pairs", [2, 3, 8, 17])
    def test_a_plain_loop_finds_the_same(self, pairs: int, threshold: float, neighbours: int) -> None:
        generator = np.random.default_rng([pairs, neighbours])
        first = generator.normal(size=(pairs, 6))
        z = np.concatenate([first, first + generator.normal(size=first.shape) * generator.uniform(0, 1.5, (pairs, 1))])
        found = as_lists(determine_false_negatives(torch.from_numpy(z), Search(threshold, neighbours)))
        assert found == naive_contrast.false_negatives(z, threshold, neighbours)
        assert threshold >= 0.2 or any(found)

    def test_an_anchor_never_takes_itself_or_its_positive(self) -> None:
        z = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
        indices = determine_false_negatives(z, Search(-1.01, 38)).indices
        own = torch.arange(40)
        for forbidden in (own, own.roll(20)):
            assert not (indices == forbidden[:, None]).any()
        assert (indices.sort(dim=1).values.diff(dim=1) > 0).all(), "the same one twice"


class TestTheDecision:
    def test_does_not_depend_on_the_length_of_embeddings(self) -> None:
        z = torch.randn(20, 5, generator=torch.Generator().manual_seed(2))
        stretched = z * torch.linspace(0.01, 100, 20)[:, None]
        one, two = determine_false_negatives(z, Search(0.0, 3)), determine_false_negatives(stretched, Search(0.0, 3))
        assert torch.equal(one.benchmark, two.benchmark)
        assert torch.equal(one.indices, two.indices)

    def test_is_no_path_for_gradients(self) -> None:
        z = torch.randn(8, 4, requires_grad=True)
        found = determine_false_negatives(z, Search(0.0))
        assert not found.benchmark.requires_grad
        assert not found.indices.requires_grad

    @pytest.mark.parametrize("shape", [(3, 2), (1, 2), (0, 2), (4,), (2, 2, 2)])
    def test_needs_two_stacked_views(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="first views stacked on second views"):
            determine_false_negatives(torch.zeros(shape), Search(0.9))

    def test_needs_at_least_one_neighbour(self) -> None:
        with pytest.raises(ValueError, match="neighbours"):
            determine_false_negatives(torch.zeros(4, 2), Search(0.9, 0))
