"""The compute process: one job in, one line per event out, and it ends when it is told to, leaving nothing half done."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from small_world import FROM_NOTHING

from false_core import __version__, events
from false_core.dispatch import run
from false_core.errors import Cancelled
from false_core.events import Event, Failed, Finished, Message, Metric, Progress, Started, decode
from false_core.jobs import Check, Classify, Finetune, Pretrain, to_json

PATIENCE_S = 120
"""Until a process counts as hung. No test measures time."""
TERMINAL = (Finished, Failed)


class Worker:
    """A worker process that was handed a job.

    Args:
        first_line: The job.
        command: What stands behind ``python`` instead of the worker.
        cache: The folder for checkpoints.
        python: The words that stand for a Python.
    """

    def __init__(
        self,
        first_line: str | bytes,
        *command: str,
        cache: Path | None = None,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        environment = {**os.environ, **({"FALSE_CACHE": str(cache)} if cache else {})}
        self.process = subprocess.Popen(
            [*python, "-u", *(command or ("-m", "false_core.worker"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        self.events: list[Event] = []
        line = first_line if isinstance(first_line, bytes) else first_line.encode()
        self.write(line + b"\n")

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read_until(self, wanted: Callable[[Event], bool]) -> None:
        """Read events up to the first wanted one."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(decode(line.decode()))
            if wanted(self.events[-1]):
                return
        pytest.fail(f"The worker ended too early: {self.events[-1:]}")

    def end(self, close: bool = False) -> tuple[int, list[Event]]:
        """Wait for the end and return the exit code and all events. Everything on stdout must be one."""
        assert self.process.stdin is not None
        if close:
            self.process.stdin.close()
        assert self.process.stdout is not None
        self.events += [decode(line.decode()) for line in self.process.stdout]
        return self.process.wait(PATIENCE_S), self.events


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Return a function that starts a worker. Whatever still runs at the end of the test is killed."""
    started: list[Worker] = []
    guards: list[threading.Timer] = []

    def start(job: Any, *command: str, **more: Any) -> Worker:
        started.append(Worker(job if isinstance(job, (str, bytes)) else to_json(job), *command, **more))
        guards.append(threading.Timer(PATIENCE_S, started[-1].process.kill))
        guards[-1].start()
        return started[-1]

    yield start
    for guard in guards:
        guard.cancel()
    for worker in started:
        worker.process.kill()
        worker.process.wait()
        for stream in (worker.process.stdin, worker.process.stdout, worker.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def endless(land: str, out: Path) -> Pretrain:
    return Pretrain((land,), str(out / "e.safetensors"), steps=10**7, batch_size=2, **FROM_NOTHING)


class TestTheProtocol:
    @pytest.mark.thorough
    def test_a_job_is_started_goes_on_and_is_finished_once(self, work: Any, land: str, model: str, out: Path) -> None:
        worker = work(Classify(land, model, str(out / "map.tif"), device="cpu"))
        code, said = worker.end()
        assert code == 0
        assert said[0] == Started("classify", __version__, worker.process.pid)
        assert isinstance(said[-1], Finished)
        assert sum(isinstance(event, TERMINAL) for event in said) == 1
        assert sum(isinstance(event, Started) for event in said) == 1
        assert said[-1].outputs.keys() == {"output", "pixels"}
        assert Path(said[-1].outputs["output"]).is_file()
        fractions = [event.fraction for event in said if isinstance(event, Progress)]
        assert fractions == sorted(fractions)
        assert fractions[-1] == pytest.approx(1.0)
        assert [event.kind for event in said if isinstance(event, events.Artifact)] == ["output"]

    @pytest.mark.thorough
    def test_only_events_reach_stdout_even_where_a_library_prints(self, work: Any) -> None:
        code = (
            "import ctypes, os, warnings, false_core.worker as worker\n"
            "real = worker.run\n"
            "def noisy(*arguments):\n"
            "    print('from Python')\n"
            "    os.write(1, b'from native code\\n')\n"
            "    ctypes.CDLL(None).puts(b'from C')\n"
            "    os.system('echo from a child')\n"
            "    warnings.warn('from a library')\n"
            "    return real(*arguments)\n"
            "worker.run = noisy\n"
            "worker.exit_now(worker.main())"
        )
        worker = work(Check(device="cpu"), "-c", code)
        status, said = worker.end()
        assert status == 0
        assert Message("info", "UserWarning: from a library") in said
        chatter = worker.process.stderr.read().decode()
        for source in ("Python", "native code", "a child"):
            assert f"from {source}" in chatter
        assert isinstance(said[-1], Finished)
        assert said[-1].outputs.keys() == {result.name for result in Check.RESULTS}
        assert said[-1].outputs["device"] == "cpu"
        assert said[-1].outputs["gflops"] > 0

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"nonsense",
            b'{"job": "classify"}',
            b'{"job": "paint"}',
            b"\xff\xfe\x00",
            b"[" * 50_000,
            b" " * 1_000_001 + b"{}",
        ],
        ids=["empty", "no JSON", "incomplete", "unknown", "no UTF-8", "too deep", "too long"],
    )
    def test_a_bad_request_is_exit_code_2(self, work: Any, line: bytes) -> None:
        code, said = work(line).end()
        assert code == 2
        assert len(said) == 1
        assert isinstance(said[0], Failed)
        assert said[0].code == "request"
        assert not said[0].details

    def test_no_request_at_all_is_exit_code_2(self) -> None:
        answer = subprocess.run(
            [sys.executable, "-m", "false_core.worker"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert answer.returncode == 2
        assert isinstance(decode(answer.stdout.decode()), Failed)

    def test_a_failure_is_exit_code_1_and_says_what_to_do(self, work: Any, tmp_path: Path) -> None:
        nowhere = tmp_path / "dossier – 地図"
        code, said = work(Classify("a.tif", "m.safetensors", str(nowhere / "map.tif"))).end()
        assert code == 1
        assert isinstance(said[0], Started)
        assert said[-1] == Failed(
            f"The folder of “Classified raster”, {nowhere}, does not exist.", "Create it, or choose another one.", "output"
        )
        assert not list(tmp_path.iterdir())

    def test_an_error_nobody_foresaw_is_reported_with_its_traceback(self, work: Any) -> None:
        code = "import false_core.worker as w\ndef broken(*a): return 1 / 0\nw.run = broken\nw.exit_now(w.main())"
        status, said = work(Check(), "-c", code).end()
        assert status == 1
        assert isinstance(said[-1], Failed)
        assert said[-1].code == "bug"
        assert "ZeroDivisionError" in said[-1].what
        assert "in broken" in said[-1].details


@pytest.mark.thorough
class TestCancelling:
    """Every way to end a job: exit code 3, nothing written, nothing left."""

    @pytest.mark.thorough
    @pytest.mark.parametrize("way", ["a line", "SIGTERM"])
    def test_while_it_trains(self, work: Any, warm: list[str], land: str, out: Path, way: str) -> None:
        worker = work(endless(land, out), python=warm)
        worker.read_until(lambda event: isinstance(event, Metric))
        if way == "a line":
            worker.write(b"something else\n\xff\xfe\ncancel\n")
        else:
            worker.process.send_signal(signal.SIGTERM)
        code, said = worker.end()
        assert code == 3
        assert said[-1] == Failed("Cancelled.", "", "cancelled")
        assert sum(isinstance(event, TERMINAL) for event in said) == 1
        assert not list(out.iterdir())

    @pytest.mark.thorough
    @pytest.mark.parametrize("way", ["the end of stdin", "SIGINT"])
    def test_while_it_starts(self, work: Any, land: str, out: Path, way: str) -> None:
        worker = work(endless(land, out))
        worker.read_until(lambda event: isinstance(event, Started))
        if way == "SIGINT":
            worker.process.send_signal(signal.SIGINT)
        code, said = worker.end(close=way != "SIGINT")
        assert code == 3
        assert said[-1] == Failed("Cancelled.", "", "cancelled")
        assert not list(out.iterdir())

    @pytest.mark.thorough
    def test_a_job_that_does_not_react_is_ended_and_what_it_was_writing_is_removed(self, work: Any, out: Path) -> None:
        code = (
            "import sys, time, false_core.worker as worker\n"
            "from false_core.events import Message\n"
            "from false_core.outputs.publish import published\n"
            "def stuck(job, say, cancel):\n"
            "    with published(sys.argv[1]) as (partial,):\n"
            "        partial.write_text('half')\n"
            "        say(Message('info', 'stuck'))\n"
            "        time.sleep(1000)\n"
            "worker.run = stuck\n"
            "worker.exit_now(worker.main())"
        )
        worker = work(Check(), "-c", code, str(out / "map.tif"))
        worker.read_until(lambda event: event == Message("info", "stuck"))
        assert list(out.iterdir())
        worker.write(b"cancel\n")
        status, said = worker.end()
        assert status == 3
        assert said[-1] == Failed("Cancelled.", "", "cancelled")
        assert not list(out.iterdir())

    @pytest.mark.thorough
    def test_a_reader_that_has_gone_does_not_keep_it_alive(self, work: Any, land: str, out: Path) -> None:
        worker = work(endless(land, out))
        worker.read_until(lambda event: isinstance(event, Started))
        worker.process.stdout.close()
        worker.process.stdin.close()
        assert worker.process.wait(PATIENCE_S) == 3
        assert not list(out.iterdir())


@pytest.mark.thorough
class TestGoingOn:
    """A job that was cancelled goes on where it was, and ends as if nothing had happened."""

    @pytest.fixture
    def jobs(self, land: str, labels: str, encoder: str, out: Path) -> dict[str, Any]:
        made = str(out / "disturbed")
        few: dict[str, Any] = {"preset": "quick", "device": "cpu", "steps": 7}
        return {
            "pretrain": Pretrain((land,), made, batch_size=2, steps=7, **FROM_NOTHING),
            "finetune": Finetune(land, labels, "cover", made, encoder, head="network", **few),
        }

    # test_main_job.py shows the same of fine-tuning.
    @pytest.mark.thorough
    @pytest.mark.parametrize("name", ["pretrain", pytest.param("finetune", marks=pytest.mark.slow)])
    def test_the_weights_are_those_of_an_undisturbed_run(
        self, work: Any, warm: list[str], jobs: dict[str, Any], out: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, name: str,
    ) -> None:  # fmt: skip
        job = jobs[name]
        output = "encoder" if name == "pretrain" else "model"
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "another cache"))
        run(dataclasses.replace(job, **{output: str(out / "undisturbed")}))
        assert not list((tmp_path / "another cache").rglob("*.safetensors")), "a finished run needs no checkpoint"

        cache = tmp_path / "cache"
        monkeypatch.setenv("FALSE_CACHE", str(cache))
        cancel = threading.Event()

        def cancel_at_step_5(event: Event) -> None:
            if isinstance(event, Metric) and event.step == 5:
                cancel.set()

        with pytest.raises(Cancelled):
            run(job, cancel_at_step_5, cancel)
        assert not (out / "disturbed").exists()
        assert len(list(cache.rglob("*.safetensors"))) == 1

        in_a_process = partial(work, python=warm, cache=cache)
        said = self.go_on(job, in_a_process if name == "pretrain" else None)
        assert Message("info", "Going on from step 5 of an interrupted run.") in said
        assert min(event.step for event in said if isinstance(event, Metric)) > 5
        assert not list(cache.rglob("*.safetensors"))
        one, two = (safetensors.torch.load_file(out / path) for path in ("undisturbed", "disturbed"))
        assert one.keys() == two.keys()
        assert all(one[key].equal(two[key]) for key in one)

    @pytest.mark.thorough
    def test_labels_held_out_score_the_model_once_before_they_train_it(
        self, jobs: dict[str, Any], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Interrupted after the score was taken, the model has seen those labels: a second score would flatter it.
        job = jobs["finetune"]
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "another cache"))
        undisturbed = run(dataclasses.replace(job, model=str(out / "undisturbed")))
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        cancel, stages = threading.Event(), []

        def cancel_after_the_score(event: Event) -> None:
            if isinstance(event, Progress):
                stages.append(event.stage)
                if event.stage == "Training on all labels":
                    cancel.set()

        with pytest.raises(Cancelled):
            run(job, cancel_after_the_score, cancel)
        assert "Scoring on the labels held out" in stages
        resumed = run(job)
        assert {**resumed, "model": ""} == {**undisturbed, "model": ""}
        one, two = (safetensors.torch.load_file(out / path) for path in ("undisturbed", "disturbed"))
        assert all(one[key].equal(two[key]) for key in one)

    def go_on(self, job: Any, work: Any) -> list[Event]:
        """Run a job to its end, in a process of its own or in this one, and return its events."""
        if work is None:
            said: list[Event] = []
            run(job, said.append)
            return said
        code, said = work(job).end()
        assert code == 0, said[-1]
        return said

    @pytest.mark.thorough
    def test_another_job_or_a_changed_input_starts_from_the_beginning(
        self, jobs: dict[str, Any], land: str, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        copy = tmp_path / "copy.tif"
        copy.write_bytes(Path(land).read_bytes())
        job = dataclasses.replace(jobs["pretrain"], rasters=(str(copy),), steps=4)

        def steps(job: Pretrain, until: int) -> int:
            """Run up to a step, cancel there, and return the first step that was done."""
            cancel, seen = threading.Event(), []

            def watch(event: Event) -> None:
                if isinstance(event, Metric):
                    seen.append(event.step)
                    if event.step >= until:
                        cancel.set()

            with pytest.raises(Cancelled):
                run(job, watch, cancel)
            return min(seen)

        assert steps(job, 1) == 1
        assert steps(dataclasses.replace(job, temperature=0.3), 1) == 1
        os.utime(copy, (1, 1))
        assert steps(job, 1) == 1

    @pytest.mark.thorough
    def test_a_damaged_checkpoint_is_not_used(
        self, jobs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        cancel = threading.Event()
        with pytest.raises(Cancelled):
            run(jobs["pretrain"], lambda event: cancel.set() if isinstance(event, Metric) else None, cancel)
        (checkpoint,) = (tmp_path / "cache").rglob("*.safetensors")
        checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
        said: list[Event] = []
        assert run(jobs["pretrain"], said.append)["steps"] == 7
        assert any(isinstance(event, Message) and "is damaged and not used" in event.text for event in said)
