"""Clusters of Dask: what a user may name, how they are reached, that nothing of them is left, and what is said when not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_world import Listener

from false_core import cluster
from false_core.cluster import Tasks, put_if_absent, take_own_gpu, tasks_on_cluster, tell_of_idle_gpus
from false_core.errors import FalseError, ProcessLostError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import Classify, ClassifyMany
from false_core.mapping.classify import classify, classify_many

distributed = pytest.importorskip("distributed", reason="dask is missing: pip install -e '.[test]'.")

# Plays sbatch and scancel: a job is a process of this computer, and its number that of the process.
SBATCH = """#!/bin/sh
cp "$1" "{folder}/submitted"
setsid sh "{folder}/submitted" > "{folder}/said" 2>&1 < /dev/null &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -TERM -- "-$1"
"""


def results(tasks: Tasks[Any], count: int) -> list[Any]:
    return [tasks.next_done()[1]() for _ in range(count)]


def is_running(process: int) -> bool:
    """Return whether a process is there and more than an entry in a table."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.thorough
def test_one_of_this_computer_can_be_reached_from_it_alone_with_a_key_and_leaves_no_process(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALSE_SCHEDULER", "local:2")
    with tasks_on_cluster(listener.feedback) as tasks:
        assert tasks.workers == 2
        address = tasks.client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        with pytest.raises(OSError, match="."):
            distributed.Client(address, security=distributed.Security.temporary(), timeout=1, set_as_default=False)
        for number in range(8):
            tasks.submit(number, time.sleep, 0.05)
            tasks.submit(number, os.getpid)
        workers = {result for result in results(tasks, 16) if result is not None}
        assert os.getpid() not in workers
        for number in (3, 5, 7):
            tasks.submit("a number", put_if_absent, "tiles", number)
        agreed = results(tasks, 3)
        assert len(set(agreed)) == 1
        assert agreed[0] in (3, 5, 7)
    assert "with 2 workers so far. Its dashboard is at http://127.0.0.1:" in listener.infos
    assert "without TLS" not in listener.infos
    assert not any(map(is_running, workers))


@pytest.mark.thorough
def test_one_in_the_queue_of_slurm_is_asked_for_as_many_jobs_as_named(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a queue is played; docs/cluster.md says what was tried with a real one."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is missing: pip install -e '.[test]'.")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text.replace("{folder}", str(tmp_path)))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FALSE_SCHEDULER", "slurm:1")
    given = {"cores": 1, "memory": "1GB", "walltime": "00:10:00", "queue": "gpu", "interface": "lo",
             "local-directory": str(tmp_path)}  # fmt: skip
    import dask

    with (
        dask.config.set({f"jobqueue.slurm.{name}": value for name, value in given.items()}),
        tasks_on_cluster(listener.feedback) as tasks,
    ):
        assert tasks.workers == 1
        tasks.submit("it", os.getpid)
        (worker,) = results(tasks, 1)
        assert is_running(worker)
    script = (tmp_path / "submitted").read_text()
    assert "#SBATCH -p gpu\n" in script
    assert "#SBATCH -t 00:10:00\n" in script
    assert shlex.quote(sys.executable) in script
    ends = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not is_running(worker)


def test_one_that_is_not_configured_is_an_error(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is missing: pip install -e '.[test]'.")
    monkeypatch.setenv("FALSE_SCHEDULER", "slurm:2")
    with pytest.raises(FalseError, match="slurm:2 cannot be started: .*cores"), tasks_on_cluster(listener.feedback):
        pass


@pytest.mark.thorough
def test_ctrl_c_stays_ours_and_a_cluster_may_be_made_in_any_thread() -> None:
    """dask_jobqueue sets a handler where it is imported, which only works in the main thread."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is missing: pip install -e '.[test]'.")
    program = """
import os, signal, threading
from false_core import cluster
from false_core.feedback import Feedback
os.environ["FALSE_SCHEDULER"] = "slurm:2"
def begin():
    try:
        with cluster.tasks_on_cluster(Feedback()):
            pass
    except Exception as error:
        print(error)
before = signal.getsignal(signal.SIGINT)
thread = threading.Thread(target=begin)
thread.start()
thread.join()
begin()
assert signal.getsignal(signal.SIGINT) is before
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("slurm:2 cannot be started") == 2


@pytest.mark.parametrize("name", ["locally", "local:0", "slurm:many", "server:8786", "tcp://"])
def test_a_name_that_is_none_is_an_error(name: str, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_SCHEDULER", name)
    with pytest.raises(RequestError, match="names no scheduler of Dask"), tasks_on_cluster(listener.feedback):
        pass


def test_a_class_that_is_none_is_an_error(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_SCHEDULER", "distributed.NoSuchCluster:4")
    with pytest.raises(RequestError, match="distributed has no NoSuchCluster"), tasks_on_cluster(listener.feedback):
        pass


def test_one_that_does_not_answer_is_an_error(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FALSE_SCHEDULER", f"tcp://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(ProcessLostError, match="cannot be reached"), tasks_on_cluster(listener.feedback):
            pass


def test_a_package_that_is_missing_is_named(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALSE_SCHEDULER", "local")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(FalseError, match="takes the package distributed.*Set up"), tasks_on_cluster(listener.feedback):
        pass


def test_another_version_of_the_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FalseError, match=r"worker 3 has version 0\.0\.1 of false_core, and this is"):
        cluster.check_version("0.0.1", "worker 3")


def test_torchrun_and_a_scheduler_are_not_used_together(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FALSE_SCHEDULER": "local", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RequestError, match="torchrun has started several processes"), tasks_on_cluster(listener.feedback):
        pass


def test_workers_of_one_computer_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(name=6))
    take_own_gpu()
    assert os.environ["LOCAL_RANK"] == "2"
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(name="SLURMCluster-3"))
    take_own_gpu()
    assert os.environ["LOCAL_RANK"] == "2"
    monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(name=1))
    monkeypatch.setitem(sys.modules, "dask_cuda", SimpleNamespace())
    take_own_gpu()
    assert os.environ["LOCAL_RANK"] == "2"


def test_workers_of_one_computer_are_told_how_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    monkeypatch.setattr(distributed, "LocalCluster", lambda **given: made.update(given))
    cluster._local_cluster(3)
    assert made["env"]["LOCAL_WORLD_SIZE"] == "3"


@pytest.mark.parametrize(
    ("device", "preferred", "gpus", "ranks", "told"),
    [
        ("auto", "", 2, "1", True),
        ("cuda", "cpu", 2, "1", True),
        ("auto", "cuda:1", 2, "1", False),
        ("cuda:0", "", 2, "1", False),
        ("cpu", "", 2, "1", False),
        ("auto", "", 1, "1", False),
        ("auto", "", 2, "2", False),
    ],
)
def test_a_map_that_leaves_gpus_idle_says_how_to_use_them(
    device: str, preferred: str, gpus: int, ranks: str, told: bool, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", ranks)
    monkeypatch.setenv("FALSE_DEVICE", preferred)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    tell_of_idle_gpus(device, listener.feedback)
    assert ("One of 2 GPUs computes. With the scheduler local a map uses all of them." in listener.infos) == told


@pytest.mark.parametrize("job", [Classify("no.tif", "no.st", "map.tif"), ClassifyMany("no*.tif", "no.st", "maps")])
def test_maps_begin_with_that(job: Classify | ClassifyMany, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def tell(device: str, feedback: Feedback) -> None:
        asked.append(device)
        raise RequestError("enough", "is seen")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "no.tif").touch()
    for module in (classify, classify_many):
        monkeypatch.setattr(module, "tell_of_idle_gpus", tell)
    with pytest.raises(RequestError, match="enough"):
        (classify.classify if isinstance(job, Classify) else classify_many.classify_many)(job, Feedback())
    assert asked == ["auto"]


class AsyncioTimeoutError(Exception):
    """That of Python 3.10, which is another class than the built-in one."""


@pytest.mark.parametrize("late", [TimeoutError, AsyncioTimeoutError])
def test_what_takes_too_long_for_dask_is_known_in_each_python(
    late: type[Exception], listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed: list[int] = []

    def too_late(*_: Any, **__: Any) -> Any:
        raise late("too late")

    monkeypatch.setattr(asyncio, "TimeoutError", AsyncioTimeoutError)
    monkeypatch.setattr(distributed, "Lock", lambda name: contextlib.nullcontext())
    monkeypatch.setattr(distributed, "Variable", lambda name: SimpleNamespace(get=too_late, set=agreed.append))
    assert put_if_absent("tiles", 4) == 4
    assert agreed == [4]
    cluster._close(SimpleNamespace(close=too_late))
    with pytest.raises(ProcessLostError, match="scheduler of Dask was lost"):
        cluster._result(SimpleNamespace(status="finished", result=too_late))
    monkeypatch.setattr(distributed, "Client", too_late)
    monkeypatch.setenv("FALSE_SCHEDULER", "tcp://127.0.0.1:9")
    with pytest.raises(ProcessLostError, match="cannot be reached: too late"), tasks_on_cluster(listener.feedback):
        pass
