"""PCL: patches are compared with each other and with the centres of clusters of patches.

Li et al., "Prototypical Contrastive Learning of Unsupervised Representations", ICLR 2021. The published code clusters the
embeddings of the whole, finite data set before each epoch. Rasters are sampled at random here, so there is no such set: the
clusters are those of the momentum encoder's latest embeddings, and a patch belongs to the cluster nearest to its own.

With ``settings.queue`` (the preset paper), as published: the negatives of a patch are that many latest embeddings of earlier
batches, at first random ones, and the momentum is the same from the first step on. Without, for short trainings, the
negatives are the others of its batch, and the momentum rises to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from false_core.computing.distributed import ALONE, World
from false_core.methods.method import Outcome, average, pair_curves
from false_core.methods.momentum import MOMENTUM, MomentumMethod, risen
from false_core.methods.pairs import blocks
from false_core.methods.shared_anchors import everywhere, of_all
from false_core.presets import PretrainSettings
from false_core.sampling.spectral import torch_generator

WARM_UP = 0.1
"""Share of the steps that go by before the first clusters, as the authors' 20 of 200 epochs."""
CLUSTERINGS = 40
"""Times the clusters are made anew in the course of the training."""
MEMORY_BANK_SIZE = 8192
"""Latest embeddings that are clustered."""
PER_CLUSTER = (16, 32, 64)
"""Embeddings per cluster at each granularity; about the authors' 1.28 million images in 100,000, 50,000 and 25,000."""
SMOOTHING = 10.0
"""alpha of the concentration estimate, as published."""
KMEANS_ITERATIONS = 20
"""The number of iterations of k-means."""


@dataclass(frozen=True)
class Prototypes:
    """The prototypes of one clustering.

    Attributes:
        centres: Unit vectors of shape (k, d).
        concentration: phi of each cluster (Eq. 12), its temperature, of shape (k,).
    """

    centres: Tensor
    concentration: Tensor


class PCL(MomentumMethod):
    """Contrast with the other patches (InfoNCE against a momentum encoder) and with prototypes (ProtoNCE, Eq. 11)."""

    paradigm = "self-supervised, contrastive"
    signal = "another view of the same place and clusters of places, against other places"

    filled: Tensor
    clustered: Tensor

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        for level in self.heads:
            self.register_buffer(f"{level}_bank", torch.zeros(MEMORY_BANK_SIZE, settings.dimensions))
            for per_cluster in PER_CLUSTER:
                self.register_buffer(
                    f"{level}_centres_{per_cluster}", torch.zeros(MEMORY_BANK_SIZE // per_cluster, settings.dimensions)
                )
                self.register_buffer(f"{level}_concentration_{per_cluster}", torch.zeros(MEMORY_BANK_SIZE // per_cluster))
        self.register_buffer("filled", torch.zeros(len(self.heads), dtype=torch.long))
        self.register_buffer("clustered", torch.zeros((), dtype=torch.bool))
        if settings.queue:
            for level in self.heads:
                random = torch.randn(settings.queue, settings.dimensions)
                self.register_buffer(f"{level}_queue", torch.nn.functional.normalize(random, dim=1))
        # Which clusters there are is looked up once after each clustering: looking makes the CPU wait for the device.
        self._known: dict[str, list[Prototypes]] = {}
        self.register_load_state_dict_post_hook(lambda method, _: method._known.clear())  # type: ignore[no-untyped-call]

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the loss of a batch, the mean of those of its levels."""
        outcomes = {}
        for number, (level, both) in enumerate(representations.items()):
            query, key = both.chunk(2)
            key = key.detach()
            if level not in self._known:
                self._known[level] = self._prototypes(level) if self.clustered else []
            queue = self.get_buffer(f"{level}_queue") if self.settings.queue else None
            outcomes[level] = proto_nce(query, key, self._known[level], self.settings.temperature, queue, self.world)
            self._remember(number, level, key)
        return average(outcomes)

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Let the momentum encoder follow, and cluster when it is time."""
        self.follow(MOMENTUM if self.settings.queue else risen(MOMENTUM, step))
        every = max(1, round(steps * (1 - WARM_UP) / CLUSTERINGS))
        since = step - round(WARM_UP * steps)
        if since >= 0 and since % every == 0:
            self._cluster(step)

    def _prototypes(self, level: str) -> list[Prototypes]:
        found = []
        for per_cluster in PER_CLUSTER:
            centres, concentration = (
                self.get_buffer(f"{level}_{what}_{per_cluster}") for what in ("centres", "concentration")
            )
            used = concentration > 0
            found.append(Prototypes(centres[used], concentration[used]))
        return found

    def _remember(self, number: int, level: str, keys: Tensor) -> None:
        bank = self.get_buffer(f"{level}_bank")
        normalised = torch.nn.functional.normalize(keys[-MEMORY_BANK_SIZE:].to(bank.dtype), dim=1)
        rows = (self.filled[number] + torch.arange(len(normalised), device=bank.device)) % MEMORY_BANK_SIZE
        bank[rows] = normalised
        self.filled[number] += len(normalised)
        if self.settings.queue:
            queue = self.get_buffer(f"{level}_queue")
            queue.copy_(torch.cat([queue, normalised])[-len(queue) :])

    def _cluster(self, step: int) -> None:
        for number, level in enumerate(self.heads):
            bank = self.get_buffer(f"{level}_bank")[: min(MEMORY_BANK_SIZE, int(self.filled[number]))]
            for per_cluster in PER_CLUSTER:
                count = len(bank) // per_cluster
                if count < 2:
                    return  # Too early: too few embeddings for even the coarsest clusters.
                centres, owner = spherical_kmeans(bank, count, torch_generator(number, per_cluster, step))
                made = concentrations(bank, centres, owner, self.settings.temperature)
                self.get_buffer(f"{level}_centres_{per_cluster}")[:count] = centres
                kept = self.get_buffer(f"{level}_concentration_{per_cluster}").zero_()
                kept[:count] = made
        self.clustered.fill_(True)
        self._known.clear()


def proto_nce(
    query: Tensor,
    key: Tensor,
    prototypes: list[Prototypes],
    temperature: float,
    queue: Tensor | None = None,
    world: World = ALONE,
) -> Outcome:
    """Return the loss of Eq. 11, the mean over the queries.

    Args:
        query: Embeddings (n, d) with gradients. Need not be normalised.
        key: The momentum encoder's embeddings (n, d) of their other views.
        prototypes: Clusterings at several granularities. A query belongs to the cluster nearest to its key. Empty: only
            the first term, InfoNCE.
        temperature: tau.
        queue: The negatives, unit vectors of shape (m, d); None: the keys are those of each other.
        world: The processes that all have these embeddings, and compare a share of the queries each.
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = (
            torch.nn.functional.normalize(e if e.dtype == torch.float64 else e.float(), dim=1) for e in (query, key)
        )
        # The queue moves on before the backward pass.
        others = key if queue is None else queue.clone().to(query.dtype)
        shared = everywhere(query, world)

        def look(query: Tensor, start: int, stop: int) -> Tensor:
            query, own = query[start:stop], key[start:stop]
            logits = query @ others.T
            place = torch.arange(start, stop, device=query.device)
            if queue is not None:
                logits, place = torch.cat([(query * own).sum(dim=1, keepdim=True), logits], dim=1), torch.zeros_like(place)
            loss = torch.nn.functional.cross_entropy(logits / temperature, place, reduction="none")
            terms = []
            for clustering in prototypes:
                mine = (own @ clustering.centres.T).argmax(dim=1)
                to_centres = query @ clustering.centres.T / clustering.concentration
                terms.append(torch.nn.functional.cross_entropy(to_centres, mine, reduction="none"))
            return loss + torch.stack(terms).mean(dim=0) if terms else loss

        n = len(query)
        # Made anew for the backward pass instead of kept, so that memory is linear in the batch.
        losses = [
            checkpoint(look, shared, rows.start, rows.stop, use_reentrant=False, preserve_rng_state=False)
            for rows in blocks(n, world.share.of(n), len(others))
        ]
        loss = of_all(torch.cat(losses), n, world).mean()
        with torch.no_grad():
            of_own = (query * key).sum()
            # The sum over all pairs is the product of the sums.
            of_negative = ((query.sum(dim=0) * key.sum(dim=0)).sum() - of_own) / max(1, n * (n - 1))
    return Outcome(loss, pair_curves(of_own / n, of_negative))


def spherical_kmeans(vectors: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cluster unit vectors (n, d) by their cosine similarity.

    Args:
        vectors: A tensor of shape (n, d).
        count: Number of clusters, at most n.
        generator: A generator on the CPU that draws the first centres, so that every process finds the same clusters.

    Returns:
        Centres, unit vectors of shape (count, d), and the index of each vector's cluster, of shape (n,).
    """
    centres = vectors[torch.randperm(len(vectors), generator=generator)[:count].to(vectors.device)]
    owner = (vectors @ centres.T).argmax(dim=1)
    for _ in range(KMEANS_ITERATIONS):
        sums = torch.zeros_like(centres).index_add_(0, owner, vectors)
        # A cluster that lost its last vector stays where it was.
        empty = sums.norm(dim=1, keepdim=True) < 1e-6
        centres = torch.where(empty, centres, torch.nn.functional.normalize(sums, dim=1))
        moved = (vectors @ centres.T).argmax(dim=1)
        if torch.equal(moved, owner):
            break
        owner = moved
    return centres, owner


def concentrations(vectors: Tensor, centres: Tensor, owner: Tensor, temperature: float) -> Tensor:
    """Return phi of each cluster (Eq. 12), scaled so that its mean is ``temperature``, of shape (k,); 0 for an empty one.

    phi = (sum of the distances to the centre) / (n log(n + alpha)): a tight, large cluster has a small one, and pulls less.
    A cluster of one vector has no distance to speak of; it gets the largest phi of the others, as published.
    """
    distance = (vectors - centres[owner]).norm(dim=1)
    size = torch.bincount(owner, minlength=len(centres)).to(vectors.dtype)
    total = torch.zeros(len(centres), device=vectors.device, dtype=vectors.dtype).index_add_(0, owner, distance)
    phi = total / (size * (size + SMOOTHING).log()).clamp(min=1e-12)
    several = size > 1
    if several.any():
        phi = torch.where(several, phi, phi[several].max())
        # Outliers would rule the mean: the authors clip to the 10th and 90th percentile.
        low, high = torch.quantile(phi[size > 0], 0.1), torch.quantile(phi[size > 0], 0.9)
        phi = phi.clamp(low, high)
    phi = phi.clamp(min=1e-6)
    phi = phi / phi[size > 0].mean() * temperature
    return torch.where(size > 0, phi, torch.zeros_like(phi))
