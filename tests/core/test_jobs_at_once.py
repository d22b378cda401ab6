"""Two jobs at once, with the same output or the same checkpoint, and a clock that was set back between two runs."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_jobs import ALL, SMALL_BATCHES, TRAININGS, SmallJobs, checkpoints, goes_on, interrupt, output_of, undisturbed

from false_core.dispatch import run
from false_core.errors import OutputError
from false_core.events import Event, Progress
from false_core.jobs import to_json
from false_core.outputs.publish import locked_outputs, published

pytestmark = pytest.mark.thorough

DAY_S = 86400.0
EACH_STEP = """
import sys
from false_core.training import checkpoint
checkpoint.INTERVAL_S = -1.0
import torch
torch.set_num_threads(1)
from false_core.jobs import from_json
from false_core.dispatch import run
run(from_json(sys.argv[1]))
"""
HOLDS = """
import sys
from false_core.jobs import from_json
from false_core.outputs.publish import locked_outputs
with locked_outputs(from_json(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


class TestTheSameOutput:
    @pytest.mark.parametrize("name", ALL)
    def test_of_another_job_is_refused_while_the_first_is_at_work(
        self, small_jobs: SmallJobs, out: Path, cache: Path, name: str
    ) -> None:
        job = small_jobs.make(name, out)
        # Another way to say the same, and another job.
        other = dataclasses.replace(
            small_jobs.make(name, out), **{next(iter(_outputs(job))): str(out / ".." / "out" / output_of(job).name)}
        )
        refused: list[OutputError] = []

        def run_beside(event: Event) -> None:
            if isinstance(event, Progress) and not refused:
                with pytest.raises(OutputError, match="Another job is about to write .*Wait until it is done") as raised:
                    run(other)
                refused.append(raised.value)

        run(job, run_beside)
        assert refused
        assert output_of(job).stat().st_size
        assert not list((cache / "held").iterdir()), "nothing stays of it"
        run(other)

    def test_is_free_again_when_the_process_was_killed(self, small_jobs: SmallJobs, out: Path, cache: Path) -> None:
        job = small_jobs.make("classify", out)
        command = [sys.executable, "-c", HOLDS, to_json(job)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        with pytest.raises(OutputError, match="Another job"):
            run(job)
        holder.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        holder.communicate()
        with locked_outputs(job):
            pass
        assert not list((cache / "held").iterdir())


def _outputs(job: object) -> dict[str, str]:
    from false_core import jobs

    return jobs.outputs(job)  # type: ignore[arg-type]


class TestTheSameCheckpoint:
    @pytest.mark.parametrize("name", TRAININGS)
    def test_of_two_jobs_that_learn_the_same_does_neither_harm(
        self, small_jobs: SmallJobs, out: Path, cache: Path, tmp_path: Path, warm: list[str], name: str
    ) -> None:
        job = small_jobs.make(name, out)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        twins = []
        for twin in ("one", "two"):
            (out / twin).mkdir()
            twins.append(small_jobs.make(name, out / twin))
        program = tmp_path / "program.py"
        program.write_text(SMALL_BATCHES + EACH_STEP)
        processes = [
            subprocess.Popen([*warm, str(program), to_json(job)], stderr=subprocess.PIPE, text=True) for job in twins
        ]
        for process in processes:
            _, problem = process.communicate(timeout=600)
            assert process.returncode == 0, problem
        assert [output_of(job).read_bytes() for job in twins] == [wanted, wanted]
        assert not [path for path in cache.rglob("*") if path.is_file()]


class TestAClockThatWasSetBack:
    @pytest.mark.parametrize("seconds", [-3600.0, -400 * DAY_S])
    @pytest.mark.parametrize("name", TRAININGS)
    def test_does_not_hide_a_checkpoint(
        self, small_jobs: SmallJobs, out: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        name: str, seconds: float,
    ) -> None:  # fmt: skip
        job = small_jobs.make(name, out)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        interrupt(job, 1)
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + seconds)
        assert "Going on from step 1" in goes_on(job)
        assert output_of(job).read_bytes() == wanted
        assert not checkpoints(cache)

    @pytest.mark.skipif(os.name == "nt", reason="Windows cannot tell, and waits for a day")
    def test_does_not_keep_what_a_killed_process_left(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        left = tmp_path / ".map.tif.0123abcd.partial"
        left.mkdir()
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() - DAY_S)
        with published(tmp_path / "map.tif") as (partial,):
            partial.write_text("new")
        assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
