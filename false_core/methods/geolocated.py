"""Methods that ask how far apart things lie on the ground, and what they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from false_core.methods.method import Outcome, ProjectedMethod, Views, average
from false_core.methods.pairs import Others
from false_core.presets import IMAGE

_GROUND, _PATCHES = " on the ground", " in patches"


@dataclass(frozen=True)
class GroundPositions:
    """The positions of embeddings on the ground, in widths of a patch: those of the two views of a patch are the same.

    Attributes:
        ground: Positions of the embeddings themselves, of shape (2N, 3).
        patches: Positions of the centres of their patches, of the same shape.
    """

    ground: Tensor
    patches: Tensor

    def farther_than(self, apart: float) -> Others:
        """Return what chooses positions in other patches, at least so far from an anchor, or unknown."""

        def which(similarity: Tensor, rows: slice) -> Tensor:
            # Two patches with one centre are one.
            same = torch.cdist(self.patches[rows], self.patches, compute_mode="donot_use_mm_for_euclid_dist") == 0
            return ~(same | (distances(self.ground[rows], self.ground) < apart))

        return which


class GeolocatedMethod(ProjectedMethod):
    """A method that compares embeddings and knows where on the ground each of them lies.

    A subclass says how: ``compare`` is its loss. Where embeddings stand for patches and for points of them, the two losses
    are averaged.
    """

    @abstractmethod
    def compare(self, embeddings: Tensor, positions: GroundPositions) -> Outcome:
        """Return the loss of embeddings (2N, d), first views stacked on second views, at positions."""

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level and, beside them, where they lie (2N, 3)."""
        made = self.embed(views)
        return {**made, **position_tensors(made, views)}

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the mean of the losses of all levels."""
        return average({level: self.compare(*both) for level, both in by_level(representations).items()})


def positions_of(level: str, ground: Tensor, kept: Tensor) -> GroundPositions:
    """Return where the embeddings of a level lie, for what ``Views`` say of themselves."""
    centres, points = ground[:, :1], ground[:, 1:]
    if level == IMAGE:
        return GroundPositions(centres[:, 0].repeat(2, 1), centres[:, 0].repeat(2, 1))
    of_points = [where.flatten(0, 1).repeat(2, 1)[kept] for where in (points, centres.expand_as(points))]
    return GroundPositions(*of_points)


def position_tensors(embeddings: Mapping[str, Tensor], views: Views) -> dict[str, Tensor]:
    """Return what goes beside the embeddings of each level, so that ``by_level`` knows their positions.

    Raises:
        ValueError: The views do not say where they lie.
    """
    if views.ground is None:
        raise ValueError("this method needs to know where the views lie on the ground")
    positions = {level: positions_of(level, views.ground, views.kept) for level in embeddings}
    return {
        **{f"{level}{_GROUND}": own.ground for level, own in positions.items()},
        **{f"{level}{_PATCHES}": own.patches for level, own in positions.items()},
    }


def by_level(representations: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, GroundPositions]]:
    """Return embeddings and where they lie, by level, of what ``GeolocatedMethod.represent`` returned."""
    levels = [name for name in representations if not name.endswith((_GROUND, _PATCHES))]
    return {
        level: (
            representations[level],
            GroundPositions(representations[f"{level}{_GROUND}"].detach(), representations[f"{level}{_PATCHES}"].detach()),
        )
        for level in levels
    }


def distances(some: Tensor, others: Tensor) -> Tensor:
    """Return the distances of some positions (n, 3) to others (m, 3), of shape (n, m). NaN where one is nowhere."""
    # Not by products: for positions far from the origin those leave nothing of a small distance.
    return torch.cdist(some, others, compute_mode="donot_use_mm_for_euclid_dist")
