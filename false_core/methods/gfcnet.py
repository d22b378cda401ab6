"""GFCNet: a negative that lies near its anchor and looks like it is none.

Zhang et al., "GFCNet: Contrastive Learning Network with Geography Feature Space Joint Negative Sample Correction for Land
Cover Classification", Remote Sensing 15(20), 5056, 2023. There is no published code, and this is written from the abstract:
a joint distance in geography and in feature space corrects the negatives. Its form here is the simplest one with the right
limits. With d the distance on the ground, r a radius, and s the cosine similarity, the joint distance is

    D_ij = d_ij / r + (1 - s_ij)

and j is no negative of i where D_ij < 1, that is where d_ij / r < s_ij. What looks the same is none within the radius, what
looks half alike within half of it. What looks unlike (s <= 0), or lies farther away than r, always is one. r = 0 gives
NT-Xent.

Its other half, features of several scales joined in fine-tuning, is what the decoder of the presets quick and standard
does: it joins all levels of the encoder (``models.segformer``); DeepLabV3+ of the preset paper joins two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from false_core.computing.distributed import ALONE, World
from false_core.methods.calibration import Calibration
from false_core.methods.chosen_pairs import contrast_chosen
from false_core.methods.geolocated import GeolocatedMethod, GroundPositions, by_level, distances
from false_core.methods.method import Outcome
from false_core.methods.pairs import Others, blocks, directions, every_other, positives, similarities
from false_core.methods.pictures import NeighbourPairs

SHOWN_NEGATIVES = 8
"""Corrected negatives of an anchor that a picture shows."""


def gfcnet_loss(
    embeddings: Tensor,
    ground: Tensor,
    radius: float,
    temperature: float = 0.5,
    calibration: Calibration | None = None,
    candidates: Others = every_other,
    world: World = ALONE,
) -> Outcome:
    """Return NT-Xent over corrected negatives.

    Args:
        embeddings: A tensor of shape (2B, d), the first views stacked on the second views. Need not be normalised.
        ground: Positions of the patches, of shape (2B, 3), in any unit.
        radius: r, in that unit.
        temperature: tau.
        calibration: The calibration of false negatives among the negatives that are left; None: they are not looked for.
        candidates: Function that tells those negatives which may be false ones.
        world: The processes that all have these embeddings and share the work.

    Raises:
        ValueError: An argument is out of range.
    """
    if radius < 0:
        raise ValueError(f"radius must be at least 0; it is {radius}")
    return contrast_chosen(embeddings, temperature, _negatives(ground, radius), None, calibration, candidates, world)


class GFCNet(GeolocatedMethod):
    """Contrast with negatives that a joint distance on the ground and in feature space has corrected."""

    paradigm = "self-supervised, contrastive"
    signal = "another view of the same place, against places that are far or look different"

    curve_captions: ClassVar[Mapping[str, str]] = {
        "negatives": "Negatives are what an anchor is pushed away from. The curve is the share of all others that was left "
        "after those were taken out that lie near and look alike."
    }

    def compare(self, embeddings: Tensor, positions: GroundPositions) -> Outcome:
        """Return the loss of embeddings (2N, d) at positions."""
        s = self.settings
        calibration = Calibration.of(s) if s.false_negatives else None
        candidates = positions.farther_than(s.apart) if s.apart else every_other
        return gfcnet_loss(embeddings, positions.ground, s.radius, s.temperature, calibration, candidates, self.world)

    def neighbour_pairs(self, representations: Mapping[str, Tensor]) -> list[NeighbourPairs]:
        """Return the corrected negatives of each anchor, the nearest in joint distance first."""
        found = []
        for level, (embeddings, positions) in by_level(representations).items():
            indices, counts = corrected(directions(embeddings), positions.ground, self.settings.radius, SHOWN_NEGATIVES)
            text = (
                "These are no negatives, as they lie near the anchor and look like it. Those within the radius that look "
                "unlike, and all others, stay negatives. They should show the same land cover as the anchor."
            )
            found.append(NeighbourPairs("Corrected negatives", text, "Corrected", level, indices, counts))
        return found


@torch.no_grad()
def corrected(directions: Tensor, ground: Tensor, radius: float, most: int) -> tuple[Tensor, Tensor]:
    """Return up to ``most`` negatives of each anchor that are none, of the smallest joint distance.

    Args:
        directions: Unit vectors of shape (2B, d).
        ground: A tensor of shape (2B, 3).
        radius: r.
        most: Number of them, at least 1.

    Returns:
        Indices of shape (2B, k), and which of them are some, bool of the same shape.
    """
    anchors = len(directions)
    indices, counts = [], []
    for rows in blocks(anchors):
        joint = _joint_distance(similarities(directions, rows), ground, rows, radius)
        block = torch.arange(len(joint), device=joint.device)
        joint[block, block + rows.start] = torch.inf
        joint[block, positives(anchors, joint.device)[rows]] = torch.inf
        nearest = joint.nan_to_num(nan=torch.inf).topk(min(most, anchors), dim=1, largest=False)
        indices.append(nearest.indices)
        counts.append(nearest.values < 1)
    return torch.cat(indices), torch.cat(counts)


def _negatives(ground: Tensor, radius: float) -> Others:
    def which(similarity: Tensor, rows: slice) -> Tensor:
        # Written so that a pair whose distance is unknown stays negative.
        return ~(_joint_distance(similarity, ground, rows, radius) < 1)

    return which


def _joint_distance(similarity: Tensor, ground: Tensor, rows: slice, radius: float) -> Tensor:
    """Return D of some anchors to all; infinite for a radius of 0."""
    apart = distances(ground[rows], ground).to(similarity.dtype)
    return (apart / radius if radius else torch.full_like(similarity, torch.inf)) + (1 - similarity)
