"""PCL: patches are compared with each other, and with the prototypes of clusters of patches."""

from __future__ import annotations

import math
from dataclasses import replace

import naive_contrast
import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from false_core.methods.method import Views
from false_core.methods.pcl import (
    MEMORY_BANK_SIZE,
    MOMENTUM,
    PCL,
    PER_CLUSTER,
    Prototypes,
    concentrations,
    proto_nce,
    spherical_kmeans,
)
from false_core.models.encoder import build_encoder
from false_core.presets import PRETRAIN

SETTINGS = replace(PRETRAIN["quick"], method="pcl", hidden=16, dimensions=8)


def unit_vectors(count: int, dimensions: int = 6, seed: int = 0) -> Tensor:
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
    return torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1)


def bundles(count: int, each: int, spread: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return unit vectors around ``count`` directions at right angles, shuffled, and which direction each belongs to."""
    generator = np.random.default_rng(seed)
    owner = generator.permutation(np.repeat(np.arange(count), each))
    vectors = np.eye(count + 2)[owner] + spread * generator.normal(size=(count * each, count + 2))
    return torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1), torch.from_numpy(owner)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_views(seed: int, pairs: int = 4, bands: int = 2, size: int = 32, points: int = 24) -> Views:
    """Return a batch of noise, seen twice, with other noise in each view."""
    chance = generator(seed)
    patches = torch.randn(pairs, bands, size, size, generator=chance)
    pixels = torch.cat([patches, patches]) + 0.3 * torch.randn(2 * pairs, bands, size, size, generator=chance)
    positions = 2 * torch.rand(pairs, points, 2, generator=chance) - 1
    seen = (torch.rand(pairs * points, generator=chance) < 0.9).nonzero()[:, 0]
    return Views(pixels, torch.cat([positions, positions]), torch.cat([seen, seen + pairs * points]))


def new_pcl(seed: int = 0) -> PCL:
    torch.manual_seed(seed)
    return PCL(build_encoder("test_resnet", 2), SETTINGS)


def train(method: PCL, steps: range, total: int) -> list[float]:
    """Do some steps of plain gradient descent and return their losses."""
    losses = []
    for step in steps:
        outcome = method(some_views(step))
        method.zero_grad()
        torch.autograd.backward(outcome.loss)
        with torch.no_grad():
            for parameter in method.parameters():
                if parameter.grad is not None:
                    parameter -= 0.05 * parameter.grad
        method.after_step(step + 1, total)
        losses.append(outcome.loss.item())
    return losses


def naive_proto_nce(query: Tensor, key: Tensor, prototypes: list[Prototypes], temperature: float) -> float:
    """Eq. 11 of the paper, one patch after the other: an InfoNCE term, and the mean of one term for each clustering."""
    queries = [naive_contrast.unit(row) for row in query.tolist()]
    keys = [naive_contrast.unit(row) for row in key.tolist()]
    total = 0.0
    for i, v in enumerate(queries):
        e = [math.exp(naive_contrast.cosine(v, other) / temperature) for other in keys]
        total -= math.log(e[i] / sum(e))
        for clustering in prototypes:
            centres, phi = clustering.centres.tolist(), clustering.concentration.tolist()
            alike = [naive_contrast.cosine(keys[i], c) for c in centres]
            mine = alike.index(max(alike))
            e = [math.exp(naive_contrast.cosine(v, c) / p) for c, p in zip(centres, phi)]
            total -= math.log(e[mine] / sum(e)) / len(prototypes)
    return total / len(queries)


class TestProtoNCE:
    PROTOTYPES = (
        Prototypes(unit_vectors(4, seed=1), torch.tensor([0.1, 0.3, 0.2, 0.5], dtype=torch.float64)),
        Prototypes(unit_vectors(2, seed=2), torch.tensor([0.4, 0.2], dtype=torch.float64)),
    )

    def test_by_hand(self) -> None:
        # Two patches at right angles, their keys like them, one prototype where each of them is.
        own = torch.eye(2, dtype=torch.float64)
        phi = torch.tensor([0.5, 0.25], dtype=torch.float64)
        info_nce = -math.log(math.e / (math.e + 1))
        first, second = -math.log(math.exp(2) / (math.exp(2) + 1)), -math.log(math.exp(4) / (math.exp(4) + 1))
        assert proto_nce(own, own, [], 1.0).loss.item() == pytest.approx(info_nce)
        assert proto_nce(own, own, [Prototypes(own, phi)], 1.0).loss.item() == pytest.approx(info_nce + (first + second) / 2)

    @pytest.mark.parametrize("clusterings", [0, 1, 2])
    @pytest.mark.parametrize("temperature", [0.1, 1.0])
    def test_a_plain_loop_gives_the_same(self, temperature: float, clusterings: int) -> None:
        query, key = 3 * unit_vectors(9, seed=3), unit_vectors(9, seed=4)
        prototypes = list(self.PROTOTYPES[:clusterings])
        wanted = naive_proto_nce(query, key, prototypes, temperature)
        assert proto_nce(query, key, prototypes, temperature).loss.item() == pytest.approx(wanted, rel=1e-10)

    def test_with_a_queue_its_vectors_are_the_negatives(self) -> None:
        query, key, queue = 3 * unit_vectors(9, seed=3), unit_vectors(9, seed=4), unit_vectors(30, seed=6)
        total = 0.0
        for v, own in zip(query.tolist(), key.tolist()):
            v = naive_contrast.unit(v)
            e = [math.exp(naive_contrast.cosine(v, other) / 0.2) for other in (own, *queue.tolist())]
            total -= math.log(e[0] / sum(e))
        assert proto_nce(query, key, [], 0.2, queue).loss.item() == pytest.approx(total / 9, rel=1e-10)

    def test_gradients_match_finite_differences(self) -> None:
        key, prototypes = unit_vectors(5, seed=4), list(self.PROTOTYPES)
        query = unit_vectors(5, seed=3).requires_grad_()
        assert torch.autograd.gradcheck(lambda q: proto_nce(q, key, prototypes, 0.3).loss, (query,))

    def test_does_not_depend_on_the_order_of_patches_or_of_prototypes(self) -> None:
        query, key = unit_vectors(9, seed=3), unit_vectors(9, seed=4)
        order = torch.randperm(9, generator=generator())
        turned = [Prototypes(p.centres.flip(0), p.concentration.flip(0)) for p in self.PROTOTYPES]
        wanted = proto_nce(query, key, list(self.PROTOTYPES), 0.2).loss.item()
        assert proto_nce(query[order], key[order], turned, 0.2).loss.item() == pytest.approx(wanted, rel=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_is_computed_in_single_precision(self, dtype: torch.dtype) -> None:
        query, key = unit_vectors(64, 16, seed=3).float(), unit_vectors(64, 16, seed=4).float()
        prototypes = [Prototypes(unit_vectors(8, 16, seed=5).float(), torch.linspace(0.1, 0.5, 8))]
        wanted = proto_nce(query, key, prototypes, 0.5).loss.item()
        with torch.autocast("cpu", dtype):
            assert proto_nce(query, key, prototypes, 0.5).loss.item() == pytest.approx(wanted, abs=1e-6)
        half = proto_nce(query.to(dtype), key, prototypes, 0.5).loss
        assert half.dtype == torch.float32
        assert half.item() == pytest.approx(wanted, abs=1e-3)

    def test_shows_how_alike_positives_and_negatives_are(self) -> None:
        query, key = unit_vectors(5, seed=3), unit_vectors(5, seed=4)
        alike = (query @ key.T).numpy()
        curves = proto_nce(query, key, [], 0.5).curves
        assert curves["similarity of positives"].item() == pytest.approx(np.diag(alike).mean())
        assert curves["similarity of negatives"].item() == pytest.approx(alike[~np.eye(5, dtype=bool)].mean())


class TestConcentration:
    def test_a_plain_loop_gives_the_same(self) -> None:
        vectors, centres = unit_vectors(200), unit_vectors(12, seed=1)
        owner = (vectors @ centres.T).argmax(dim=1)
        phi = []
        for c in range(12):
            mine = vectors[owner == c].numpy()
            assert len(mine) > 1
            distances = [math.dist(v, centres[c].tolist()) for v in mine.tolist()]
            phi.append(sum(distances) / (len(mine) * math.log(len(mine) + 10)))
        clipped = np.clip(phi, *np.percentile(phi, [10, 90]))
        found = concentrations(vectors, centres, owner, 0.2)
        np.testing.assert_allclose(found.numpy(), 0.2 * clipped / clipped.mean(), rtol=1e-6)

    def test_a_tight_cluster_has_a_smaller_one_than_a_loose_cluster(self) -> None:
        centres = torch.eye(3, dtype=torch.float64)[:2]
        tilt = torch.tensor([0.1, -0.1, 0.5, -0.5], dtype=torch.float64)
        vectors = torch.nn.functional.normalize(centres[[0, 0, 1, 1]] + tilt[:, None] * torch.eye(3)[2], dim=1)
        tight, loose = concentrations(vectors, centres, torch.tensor([0, 0, 1, 1]), 0.2).tolist()
        assert 0 < tight < loose
        assert (tight + loose) / 2 == pytest.approx(0.2)

    def test_an_empty_cluster_has_none_and_one_of_a_single_vector_has_the_largest(self) -> None:
        vectors, centres = unit_vectors(41), unit_vectors(8, seed=1)
        owner = torch.arange(41) % 6
        owner[owner == 5] = 4
        owner[-1] = 6
        found = concentrations(vectors, centres, owner, 0.2)
        assert found[5] == 0
        assert found[7] == 0
        assert found[6] == found.max()
        assert found[found > 0].mean().item() == pytest.approx(0.2)

    def test_identical_vectors_leave_the_temperature(self) -> None:
        centres = torch.eye(3, dtype=torch.float64)
        assert concentrations(centres, centres, torch.arange(3), 0.2).tolist() == pytest.approx([0.2] * 3)
        twice = centres[[0, 0, 1, 1, 2, 2]]
        assert concentrations(twice, centres, torch.arange(6) // 2, 0.2).tolist() == pytest.approx([0.2] * 3)


class TestClusters:
    @pytest.mark.parametrize(("count", "each", "spread"), [(2, 30, 0.2), (5, 40, 0.1), (9, 20, 0.05)])
    def test_that_lie_apart_are_those_that_scikit_learn_finds(self, count: int, each: int, spread: float) -> None:
        vectors, truth = bundles(count, each, spread)
        # Both start from the same vectors: the first of the random order, as long as it takes one from each bundle.
        seed = next(s for s in range(100_000) if len(set(truth[first(s, len(truth), count)].tolist())) == count)
        start = vectors[first(seed, len(vectors), count)]
        theirs = KMeans(count, init=start.numpy(), n_init=1).fit(vectors.numpy())
        centres, owner = spherical_kmeans(vectors, count, generator(seed))
        np.testing.assert_array_equal(owner, theirs.labels_)
        lengths = np.linalg.norm(theirs.cluster_centers_, axis=1, keepdims=True)
        np.testing.assert_allclose(centres.numpy(), theirs.cluster_centers_ / lengths, atol=1e-9)

    def test_get_better_the_longer_they_are_sought(self) -> None:
        vectors = unit_vectors(300)
        centres, owner = spherical_kmeans(vectors, 12, generator())
        start = vectors[first(0, 300, 12)]
        assert (vectors * centres[owner]).sum() > 1.05 * (vectors @ start.T).max(dim=1).values.sum()
        # Each centre is the direction of the mean of its vectors, and each vector belongs to the centre nearest to it.
        for c in range(12):
            mean = vectors[owner == c].mean(dim=0)
            np.testing.assert_allclose(centres[c].numpy(), (mean / mean.norm()).numpy(), atol=1e-9)
        assert owner.equal((vectors @ centres.T).argmax(dim=1))

    def test_are_the_same_for_the_same_chance(self) -> None:
        vectors = unit_vectors(100)
        one, two = (spherical_kmeans(vectors, 7, generator(5)) for _ in range(2))
        assert one[0].equal(two[0])
        assert one[1].equal(two[1])

    def test_as_many_as_vectors_leave_each_vector_by_itself(self) -> None:
        vectors = unit_vectors(6)
        centres, owner = spherical_kmeans(vectors, 6, generator())
        assert sorted(owner.tolist()) == list(range(6))
        np.testing.assert_allclose(centres[owner].numpy(), vectors.numpy(), atol=1e-12)

    def test_of_identical_vectors_stay_finite(self) -> None:
        centres, owner = spherical_kmeans(torch.eye(3)[[0] * 10], 4, generator())
        assert centres.isfinite().all()
        assert owner.tolist() == [owner[0].item()] * 10


def first(seed: int, vectors: int, count: int) -> Tensor:
    """Return which vectors ``spherical_kmeans`` takes for its first centres."""
    return torch.randperm(vectors, generator=generator(seed))[:count]


class TestTraining:
    def test_the_momentum_encoder_starts_as_a_copy_and_follows(self) -> None:
        method = new_pcl()
        weights, slow = method.encoder.state_dict(), method.slow_encoder.state_dict()
        assert all(slow[name].equal(weights[name]) for name in weights)
        assert not any(p.requires_grad for part in (method.slow_encoder, method.slow_heads) for p in part.parameters())
        start = {name: p.clone() for name, p in method.slow_encoder.named_parameters()}
        with torch.no_grad():
            for parameter in [*method.encoder.parameters(), *method.heads.parameters()]:
                parameter += 1
        method.after_step(1, 1000)
        # (1 + step) / (10 + step) of it stays: 2 / 11.
        for name, parameter in method.slow_encoder.named_parameters():
            torch.testing.assert_close(parameter, start[name] + 9 / 11)
        for (_, kept), (_, new) in zip(method.slow_heads.named_parameters(), method.heads.named_parameters()):
            torch.testing.assert_close(kept, new - 2 / 11)

    def test_as_published_the_queue_holds_the_latest_keys_and_the_momentum_never_changes(self) -> None:
        torch.manual_seed(0)
        method = PCL(build_encoder("test_resnet", 2), replace(SETTINGS, encoder="test_resnet", queue=50))
        (level,) = method.heads
        queue = method.get_buffer(f"{level}_queue")
        started = queue.clone()
        torch.testing.assert_close(started.norm(dim=1), torch.ones(50))
        views = some_views(0, pairs=2, points=12)
        made = method.represent(views)
        count = len(made[level]) // 2
        torch.autograd.backward(method.compare_all(made).loss)
        torch.testing.assert_close(queue[: 50 - count], started[count:])
        wanted = torch.nn.functional.normalize(made[level][count:].detach(), dim=1)
        torch.testing.assert_close(queue[50 - count :], wanted)
        slow = next(method.slow_encoder.parameters()).clone()
        with torch.no_grad():
            next(method.encoder.parameters()).add_(1.0)
        method.after_step(1, 1000)
        torch.testing.assert_close(next(method.slow_encoder.parameters()), slow + (1 - MOMENTUM))

    def test_the_momentum_encoder_is_slow_in_the_end(self) -> None:
        method = new_pcl()
        before = next(method.slow_encoder.parameters()).clone()
        with torch.no_grad():
            next(method.encoder.parameters()).add_(1)
        method.after_step(10**6, 10**7)
        torch.testing.assert_close(next(method.slow_encoder.parameters()), before + (1 - MOMENTUM))

    def test_gradients_reach_the_encoder_and_its_head_and_nothing_else(self) -> None:
        method = new_pcl()
        torch.autograd.backward(method(some_views(0)).loss)
        reached = {name.partition(".")[0] for name, p in method.named_parameters() if p.grad is not None}
        passed_over = {name.partition(".")[0] for name, p in method.named_parameters() if p.grad is None}
        assert reached == {"encoder", "heads"}
        assert passed_over == {"slow_encoder", "slow_heads"}

    @pytest.mark.thorough
    def test_prototypes_appear_after_the_warm_up_and_change_the_loss(self) -> None:
        method, total = new_pcl(), 30
        train(method, range(2), total)
        assert not method.clustered, "the first tenth has not gone by"
        train(method, range(2, 4), total)
        assert method.clustered
        latest = min(MEMORY_BANK_SIZE, int(method.filled[0]))
        for per_cluster in PER_CLUSTER:
            made = method.get_buffer(f"points_concentration_{per_cluster}")
            assert 0 < (made > 0).sum() <= latest // per_cluster
            centres = method.get_buffer(f"points_centres_{per_cluster}")[made > 0]
            torch.testing.assert_close(centres.norm(dim=1), torch.ones(len(centres)))
        with_prototypes = method(some_views(9)).loss.item()
        method.load_state_dict({**method.state_dict(), "clustered": torch.tensor(False)})
        assert with_prototypes > method(some_views(9)).loss.item() + 0.01

    def test_only_the_latest_embeddings_are_clustered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("false_core.methods.pcl.MEMORY_BANK_SIZE", 100)
        method = new_pcl()
        keys = torch.randn(130, 8, generator=generator())
        method._remember(0, "points", keys[:70])
        method._remember(0, "points", keys[70:])
        bank = method.get_buffer("points_bank")
        unit = torch.nn.functional.normalize(keys, dim=1)
        assert bank.equal(torch.cat([unit[100:], unit[30:100]]))

    @pytest.mark.thorough
    def test_the_same_seed_gives_the_same_losses_and_weights(self) -> None:
        one, two = new_pcl(), new_pcl()
        assert train(one, range(6), 6) == train(two, range(6), 6)
        assert one.clustered
        assert all(value.equal(two.state_dict()[name]) for name, value in one.state_dict().items())

    @pytest.mark.thorough
    def test_its_state_goes_on_where_it_was_taken(self) -> None:
        undisturbed, interrupted, resumed = new_pcl(), new_pcl(), new_pcl(seed=1)
        wanted = train(undisturbed, range(8), 8)
        assert train(interrupted, range(5), 8) == wanted[:5]
        assert interrupted.clustered
        resumed.load_state_dict({name: value.clone() for name, value in interrupted.state_dict().items()})
        assert train(resumed, range(5, 8), 8) == wanted[5:]
        assert all(value.equal(resumed.state_dict()[name]) for name, value in undisturbed.state_dict().items())
