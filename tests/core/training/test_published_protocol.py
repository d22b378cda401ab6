"""The preset paper is the published protocol: pretraining and fine-tuning do what its configurations say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from small_world import Listener, on_map, pixel_box, write_labels
from torch import nn

from false_core.dispatch import run
from false_core.jobs import Finetune, Pretrain
from false_core.labels.reading import read_annotation
from false_core.models.model_file import read_card
from false_core.presets import FINETUNE, PRETRAIN, pretrain_settings
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import Normalisation
from false_core.sampling.cache import ChunkCache
from false_core.sampling.geometry import zoomed_crops
from false_core.sampling.labelled import LabelSampler
from false_core.training import segmenter_training
from false_core.training.preparation import _steps_of_epochs


def test_potsdam_takes_10_800_steps() -> None:
    """24 images of 6000 pixels are cut in 13,824 patches of 256; 54 full batches of 256 are an epoch, and 200 a run."""
    assert _steps_of_epochs(PRETRAIN["paper"], [Window(0, 0, 6000, 6000)] * 24) == 200 * (13_824 // 256) == 10_800


def job(**named: Any) -> Pretrain:
    return Pretrain(("a.tif",), "e.safetensors", preset="paper", **named)


def test_each_method_has_the_temperature_of_its_authors_unless_the_job_says_another() -> None:
    assert pretrain_settings("paper", job()).temperature == 0.5
    assert pretrain_settings("paper", job(method="pcl")).temperature == 0.2
    assert pretrain_settings("paper", job(method="pcl", temperature=0.3)).temperature == 0.3
    assert pretrain_settings("paper", job(method="pcl")).queue == 16_384
    assert pretrain_settings("quick", job(method="pcl")).queue == 0
    assert pretrain_settings("paper", job(method="glcnet")).window == 48
    assert pretrain_settings("quick", job(method="simclr")).temperature == PRETRAIN["quick"].temperature


def test_crops_are_enlarged_uniformly_from_half_to_twice_and_only_flipped() -> None:
    matrix = zoomed_crops(20_000, (0.5, 2.0), np.random.default_rng(0)).matrix
    enlarged = 1 / matrix[:, 1, 1]
    assert (enlarged.min(), enlarged.max()) == pytest.approx((0.5, 2.0), abs=0.01)
    assert np.quantile(enlarged, [0.25, 0.5, 0.75]) == pytest.approx([0.875, 1.25, 1.625], abs=0.02)
    np.testing.assert_allclose(np.abs(matrix[:, 0, 0]), matrix[:, 1, 1])
    assert (matrix[:, 0, 0] < 0).mean() == pytest.approx(0.5, abs=0.02)
    assert not matrix[:, [0, 1], [1, 0]].any()


def test_without_balance_a_class_comes_up_as_often_as_it_is_labelled(land: str, tmp_path: Path, listener: Listener) -> None:
    shapes = [on_map(pixel_box(40, 40, 30, 30)), on_map(pixel_box(90, 40, 10, 10))]
    path = write_labels(tmp_path / "l.gpkg", ["much", "little"], shapes)
    plain = Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4)
    cache = ChunkCache([RasterSource(land)], plain, 10**8)
    labels = read_annotation(path, "cover", cache.sources[0], [], listener.feedback)
    sampler = LabelSampler(cache, labels, 500, 8, (1.0, 1.0), 0, balanced=False, turns=False)
    of_little = sampler.batch(0).targets == [c.name for c in labels.classes].index("little")
    assert of_little.flatten(1).any(dim=1).float().mean().item() == pytest.approx(0.1, abs=0.04)


@pytest.fixture
def steps_of_training(monkeypatch: pytest.MonkeyPatch) -> list[segmenter_training.SegmenterTrainer]:
    """Return the trainers that were made, and make the preset paper small."""
    made: list[segmenter_training.SegmenterTrainer] = []
    init = segmenter_training.SegmenterTrainer.__init__

    def kept(self: segmenter_training.SegmenterTrainer, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(segmenter_training.SegmenterTrainer, "__init__", kept)
    small = replace(FINETUNE["paper"], encoder="resnet10t", batch_size=4, crop_size=64, steps=3)
    monkeypatch.setitem(FINETUNE, "paper", small)
    return made


def encoder_file(land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    small = replace(PRETRAIN["paper"], encoder="resnet10t", batch_size=4, crop_size=64, patch_size=72, hidden=16)
    monkeypatch.setitem(PRETRAIN, "paper", small)
    path = str(tmp_path / "e.safetensors")
    run(Pretrain((land,), path, preset="paper", device="cpu", steps=2))
    return path


@pytest.mark.thorough
@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "trained through"])
def test_fine_tuning_follows_the_configuration(
    freeze: bool,
    steps_of_training: list[segmenter_training.SegmenterTrainer],
    land: str,
    labels: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder, model = encoder_file(land, tmp_path, monkeypatch), str(tmp_path / "m.safetensors")
    run(
        Finetune(
            land, labels, "cover", model, encoder, preset="paper", head="network", device="cpu", validation=0, freeze=freeze
        )
    )
    (trainer,) = steps_of_training
    optimiser = trainer.optimiser
    assert isinstance(optimiser, torch.optim.SGD)
    assert {(g["momentum"], g["weight_decay"]) for g in optimiser.param_groups if g["params"]} == {(0.9, 5e-4)}
    # The rate of the last of three steps.
    assert optimiser.param_groups[0]["lr"] == pytest.approx((0.01 - 1e-4) * (1 / 3) ** 0.9 + 1e-4)
    card = read_card(model)
    assert card.decoder == "deeplabv3plus-d8"
    before, after = safetensors.torch.load_file(encoder), safetensors.torch.load_file(model)
    moved = [name for name in before if not torch.equal(before[name], after[f"encoder.{name}"])]
    assert bool(moved) != freeze
    assert not any("auxiliary" in name for name in after), "the second head is for training alone"
    assert (trainer.auxiliary is None) == freeze


@pytest.mark.thorough
def test_the_second_loss_is_four_tenths_of_that_of_an_fcn_head(
    steps_of_training: list[segmenter_training.SegmenterTrainer],
    land: str,
    labels: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses: list[torch.Tensor] = []
    real = segmenter_training.SegmenterTrainer._loss

    def watched(self: segmenter_training.SegmenterTrainer, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        assert scores.shape[-2:] == targets.shape[-2:]
        loss = real(self, scores, targets)
        losses.append(loss.detach())
        return loss

    monkeypatch.setattr(segmenter_training.SegmenterTrainer, "_loss", watched)
    encoder = encoder_file(land, tmp_path, monkeypatch)
    totals: list[float] = []
    step = segmenter_training.SegmenterTrainer.train_on

    def counted(self: segmenter_training.SegmenterTrainer, batch: Any) -> torch.Tensor:
        total = step(self, batch)
        totals.append(float(total))
        return total

    monkeypatch.setattr(segmenter_training.SegmenterTrainer, "train_on", counted)
    run(
        Finetune(
            land, labels, "cover", str(tmp_path / "m.safetensors"), encoder, preset="paper", head="network", device="cpu",
            validation=0, freeze=False, steps=1,
        )
    )  # fmt: skip
    assert totals == [pytest.approx(float(losses[0]) + 0.4 * float(losses[1]))]
    (trainer,) = steps_of_training
    assert isinstance(trainer.auxiliary, nn.Sequential)


def test_false_negatives_are_looked_for_as_published_unless_the_job_says_elsewhere() -> None:
    published = pretrain_settings("paper", job())
    assert (published.neighbours, published.benchmark, published.apart, published.near_negatives) == (1, 0.0, 0.0, True)
    elsewhere = pretrain_settings("paper", job(search="elsewhere"))
    assert (elsewhere.neighbours, elsewhere.benchmark, elsewhere.apart, elsewhere.near_negatives) == (0.05, 0.25, 1.0, False)
    assert pretrain_settings("paper", job(search="elsewhere", neighbours=3)).neighbours == 3
    assert pretrain_settings("quick", job(search="published")).apart == 0.0
