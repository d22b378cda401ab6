"""Nothing outlives QGIS: what is started here is looked after by a process that outlives QGIS, and ends it then.

``tests/process/test_nothing_left.py`` kills a real QGIS. Here is what it takes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there it is taskkill that finds them")

# Starts a process in a session of its own, as torchrun does it, says which, and waits.
LAUNCHER = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)"
)
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def lives(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # Also where it ends between opening and reading.
        return False


def soon(condition) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def supervisor(provider):
    """A supervisor of its own, and in the end its watchdog ended, and with it whatever it looks after."""
    from qgis_false.environment.interpreters import plain_python
    from qgis_false.environment.supervisor import Supervisor

    made = Supervisor(plain_python)
    yield made
    made.close()


@pytest.fixture
def launched(provider):
    """Return a function that starts a launcher with something behind it; both are killed in the end."""
    started: list[int] = []

    def launch(words: str = LAUNCHER) -> tuple[subprocess.Popen, int]:
        child = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE, text=True, start_new_session=True)
        behind = int(child.stdout.readline())
        started.extend([child.pid, behind])
        child.stdout.close()
        # Somebody has to bury it, as the system does it when QGIS is gone.
        threading.Thread(target=child.wait, daemon=True).start()
        return child, behind

    yield launch
    for one in filter(lives, started):
        os.kill(one, signal.SIGKILL)


@pytest.mark.thorough
@pytest.mark.parametrize("words", [LAUNCHER, DEAF + LAUNCHER], ids=["listens", "is deaf"])
def test_when_qgis_is_gone_all_are_ended_those_in_groups_of_their_own_too(supervisor, launched, words):
    child, behind = launched(words)
    supervisor.watch(child.pid)
    supervisor._process.stdin.close()  # As the system does it for a process that is killed.
    assert soon(lambda: not lives(child.pid) and not lives(behind))
    assert supervisor._process.wait(10) == 0


def test_what_has_ended_in_order_is_not_touched_again(supervisor, launched):
    child, _ = launched()
    supervisor.watch(child.pid)
    supervisor.unwatch(child.pid)
    supervisor.close()
    assert supervisor._process.returncode == 0
    assert lives(child.pid)


@pytest.mark.parametrize("name", ["false-1234", 'false-ä "b"\nc'])
def test_when_qgis_is_gone_the_files_of_its_jobs_are_removed(supervisor, tmp_path, name):
    """It is all that a job hears of it which another program started, as Slurm does it for sbatch."""
    mine, done, other = tmp_path / name, tmp_path / "false-done", tmp_path / "maps"
    for folder in (mine, done, other):
        folder.mkdir()
        (folder / "job.json").write_text("{}")
        supervisor.watch(str(folder))
    supervisor.unwatch(str(done))
    supervisor._process.stdin.close()
    assert supervisor._process.wait(10) == 0
    assert set(tmp_path.iterdir()) == {done, other}, "what has another name is none of ours"


def test_the_folder_of_a_job_is_gone_with_the_job(provider, tmp_path):
    from qgis_false.environment.supervisor import SUPERVISOR, folder_for_a_job

    def fails() -> None:
        with folder_for_a_job(str(tmp_path)) as folder:
            assert os.path.isdir(folder)
            assert any(folder in one for one in SUPERVISOR._looked_after)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert list(tmp_path.iterdir()) == []
    assert not any(str(tmp_path) in one for one in SUPERVISOR._looked_after)


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_watchdog_that_was_killed_is_replaced_and_told_of_all(supervisor, launched, number):
    first, _ = launched()
    supervisor.watch(first.pid)
    supervisor._process.send_signal(number)
    assert soon(lambda: supervisor._process.poll() is not None)
    second, _ = launched()
    supervisor.watch(second.pid)
    supervisor._process.stdin.close()
    assert soon(lambda: not lives(first.pid) and not lives(second.pid))


def test_a_watchdog_that_is_stuck_keeps_nobody_waiting(supervisor):
    supervisor.watch(os.getpid() + 1_000_000)
    stuck = supervisor._process
    stuck.send_signal(signal.SIGSTOP)
    try:
        for number in range(20_000):
            supervisor.watch(10_000_000 + number)  # More than its pipe holds.
            supervisor.unwatch(10_000_000 + number)
        assert supervisor._process is not stuck, "it was replaced"
        assert soon(lambda: stuck.poll() is not None), "and must not end anything when it comes to itself"
    finally:
        supervisor.unwatch(os.getpid() + 1_000_000)
        supervisor._process.kill()
        stuck.kill()


def test_without_a_python_for_it_jobs_run_all_the_same(supervisor):
    supervisor.find_python = lambda: None
    supervisor.watch(1)
    supervisor.unwatch(1)


def test_without_proc_ps_tells_who_belongs_to_whom(provider, launched, monkeypatch):
    from qgis_false.environment import watchdog

    child, behind = launched()
    assert {one for one, _ in watchdog.process_tree(child.pid)} == {child.pid, behind}
    monkeypatch.setattr(watchdog.os, "listdir", lambda path: [])
    assert {one for one, _ in watchdog.process_tree(child.pid)} == {child.pid, behind}


def test_cancel_ends_what_is_stopped_behind_a_launcher_too(provider, launched):
    from qgis_false.environment.processes import end

    child, behind = launched()
    for one in (child.pid, behind):
        os.kill(one, signal.SIGSTOP)
    assert end(child)
    assert soon(lambda: not lives(behind))


def test_a_process_that_the_system_does_not_end_is_not_waited_for(provider, monkeypatch):
    """As one that waits for a network disk that is gone: not even SIGKILL ends it."""
    from qgis_false.environment import processes

    class Undead:
        pid = 4_000_000

        def poll(self):
            return None

        def wait(self, limit):
            raise subprocess.TimeoutExpired("undead", limit)

    monkeypatch.setattr(processes, "signal_group", lambda child, kill: None)
    assert not processes.end(Undead())
    assert "4000000" in processes.still_there(Undead())
