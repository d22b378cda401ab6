"""Orders by features and by gradients are those of their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from false_core.collection.choosing import clusters
from false_core.collection.variety import TEMPERATURE, contrastive_gradients, covering_first, farthest_first


def unit(count: int, channels: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, channels))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class TestFarthestFirst:
    def test_each_is_the_farthest_from_those_before(self) -> None:
        features = unit(60, 5)
        order = farthest_first(features).tolist()
        assert order[0] == int(np.argmax(features @ features.mean(axis=0)))
        for place in range(1, len(order)):
            before = order[:place]
            likeness = (features @ features[before].T).max(axis=1)
            assert likeness[order[place]] == likeness.min()

    def test_of_copies_one_stays(self) -> None:
        features = unit(6, 5)
        order = farthest_first(np.concatenate([features, features, features]))
        assert len(order) == 6 and len({index % 6 for index in order.tolist()}) == 6

    def test_of_none_there_is_none(self) -> None:
        assert len(farthest_first(np.zeros((0, 4), np.float32))) == 0


class TestGradients:
    def test_are_those_of_the_contrastive_loss_along_the_sphere(self) -> None:
        one, other = unit(9, 4, 1), unit(9, 4, 2)
        found = contrastive_gradients(one, other, np.random.default_rng(0), rounds=1, size=9)
        expected = np.zeros_like(one, dtype=np.float64)
        for z, positive in ((one, other), (other, one)):
            for i in range(9):
                anchor = torch.tensor(z[i], dtype=torch.float64, requires_grad=True)
                others = torch.tensor(np.concatenate([np.delete(z, i, axis=0), positive]), dtype=torch.float64)
                logits = torch.nn.functional.normalize(anchor, dim=0) @ others.T / TEMPERATURE
                loss = -torch.log_softmax(logits, dim=0)[8 + i]
                (gradient,) = torch.autograd.grad(loss, anchor)
                expected[i] += gradient.numpy() / 2
        np.testing.assert_allclose(found, expected, atol=2e-6)

    def test_the_order_that_covers_reaches_what_the_theorem_says_of_the_best(self) -> None:
        gradients = np.random.default_rng(5).normal(size=(12, 3)).astype(np.float32)
        alike = np.maximum(gradients @ gradients.T, 0)

        def covered(chosen: tuple[int, ...]) -> float:
            return float(alike[:, list(chosen)].max(axis=1).sum())

        order = covering_first(gradients, 5).tolist()
        values = [covered(tuple(order[:size])) for size in range(1, 6)]
        assert values == sorted(values)
        for size, value in enumerate(values, start=1):
            best = max(covered(one) for one in itertools.combinations(range(12), size))
            assert value >= (1 - 1 / np.e) * best - 1e-4
        assert values[0] == max(covered((one,)) for one in range(12))

    def test_the_longest_are_left_out(self) -> None:
        gradients = unit(100, 6)
        gradients[[3, 40]] *= 50
        order = covering_first(gradients, 100).tolist()
        assert sorted(order) == [index for index in range(100) if index not in (3, 40)]


def test_clusters_are_those_of_what_looks_alike() -> None:
    centres = np.eye(8, dtype=np.float32)
    features = np.repeat(centres, 8, axis=0) + 0.01 * unit(64, 8)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    owner = clusters(features.astype(np.float32), 0).reshape(8, 8)
    assert all(len(set(row.tolist())) == 1 for row in owner)
