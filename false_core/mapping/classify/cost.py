"""The cost of a map, from a few of its own tiles."""

from __future__ import annotations

from collections.abc import Callable

import torch

from false_core.computing.cost import Cost, SpeedTest, most_memory
from false_core.computing.precision import in_words
from false_core.feedback import Feedback
from false_core.inference.batches import best_batch
from false_core.mapping.classify.compute import limit_of, network_of
from false_core.mapping.classify.plan import MapPlan
from false_core.mapping.classify.store import CONFIDENCE_LAYER, MAP_LAYER
from false_core.models.segmenter import class_probabilities

BYTES_PER_PIXEL = {MAP_LAYER: 0.05, CONFIDENCE_LAYER: 0.5}
"""Size of a layer in its file: twice what a generated scene took. What a network makes of noise takes more."""
DISK_TIMES = 7 / 3
"""Bytes that a map takes on the disk while it is made: the strips, then the smaller versions, then the file made of both."""
WRITING_S_PER_MPX = 0.05
"""Seconds for a million pixels of the file to be read and written, on the two cores that it was measured on."""
BYTES_PER_PIXEL_OF_A_TILE = 16
"""Memory for a pixel of the file under a tile and a band, while it is read and written."""


def disk_needed(plan: MapPlan) -> float:
    """Return the bytes of disk that a map takes while it is made."""
    layers = (MAP_LAYER, CONFIDENCE_LAYER) if plan.with_confidence else (MAP_LAYER,)
    return DISK_TIMES * plan.window.width * plan.window.height * sum(BYTES_PER_PIXEL[layer] for layer in layers)


def mapping_cost(
    plan: MapPlan, computed: int, model: str, device: torch.device, numbers: torch.dtype, feedback: Feedback
) -> Cost:
    """Return what the map of a plan costs, of which so many tiles are computed: not those of an interrupted run."""
    program = most_memory()
    side, bands, head = plan.tiles.side, len(plan.card.bands), plan.card.head
    decisive = (plan.card.encoder, head.to_dict() if head else plan.card.decoder, len(plan.card.classes), bands, side)

    def tiles() -> Callable[[], int]:
        network = network_of(model, plan.card, device, numbers)
        batch = best_batch(network, device, (bands, side, side), limit_of(plan, device, network))
        pixels = torch.randn(batch, bands, side, side, device=device)

        def compute() -> int:
            float(class_probabilities(network, pixels)[0, 0, 0, 0])
            return batch

        return compute

    speed = SpeedTest("tile of a map", device, in_words(numbers), *decisive).run(tiles, feedback)
    mapped = plan.window.width * plan.window.height * min(1.0, computed / len(plan.tiles))
    seconds = computed * speed.seconds + WRITING_S_PER_MPX * mapped / 1e6
    memory = program + speed.memory + BYTES_PER_PIXEL_OF_A_TILE * bands * (side * plan.source.factor) ** 2
    return Cost(seconds, memory, disk_needed(plan))
