"""MoCo v2: the negatives of a place are those of earlier batches, as a momentum encoder saw them.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, and Chen et al., "Improved
Baselines with Momentum Contrastive Learning", 2020, arXiv 2003.04297. The loss is the first term of PCL's,

    L = -log( exp(q.k / tau) / (exp(q.k / tau) + sum over the queue of exp(q.k_i / tau)) ).

The queue begins with random directions, as published, and takes the keys of a batch once it has been compared. Keys of
several processes are joined in the order of their ranks, and batch norms look at all of them, which does what the shuffling
of batches between devices is for. The momentum rises to the published one, so that short trainings move too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from false_core.errors import RequestError
from false_core.methods.method import Outcome, average
from false_core.methods.momentum import MOMENTUM, MomentumMethod, risen
from false_core.methods.pcl import proto_nce
from false_core.presets import IMAGE, PretrainSettings

BATCHES_OF_A_QUEUE = 4
"""The queue holds the keys of so many batches where no length is given."""


class MoCo(MomentumMethod):
    """Contrast with a queue of earlier keys."""

    paradigm = "self-supervised, contrastive"
    signal = "another view of the same place, against places of earlier batches"

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        for level in self.heads:
            random = torch.randn(settings.queue, settings.dimensions)
            self.register_buffer(f"{level}_queue", torch.nn.functional.normalize(random, dim=1))

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with the length of the queue.

        Raises:
            RequestError: A batch is longer than that.
        """
        most = settings.batch_size * (1 if settings.level == IMAGE else max(1, settings.points))
        queue = settings.queue or BATCHES_OF_A_QUEUE * most
        if most > queue:
            raise RequestError(
                f"A queue of {queue:,} does not hold the {most:,} embeddings of a batch.",
                "Set queue to more, or batch_size to fewer.",
            )
        return replace(settings, queue=queue)

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the loss of a batch, the mean of those of its levels, and let its keys into the queue."""
        outcomes = {}
        for level, both in representations.items():
            query, key = both.chunk(2)
            queue, key = self.get_buffer(f"{level}_queue"), key.detach()
            outcomes[level] = proto_nce(query, key, [], self.settings.temperature, queue, self.world)
            newest = torch.nn.functional.normalize(key.to(queue.dtype), dim=1)
            queue.copy_(torch.cat([queue, newest])[-len(queue) :])
        return average(outcomes)

    def after_step(self, step: int, steps: int) -> None:
        """Let the momentum encoder follow."""
        self.follow(risen(MOMENTUM, step))
