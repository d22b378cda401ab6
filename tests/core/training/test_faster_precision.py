"""A CPU with instructions for bfloat16 trains in it where a test of speed finds that clearly faster, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_jobs import TRAININGS, SmallJobs, interrupt, output_of
from small_world import FROM_NOTHING, Listener
from two_gpus import TwoGpus

from false_core.computing import cost
from false_core.computing.cost import WORTH_TELLING_PIXELS, Speed
from false_core.computing.distributed import ALONE, Share, World
from false_core.computing.precision import INSTRUCTIONS
from false_core.dispatch import run
from false_core.feedback import Feedback
from false_core.jobs import Estimate, Finetune, Job, Pretrain, to_json
from false_core.models.header import ENCODER, SEGMENTER
from false_core.models.model_file import PRECISION, read_card
from false_core.presets import FINETUNE, PRETRAIN
from false_core.training import faster_precision, finetuning_cost, pretraining_cost, segmenter_training, trainer
from false_core.training.faster_precision import FEWEST_BATCHES, LEAST_GAIN, choose_precision
from false_core.training.pretraining_cost import pretraining_precision

LONG, SHORT = torch.float32, torch.bfloat16
BOTH = (LONG, SHORT)


@dataclass
class Others(World):
    """A process of two, and what the other one says when both say a number."""

    theirs: Sequence[int] = ()

    def __post_init__(self) -> None:
        self._left = iter(self.theirs)

    def smallest(self, number: int) -> int:
        return min(number, next(self._left))


class TestTheChoice:
    @staticmethod
    def chosen(
        gain: float,
        possible: Sequence[torch.dtype] = BOTH,
        pixels: float = WORTH_TELLING_PIXELS,
        tested: float = 1.0,
        begun: Sequence[torch.dtype] = (),
        world: World = ALONE,
        feedback: Feedback | None = None,
    ) -> tuple[torch.dtype, int]:
        """Return the numbers, and how often they were tested."""
        tests: list[float] = []

        def speeds() -> list[Speed]:
            tests.append(gain)
            return [Speed(gain, 1.0), Speed(1.0, 1.0)]

        told = feedback or Feedback()
        numbers = choose_precision(possible, pixels, tested, lambda one: one in begun, speeds, told, world)
        return numbers, len(tests)

    @pytest.mark.parametrize(("gain", "numbers"), [(0.9, LONG), (1.24, LONG), (1.25, SHORT), (1.61, SHORT)])
    def test_is_what_is_clearly_faster(self, gain: float, numbers: torch.dtype, listener: Listener) -> None:
        assert self.chosen(gain, feedback=listener.feedback) == (numbers, 1)
        assert f"in bfloat16 is {gain:.2f} times as fast here" in listener.infos

    def test_is_not_tested_where_there_is_none_or_the_run_is_short(self) -> None:
        assert self.chosen(9.0, possible=BOTH[:1]) == (LONG, 0)
        assert self.chosen(9.0, possible=BOTH[1:]) == (SHORT, 0)
        assert self.chosen(9.0, pixels=WORTH_TELLING_PIXELS - 1) == (LONG, 0)
        assert self.chosen(9.0, pixels=1e9, tested=1e9 / FEWEST_BATCHES) == (SHORT, 1)
        assert self.chosen(9.0, pixels=1e9, tested=1.01e9 / FEWEST_BATCHES) == (LONG, 0)

    @pytest.mark.parametrize(("begun", "gain"), [(LONG, 9.0), (SHORT, 0.5)])
    def test_stays_that_of_a_run_that_is_gone_on_with(self, begun: torch.dtype, gain: float) -> None:
        assert self.chosen(gain, begun=[begun]) == (begun, 0)

    def test_is_that_of_all_processes(self) -> None:
        def together(gain: float, can: int, percent: int) -> tuple[torch.dtype, int]:
            return self.chosen(gain, world=Others(Share(0, 2), theirs=[can, percent]))

        assert together(1.5, 2, 150) == (SHORT, 1)
        assert together(1.5, 2, 110) == (LONG, 1)
        assert together(1.1, 2, 150) == (LONG, 1)

    @pytest.mark.parametrize(
        ("mine", "digits", "numbers"),
        [
            ((SHORT,), 8, SHORT),
            ((SHORT,), 11, LONG),
            ((torch.float16,), 8, LONG),
            ((SHORT,), 24, LONG),
            ((LONG,), 8, LONG),
            (BOTH, 24, LONG),
            (BOTH, 8, LONG),
        ],
    )
    def test_is_float32_where_the_only_choices_of_processes_differ(
        self, mine: Sequence[torch.dtype], digits: int, numbers: torch.dtype
    ) -> None:
        assert self.chosen(9.0, mine, world=Others(Share(0, 2), theirs=[1, digits, -digits])) == (numbers, 0)

    def test_is_float32_for_what_learns_without_gradients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("FALSE_PRECISION")
        TwoGpus(monkeypatch, (8, 0))

        def of(method: str) -> torch.dtype:
            settings = replace(PRETRAIN["standard"], method=method)
            start = SimpleNamespace(settings=settings, device=torch.device("cuda", 0), steps=1)
            return pretraining_precision(start, Pretrain((), ""), Feedback())  # type: ignore[arg-type]

        assert [of(method) for method in ("false", "pca")] == [SHORT, LONG]


@pytest.mark.thorough
@pytest.mark.parametrize("name", TRAININGS)
def test_what_is_chosen_reaches_the_steps_and_the_file(
    name: str, land: str, labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job: Job = Pretrain((land,), str(tmp_path / "e.safetensors"), steps=1, batch_size=2, **FROM_NOTHING)
    if name == "finetune":
        monkeypatch.setitem(FINETUNE, "quick", replace(FINETUNE["quick"], batch_size=2, crop_size=64))
        path = str(tmp_path / "m.safetensors")
        job = Finetune(land, labels, "cover", path, head="network", steps=1, validation=0, **FROM_NOTHING)
    steps: list[torch.dtype] = []
    for kind in (trainer.Trainer, segmenter_training.SegmenterTrainer):
        step = kind.train_on

        def noted(self: Any, batch: object, step: Any = step) -> object:
            steps.append(self.numbers)
            return step(self, batch)

        monkeypatch.setattr(kind, "train_on", noted)
    for module in (pretraining_cost, finetuning_cost):
        monkeypatch.setattr(module, "choose_precision", lambda *given: SHORT)
    run(job)
    assert steps == [SHORT]
    assert precision_in_file(job) == "bfloat16"


def test_the_speed_of_many_crops_at_a_time_is_not_taken_for_that_of_few(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path))
    tested: list[int] = []

    class Counted(segmenter_training.SegmenterTrainer):
        def train_on(self, batch: Any) -> Any:
            tested.append(len(batch.windows))

    monkeypatch.setattr(finetuning_cost, "SegmenterTrainer", Counted)
    monkeypatch.setattr(cost, "TEST_S", 0.0)
    raster = SimpleNamespace(source=SimpleNamespace(bands=(1,)), annotation=SimpleNamespace(classes=(1, 2)))
    settings = replace(FINETUNE["quick"], encoder="test_resnet", crop_size=64)
    for crops in (2, 4, 2):
        finetuning_cost._speeds(replace(settings, batch_size=crops), raster, torch.device("cpu"), [LONG], Feedback())  # type: ignore[arg-type]
    assert list(dict.fromkeys(tested)) == [2, 4]
    assert tested.count(2) == tested.count(4)


class Clock:
    """A clock that only steps of a training move on: in bfloat16 by a second, in float32 by as many as it gains."""

    def __init__(self, gain: float) -> None:
        self.now, self.gain, self.steps = 0.0, gain, 0

    def perf_counter(self) -> float:
        return self.now

    def note(self, numbers: torch.dtype) -> None:
        self.steps += 1
        self.now += self.gain if numbers == LONG else 1.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """A processor with the instructions, on which even the shortest training is tested."""
    monkeypatch.delenv("FALSE_PRECISION")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {INSTRUCTIONS[0]: True}, raising=False)
    monkeypatch.setattr(faster_precision, "is_worth_telling", lambda pixels: True)
    monkeypatch.setattr(faster_precision, "FEWEST_BATCHES", 0)
    monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
    made = Clock(1.5)
    monkeypatch.setattr(cost, "time", made)
    for kind in (trainer.Trainer, segmenter_training.SegmenterTrainer):
        step = kind.train_on

        def timed(self: object, batch: object, step: object = step) -> object:
            made.note(self.numbers)  # type: ignore[attr-defined]
            return step(self, batch)  # type: ignore[operator]

        monkeypatch.setattr(kind, "train_on", timed)
    return made


def precision_in_file(job: Job) -> str:
    """Return the numbers that the file of a training names."""
    kind = ENCODER if isinstance(job, Pretrain) else SEGMENTER
    return str(read_card(str(output_of(job)), kind).method[PRECISION])


@pytest.mark.thorough
@pytest.mark.parametrize("name", TRAININGS)
class TestATraining:
    def test_takes_it_and_says_so_in_log_file_and_report(
        self, name: str, clock: Clock, small_jobs: SmallJobs, tmp_path: Path, listener: Listener
    ) -> None:
        job = replace(small_jobs.make(name, tmp_path), report=str(tmp_path / "r.html"))  # type: ignore[call-arg]
        run(job, listener)
        assert "in bfloat16 is 1.50 times as fast here" in listener.infos
        assert "The network computes in bfloat16." in listener.infos
        assert precision_in_file(job) == "bfloat16"
        assert "The network computed in bfloat16." in (tmp_path / "r.html").read_text(encoding="utf-8")

    def test_in_float32_ends_as_if_it_had_not_been_tested(
        self, name: str, clock: Clock, small_jobs: SmallJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "untested").mkdir()
        job, untested = small_jobs.make(name, tmp_path), small_jobs.make(name, tmp_path / "untested")
        clock.gain = LEAST_GAIN - 0.05
        run(job)
        tested = clock.steps
        monkeypatch.setenv("FALSE_PRECISION", "float32")
        run(untested)
        assert clock.steps - tested < tested
        assert precision_in_file(job) == "float32"
        assert output_of(job).read_bytes() == output_of(untested).read_bytes()

    def test_goes_on_in_what_it_began_with(
        self, name: str, clock: Clock, often: None, small_jobs: SmallJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = small_jobs.make(name, tmp_path)
        interrupt(job, 1)
        # As on another computer, or after a year.
        (tmp_path / "cache" / "device_limits.json").unlink()
        clock.gain = 0.5
        listener = Listener()
        run(job, listener)
        assert "Going on from step" in listener.infos
        assert "times as fast" not in listener.infos
        assert precision_in_file(job) == "bfloat16"

    def test_is_estimated_in_what_it_would_take(
        self, name: str, clock: Clock, small_jobs: SmallJobs, tmp_path: Path, listener: Listener
    ) -> None:
        job, file = small_jobs.make(name, tmp_path), tmp_path / "job.json"
        file.write_text(to_json(job), encoding="utf-8")
        run(Estimate(str(file)), listener)
        tested = clock.steps
        assert "1.50 times" in listener.infos
        run(job)
        assert clock.steps - tested == 4, "the estimate was not remembered"
