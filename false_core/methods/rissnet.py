"""RiSSNet: what lies near and looks alike is a positive too.

Li et al., "RiSSNet: Contrastive Learning Network with a Relaxed Identity Sampling Strategy for Remote Sensing Image
Semantic Segmentation", Remote Sensing 15(13), 3427, 2023. There is no published code, and this is written from the
abstract: positives are relaxed to samples from the neighbourhood of the anchor, ranked by their feature loss to it, the
best of which count.

Here the neighbourhood of an anchor is all of the batch within a radius on the ground. Where embeddings stand for patches
the sampler draws them in groups: one anywhere, and some in its neighbourhood. Where they stand for points, the other points
of the patch are the neighbourhood. The feature loss of a place is 1 less its cosine similarity to the anchor, the mean of
its two views. The best places count with both views, each in an InfoNCE term of its own; the loss of an anchor is the mean
of its terms. The rest of the neighbourhood stays negative, and without relaxed positives (none near, or ``relaxed`` 0) this
is NT-Xent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from false_core.computing.distributed import ALONE, World
from false_core.methods.calibration import Calibration
from false_core.methods.chosen_pairs import Relatives, contrast_chosen
from false_core.methods.geolocated import GeolocatedMethod, GroundPositions, by_level, distances
from false_core.methods.method import Outcome
from false_core.methods.pairs import Others, blocks, directions, every_other
from false_core.methods.pictures import NeighbourPairs
from false_core.presets import IMAGE, PretrainSettings
from false_core.sampling.views import SamplingRequirements

RELAXED = 2
"""Patches of the neighbourhood that count as positives."""
DRAWN = 3
"""Patches drawn in the neighbourhood of one, where embeddings stand for patches alone."""


def rissnet_loss(
    embeddings: Tensor,
    ground: Tensor,
    radius: float,
    relaxed: int = RELAXED,
    temperature: float = 0.5,
    calibration: Calibration | None = None,
    candidates: Others = every_other,
    world: World = ALONE,
) -> Outcome:
    """Return InfoNCE with relaxed positives.

    Args:
        embeddings: A tensor of shape (2B, d), the first views stacked on the second views. Need not be normalised.
        ground: Positions of the patches, of shape (2B, 3), in any unit; the two views of a place lie at one place.
        radius: The radius of the neighbourhood, in that unit.
        relaxed: Patches of the neighbourhood that count as positives, the best ranked.
        temperature: tau.
        calibration: The calibration of false negatives among the negatives; None: they are not looked for.
        candidates: Function that tells the negatives which may be false ones.
        world: The processes that all have these embeddings and share the work.

    Raises:
        ValueError: An argument is out of range.
    """
    if radius < 0 or relaxed < 0:
        raise ValueError(f"radius and relaxed must be at least 0; they are {radius} and {relaxed}")
    z = directions(embeddings.detach())
    chosen = relaxed_positives(z, ground, radius, relaxed, world)

    def others(similarity: Tensor, rows: slice) -> Tensor:
        mask = torch.ones_like(similarity, dtype=torch.bool)
        return mask.scatter_(1, chosen.indices[rows], ~chosen.counts[rows])

    outcome = contrast_chosen(embeddings, temperature, others, chosen, calibration, candidates, world)
    of_chosen = (z[:, None] * z[chosen.indices]).sum(dim=2)
    curves = {
        **outcome.curves,
        "similarity of relaxed positives": (of_chosen * chosen.counts).sum() / chosen.counts.sum(),
        "relaxed positives": chosen.counts.sum() / (2 * len(z)),
    }
    del curves["negatives"]
    return Outcome(outcome.loss, curves, outcome.found)


class RiSSNet(GeolocatedMethod):
    """Contrast in which the most similar places of an anchor's neighbourhood are positives."""

    paradigm = "self-supervised, contrastive"
    signal = "another view and neighbours that look alike, against other places"

    curve_captions: ClassVar[Mapping[str, str]] = {
        "relaxed": "Relaxed positives are places near an anchor that look most like it. The curve is how many an anchor has."
    }

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Ask for patches in groups where embeddings stand for nothing else."""
        in_groups = settings.level == IMAGE and settings.radius > 0
        return SamplingRequirements(neighbours=DRAWN, reach=settings.radius) if in_groups else SamplingRequirements()

    def compare(self, embeddings: Tensor, positions: GroundPositions) -> Outcome:
        """Return the loss of embeddings (2N, d) at positions."""
        s = self.settings
        calibration = Calibration.of(s) if s.false_negatives else None
        candidates = positions.farther_than(s.apart) if s.apart else every_other
        return rissnet_loss(
            embeddings, positions.ground, s.radius, RELAXED, s.temperature, calibration, candidates, self.world
        )

    def neighbour_pairs(self, representations: Mapping[str, Tensor]) -> list[NeighbourPairs]:
        """Return the relaxed positives of each anchor."""
        found = []
        for level, (embeddings, positions) in by_level(representations).items():
            chosen = relaxed_positives(directions(embeddings), positions.ground, self.settings.radius, RELAXED)
            # Of the two views of a place, one is enough to be shown.
            half = chosen.indices.shape[1] // 2
            text = (
                "These neighbours were chosen as positives: of what lies near the anchor, they look most like it. They "
                "should show the same land cover as the anchor."
            )
            indices, counts = chosen.indices[:, :half], chosen.counts[:, :half]
            found.append(NeighbourPairs("Chosen neighbours", text, "Neighbour", level, indices, counts))
        return found


@torch.no_grad()
def relaxed_positives(directions: Tensor, ground: Tensor, radius: float, relaxed: int, world: World = ALONE) -> Relatives:
    """Return the best-ranked places of each anchor's neighbourhood.

    Args:
        directions: Unit vectors of shape (2B, d), the first views stacked on the second views.
        ground: A tensor of shape (2B, 3).
        radius: The radius of the neighbourhood.
        relaxed: Most places of each.
        world: The processes that share the work.

    Returns:
        First the first views of the places, then their second views, of shape (2B, 2k) with k at most ``relaxed``.
    """
    anchors = len(directions)
    half = anchors // 2
    first, second = directions.chunk(2)
    ground = ground[:half]
    indices, counts = [], []
    for rows in blocks(anchors, world.share.of(anchors)):
        place = torch.arange(rows.start, rows.stop, device=directions.device) % half
        # Outside autocast, which would round the products to half precision.
        with torch.autocast(directions.device.type, enabled=False):
            rank = directions[rows] @ (first + second).T / 2
        near = distances(ground[place], ground) <= radius
        near[torch.arange(len(place), device=place.device), place] = False
        best = rank.masked_fill(~near, -torch.inf).topk(min(relaxed, half), dim=1)
        indices.append(torch.cat([best.indices, best.indices + half], dim=1))
        counts.append(best.values.isfinite().repeat(1, 2))
    return Relatives(*(world.all_gather_rows(torch.cat(own), anchors) for own in (indices, counts)))
