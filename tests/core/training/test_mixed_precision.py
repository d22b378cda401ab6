"""Training in short numbers is that in float32 but for rounding: on the CPU, which can do that too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from false_core.feedback import Feedback
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.training.trainer import Trainer

pytestmark = pytest.mark.thorough
CPU, PATCHES = torch.device("cpu"), 6


def training(name: str, raster: str) -> tuple[Trainer, RawViews]:
    """Return a training by a method, and the first batch."""
    settings = replace(
        PRETRAIN["quick"], encoder="resnet10t", method=name, level=BOTH, batch_size=PATCHES,
        crop_size=64, points=5, hidden=16, dimensions=8, threshold=-1.0,
    )  # fmt: skip
    settings = METHOD_CLASSES[name].adapted(settings)
    source = RasterSource(raster)
    area, bands = source.window_of(None), len(source.bands)
    torch.manual_seed(0)
    made = Trainer(settings, 3, build_encoder("resnet10t", bands), 0, CPU, bands, Feedback())
    sampler = PatchSampler(
        MeasuredRasters([source], [area], measure([source], [area], Feedback())),
        PatchDraw(PATCHES, settings.crop_size, settings.scales, settings.points, 0),
        10**8,
        requirements=METHOD_CLASSES[name].sampling_requirements(settings),
    )
    return made, made.prepare(sampler.batch(0), 0)


def gradients(one: Trainer) -> Tensor:
    """Return all gradients of a training, one after the other."""
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in one.method.parameters()]
    return torch.cat([gradient.flatten() for gradient in own])


@pytest.mark.parametrize("at_a_time", [PATCHES, 2])
@pytest.mark.parametrize("name", ["false", "barlow_twins", "pcl", "glcnet"])
def test_gradients_are_those_of_float32_but_for_rounding(
    name: str, at_a_time: int, land: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr("false_core.precision.precision_of", lambda device, dtype=dtype: dtype)
        one, views = training(name, land)
        one.patches_at_a_time = at_a_time
        one._backward(views)
        found.append(gradients(one))
    assert torch.cosine_similarity(*found, dim=0) > 0.9
    assert found[1].norm() == pytest.approx(found[0].norm().item(), rel=0.2)


def test_views_are_made_in_float32(land: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them are blurred, by a convolution."""
    monkeypatch.setattr("false_core.precision.precision_of", lambda device: torch.bfloat16)
    one, views = training("false", land)
    plain = one.views_of(views).pixels
    with one._precision():
        assert torch.equal(one.views_of(views).pixels, plain)
