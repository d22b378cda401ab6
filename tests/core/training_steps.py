"""A few steps of training by every method, written down one by one. Run by torchrun, each process writes its own account.

torchrun --nproc-per-node 2 tests/core/training_steps.py RASTER FOLDER
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import safetensors.torch
import torch
from torch import Tensor

from false_core import jobs
from false_core.computing.distributed import World, process_group, share
from false_core.feedback import Feedback
from false_core.methods import pcl
from false_core.methods.false_negatives import ANCHOR, FOUND
from false_core.methods.method import Views
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.training.trainer import Trainer

CPU = torch.device("cpu")
STEPS = 3
ELSEWHERE = "false elsewhere"
"""FALSE with another search than the published one."""
PATCHES = 6
"""In a batch: four processes do not have as many each."""


class PreciseTrainer(Trainer):
    """Trains in double precision, so that rounding does not hide what is wrong."""

    def views_of(self, views: RawViews) -> Views:
        made = super().views_of(views)
        assert made.ground is not None
        local = None if made.local is None else made.local.double()
        return Views(made.pixels.double(), made.points.double(), made.kept, made.ground.double(), made.chance, local)


# So few embeddings make clusters only where these are small.
@patch.object(pcl, "PER_CLUSTER", (2, 3))
def account(name: str, raster: str, world: World, at_a_time: int = PATCHES) -> list[dict[str, Tensor]]:
    """Return what each step comes to: loss, curves, gradients, and all that the method remembers.

    Args:
        name: A method, or ``ELSEWHERE``.
    """
    quiet = Feedback()
    name, _, elsewhere = name.partition(" ")
    settings = replace(
        PRETRAIN["quick"], encoder="test_resnet", method=name, level=BOTH, batch_size=PATCHES,
        crop_size=32, points=5, hidden=16, dimensions=8, outputs=32,
        threshold=-1.0, confidence="adaptive", false_negatives=name in jobs.CALIBRATED,
    )  # fmt: skip
    if name == "grass":
        # Of larger patches it chooses a part. Its warm-up ends after the first step.
        settings = replace(settings, crop_size=64)
    if name == "sticl":
        settings = replace(settings, transfer=0.5)
    if elsewhere:
        # False negatives off the own ground, a share of the negatives, for a share of the anchors.
        settings = replace(settings, apart=0.3, near_negatives=False, neighbours=0.1, benchmark=0.5)
        settings = replace(settings, closest_to=ANCHOR, surest_by=FOUND)
    settings = METHOD_CLASSES[name].adapted(settings)
    source = RasterSource(raster)
    area = source.window_of(None)
    normalisation = measure([source], [area], quiet)
    torch.manual_seed(0)
    trainer = PreciseTrainer(settings, STEPS, build_encoder(settings.encoder, len(source.bands)), 0, CPU, 4, quiet, world)
    trainer.method.double()
    trainer.patches_at_a_time = at_a_time
    sampler = PatchSampler(
        MeasuredRasters([source], [area], normalisation),
        PatchDraw(PATCHES, settings.crop_size, settings.scales, settings.points, 0, transfer=settings.transfer),
        10**8,
        requirements=METHOD_CLASSES[name].sampling_requirements(settings),
    )
    steps = []
    for step in range(STEPS):
        outcome = trainer.train_on(trainer.prepare(sampler.batch(step, world.share), step))
        gradients = {name: p.grad.clone() for name, p in trainer.method.named_parameters() if p.grad is not None}
        steps.append({
            "loss": outcome.loss.detach().clone(),
            **{f"curve {name}": value.clone() for name, value in outcome.curves.items()},
            **{f"gradient {name}": value for name, value in gradients.items()},
            **{f"state {name}": value.clone() for name, value in trainer.method.state_dict().items()},
        })  # fmt: skip
    return steps


def account_file(folder: Path, method: str, rank: int) -> Path:
    """Return where a process writes its account of a method."""
    return folder / f"{method} {rank}.safetensors"


def main() -> None:
    """Write the account of each method that is named."""
    raster, folder, methods = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    with process_group(share(), threading.Event()) as world:
        for method in methods:
            steps = {
                f"{number} {name}": value.contiguous()
                for number, step in enumerate(account(method, raster, world))
                for name, value in step.items()
            }
            safetensors.torch.save_file(steps, account_file(folder, method, world.share.rank))


if __name__ == "__main__":
    main()
