"""The networks of pretraining and one step of their training, of as many patches at a time as the memory holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from false_core.computing.device import describe, is_out_of_memory
from false_core.computing.device_limits import DeviceLimit
from false_core.computing.distributed import ALONE, World
from false_core.computing.precision import autocast, in_words, loss_scaler, precisions_in_training
from false_core.errors import OutOfMemoryError
from false_core.feedback import Feedback
from false_core.methods.method import Outcome, Views
from false_core.methods.pictures import MarkedViews, NeighbourPairs
from false_core.methods.registry import build_method
from false_core.presets import SIMCLR, PretrainSettings
from false_core.sampling.colour import BlackAndWhite, SimCLRColour
from false_core.sampling.geometry import resample_crops
from false_core.sampling.loading import STAYS, on_device
from false_core.sampling.spectral import SpectralJitter
from false_core.sampling.views import RawViews, ViewPairs
from false_core.training.convolutions import fast_convolutions
from false_core.training.global_batch_norm import with_global_batch_norms
from false_core.training.gradient_cache import accumulate_gradients, stacked
from false_core.training.gradient_sum import GradientSum
from false_core.training.optimisers import LARC, clip_each, fused_on, parameter_groups, restore
from false_core.training.rate_schedule import RateSchedule

DECIDE_MEMORY = (
    "encoder", "level", "points", "crop_size", "batch_size", "hidden", "dimensions", "scales", "method", "optimiser",
)  # fmt: skip
"""Settings that decide how much memory a step takes."""
MOMENTS = 2
"""Numbers that AdamW remembers of each weight. LARC has one."""


@dataclass(frozen=True)
class LocalBatch:
    """A share of a batch to train on: its patches, which stay in memory, and what becomes their views."""

    pairs: ViewPairs = field(metadata=STAYS)
    views: RawViews


class Trainer:
    """The networks, their optimiser, and one step of training.

    Args:
        numbers: Numbers to compute with; None: the first of those that the device could take.

    Attributes:
        patches_at_a_time: The number that may go through the networks together. Fewer than a batch if the memory is small.

    Raises:
        RequestError: There are more processes than patches in a batch.
    """

    def __init__(
        self,
        settings: PretrainSettings,
        steps: int,
        encoder: nn.Module,
        seed: int,
        device: torch.device,
        bands: int,
        feedback: Feedback,
        world: World = ALONE,
        ends: BlackAndWhite | None = None,
        numbers: torch.dtype | None = None,
    ) -> None:
        self.settings, self.steps, self.seed, self.device = settings, steps, seed, device
        self.numbers = numbers or precisions_in_training(device, settings.mixed_precision)[0]
        self.step = 0
        self.schedule = RateSchedule(steps, is_published=settings.optimiser == "larc")
        self._feedback, self._world = feedback, world
        world.share.check_divides(settings.batch_size, "patches")
        decisive = [getattr(settings, name) for name in DECIDE_MEMORY]
        self._limit = DeviceLimit("patches at a time", device, bands, decisive, in_words(self.numbers))
        # As many parts in every process: batch norms look at the same part of all.
        self.patches_at_a_time = world.smallest(min(self._limit.number() or settings.batch_size, settings.batch_size))
        if self.patches_at_a_time < math.ceil(settings.batch_size / world.share.world_size):
            self._feedback.info(self._in_parts())
        layout = torch.channels_last
        method = build_method(encoder, settings)
        method.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.method = with_global_batch_norms(method, world)
        self.method.world = world
        # Drawn alike in all processes, but not where their computers or versions differ.
        world.broadcast([*self.method.parameters(), *self.method.buffers()])
        self._together = GradientSum(self.method.parameters(), world)
        groups = parameter_groups(self.method, weight_decay=settings.weight_decay, decays=settings.decays)
        self.optimiser: torch.optim.Optimizer
        if settings.optimiser == "larc":
            self.optimiser = LARC(groups, settings.learning_rate)
        else:
            self.optimiser = torch.optim.AdamW(groups, settings.learning_rate, fused=fused_on(device))
        # What learns nothing has no gradients that it could look at.
        self._scaler = loss_scaler(device, self.numbers if method.by_gradients else torch.float32)
        self.jitter = replace(_jitter(settings, ends), blur=settings.blur, radius=settings.blur_radius)

    @property
    def encoder(self) -> nn.Module:
        """The network that remains of the training."""
        encoder: nn.Module = self.method.encoder
        return encoder

    @property
    def decoder(self) -> nn.Module | None:
        """The network that remains beside it, of a method that trains a decoder too."""
        decoder: nn.Module | None = self.method.decoder
        return decoder

    def prepare(self, pairs: ViewPairs, step: int) -> RawViews:
        """Return what becomes the views of ``pairs`` at ``step``. May be called in another thread, ahead of time."""
        return RawViews.of(pairs, self.jitter, self.seed, step)

    @fast_convolutions()
    def train_on(self, views: RawViews) -> Outcome:
        """Do one step and return what it came to."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate
        outcome = self._backward(views)
        if self.method.longest_gradient is not None:
            self._scaler.unscale_(self.optimiser)
            clip_each([p.grad for p in self.method.parameters() if p.grad is not None], self.method.longest_gradient)
        self._scaler.step(self.optimiser)
        self._scaler.update()
        self.step += 1
        self.method.after_step(self.step, self.steps)
        return outcome

    @torch.no_grad()
    def embed(self, pairs: ViewPairs) -> dict[str, Tensor]:
        """Return the embeddings (2N, d) of each level as the trained networks give them."""
        self.method.eval()
        parts = self._micro_batches(on_device(self.prepare(pairs, self.step), self.device))
        embedded: list[dict[str, Tensor]] = [self.method.embed(part()) for part in parts]
        return {level: stacked([part[level] for part in embedded]) for level in embedded[0]}

    @torch.no_grad()
    def look_into(self, pairs: ViewPairs) -> tuple[list[NeighbourPairs], list[MarkedViews]]:
        """Return what the method shows of itself: pairs of neighbours within a batch, and what it looks at in views."""
        self.method.eval()
        parts = self._micro_batches(on_device(self.prepare(pairs, self.step), self.device))
        made: list[dict[str, Tensor]] = [self.method.represent(part()) for part in parts]
        whole = {name: stacked([part[name] for part in made]) for name in made[0]}
        return self.method.neighbour_pairs(whole), self.method.marked_views(parts[0]())

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.settings.learning_rate * self.schedule.share(self.step)

    def _backward(self, views: RawViews) -> Outcome:
        """Make the gradients of a batch, of as many patches at a time as the memory holds."""
        fits = True
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            try:
                parts = self._micro_batches(views)
                outcome = accumulate_gradients(self.method, parts, self._precision, self._together, self._scaler)
                self._make_room_for_first_step()
                break
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.patches_at_a_time == 1:
                    raise
                if self._world.is_shared:
                    raise self._too_large_together() from error
            # Out here, where the error is gone: it holds on to all that was in memory when it was raised.
            fits = False
            self.patches_at_a_time = self._half()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        if not fits:
            self._feedback.warn(self._in_parts())
            self._limit.remember_shortage(self.patches_at_a_time, self.settings.batch_size)
        return outcome

    def _make_room_for_first_step(self) -> None:
        """Ask for the memory that the optimiser's first step takes, while that can still be done in parts.

        It is for moments, which stay, and for what a step computes with. PyTorch keeps it for who asks for it next.
        """
        if self.optimiser.state:
            return
        weights = [p for group in self.optimiser.param_groups for p in group["params"] if p.grad is not None]
        room = [torch.empty_like(p) for p in weights for _ in range(MOMENTS + 1)]
        del room

    def _too_large_together(self) -> OutOfMemoryError:
        """Remember that less fits. The other processes are in the middle of a step, which cannot be taken back."""
        self._limit.remember_shortage(self._half(), self.settings.batch_size)
        return OutOfMemoryError(
            f"The memory of {describe(self.device)} does not hold {2 * self._half()} patches at a time.",
            "Run the job again: it goes on from its last checkpoint with fewer. torchrun does so with --max-restarts.",
        )

    def _half(self) -> int:
        """Return half of the patches that went through together, rounded up."""
        most = math.ceil(self.settings.batch_size / self._world.share.world_size)
        return math.ceil(min(self.patches_at_a_time, most) / 2)

    def _precision(self) -> torch.autocast:
        return autocast(self.device, self.numbers)

    def _in_parts(self) -> str:
        return (
            f"The memory of {describe(self.device)} does not hold a batch of {self.settings.batch_size} patches. It goes "
            f"through the networks {self.patches_at_a_time} at a time; every patch is still compared with all others."
        )

    def _micro_batches(self, views: RawViews) -> list[Callable[[], Views]]:
        patches, world = len(views.windows), self._world.share.world_size
        most, fewest = math.ceil(self.settings.batch_size / world), self.settings.batch_size // world
        parts = min(math.ceil(most / self.patches_at_a_time), fewest)
        if parts == 1:
            return [partial(self.views_of, views)]
        bounds = [patches * part // parts for part in range(parts + 1)]
        return [partial(lambda ends: self.views_of(views.subset(slice(*ends))), ends) for ends in pairwise(bounds)]

    @torch.no_grad()
    def views_of(self, views: RawViews) -> Views:
        """Cut the views out of their windows and change their colours, on the device, in float32 also within autocast."""
        with torch.autocast(self.device.type, enabled=False):
            crops = resample_crops(views.windows, views.maps, self.settings.crop_size)
            if views.styles is not None:
                views.styles.apply(crops[len(crops) // 2 :])
            pixels = views.changes.apply(crops).contiguous(memory_format=torch.channels_last)
            local = None
            if views.local is not None:
                small = resample_crops(views.windows, views.local.maps, views.local.size)
                local = views.local.changes.apply(small).contiguous(memory_format=torch.channels_last)
            return Views(pixels, views.points, views.kept, views.ground, views.chance, local)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "step": self.step,
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "patches_at_a_time": self.patches_at_a_time,
            "flat_at": self.schedule.flat_at,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where ``state`` was taken."""
        self.step, self.schedule.flat_at = state["step"], state["flat_at"]
        self.method.load_state_dict(state["method"])
        restore(self.optimiser, state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        self.patches_at_a_time = min(self.patches_at_a_time, state["patches_at_a_time"])


def _jitter(settings: PretrainSettings, ends: BlackAndWhite | None) -> SpectralJitter:
    if settings.colour != SIMCLR:
        return SpectralJitter().scaled(settings.jitter)
    assert ends is not None
    return replace(SpectralJitter().scaled(0.0), colour=SimCLRColour(ends, settings.jitter))
