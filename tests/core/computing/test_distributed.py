"""Several processes do one job together, as torchrun starts them, and it comes to what one alone makes of it."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from faulty_rank import with_small_batches
from small_world import FROM_NOTHING, write_raster
from training_steps import ELSEWHERE, account, account_file

from false_core import events, jobs, presets
from false_core.cancellation import Stop
from false_core.computing.distributed import ALONE, Share, _SharedNotes, process_group, share
from false_core.dispatch import run
from false_core.errors import ProcessLostError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import Finetune, Pretrain
from false_core.methods.method import Views
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, Normalisation, measure
from false_core.sampling.cache import chunk_bytes
from false_core.sampling.geometry import resample_crops
from false_core.sampling.spectral import SpectralJitter
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews, ViewPairs

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[3]
LONG_S = 300


def torchrun(
    python: Sequence[str], processes: int, *program: str, restarts: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in several processes on this computer, and wait for them."""
    options = ["--standalone", f"--nproc-per-node={processes}", f"--max-restarts={restarts}", "--no-python"]
    command = [*python, "-m", "torch.distributed.run", *options, *python, *program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONG_S)


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


class TestNotes:
    @pytest.mark.parametrize("answer", [None, False, 0, [], {"a": 1}])
    def test_an_answer_reaches_the_others_whatever_it_is(self, answer: Any) -> None:
        store = torch.distributed.HashStore()
        late = Stop()  # A process that waits for an answer in vain is told to stop.
        both = [_SharedNotes(Share(rank, 2), stop, 60.0, store) for rank, stop in enumerate((Stop(), late))]
        timer = threading.Timer(10, late.set)
        timer.start()
        try:
            assert [notes.broadcast_object("answer 1", lambda: answer) for notes in both] == [answer, answer]
        finally:
            timer.cancel()
            for notes in both:
                notes.close()


class TestATorchrunThatIsGone:
    """It was killed while those that it had started loaded torch. They find nothing to connect to, and nobody ends them."""

    @pytest.fixture(autouse=True)
    def gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        variables = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": "True"}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    def test_is_waited_for_no_longer_than_a_silent_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_PATIENCE_S", "1")
        began = time.monotonic()
        with pytest.raises(ProcessLostError, match="did not find"), process_group(Share(1, 2), Stop()):
            pass
        assert time.monotonic() - began < 120, "not the ten minutes and more that a late rank 0 is given"

    def test_is_missed_at_once_on_the_same_computer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_PATIENCE_S", "3")
        parents = iter([os.getpid()])
        monkeypatch.setattr(os, "getppid", lambda: next(parents, 1))
        stop = Stop()
        with pytest.raises(ProcessLostError), process_group(Share(1, 2), stop):
            pass
        assert stop.is_set()
        assert isinstance(stop.reason, ProcessLostError)


class TestBatches:
    def test_of_several_processes_are_those_of_one_taken_apart(self, land: str) -> None:
        source = RasterSource(land)
        area = source.window_of(None)
        normalisation = measure([source], [area], Feedback())
        sampler = PatchSampler(MeasuredRasters([source], [area], normalisation), PatchDraw(8, 32, (0.8, 1.3), 4, 0), 10**8)
        whole = sampler.batch(5)
        parts = [sampler.batch(5, Share(rank, 3)) for rank in range(3)]
        assert [len(part.windows) for part in parts] == [2, 3, 3]
        assert torch.equal(torch.cat([part.windows for part in parts]), whole.windows)
        assert torch.equal(torch.cat([part.seen for part in parts]), whole.seen)
        for name in ("points", "pixels"):
            views = [self.views(part) for part in parts]
            joined = torch.cat([getattr(v, name).chunk(2)[half] for half in (0, 1) for v in views])
            torch.testing.assert_close(joined, getattr(self.views(whole), name), rtol=0, atol=1e-6)

    def views(self, pairs: ViewPairs) -> Views:
        raw = RawViews.of(pairs, SpectralJitter(), 0, 5)
        return Views(raw.changes.apply(resample_crops(raw.windows, raw.maps, 32)), raw.points, raw.kept)

    def test_come_from_all_of_a_raster_that_does_not_fit_the_memory(self, tmp_path: Path) -> None:
        pixels = np.ones((1, 1536, 2048), "uint8")
        source = RasterSource(write_raster(tmp_path / "wide.tif", pixels))
        plain = Normalisation((0.0,), (255.0,), (0.0,), (1.0,))
        twelve_chunks, five = 12, 20 * chunk_bytes(1)
        area = source.window_of(None)
        for world in (1, 2, 5):
            samplers = [
                PatchSampler(MeasuredRasters([source], [area], plain), PatchDraw(6, 32, (1, 1), 1, 0), five)
                for _ in range(world)
            ]
            centres = np.concatenate(
                [one.batch(n, Share(rank, world)).centres for rank, one in enumerate(samplers) for n in range(60)]
            )
            found = np.unique(centres // 512, axis=0, return_counts=True)[1]
            assert len(found) == twelve_chunks
            assert found.min() > 0.6 * found.mean()


LIKE_OTHERS = (
    "simclr", "barlow_twins", "gfcnet", "last", "inpainting", "jigsaw", "colourisation", "autoencoder", "random",
)  # fmt: skip
"""Methods that exchange nothing in their own way: a patch by itself, all of them in every process, or as FALSE does it."""
OTHERS = tuple(method for method in jobs.METHODS if method != "false")
TOGETHER = (*(method for method in jobs.METHODS if method not in LIKE_OTHERS), ELSEWHERE)
SHARED = [(2, TOGETHER, method) for method in TOGETHER] + [(4, ("false",), "false")]
SLOWLY = [(2, LIKE_OTHERS, method) for method in LIKE_OTHERS] + [(4, OTHERS, method) for method in OTHERS]
ONCE_MORE = [pytest.param(*case, marks=pytest.mark.slow) for case in SLOWLY]


@pytest.fixture(scope="module")
def accounts(land: str, warm: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that has processes train together by some methods, and returns where they wrote down how."""

    @functools.cache
    def trained(processes: int, methods: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("accounts")
        done = torchrun(warm, processes, str(ROOT / "tests/core/training_steps.py"), land, str(folder), *methods)
        assert done.returncode == 0, done.stderr
        assert len(list(folder.iterdir())) == processes * len(methods)
        return folder

    return trained


@pytest.fixture(scope="module")
def account_alone(land: str) -> Callable[[str], list[dict[str, torch.Tensor]]]:
    """Return a function that returns how one process trains by a method. It remembers the last one: they are large."""
    return functools.lru_cache(maxsize=1)(lambda method: account(method, land, ALONE))


class TestPretraining:
    @pytest.mark.parametrize(("processes", "together", "method"), [*SHARED, *ONCE_MORE])
    def test_in_several_processes_is_that_of_one_at_every_step(
        self,
        processes: int,
        together: tuple[str, ...],
        method: str,
        accounts: Callable[..., Path],
        account_alone: Callable[[str], list[dict[str, torch.Tensor]]],
    ) -> None:
        """Loss, gradients, statistics of batch norms, clusters of PCL: in every process."""
        folder, alone = accounts(processes, together), account_alone(method)
        assert method != "pcl" or alone[-1]["state clustered"]
        for rank in range(processes):
            told = safetensors.torch.load_file(account_file(folder, method, rank))
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
def together(tmp_path: Path, warm: list[str]) -> Callable[..., Told]:
    """Return a function that runs a job in several processes, to one of which something happens."""

    def run_job(
        job: jobs.Job,
        processes: int,
        mishap: str = "nothing",
        rank: int = 1,
        step: int = 0,
        restarts: int = 0,
    ) -> Told:
        file = tmp_path / "job.json"
        file.write_text(jobs.to_json(job))
        program = [str(ROOT / "tests/core/faulty_rank.py"), mishap, str(rank), str(step), str(file)]
        variables = {"FALSE_PATIENCE_S": "4", "FALSE_CACHE": str(tmp_path)}
        done = torchrun(warm, processes, *program, restarts=restarts, **variables)
        return Told(done.returncode, [events.decode(line) for line in done.stdout.splitlines()], done.stderr)

    return run_job


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(path)


def assert_as_good(path: str | Path, alone: str | Path, began: str | Path) -> None:
    """The same weights but for rounding, of which AdamW makes much where gradients are small."""
    ours, wanted, start = weights(path), weights(alone), weights(began)
    assert ours.keys() == wanted.keys()
    learnt = [name for name, one in wanted.items() if one.is_floating_point() and not torch.equal(one, start[name])]
    missed = sum(float((ours[name] - wanted[name]).square().sum()) for name in learnt)
    way = sum(float((start[name] - wanted[name]).square().sum()) for name in learnt)
    assert missed < 0.3**2 * way


STEPS = 6


@pytest.fixture(scope="module")
def alone(land: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return what one process makes, and what it began with but for one step."""
    folder = tmp_path_factory.mktemp("alone")
    for steps in (STEPS, 1):
        run(Pretrain((land,), str(folder / f"{steps}.safetensors"), steps=steps, batch_size=6, **FROM_NOTHING))
    return folder / f"{STEPS}.safetensors", folder / "1.safetensors"


class TestPretrainingJobs:
    @pytest.fixture
    def job(self, land: str, tmp_path: Path) -> Pretrain:
        return Pretrain((land,), str(tmp_path / "e.safetensors"), steps=STEPS, batch_size=6, **FROM_NOTHING)

    def test_end_as_in_one_process_and_only_the_first_speaks(
        self, job: Pretrain, alone: tuple[Path, Path], together: Callable[..., Told], tmp_path: Path
    ) -> None:
        job = replace(job, report=str(tmp_path / "r.html"))
        told = together(job, 2)
        assert told.code == 0, told.log
        assert [type(event) for event in (told.events[0], told.events[-1])] == [events.Started, events.Finished]
        assert len(told.all(events.Started)) == len(told.all(events.Finished)) == 1
        assert [metric.step for metric in told.all(events.Metric) if metric.name == "loss"] == [1, 5, STEPS]
        assert_as_good(job.encoder, *alone)
        assert "<svg" in Path(str(job.report)).read_text()

    def test_with_stages_end_as_in_one_process(self, job: Pretrain, together: Callable[..., Told], tmp_path: Path) -> None:
        file = tmp_path / "stages.toml"
        file.write_text("[[stages]]\nmethod = 'simclr'\nsteps = 3\n[[stages]]\nsteps = 3\nkeep = 'stride4'\n")
        job = replace(job, stages=str(file), seed=1)
        told = together(job, 2)
        assert told.code == 0, told.log
        ours = tmp_path / "ours.safetensors"
        Path(job.encoder).rename(ours)
        run(job)
        began = tmp_path / "began.safetensors"
        run(replace(job, stages=None, method="random", steps=1, encoder=str(began)))
        assert_as_good(ours, job.encoder, began)

    def test_need_no_torchrun_where_something_else_numbers_the_processes(
        self, job: Pretrain, alone: tuple[Path, Path], warm: list[str], tmp_path: Path
    ) -> None:
        file = tmp_path / "job.json"
        file.write_text(jobs.to_json(job))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
        started = [
            subprocess.Popen(
                [*warm, "-m", "false_core", "run", str(file)],
                env={**shared, "RANK": rank, "LOCAL_RANK": rank}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
            for rank in "01"
        ]  # fmt: skip
        for process in started:
            _, log = process.communicate(timeout=LONG_S)
            assert process.returncode == 0, log
        assert_as_good(job.encoder, *alone)

    def test_go_on_when_a_process_is_killed(
        self, job: Pretrain, alone: tuple[Path, Path], together: Callable[..., Told]
    ) -> None:
        told = together(job, 2, "killed", rank=1, step=3, restarts=1)
        assert told.code == 0, told.log
        assert "started again" in told.messages
        assert "Going on from step 3" in told.messages
        assert isinstance(told.events[-1], events.Finished)
        assert not told.all(events.Failed)
        assert_as_good(job.encoder, *alone)

    def test_go_on_when_the_first_process_is_killed_with_other_processes(
        self, job: Pretrain, alone: tuple[Path, Path], together: Callable[..., Told]
    ) -> None:
        told = together(job, 3, "killed", rank=0, step=3)
        assert told.code != 0
        assert not Path(job.encoder).exists()
        again = together(job, 2)
        assert again.code == 0, again.log
        assert "Going on from step 3" in again.messages
        assert_as_good(job.encoder, *alone)

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
        self, job: Pretrain, alone: tuple[Path, Path], together: Callable[..., Told]
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
        self, land: str, labels: str, encoder: str, tmp_path: Path, together: Callable[..., Told],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setitem(presets.FINETUNE, "quick", with_small_batches())
        job = Finetune(
            land, labels, "cover", str(tmp_path / "m.safetensors"), encoder=encoder, head="network", preset="quick",
            steps=STEPS, device="cpu",
        )  # fmt: skip
        alone = replace(job, model=str(tmp_path / "alone.safetensors"))
        began = replace(job, model=str(tmp_path / "began.safetensors"), steps=1)
        scores = run(alone)
        run(began)
        told = together(job, 2, "killed", rank=0, step=4, restarts=1)
        assert told.code == 0, told.log
        assert_as_good(job.model, alone.model, began.model)
        assert told.events[-1].outputs["accuracy"] == scores["accuracy"]

    def test_of_frozen_features_give_the_same_file_as_in_one_process(
        self, land: str, labels: str, tmp_path: Path, together: Callable[..., Told]
    ) -> None:
        job = Finetune(land, labels, "cover", str(tmp_path / "m.safetensors"), preset="quick", device="cpu")
        alone = replace(job, model=str(tmp_path / "alone.safetensors"))
        scores = run(alone)
        told = together(job, 2)
        assert told.code == 0, told.log
        assert told.events[-1].outputs == {**scores, "model": job.model}
        one, two = (safetensors.torch.load_file(path) for path in (job.model, alone.model))
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            # With another number of threads sums are rounded otherwise, and the fit ends a little elsewhere.
            torch.testing.assert_close(tensor, two[name], rtol=0.01, atol=1e-3)
