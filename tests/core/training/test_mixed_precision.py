"""Training in short numbers is that in float32 but for rounding: on the CPU, which can do that too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_jobs import TRAININGS, SmallJobs, goes_on, interrupt, output_of
from torch import Tensor

from false_core.dispatch import run
from false_core.feedback import Feedback
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.presets import BOTH, PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.training import segmenter_training, trainer
from false_core.training.trainer import Trainer

pytestmark = pytest.mark.thorough
CPU, PATCHES = torch.device("cpu"), 6
TOO_LARGE = 2.0**60


def compute_in(numbers: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have trainings compute in such numbers, as a GPU that was built for them."""
    for module in ("trainer", "segmenter_training", "pretraining_cost", "finetuning_cost"):
        monkeypatch.setattr(f"false_core.training.{module}.precisions_in_training", lambda device, mixed: (numbers,))


@pytest.fixture
def in_half(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_in(torch.float16, monkeypatch)


@pytest.fixture(params=[True, False], ids=["fused", "not fused"])
def fused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trainer, segmenter_training):
        monkeypatch.setattr(module, "fused_on", lambda device: request.param)


def training(name: str, raster: str) -> tuple[Trainer, RawViews]:
    """Return a training by a method, and the first batch."""
    settings = replace(
        PRETRAIN["quick"], encoder="test_resnet", method=name, level=BOTH, batch_size=PATCHES,
        crop_size=64, points=5, hidden=16, dimensions=8, threshold=-1.0,
    )  # fmt: skip
    settings = METHOD_CLASSES[name].adapted(settings)
    source = RasterSource(raster)
    area, bands = source.window_of(None), len(source.bands)
    torch.manual_seed(0)
    made = Trainer(settings, 3, build_encoder(settings.encoder, bands), 0, CPU, bands, Feedback())
    sampler = PatchSampler(
        MeasuredRasters([source], [area], measure([source], [area], Feedback())),
        PatchDraw(PATCHES, settings.crop_size, settings.scales, settings.points, 0),
        10**8,
        requirements=METHOD_CLASSES[name].sampling_requirements(settings),
    )
    return made, made.prepare(sampler.batch(0), 0)


def gradients(one: Trainer) -> Tensor:
    """Return all gradients of a training, as they would be without a scale, one after the other."""
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in one.method.parameters()]
    return torch.cat([gradient.flatten() for gradient in own]) / one._scaler.get_scale()


def set_scale(one: Trainer, scale: float) -> None:
    one._scaler.load_state_dict({**one._scaler.state_dict(), "scale": scale})


@pytest.mark.parametrize("numbers", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("at_a_time", [PATCHES, 2])
@pytest.mark.parametrize("name", ["simclr", "barlow_twins", "pcl", "glcnet"])
def test_gradients_are_those_of_float32_but_for_rounding(
    name: str, at_a_time: int, numbers: torch.dtype, land: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []  # By methods without a choice that a rounding could turn over.
    for dtype in (torch.float32, numbers):
        compute_in(dtype, monkeypatch)
        one, views = training(name, land)
        assert one._scaler.is_enabled() == (dtype == torch.float16)
        one.patches_at_a_time = at_a_time
        one._backward(views)
        found.append(gradients(one))
    assert torch.cosine_similarity(*found, dim=0) > (0.99 if numbers == torch.float16 else 0.9)
    assert found[1].norm() == pytest.approx(found[0].norm().item(), rel=0.05 if numbers == torch.float16 else 0.2)


def test_views_are_made_in_float32(land: str, in_half: None) -> None:
    """Some of them are blurred, by a convolution."""
    one, views = training("false", land)
    plain = one.views_of(views).pixels
    with one._precision():
        assert torch.equal(one.views_of(views).pixels, plain)


def test_a_step_whose_gradients_overflow_changes_nothing(land: str, in_half: None, fused: None) -> None:
    one, views = training("false", land)
    set_scale(one, TOO_LARGE)
    before = [p.detach().clone() for p in one.method.parameters()]
    outcome = one.train_on(views)
    assert one.step == 1
    assert outcome.loss.isfinite()
    assert all(torch.equal(p, old) for p, old in zip(one.method.parameters(), before))
    assert one._scaler.get_scale() == TOO_LARGE / 2
    set_scale(one, 1024.0)
    one.train_on(views)
    assert not all(torch.equal(p, old) for p, old in zip(one.method.parameters(), before))
    assert all(p.isfinite().all() for p in one.method.parameters())


def test_what_overflows_still_says_where_to_look(land: str, in_half: None) -> None:
    one, views = training("grass", land)
    one.method.warmed_up.fill_(True)
    set_scale(one, TOO_LARGE)
    assert one._backward(views).loss.isfinite()


@pytest.mark.parametrize("name", [name for name, method in METHOD_CLASSES.items() if not method.by_gradients])
def test_what_has_no_gradients_has_nothing_to_scale(name: str, land: str, in_half: None) -> None:
    one, views = training(name, land)
    one.train_on(views)
    assert one.step == 1


@pytest.mark.usefixtures("in_half", "fused")
@pytest.mark.parametrize("name", TRAININGS)
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(name: str, small_jobs: SmallJobs, tmp_path: Path) -> None:
    (tmp_path / "undisturbed").mkdir()
    undisturbed, job = small_jobs.make(name, tmp_path / "undisturbed"), small_jobs.make(name, tmp_path)
    run(undisturbed)
    interrupt(job, 1)
    assert "Going on from step" in goes_on(job)
    assert output_of(job).read_bytes() == output_of(undisturbed).read_bytes()
