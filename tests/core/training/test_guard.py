"""What goes wrong in the middle of a training: said with its step, and the last good checkpoint stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_jobs import TRAININGS, SmallJobs, checkpoints, goes_on, interrupt, output_of, step_of, undisturbed
from torch.utils._python_dispatch import TorchDispatchMode

from false_core import presets
from false_core.dispatch import run
from false_core.errors import DeviceError, FalseError, OutOfMemoryError
from false_core.jobs import Pretrain
from false_core.training import segmenter_training, trainer
from false_core.training.guard import COLLAPSED_STEPS, TrainingGuard
from false_core.training.pretrain import PRETRAIN_REMEDY

pytestmark = pytest.mark.thorough

LOST = getattr(torch, "AcceleratorError", RuntimeError)
FAILURES = {
    "lost": (LOST("CUDA error: unspecified launch failure\nmore"), DeviceError, "failed at step 3: CUDA error"),
    "said in words": (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), DeviceError, "failed at step 3: cuDNN"),
    "out of memory": (torch.OutOfMemoryError("CUDA out of memory."), OutOfMemoryError, "memory ran out at step 3"),
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def before_step(monkeypatch: pytest.MonkeyPatch, step: int, happens: Callable[[Any], None]) -> None:
    """Have something happen to the networks while a step makes its gradients, in either training."""
    accumulate, loss = trainer.accumulate_gradients, segmenter_training.SegmenterTrainer._loss
    calls = iter(range(1, 1000))

    def accumulated(method: Any, *given: Any, **named: Any) -> Any:
        outcome = accumulate(method, *given, **named)
        if next(calls) == step:
            happens(method)
        return outcome

    def lost(trained: Any, *given: Any) -> Any:
        value = loss(trained, *given)
        if next(calls) == step:
            value.register_hook(lambda gradient: happens(trained.network) or gradient)
        return value

    monkeypatch.setattr(trainer, "accumulate_gradients", accumulated)
    monkeypatch.setattr(segmenter_training.SegmenterTrainer, "_loss", lost)


def run_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn at a rate that no network survives."""
    for table in (presets.PRETRAIN, presets.FINETUNE):
        monkeypatch.setitem(table, "quick", dataclasses.replace(table["quick"], learning_rate=1e30))


class CopiesOfNumbers(TorchDispatchMode):
    """Counts how often a number is asked for by itself: a GPU is waited for each time."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class TestWhatIsTold:
    @pytest.fixture
    def guard(self) -> TrainingGuard:
        nothing: Any = None
        return TrainingGuard(nothing, dict, [], torch.device("cpu"), PRETRAIN_REMEDY)

    def test_is_read_in_one_copy(self, guard: TrainingGuard) -> None:
        weight = torch.tensor(2.0, requires_grad=True)
        with CopiesOfNumbers() as copies:
            assert guard.read(3 * weight, torch.tensor(0.5, dtype=torch.bfloat16), torch.tensor(7)) == [6.0, 0.5, 7.0]
            assert copies.count == 0
            float(weight.detach())
            assert copies.count == 1

    def test_is_nothing_where_a_loss_was_no_number(self, guard: TrainingGuard) -> None:
        guard.record(1, torch.tensor(1.0))
        assert guard.read() == []
        guard._what_is_kept = lambda: ""  # type: ignore[method-assign]
        for step, loss in ((2, float("nan")), (3, float("inf")), (4, 1.0)):
            guard.record(step, torch.tensor(loss))
        with pytest.raises(FalseError, match="broke down at step 2:"):
            guard.read(torch.tensor(1.0))

    def test_is_nothing_where_all_views_look_the_same_for_long(self, guard: TrainingGuard) -> None:
        guard._what_is_kept = lambda: ""  # type: ignore[method-assign]
        loss, same, apart = torch.tensor(1.0), torch.tensor(True), torch.tensor(False)
        for step in range(1, COLLAPSED_STEPS):
            guard.record(step, loss, same)
        guard.record(COLLAPSED_STEPS, loss, apart)
        for step in range(101, 101 + COLLAPSED_STEPS - 1):
            guard.record(step, loss, same)
            assert guard.read() == []
        guard.record(100 + COLLAPSED_STEPS, loss, same)
        guard.record(101 + COLLAPSED_STEPS, loss, apart)
        with pytest.raises(FalseError, match=f"collapsed at step {100 + COLLAPSED_STEPS}: all views look the same.*lower"):
            guard.read(torch.tensor(1.0))


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("name", TRAININGS)
class TestNumbersThatRunAway:
    def test_end_the_training_at_that_step_and_never_get_into_a_checkpoint(
        self, small_jobs: SmallJobs, out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        run_away(monkeypatch)
        job = small_jobs.make(name, out)
        if isinstance(job, Pretrain):  # The small ResNet of the other tests survives any rate.
            job = dataclasses.replace(job, backbone=None, weights=None)
        output_of(job).write_text("earlier")
        with pytest.raises(FalseError, match=r"broke down at step [1-4]: the .* no finite number.*another seed") as raised:
            run(job)
        assert output_of(job).read_text() == "earlier"
        kept = [step_of(path) for path in checkpoints(cache)]
        assert str(raised.value).endswith(f"The state of step {kept[0]} is kept." if kept else "Nothing was kept yet.")
        assert len(list(out.iterdir())) == 1

    def test_in_the_loss_are_seen_before_the_next_checkpoint(
        self, small_jobs: SmallJobs, out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Also between the steps whose losses are told."""
        job = small_jobs.make(name, out)
        trained = trainer.Trainer if name == "pretrain" else segmenter_training.SegmenterTrainer
        train = trained.train_on

        def spoilt(self: Any, batch: Any) -> Any:
            result = train(self, batch)
            if self.step != 3:
                return result
            nothing = torch.tensor(float("inf"))
            return dataclasses.replace(result, loss=nothing) if name == "pretrain" else nothing

        monkeypatch.setattr(trained, "train_on", spoilt)
        with pytest.raises(FalseError, match=r"broke down at step 3: the loss is no finite .*The state of step 2 is kept\."):
            run(job)
        assert [step_of(path) for path in checkpoints(cache)] == [2]

    def test_in_a_gradient_are_seen_in_the_weights(
        self, small_jobs: SmallJobs, out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """The loss of such a step is still a number. The one before is gone back to when the job is run again."""
        job = small_jobs.make(name, out)
        wanted = undisturbed(job, out / "undisturbed")

        def spoil(network: torch.nn.Module) -> None:
            for weights in network.parameters():
                weights.grad = torch.full_like(weights, float("nan"))

        with monkeypatch.context() as patch:
            before_step(patch, 3, spoil)
            with pytest.raises(FalseError, match=r"broke down at step 3: the weights .*The state of step 2 is kept\."):
                run(job)
        assert [step_of(path) for path in checkpoints(cache)] == [2]
        assert "Going on from step 2" in goes_on(job)
        assert output_of(job).read_bytes() == wanted


@pytest.mark.usefixtures("often")
class TestADeviceThatFails:
    @pytest.mark.parametrize("failure", FAILURES)
    @pytest.mark.parametrize("name", TRAININGS)
    def test_is_named_with_the_step_and_the_job_goes_on_from_the_one_before(
        self, small_jobs: SmallJobs, out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, name: str, failure: str
    ) -> None:
        job = small_jobs.make(name, out)
        wanted = undisturbed(job, out / "undisturbed")
        error, kind, words = FAILURES[failure]

        def fail(_: Any) -> None:
            raise error

        with monkeypatch.context() as patch:
            before_step(patch, 3, fail)
            # Pretraining would go on with fewer patches at a time.
            patch.setattr(trainer, "is_out_of_memory", lambda _: False)
            with pytest.raises(kind, match=words) as raised:
                run(job)
        assert str(raised.value).endswith("The state of step 2 is kept.")
        assert "\n" not in str(raised.value)
        assert [step_of(path) for path in checkpoints(cache)] == [2]
        assert "Going on from step 2" in goes_on(job)
        assert output_of(job).read_bytes() == wanted

    def test_while_it_classifies_is_said_too(
        self, small_jobs: SmallJobs, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("CUDA error: device-side assert triggered\nCompile with")

        monkeypatch.setattr("false_core.inference.batches.BatchedNetwork.compute", fail)
        with pytest.raises(DeviceError, match="not work any more: CUDA error: device-side assert triggered. Run the job"):
            run(small_jobs.make("classify", out))
        assert not list(out.iterdir())


@pytest.mark.usefixtures("often")
class TestChance:
    def test_of_dropout_is_that_of_an_undisturbed_run(
        self, small_jobs: SmallJobs, out: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quick = dataclasses.replace(presets.FINETUNE["quick"], decoder="deeplabv3plus")
        monkeypatch.setitem(presets.FINETUNE, "quick", quick)
        job = small_jobs.make("finetune", out)
        wanted = undisturbed(job, out / "undisturbed")
        interrupt(job, 1)
        assert "Going on from step 1" in goes_on(job)
        assert output_of(job).read_bytes() == wanted
