"""QGIS is killed, crashes or is closed during a job: nothing that it has started lives on, not even what is stuck."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qgis_profile import LIMIT_S, ROOT, SHORT_PRETRAINING, Profile, interrupt, wait_until
from test_cancel import children_of

SOON_S = 10.0
"""5 s are promised. Here much else may run on the computer."""
ENDLESS = {**SHORT_PRETRAINING, "STEPS": 1_000_000}

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")


@pytest.fixture(scope="session")
def profile(plain_profile):
    """The processes themselves are looked at here."""
    return plain_profile


def tree(process_id: int) -> list[int]:
    """Return a process and all below it."""
    return [process_id, *(below for child in children_of(process_id) for below in tree(child))]


def lives(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # Also where it ends between opening and reading.
        return False


def seconds_until_gone(processes: list[int]) -> float:
    """Wait until none of ``processes`` is left. Say how long it took, which pytest shows with ``-rP``."""
    began = time.monotonic()
    while left := [one for one in processes if lives(one)]:
        assert time.monotonic() - began < 4 * SOON_S, left
        time.sleep(0.02)
    seconds = time.monotonic() - began
    print(f"{len(processes)} processes were gone after {seconds:.1f} s")
    return seconds


@pytest.fixture
def start(profile: Profile, scene) -> Iterator[Callable[..., tuple[subprocess.Popen, list[str]]]]:
    """Return a function that starts an algorithm. Whatever is left of it in the end is killed."""
    started: list[subprocess.Popen] = []

    def begin(algorithm: str, variables: dict[str, str], **values: object) -> tuple[subprocess.Popen, list[str]]:
        with_them = Profile(profile.program, profile.folder, {**profile.variables, **variables})
        process, said = with_them.start(algorithm, **values)
        started.append(process)
        return process, said

    yield begin
    for process in started:
        for one in tree(process.pid):
            if lives(one):
                os.kill(one, signal.SIGKILL)
        process.wait(LIMIT_S)


def pretraining(start, scene, folder: Path, **variables: str) -> tuple[subprocess.Popen, list[str]]:
    return start("false:pretrain", variables, RASTERS=scene.image, ENCODER=folder / "e.safetensors", **ENDLESS)


def is_computing(process_id: int) -> bool:
    """Whether a compute process has begun to load PyTorch."""
    try:
        return "/torch/" in Path(f"/proc/{process_id}/maps").read_text()
    except OSError:
        return False


def loading(process: subprocess.Popen) -> list[int]:
    """Wait until something below a process loads PyTorch. Return the whole tree."""
    wait_until(lambda: any(map(is_computing, tree(process.pid)[1:])), process)
    return tree(process.pid)


class TestQgisIsGone:
    @pytest.mark.parametrize(
        "number",
        [signal.SIGKILL, pytest.param(signal.SIGSEGV, marks=pytest.mark.slow), signal.SIGTERM],
        ids=lambda number: number.name,
    )
    def test_while_it_trains(self, start, scene, tmp_path, number):
        process, said = pretraining(start, scene, tmp_path)
        wait_until(lambda: any("Pretraining" in line for line in said), process)
        started = tree(process.pid)
        process.send_signal(number)
        process.wait(LIMIT_S)
        assert seconds_until_gone(started) < SOON_S
        assert list(tmp_path.iterdir()) == []

    def test_while_pytorch_is_loaded(self, start, scene, tmp_path):
        process, _ = pretraining(start, scene, tmp_path)
        started = loading(process)
        process.kill()
        process.wait(LIMIT_S)
        assert seconds_until_gone(started) < SOON_S

    def test_while_the_compute_process_is_stuck(self, start, scene, tmp_path):
        """Stopped, it hears nothing, as in native code that never ends and lets no thread of Python go on."""
        process, said = pretraining(start, scene, tmp_path)
        wait_until(lambda: any("Pretraining" in line for line in said), process)
        started = tree(process.pid)
        (worker,) = filter(is_computing, started[1:])
        os.kill(worker, signal.SIGSTOP)
        process.kill()
        process.wait(LIMIT_S)
        assert seconds_until_gone(started) < SOON_S


class TestBehindALauncher:
    @pytest.fixture
    def torchrun(self, compute_python) -> dict[str, str]:
        program = Path(compute_python).with_name("torchrun")
        return {"FALSE_LAUNCHER": f"{shlex.quote(str(program))} --standalone --nproc-per-node 2"}

    def test_while_the_launcher_starts(self, start, scene, torchrun, tmp_path):
        process, _ = pretraining(start, scene, tmp_path, **torchrun)
        started = loading(process)
        process.kill()
        process.wait(LIMIT_S)
        assert seconds_until_gone(started) < SOON_S

    @pytest.mark.parametrize("way", ["killed", "Ctrl-C"])
    def test_while_one_of_its_processes_is_stuck(self, start, scene, torchrun, tmp_path, way):
        process, said = pretraining(start, scene, tmp_path, **torchrun)
        wait_until(lambda: any("Pretraining" in line for line in said), process)
        started = tree(process.pid)
        ranks = [one for one in started if any(map(is_computing, [one])) and not children_of(one)]
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGSTOP)
        if way == "killed":
            process.kill()
            process.wait(LIMIT_S)
        else:
            assert interrupt(process) == 1
        assert seconds_until_gone(started) < SOON_S
        assert list(tmp_path.iterdir()) == []


# Waits for a job as sbatch --wait does: what computes belongs to Slurm and is in no way below it, nothing is passed on, and
# when it is ended the job is not.
SBATCH = """\
import os, subprocess, sys, time
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen([sys.argv[1], *sys.argv[2:]], **nothing)
    os.write(writing, str(child.pid).encode())
    os._exit(0)
os.wait()
job = int(os.read(reading, 100))
print("Submitted batch job", job, flush=True)
while os.path.exists(f"/proc/{job}"):
    time.sleep(0.1)
"""


class TestBehindSbatch:
    @pytest.fixture
    def sbatch(self, compute_python, tmp_path) -> dict[str, str]:
        (tmp_path / "sbatch.py").write_text(SBATCH)
        (tmp_path / "out").mkdir()
        words = (sys.executable, str(tmp_path / "sbatch.py"), compute_python)
        return {"FALSE_LAUNCHER": shlex.join(words), "FALSE_CACHE": str(tmp_path / "cache")}

    def test_while_its_job_trains(self, start, scene, sbatch, tmp_path):
        process, said = pretraining(start, scene, tmp_path / "out", **sbatch)
        (line,) = wait_until(lambda: [line for line in said if "Submitted batch job" in line], process)
        job = int(line.split()[-1])
        try:
            wait_until(lambda: is_computing(job), process)
            process.kill()
            process.wait(LIMIT_S)
            assert seconds_until_gone([job]) < SOON_S
            assert list((tmp_path / "out").iterdir()) == []
            assert list((tmp_path / "cache" / "jobs").iterdir()) == []
        finally:
            if lives(job):
                os.kill(job, signal.SIGKILL)


class TestTheSetUp:
    @pytest.fixture
    def hanging_uv(self, profile, tmp_path) -> dict[str, str]:
        """A uv that has started something and waits for it, as it does for a package that is built."""
        folder = tmp_path / "bin"
        folder.mkdir()
        uv = folder / "uv"
        uv.write_text(
            f"#!{sys.executable}\nimport subprocess, sys\n"
            "if sys.argv[1:] == ['--version']:\n    print('uv 0.13.8')\n    sys.exit()\n"
            "subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        )
        uv.chmod(0o755)
        return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "FALSE_CORE_PYTHON": ""}

    def test_what_it_has_started_ends_with_qgis_and_the_next_one_is_not_kept_out(self, start, hanging_uv, profile):
        process, _ = start("false:setupenvironment", hanging_uv)
        wait_until(lambda: any("time.sleep(600)" in words(one) for one in tree(process.pid)), process)
        started = tree(process.pid)
        other = profile.run("false:setupenvironment", hanging_uv)
        assert other.code == 1 and "Another QGIS is setting up" in other.said
        process.kill()
        process.wait(LIMIT_S)
        assert seconds_until_gone(started) < SOON_S
        again, said = start("false:setupenvironment", hanging_uv)
        wait_until(lambda: any("time.sleep(600)" in words(one) for one in tree(again.pid)), again)
        everything = tree(again.pid)
        assert interrupt(again) == 1
        assert seconds_until_gone(everything) < SOON_S
        wait_until(lambda: any("run it again to go on" in line for line in said))


def words(process_id: int) -> str:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


CLOSED = """
import select, sys
sys.path[:0] = {paths!r}
from qgis.core import QgsApplication, QgsProcessingAlgRunnerTask, QgsProcessingContext, QgsProcessingFeedback
application = QgsApplication([], False)
application.initQgis()
from qgis_false.plugin import FalsePlugin
plugin = FalsePlugin()
plugin.initProcessing()
algorithm = QgsApplication.processingRegistry().algorithmById("false:pretrain")
context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
task = QgsProcessingAlgRunnerTask(algorithm, {values!r}, context, feedback)
feedback.progressChanged.connect(lambda share: share >= 3.9 and print("Pretraining", flush=True))
tasks = QgsApplication.taskManager()
tasks.addTask(task)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    application.processEvents()
{close}
"""
"""A QGIS in short: a job in a task, and the event loop until somebody closes it."""
IN_ORDER = """
tasks.cancelAll()
while tasks.countActiveTasks():
    application.processEvents()
application.exitQgis()
"""


@pytest.mark.parametrize("close", [IN_ORDER, "sys.exit()"], ids=["in order", "without a word"])
def test_qgis_is_closed_while_a_task_runs(scene, profile, compute_python, tmp_path, close):
    values = {"RASTERS": [scene.image], "ENCODER": str(tmp_path / "e.safetensors"), **ENDLESS}
    script = CLOSED.format(paths=[str(ROOT)], values=values, close=close)
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=profile.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    started = []
    try:
        assert process.stdout is not None and process.stdin is not None
        assert "Pretraining" in process.stdout.readline()
        started = tree(process.pid)[1:]
        assert any(map(is_computing, started))
        process.stdin.write("close\n")
        process.stdin.flush()
        process.wait(LIMIT_S)
        assert seconds_until_gone(started) < SOON_S
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait(LIMIT_S)
        for one in filter(lives, started):
            os.kill(one, signal.SIGKILL)
