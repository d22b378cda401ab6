"""Several processes do one job together, as torchrun starts them, and it comes to what one alone makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from training_steps import account, account_file

from false_core import events, jobs
from false_core.distributed import ALONE, Share, share
from false_core.errors import RequestError
from false_core.jobs import Finetune, Pretrain
from false_core.run import run

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 300


def torchrun(processes: int, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in several processes on this computer, and wait for them."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run([*launcher, *command], env=environment, capture_output=True, text=True, timeout=LONG_S)


class TestShares:
    @pytest.mark.parametrize("world", [1, 2, 3, 7])
    @pytest.mark.parametrize("count", [7, 8, 100])
    def test_are_as_even_as_can_be_and_make_the_whole(self, world: int, count: int) -> None:
        things = list(range(count))
        shares = [things[Share(rank, world).of(count)] for rank in range(world)]
        assert [thing for one in shares for thing in one] == things
        assert max(map(len, shares)) - min(map(len, shares)) <= 1

    def test_without_torchrun_there_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            monkeypatch.delenv(name, raising=False)
        assert share() == Share(0, 1, 0)

    @pytest.mark.parametrize(("rank", "world"), [("2", "2"), ("-1", "2"), ("one", "2")])
    def test_that_cannot_be_are_refused(self, rank: str, world: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", world)
        with pytest.raises(RequestError):
            share()


@pytest.fixture(scope="module", params=[2, 4])
def accounts(request: pytest.FixtureRequest, land: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have processes train together, and return where they wrote down how."""
    folder = tmp_path_factory.mktemp("accounts")
    done = torchrun(request.param, str(ROOT / "tests/core/training_steps.py"), land, str(folder))
    assert done.returncode == 0, done.stderr
    assert len(list(folder.iterdir())) == request.param * len(jobs.METHODS)
    return folder


class TestPretraining:
    @pytest.mark.parametrize("method", jobs.METHODS)
    def test_in_several_processes_is_that_of_one_at_every_step(self, method: str, accounts: Path, land: str) -> None:
        """Loss, gradients, statistics of batch norms, clusters of PCL: in every process."""
        alone = list(account(method, land, ALONE))
        assert method != "pcl" or alone[-1]["state clustered"]
        for rank in range(len(list(accounts.glob(f"{method} *")))):
            told = safetensors.torch.load_file(account_file(accounts, method, rank))
            assert len(told) == sum(map(len, alone))
            for number, step in enumerate(alone):
                for name, wanted in step.items():
                    torch.testing.assert_close(
                        told[f"{number} {name}"], wanted, rtol=1e-5, atol=1e-7, msg=lambda m, n=name: f"{n}: {m}"
                    )


@dataclass(frozen=True)
class Told:
    """What came of a job: the exit code of torchrun, the events of rank 0, and the log of all."""

    code: int
    events: list[events.Event]
    log: str

    def all(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def messages(self) -> str:
        return "\n".join(message.text for message in self.all(events.Message))


@pytest.fixture
def together(tmp_path: Path) -> Callable[..., Told]:
    """Return a function that runs a job in several processes, to one of which something happens."""

    def run_job(
        job: jobs.Job, processes: int, mishap: str = "nothing", rank: int = 1, step: int = 0, restarts: int = 0
    ) -> Told:
        file = tmp_path / "job.json"
        file.write_text(jobs.to_json(job))
        program = [str(ROOT / "tests/core/with_a_mishap.py"), mishap, str(rank), str(step), str(file)]
        done = torchrun(processes, f"--max-restarts={restarts}", *program, FALSE_PATIENCE_S="4")
        return Told(done.returncode, [events.decode(line) for line in done.stdout.splitlines()], done.stderr)

    return run_job


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(path)


def assert_as_good(path: Path, alone: Path) -> None:
    """The same weights, but for what rounding makes of them in some steps."""
    ours, wanted = weights(path), weights(alone)
    assert ours.keys() == wanted.keys()
    for name, one in wanted.items():
        if one.is_floating_point():
            assert float((ours[name] - one).norm()) <= 0.02 * float(one.norm()) + 1e-3, name


STEPS = 6


class TestPretrainingJobs:
    @pytest.fixture
    def job(self, land: str, tmp_path: Path) -> Pretrain:
        return Pretrain(
            rasters=(land,), encoder=str(tmp_path / "e.safetensors"), report=str(tmp_path / "r.html"), preset="quick",
            steps=STEPS, batch_size=6, device="cpu",
        )  # fmt: skip

    @pytest.fixture(scope="class")
    def alone(self, land: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
        path = tmp_path_factory.mktemp("alone") / "e.safetensors"
        run(Pretrain((land,), str(path), preset="quick", steps=STEPS, batch_size=6, device="cpu"))
        return path

    def test_end_as_in_one_process_and_only_the_first_speaks(
        self, job: Pretrain, alone: Path, together: Callable[..., Told]
    ) -> None:
        told = together(job, 2)
        assert told.code == 0, told.log
        assert [type(event) for event in (told.events[0], told.events[-1])] == [events.Started, events.Finished]
        assert len(told.all(events.Started)) == len(told.all(events.Finished)) == 1
        assert [metric.step for metric in told.all(events.Metric) if metric.name == "loss"] == [1, 5, STEPS]
        assert_as_good(Path(job.encoder), alone)
        assert "<svg" in Path(str(job.report)).read_text()

    def test_go_on_when_a_process_is_killed(self, job: Pretrain, alone: Path, together: Callable[..., Told]) -> None:
        told = together(job, 2, "killed", rank=1, step=3, restarts=1)
        assert told.code == 0, told.log
        assert "started again" in told.messages
        assert "Going on from step 3" in told.messages
        assert isinstance(told.events[-1], events.Finished)
        assert not told.all(events.Failed)
        assert_as_good(Path(job.encoder), alone)

    def test_go_on_when_the_first_process_is_killed_with_other_processes(
        self, job: Pretrain, alone: Path, together: Callable[..., Told]
    ) -> None:
        told = together(job, 3, "killed", rank=0, step=3)
        assert told.code != 0
        assert not Path(job.encoder).exists()
        again = together(job, 2)
        assert again.code == 0, again.log
        assert "Going on from step 3" in again.messages
        assert_as_good(Path(job.encoder), alone)

    def test_a_process_that_is_killed_is_missed(self, job: Pretrain, together: Callable[..., Told]) -> None:
        told = together(job, 2, "killed", rank=1, step=2)
        assert told.code != 0
        assert told.events[-1].code == "process"
        assert "was lost" in told.events[-1].what

    def test_the_failure_of_any_process_ends_all_with_its_message(
        self, job: Pretrain, together: Callable[..., Told]
    ) -> None:
        told = together(job, 3, "fails", rank=2, step=2)
        assert told.code != 0
        (failed,) = told.all(events.Failed)
        assert failed.what == "The raster fell off the shelf. (Process 3 of 3.)"
        assert failed.remedy == "Pick it up."

    def test_a_process_that_falls_asleep_is_not_waited_for(self, job: Pretrain, together: Callable[..., Told]) -> None:
        told = together(job, 2, "falls asleep", rank=1, step=2)
        assert told.code != 0
        assert told.events[-1].code == "process"

    def test_a_process_out_of_memory_starts_again_with_less(
        self, job: Pretrain, alone: Path, together: Callable[..., Told]
    ) -> None:
        told = together(job, 2, "runs out of memory", rank=1, step=1, restarts=1)
        assert told.code == 0, told.log
        assert "2 at a time" in told.messages

    def test_more_processes_than_patches_are_refused(self, job: Pretrain, together: Callable[..., Told]) -> None:
        told = together(replace(job, batch_size=2), 3)
        assert told.code != 0
        assert "cannot be shared by 3 processes" in told.events[-1].what


class TestFineTuningJobs:
    def test_end_as_in_one_process(
        self, land: str, labels: str, encoder: str, tmp_path: Path, together: Callable[..., Told]
    ) -> None:
        job = Finetune(
            land, labels, "cover", str(tmp_path / "m.safetensors"), encoder=encoder, preset="quick", steps=STEPS,
            batch_size=5, device="cpu",
        )  # fmt: skip
        alone = replace(job, model=str(tmp_path / "alone.safetensors"))
        scores = run(alone)
        told = together(job, 2, "killed", rank=0, step=4, restarts=1)
        assert told.code == 0, told.log
        assert_as_good(Path(job.model), Path(alone.model))
        assert told.events[-1].outputs["oa"] == pytest.approx(scores["oa"], abs=0.02)
