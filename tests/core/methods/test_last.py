"""LaST: the loss is that of a double loop and of another library, the teacher follows, and a centre keeps answers apart."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightly.loss import DINOLoss
from torch import Tensor

from false_core.computing.distributed import Share
from false_core.dispatch import run
from false_core.errors import FalseError
from false_core.jobs import Pretrain
from false_core.methods.last import LOCAL_CROPS, DistillationHead, LaST, distillation
from false_core.methods.method import Outcome, Views
from false_core.methods.momentum import follow
from false_core.models.encoder import build_encoder
from false_core.presets import PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation
from false_core.sampling.spectral import SpectralJitter
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews

SETTINGS = replace(PRETRAIN["quick"], method="last", encoder="test_resnet", hidden=16, outputs=32)
B, K = 3, 7


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def new_last(outputs: int = SETTINGS.outputs) -> LaST:
    torch.manual_seed(0)
    return LaST(build_encoder("test_resnet", 2), LaST.adapted(replace(SETTINGS, outputs=outputs)))


def some_views() -> Views:
    pixels, local = normal(2 * B, 2, 32, 32).float(), normal(4 * B, 2, 32, 32, seed=1).float()
    return Views(pixels, torch.zeros(2 * B, 0, 2), torch.zeros(0, dtype=torch.long), local=local)


class TestTheLoss:
    @pytest.mark.parametrize("local", [0, 2, 4])
    def test_a_double_loop_gives_the_same(self, local: int) -> None:
        teacher, crops, centre = normal(2, B, K), normal(B, 2 + local, K, seed=1), normal(K, seed=2)

        def softmax(values: list[float]) -> list[float]:
            powers = [math.exp(value - max(values)) for value in values]
            return [power / sum(powers) for power in powers]

        terms = []
        for patch in range(B):
            for view in range(2):
                told = softmax([(t - c) / 0.05 for t, c in zip(teacher[view, patch].tolist(), centre.tolist())])
                for crop in range(2 + local):
                    if crop != view:
                        said = softmax([s / 0.1 for s in crops[patch, crop].tolist()])
                        terms.append(-sum(p * math.log(q) for p, q in zip(told, said)))
        rows = torch.stack([
            torch.cat([crops[patch, view], *crops[patch, 2 + view * local // 2 : 2 + (view + 1) * local // 2]])
            for view in range(2)
            for patch in range(B)
        ])  # fmt: skip
        loss = distillation(teacher.flatten(0, 1), rows, centre, torch.tensor(0.05)).loss
        assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-9)

    def test_that_of_lightly_is_the_same(self) -> None:
        theirs = DINOLoss(K, warmup_teacher_temp=0.04, teacher_temp=0.07, warmup_teacher_temp_epochs=30, student_temp=0.1)
        teacher, student = normal(2, B, K).float(), normal(2, B, K, seed=1).float()
        wanted = theirs(list(teacher), list(student), epoch=0).item()
        found = distillation(teacher.flatten(0, 1), student.flatten(0, 1), torch.zeros(K), torch.tensor(0.04))
        assert found.loss.item() == pytest.approx(wanted, rel=1e-5)

    def test_of_who_says_all_answers_alike_is_the_logarithm_of_their_number(self) -> None:
        outcome = distillation(torch.zeros(4, K), torch.zeros(4, 3 * K), torch.zeros(K), torch.tensor(0.05))
        assert outcome.loss.item() == pytest.approx(math.log(K), rel=1e-6)
        assert outcome.curves["entropy of the teacher"].item() == pytest.approx(math.log(K), rel=1e-6)
        assert outcome.curves["divergence from the teacher"].item() == pytest.approx(0, abs=1e-6)

    def test_a_centre_keeps_one_answer_from_being_given_to_all(self) -> None:
        teacher = normal(8, K) + 3 * torch.nn.functional.one_hot(torch.tensor(2), K)
        student, temperature = torch.zeros(8, K, dtype=torch.float64), torch.tensor(0.05)
        collapsed, kept = (
            distillation(teacher, student, centre, temperature).curves["entropy of the mean"].item()
            for centre in (torch.zeros(K), teacher.mean(dim=0))
        )
        assert kept > 2 * collapsed


class TestCollapse:
    """All views look the same: to the teacher, who gives one answer, or to the student, whose directions agree."""

    def outcome(self, teacher: Tensor, directions: Tensor) -> Outcome:
        method = new_last()
        rows, outputs = len(teacher), method.settings.outputs
        made = {"teacher": teacher, "student": torch.zeros(rows, 3 * outputs), "directions": directions}
        return method.compare_all(made)

    def answers(self, number: int) -> Tensor:
        """Return answers of the teacher, so many different ones that are sure."""
        return 5 * torch.nn.functional.one_hot(torch.arange(16) % number, SETTINGS.outputs).float()

    def directions(self, apart: float) -> Tensor:
        towards = torch.tensor([1.0, 0.0, 0.0]) + apart * normal(16, 3).float()
        return torch.nn.functional.normalize(towards, dim=1)

    def test_is_noticed_in_the_answers(self) -> None:
        said = [self.outcome(self.answers(number), self.directions(1.0)).collapsed for number in (1, 2, 16)]
        assert [bool(one) for one in said] == [True, False, False]

    def test_is_not_seen_in_few_views_that_are_told_apart(self) -> None:
        """A batch of two patches, each with an answer of its own, of thousands."""
        method = new_last(outputs=4096)
        patches = 20 * torch.nn.functional.one_hot(torch.tensor([0, 1, 0, 1]), 4096).float()
        for answers, wanted in ((patches, False), (patches[[0, 0, 0, 0]], True)):
            student = torch.zeros(4, 3 * 4096)
            made = {"teacher": answers, "student": student, "directions": self.directions(1.0)[:4]}
            method.centre.zero_()
            assert bool(method.compare_all(made).collapsed) == wanted

    def test_is_noticed_in_the_directions(self) -> None:
        for apart, wanted in ((0.0, True), (0.001, True), (0.1, False)):
            outcome = self.outcome(self.answers(16), self.directions(apart))
            assert bool(outcome.collapsed) == wanted
            deviation = outcome.curves["deviation of directions"].item()
            assert deviation == pytest.approx(
                np.sqrt(self.directions(apart).var(dim=0, correction=0).sum().item()), abs=1e-3
            )

    @pytest.mark.thorough
    def test_ends_a_training_and_says_what_helps(self, land: str, tmp_path: Path) -> None:
        job = Pretrain(
            (land,), str(tmp_path / "e.safetensors"), preset="quick", method="last", device="cpu", backbone="test_resnet",
            weights="none", batch_size=4, steps=200, learning_rate=0.3,
        )  # fmt: skip
        with pytest.raises(FalseError, match=r"collapsed at step \d+: all views look the same.*Take a lower learning rate"):
            run(job)
        assert not Path(job.encoder).exists()

    def test_is_avoided_by_one_rate_for_all_encoders(self) -> None:
        assert LaST.adapted(SETTINGS).rate_from_nothing == 0 < SETTINGS.rate_from_nothing


class TestTheTeacher:
    def test_stays_at_a_momentum_of_1_and_is_the_student_at_0(self) -> None:
        slow, fast = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
        before = slow.weight.clone()
        follow(slow, fast, 1.0)
        assert slow.weight.equal(before)
        follow(slow, fast, 0.0)
        torch.testing.assert_close(slow.weight, fast.weight)

    @pytest.mark.thorough
    def test_gets_no_gradients_and_the_last_layer_none_at_first(self) -> None:
        method = new_last()
        torch.autograd.backward(method(some_views()).loss)
        assert all(p.grad is None for part in (method.slow_encoder, method.slow_head) for p in part.parameters())
        assert method.head.last.grad is not None
        assert method.head.last.grad.abs().max() == 0
        method.after_step(50, 100)
        torch.autograd.backward(method(some_views()).loss)
        assert method.head.last.grad.abs().max() > 0

    def test_has_answers_whose_mean_moves_the_centre(self) -> None:
        method = new_last()
        made = method.represent(some_views())
        method.compare_all(made)
        torch.testing.assert_close(method.centre, 0.1 * made["teacher"].mean(dim=0))


def test_crops_go_with_the_patches_they_are_of() -> None:
    method = new_last().eval()
    views = some_views()
    student = method.represent(views)["student"].view(2 * B, 3, -1)
    assert views.local is not None
    with torch.no_grad():
        alone = method.head(method.encoder(views.local)[-1].mean(dim=(2, 3)), torch.tensor(True))
    for view in range(2):
        for patch in range(B):
            for crop in range(2):
                found = student[view * B + patch, 1 + crop]
                torch.testing.assert_close(found, alone[(2 * view + crop) * B + patch], rtol=1e-4, atol=1e-5)


def test_the_outputs_are_cosines() -> None:
    head = DistillationHead(5, 8, K)
    outputs = head(normal(4, 5).float(), torch.tensor(True))
    assert outputs.shape == (4, K)
    assert outputs.abs().max() <= 1 + 1e-6


class TestSmallCrops:
    @pytest.fixture
    def sampler(self, land: str) -> PatchSampler:
        source = RasterSource(land)
        plain = Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4)
        asked = LaST.sampling_requirements(SETTINGS)
        draw = PatchDraw(5, 64, (0.8, 1.2), 0, 0)
        return PatchSampler(MeasuredRasters([source], [source.window_of(None)], plain), draw, 10**8, requirements=asked)

    def test_cover_a_share_of_a_patch_and_lie_within_it(self, sampler: PatchSampler) -> None:
        batch = sampler.batch(0)
        assert (len(batch.local), batch.local_size) == (LOCAL_CROPS, 32)
        shares = np.concatenate([np.abs(np.linalg.det(one.matrix)) for one in batch.local]) * 32**2 / 64**2
        assert shares.min() >= 0.05 - 1e-5
        assert shares.max() <= 0.4 + 1e-5
        assert shares.max() - shares.min() > 0.2
        assert max(np.abs(one.shift).max() for one in batch.local) <= 16

    def test_in_parts_and_in_processes_are_those_of_the_whole(self, sampler: PatchSampler) -> None:
        whole = RawViews.of(sampler.batch(2), SpectralJitter(), 0, 2).local
        assert whole is not None
        for rank in range(2):
            pairs = sampler.batch(2, Share(rank, 2))
            mine, part = RawViews.of(pairs, SpectralJitter(), 0, 2).local, whole.subset(pairs.share)
            assert mine is not None
            assert mine.maps.equal(part.maps)
            assert mine.changes.gain.equal(part.changes.gain)

    def test_change_nothing_about_the_views(self, sampler: PatchSampler, land: str) -> None:
        source = RasterSource(land)
        plain = Normalisation((0.0,) * 4, (255.0,) * 4, (90.0,) * 4, (40.0,) * 4)
        measured = MeasuredRasters([source], [source.window_of(None)], plain)
        without = PatchSampler(measured, PatchDraw(5, 64, (0.8, 1.2), 0, 0), 10**8)
        one, other = sampler.batch(1), without.batch(1)
        assert one.windows.equal(other.windows)
        np.testing.assert_array_equal(one.second.matrix, other.second.matrix)
