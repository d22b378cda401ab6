"""``false-core run JOB.json``: the job that QGIS wrote runs unchanged, by hand, under torchrun, and for another program."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from false_core.events import Event, Failed, Finished, Metric, Progress, Started, decode
from false_core.jobs import Check, Classify, Pretrain, to_json

pytestmark = pytest.mark.thorough

PYTHON = (sys.executable, "-m", "false_core")
PATIENCE_S = 240
"""Until a process counts as hung. No test measures time."""


class Run:
    """A process that was named a job in a file."""

    def __init__(self, file: Path, *options: str, command: Sequence[str], stdin: Any = subprocess.PIPE, **variables: str):
        self.process = subprocess.Popen(
            [*command, "run", str(file), *options], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **variables}, start_new_session=True,
        )  # fmt: skip
        self.guard = threading.Timer(PATIENCE_S, self.process.kill)
        self.guard.start()

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def until(self, kind: type) -> list[Event]:
        """Read events up to the first of a kind."""
        assert self.process.stdout is not None
        said: list[Event] = []
        for line in self.process.stdout:
            said.append(decode(line.decode()))
            if isinstance(said[-1], kind):
                return said
        pytest.fail(f"It ended too early: {said[-1:]}")

    def end(self) -> tuple[int, list[Event]]:
        """Wait for the end and return the exit code and the events left. Everything on stdout must be one."""
        assert self.process.stdout is not None
        said = [decode(line.decode()) for line in self.process.stdout]
        return self.process.wait(PATIENCE_S), said


@pytest.fixture
def start(warm: list[str]) -> Iterator[Callable[..., Run]]:
    """Return a function that starts a run. Whatever is still there at the end of the test is killed."""
    started: list[Run] = []

    def start_run(*arguments: Any, **more: Any) -> Run:
        started.append(Run(*arguments, **{"command": [*warm, "-m", "false_core"], **more}))
        return started[-1]

    yield start_run
    for one in started:
        one.guard.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def mapping(land: str, model: str, out: Path, tmp_path: Path) -> Path:
    """A file with a short job, laid out for people as QGIS exports it."""
    file = tmp_path / "my job.json"
    file.write_text(json.dumps(json.loads(to_json(Classify(land, model, str(out / "map.tif"), device="cpu"))), indent=2))
    return file


@pytest.fixture
def endless(land: str, out: Path, tmp_path: Path) -> Path:
    """A file with a training that goes on until it is told to stop."""
    job = Pretrain((land,), str(out / "e.safetensors"), preset="quick", device="cpu", steps=10**7, batch_size=2)
    file = tmp_path / "job.json"
    file.write_text(to_json(job))
    return file


@pytest.fixture
def check(tmp_path: Path) -> Path:
    file = tmp_path / "check.json"
    file.write_text(to_json(Check(device="cpu")))
    return file


class TestByHand:
    def test_it_ends_with_the_table_that_every_command_ends_with(self, start: Any, mapping: Path, out: Path) -> None:
        process = start(mapping, stdin=subprocess.DEVNULL, command=PYTHON).process
        said, problem = process.communicate()
        assert process.returncode == 0, problem
        assert "Classify: done" in said.decode()
        assert (out / "map.tif").is_file()

    def test_sigterm_ends_it_at_its_next_step_and_nothing_half_written_is_left(
        self, start: Any, endless: Path, out: Path, tmp_path: Path
    ) -> None:
        """As Slurm does when the time is up, some seconds before it kills."""
        process = start(endless, FALSE_CACHE=str(tmp_path / "cache")).process
        assert any(b"Computing on" in line for line in process.stderr)
        process.terminate()
        _, problem = process.communicate()
        assert process.returncode == 3, problem
        assert b"Cancelled" in problem and b"Traceback" not in problem
        assert not list(out.iterdir())

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            (None, "cannot be read: No such file"),
            ("{", "not valid JSON"),
            ('{"job": "paint"}', "no job called 'paint'"),
            (b"\xff\xfe", "not a text in UTF-8"),
        ],
    )
    @pytest.mark.parametrize("options", [(), ("--events",)])
    def test_a_file_that_holds_no_job_is_a_bad_request(
        self, start: Any, tmp_path: Path, text: str | bytes | None, what: str, options: tuple[str, ...]
    ) -> None:
        file = tmp_path / "job.json"
        if text is not None:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        process = start(file, *options, stdin=subprocess.DEVNULL).process
        said, problem = process.communicate()
        assert process.returncode == 2
        assert b"Traceback" not in problem
        if options:
            failed = decode(said.decode())
            assert isinstance(failed, Failed) and what in failed.what and failed.code == "request"
        else:
            assert what in problem.decode() and not said


class TestForAnotherProgram:
    def test_it_speaks_as_the_worker_does(self, start: Any, mapping: Path, out: Path) -> None:
        run = start(mapping, "--events", command=PYTHON)
        code, said = run.end()
        assert code == 0
        assert isinstance(said[0], Started) and said[0].pid == run.process.pid
        assert isinstance(said[-1], Finished) and said[-1].outputs["output"] == str(out / "map.tif")
        assert any(isinstance(event, Progress) for event in said)

    def test_nobody_at_the_other_end_of_stdin_is_no_cancel(self, start: Any, check: Path) -> None:
        """Slurm gives a job /dev/null."""
        code, said = start(check, "--events", stdin=subprocess.DEVNULL).end()
        assert code == 0
        assert isinstance(said[-1], Finished)

    @pytest.mark.parametrize("way", ["a line", "end of stdin", "SIGTERM", "SIGINT", "the file is removed"])
    def test_every_way_to_cancel_it_leaves_nothing(self, start: Any, endless: Path, out: Path, way: str) -> None:
        run = start(endless, "--events", FALSE_CACHE=str(endless.parent / "cache"))
        run.write("here")
        run.until(Metric)
        if way == "a line":
            run.write("cancel")
        elif way == "end of stdin":
            run.process.stdin.close()
        elif way == "the file is removed":
            endless.unlink()
        else:
            run.process.send_signal(getattr(signal, way))
        code, said = run.end()
        assert code == 3
        assert isinstance(said[-1], Failed) and said[-1].code == "cancelled"
        assert not list(out.iterdir())

    def test_a_file_that_is_written_anew_is_no_cancel(self, start: Any, endless: Path, tmp_path: Path) -> None:
        run = start(endless, "--events", FALSE_CACHE=str(tmp_path / "cache"))
        run.until(Metric)
        copy = endless.with_suffix(".copy")
        copy.write_bytes(endless.read_bytes())
        copy.replace(endless)
        for _ in range(3):
            run.until(Metric)
        assert run.process.poll() is None


class TestAmongSeveralRanks:
    @pytest.mark.parametrize("options", [(), ("--events",)])
    def test_only_rank_0_speaks(self, start: Any, check: Path, options: tuple[str, ...]) -> None:
        process = start(check, *options, stdin=subprocess.DEVNULL, RANK="1", WORLD_SIZE="2").process
        said, problem = process.communicate()
        assert process.returncode == 0, problem
        assert not said
        process = start(check, *options, stdin=subprocess.DEVNULL, RANK="0", WORLD_SIZE="2").process
        assert process.communicate()[0]

    def test_torchrun_runs_it_unchanged(self, start: Any, mapping: Path, out: Path) -> None:
        torchrun = str(Path(sys.executable).with_name("torchrun"))
        run = start(mapping, "--events", command=[torchrun, "--standalone", "--nproc-per-node=1", "-m", "false_core"])
        code, said = run.end()
        assert code == 0
        assert isinstance(said[0], Started) and isinstance(said[-1], Finished)
        assert (out / "map.tif").is_file()
