"""What would happen on an NVIDIA GPU, found out without one: with tensors that are said to lie there and hold no numbers.

Such tensors complain where one that lies elsewhere is mixed in, and where the CPU asks for a number of theirs: on a GPU it
would have to wait for all that was computed up to there, in every step.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from false_core import jobs
from false_core.feedback import Feedback
from false_core.inference.folding import for_inference
from false_core.inference.tiles import Blender, TilePlan
from false_core.inference.upsample import upsample
from false_core.methods.registry import METHOD_CLASSES
from false_core.models.encoder import build_encoder
from false_core.models.segmenter import build_segmenter, class_probabilities
from false_core.presets import BOTH, PRETRAIN
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.training.trainer import Trainer

pytestmark = pytest.mark.thorough

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
PATCHES = 6
WITH_FNCC = "+fncc"
LEARNING = [name for name, method in METHOD_CLASSES.items() if method.by_gradients]


@contextmanager
def without_numbers() -> Iterator[FakeTensorMode]:
    """Within it tensors hold no numbers. Backward passes to a GPU that is not there are not possible, so none are made."""
    with FakeTensorMode() as mode, torch.no_grad():
        yield mode


def put_on_gpu(mode: FakeTensorMode, made: Any) -> Any:
    """Return a tensor, or a dataclass of such, as if it lay on a GPU. What stays in memory for good is left as it is."""
    if isinstance(made, Tensor):
        return mode.from_tensor(made).to(GPU)
    if not dataclasses.is_dataclass(made):
        return made
    changed = {field.name: put_on_gpu(mode, getattr(made, field.name)) for field in dataclasses.fields(made)}
    return replace(made, **changed)  # type: ignore[type-var]


def move(mode: FakeTensorMode, network: nn.Module) -> nn.Module:
    """Move a network to the GPU that is not there."""
    for module in network.modules():
        for kept in (module._parameters, module._buffers):
            for name, tensor in list(kept.items()):
                if tensor is not None:
                    kept[name] = put_on_gpu(mode, tensor)
    return network


def training(name: str, raster: str) -> tuple[Trainer, RawViews]:
    """Return a training by a method, and the first batch."""
    quiet, plain = Feedback(), name.removesuffix(WITH_FNCC)
    settings = replace(
        PRETRAIN["quick"], encoder="resnet10t", method=plain, level=BOTH, batch_size=PATCHES,
        crop_size=64, points=5, hidden=16, dimensions=8,
        threshold=-1.0, confidence="adaptive", false_negatives=plain != name,
    )  # fmt: skip
    settings = METHOD_CLASSES[plain].adapted(settings)
    source = RasterSource(raster)
    area = source.window_of(None)
    trainer = Trainer(settings, 3, build_encoder(settings.encoder, len(source.bands)), 0, CPU, len(source.bands), quiet)
    sampler = PatchSampler(
        MeasuredRasters([source], [area], measure([source], [area], quiet)),
        PatchDraw(PATCHES, settings.crop_size, settings.scales, settings.points, 0),
        10**8,
        requirements=METHOD_CLASSES[plain].sampling_requirements(settings),
    )
    return trainer, trainer.prepare(sampler.batch(0), 0)


class TestAStepOfPretraining:
    @pytest.mark.parametrize("name", [*LEARNING, *(name + WITH_FNCC for name in jobs.CALIBRATED)])
    def test_stays_on_the_card_and_never_waits_for_it(self, name: str, land: str) -> None:
        trainer, views = training(name, land)
        # What is looked up once, and not in every step.
        with torch.no_grad():
            trainer.method.compare_all(copy.deepcopy(trainer.method).represent(trainer.views_of(views)))
        with without_numbers() as mode:
            move(mode, trainer.method)
            seen = trainer.views_of(put_on_gpu(mode, views))
            outcome = trainer.method.compare_all(trainer.method.represent(seen))
        assert seen.pixels.device == outcome.loss.device == GPU
        assert {value.device for value in outcome.curves.values()} <= {GPU}

    def test_that_waited_would_be_found_out(self) -> None:
        with without_numbers() as mode:
            loss = put_on_gpu(mode, torch.ones(3)).sum()
            with pytest.raises(DataDependentOutputException):
                float(loss)
            with pytest.raises(RuntimeError, match="device"):
                loss + torch.ones(3)


class TestATileOfAMap:
    @pytest.mark.parametrize("decoder", ["segformer", "deeplabv3plus"])
    @pytest.mark.parametrize(("factor", "capability"), [(1, (9, 0)), (4, (9, 0)), (4, (7, 5))])
    def test_stays_on_the_card_until_its_classes_are_known(
        self, decoder: str, factor: int, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("false_core.inference.tiles.memory_of", lambda device: 80e9)
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda device: capability)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "NVIDIA GeForce RTX 2080")
        classes, bands = 5, 4
        plan = TilePlan.for_area(Window(0, 0, 700, 400), classes, factor)
        network = for_inference(build_segmenter("resnet10t", decoder, bands, classes).eval(), bands)
        with without_numbers() as mode:
            move(mode, network)
            codes = put_on_gpu(mode, torch.arange(classes, dtype=torch.uint8))
            blender = Blender(plan, classes, GPU)
            for tile in plan:
                found = class_probabilities(network, put_on_gpu(mode, torch.zeros(1, bands, plan.side, plan.side)))
                mapped = upsample(blender.add(tile, found[0]), factor, codes, True)
                assert mapped.percent is not None
                assert mapped.codes.device == mapped.percent.device == GPU
                assert mapped.codes.shape == (plan.stride * factor, plan.stride * factor)
