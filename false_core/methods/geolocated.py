"""Methods that ask how far apart things lie on the ground, and what they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from false_core.methods.method import Outcome, ProjectedMethod, Views, average
from false_core.presets import IMAGE

_GROUND = " on the ground"


class GeolocatedMethod(ProjectedMethod):
    """A method that compares embeddings and knows where on the ground each of them lies.

    A subclass says how: ``compare`` is its loss. Where embeddings stand for patches and for points of them, the two losses
    are averaged.
    """

    @abstractmethod
    def compare(self, embeddings: Tensor, ground: Tensor) -> Outcome:
        """Return the loss of embeddings.

        Args:
            embeddings: Of shape (2N, d), first views stacked on second views.
            ground: Where they lie, of shape (2N, 3), in widths of a patch: the two views of a place lie at one place.
        """

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level and, beside them, where they lie (2N, 3)."""
        if views.ground is None:
            raise ValueError("this method needs to know where the views lie on the ground")
        centres, points = views.ground[:, 0], views.ground[:, 1:].flatten(0, 1)
        made = self.embed(views)
        for level in list(made):
            made[f"{level}{_GROUND}"] = (
                centres.repeat(2, 1) if level == IMAGE else points.repeat(2, 1)[views.kept]
            )  # fmt: skip
        return made

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the mean of the losses of all levels."""
        return average({level: self.compare(*both) for level, both in by_level(representations).items()})


def by_level(representations: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Return embeddings and where they lie, by level, of what ``GeolocatedMethod.represent`` returned."""
    levels = [name for name in representations if not name.endswith(_GROUND)]
    return {level: (representations[level], representations[f"{level}{_GROUND}"].detach()) for level in levels}


def distances(some: Tensor, others: Tensor) -> Tensor:
    """Return the distances of some positions (n, 3) to others (m, 3), of shape (n, m). NaN where one is nowhere."""
    # Not by products: for positions far from the origin those leave nothing of a small distance.
    return torch.cdist(some, others, compute_mode="donot_use_mm_for_euclid_dist")
