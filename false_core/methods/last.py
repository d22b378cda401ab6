"""LaST: a student learns to say of any crop what its teacher, a slow average of itself, says of the whole view.

Wang et al., "LaST: Label-Free Self-Distillation Contrastive Learning With Transformer Architecture for Remote Sensing Image
Scene Classification", IEEE GRSL 19, 2022, doi 10.1109/LGRS.2022.3185088. Only its abstract is public, so this is a design
after the abstract and DINO (Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, arXiv
2104.14294), which has what the abstract names: self-distillation, and small crops beside large ones. With views x of a patch
that both see, and small crops that the student alone sees,

    Ps(x) = softmax(g_s(x) / 0.1)      Pt(x) = softmax((g_t(x) - c) / tau_t)
    L = mean over views x and other crops x' of the same patch of  - sum_k Pt(x)_k log Ps(x')_k
    c <- 0.9 c + 0.1 mean of g_t over the batch

"Scale alignment" is read as just that: a small crop covers 0.05 to 0.4 of the ground of a patch in pixels of another size.
The momentum rises, so that short trainings move too, and weight decay is that of the preset. Any backbone will do; for the
transformer of the paper choose a hierarchical one, such as pvt_v2_b0.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from false_core.methods.method import Method, Outcome, Views
from false_core.methods.momentum import follow, risen
from false_core.methods.pictures import SHOWN_PATCHES, MarkedView, MarkedViews
from false_core.models.encoder import STRIDE, channels_of
from false_core.presets import IMAGE, PretrainSettings
from false_core.sampling.views import SamplingRequirements

LOCAL_CROPS = 8
"""Small crops of each patch."""
LOCAL_SIDE = 96 / 224
"""Side of a small crop in sides of a view."""
BOTTLENECK = 256
"""Width of what the last layer sees, of unit length."""
MOMENTUM_OF_TEACHER = 0.996
"""Momentum of the teacher at first. It rises to 1 by a cosine."""
STUDENT_TEMPERATURE = 0.1
"""The temperature of the student."""
TEACHER_TEMPERATURES = (0.04, 0.07)
"""The temperature of the teacher at first, and after ``SHARPER_UNTIL``."""
SHARPER_UNTIL = 0.1
"""Share of the training in which the teacher's temperature rises."""
LAST_LAYER_FROM = 0.01
"""Share of the training after which the last layer learns too."""
LEAST_EVEN = 0.1
"""The least entropy of the mean answer, as a share of the largest one. Below it nearly all views get the same answer.

Few views that are surely told apart have few answers: the largest entropy is that of an answer for each view, or for each
output where these are fewer.
"""
LEAST_DEVIATION = 0.01
"""The least standard deviation of directions. Below it nearly all views look the same to the student."""
CENTRE_MOMENTUM = 0.9
"""Share of the centre that stays at each step."""
SHOWN_SMALL_CROPS = 3
"""Small crops of each."""


class LaST(Method):
    """Self-distillation with small crops."""

    paradigm = "self-supervised, contrastive without negatives"
    signal = "what a teacher says of the whole view, from any crop of it"
    longest_gradient: ClassVar[float | None] = 3.0
    curve_captions: ClassVar[Mapping[str, str]] = {
        "entropy": "Entropy is how undecided the teacher is about a view, and how evenly its answers are spread over all "
        "views (the mean). Where the second falls to 0 all views look the same to it, and the encoder is of no use.",
        "divergence": "Divergence is how far the student is from the teacher.",
        "deviation": "Deviation is how far apart the views are to the student, from 0 to 1. Where it falls to 0 they all "
        "look the same to it.",
    }

    centre: Tensor
    progress: Tensor

    def __init__(self, encoder: nn.Module, settings: PretrainSettings) -> None:
        super().__init__(encoder, settings)
        self.head = DistillationHead(channels_of(encoder)[-1], settings.hidden, settings.outputs)
        self.slow_encoder, self.slow_head = copy.deepcopy(encoder), copy.deepcopy(self.head)
        self.slow_encoder.requires_grad_(False)
        self.slow_head.requires_grad_(False)
        self.register_buffer("centre", torch.zeros(settings.outputs))
        self.register_buffer("progress", torch.zeros(()))

    @classmethod
    def adapted(cls, settings: PretrainSettings) -> PretrainSettings:
        """Return ``settings`` with patches as what is compared, and one rate: at the higher one views soon look the same."""
        return replace(settings, level=IMAGE, points=0, rate_from_nothing=0.0)

    @classmethod
    def sampling_requirements(cls, settings: PretrainSettings) -> SamplingRequirements:
        """Ask for small crops."""
        side = max(STRIDE, round(LOCAL_SIDE * settings.crop_size / STRIDE) * STRIDE)
        return SamplingRequirements(local=LOCAL_CROPS, local_size=side)

    def represent(self, views: Views) -> dict[str, Tensor]:
        """Return what the teacher says of the views (2B, K), and the student of the views and of half of the crops each."""
        learns = self.progress >= LAST_LAYER_FROM
        with torch.no_grad():
            teacher = self.slow_head(_pooled(self.slow_encoder, views.pixels), learns)
        directions = self.head.directions(_pooled(self.encoder, views.pixels))
        student = self.head.compared(directions, learns)
        if views.local is not None:
            patches, outputs = len(views.pixels) // 2, student.shape[1]
            local = self.head(_pooled(self.encoder, views.local), learns)
            # Half of the crops of a patch go with its first view, half with its second.
            halves = local.view(2, -1, patches, outputs).transpose(1, 2).reshape(2 * patches, -1)
            student = torch.cat([student, halves], dim=1)
        return {"teacher": teacher, "student": student, "directions": directions.detach()}

    def compare_all(self, representations: Mapping[str, Tensor]) -> Outcome:
        """Return the loss of a batch, and move the centre."""
        teacher = representations["teacher"].detach()
        low, high = TEACHER_TEMPERATURES
        temperature = low + (high - low) * (self.progress / SHARPER_UNTIL).clamp(max=1)
        outcome = distillation(teacher, representations["student"], self.centre, temperature)
        self.centre.lerp_(teacher.mean(dim=0).to(self.centre.dtype), 1 - CENTRE_MOMENTUM)
        deviation = deviation_of_directions(representations["directions"].detach())
        even = outcome.curves["entropy of the mean"] / math.log(max(2, min(teacher.shape)))
        collapsed = (even < LEAST_EVEN) | (deviation < LEAST_DEVIATION)
        return replace(outcome, curves={**outcome.curves, "deviation of directions": deviation}, collapsed=collapsed)

    def embed(self, views: Views) -> dict[str, Tensor]:
        """Return what the last layer sees of both views (2B, d)."""
        return {IMAGE: self.head.directions(_pooled(self.encoder, views.pixels))}

    def after_step(self, step: int, steps: int) -> None:
        """Let the teacher follow."""
        momentum = 1 - (1 - MOMENTUM_OF_TEACHER) * (1 + math.cos(math.pi * step / steps)) / 2
        momentum = risen(momentum, step)
        follow(self.slow_encoder, self.encoder, momentum)
        follow(self.slow_head, self.head, momentum)
        self.progress.fill_(step / steps)

    def marked_views(self, views: Views) -> list[MarkedViews]:
        """Return some views and a few of their small crops."""
        if views.local is None:
            return []
        patches = len(views.pixels) // 2
        columns = []
        for patch in range(min(SHOWN_PATCHES, patches)):
            crops = [views.pixels[patch], views.pixels[patches + patch]]
            crops += [views.local[number * patches + patch] for number in range(SHOWN_SMALL_CROPS)]
            columns.append(tuple(MarkedView(crop.float().cpu()) for crop in crops))
        rows = ("View", "Other view", *["Small crop"] * SHOWN_SMALL_CROPS)
        text = "Each column is a patch. The teacher sees the views alone; the student is to say the same of all crops."
        return [MarkedViews("Views and small crops", text, rows, tuple(columns))]


class DistillationHead(nn.Module):
    """Three layers to a direction, and a last one without lengths that compares it with K others."""

    def __init__(self, channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, BOTTLENECK)
        )
        self.last = nn.Parameter(torch.randn(outputs, BOTTLENECK) / math.sqrt(BOTTLENECK))

    def directions(self, features: Tensor) -> Tensor:
        """Return what the last layer sees, of unit length."""
        directions: Tensor = nn.functional.normalize(self.layers(features), dim=1)
        return directions

    def forward(self, features: Tensor, learns: Tensor) -> Tensor:
        """Return the outputs (batch, K) before softmax; ``learns``: whether the last layer gets gradients."""
        return self.compared(self.directions(features), learns)

    def compared(self, directions: Tensor, learns: Tensor) -> Tensor:
        """Return the same for directions."""
        last = torch.where(learns, self.last, self.last.detach())
        return nn.functional.linear(directions, nn.functional.normalize(last, dim=1))


def deviation_of_directions(directions: Tensor) -> Tensor:
    """Return the standard deviation of directions (n, d) of unit length: 0 where all are the same, 1 where they cancel."""
    mean = directions.float().mean(dim=0)
    return (1 - mean.square().sum()).clamp(min=0).sqrt()


def distillation(teacher: Tensor, student: Tensor, centre: Tensor, temperature: Tensor) -> Outcome:
    """Return the loss of DINO with its crops.

    Args:
        teacher: Outputs of the teacher for the views, of shape (2B, K), first views before second views.
        student: Outputs of the student for the same view, and then for some small crops of the patch, of shape (2B, (1 +
            crops) * K).
        centre: c, of shape (K,).
        temperature: tau_t.
    """
    rows, outputs = teacher.shape
    with torch.autocast(teacher.device.type, enabled=False):
        exact = teacher.dtype if teacher.dtype == torch.float64 else torch.float32
        said = ((teacher.to(exact) - centre.to(exact)) / temperature.to(exact)).softmax(dim=1)
        answers = (student.to(exact).view(rows, -1, outputs) / STUDENT_TEMPERATURE).log_softmax(dim=2)
        of_row, own = answers.sum(dim=1), answers[:, 0]
        # Of both views of a patch, all crops but the one that the teacher speaks of.
        others = of_row + of_row.roll(rows // 2, dims=0) - own
        pairs = 2 * answers.shape[1] - 1
        loss = -(said * others).sum(dim=1).mean() / pairs
        entropy = _entropy(said).mean()
    curves = {
        "entropy of the teacher": entropy,
        "entropy of the mean": _entropy(said.mean(dim=0)),
        "divergence from the teacher": loss.detach() - entropy,
    }
    return Outcome(loss, curves)


def _entropy(probabilities: Tensor) -> Tensor:
    entropy: Tensor = -torch.special.xlogy(probabilities, probabilities).sum(dim=-1)
    return entropy


def _pooled(encoder: nn.Module, pixels: Tensor) -> Tensor:
    coarsest: Tensor = encoder(pixels)[-1]
    return coarsest.mean(dim=(2, 3))
