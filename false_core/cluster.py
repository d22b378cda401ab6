"""Computers that do parts of a job as tasks of Dask: naming them, handing tasks over, and hearing of each that is done.

Dask schedules, tries again what a lost worker was at, takes in workers that come later, and shows its dashboard. Here is
only how one gets there, and what its failures mean to a person. ``dask.distributed`` is loaded where it is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import logging
import os
import queue
import re
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar

import torch

from false_core import __version__
from false_core.computing.distributed import share
from false_core.errors import FalseError, ProcessLostError, RequestError
from false_core.feedback import Feedback
from false_core.models.missing_package import how_to_install
from false_core.settings import preferred_device, scheduler_name

LOCAL = "local"
QUEUES = {"slurm": "dask_jobqueue.SLURMCluster", "pbs": "dask_jobqueue.PBSCluster"}
CONNECT_S = 20.0
CLOSE_S = 10.0
"""Seconds that a cluster of our own may take to end. The rest ends with this process, or when it misses it."""
POLL_WORKERS_S = 0.2
WORTH_SAYING_S = 10.0
"""Seconds without any worker after which the user is told."""
LEAST_WORKERS = 4
"""Workers that are reckoned with where it is not known how many will come."""
THREADS_OF_A_WORKER = 4
"""Threads that compute on one tile. More of them help little, and each worker takes more than a GB of memory."""
_ADDRESS = re.compile(r"\w+://.+")
_CLASS = re.compile(r"(?:[A-Za-z_]\w*\.)+[A-Z]\w*")
_HERE = re.compile(r"\w+://(?:127\.|localhost|\[::1\])")

About = TypeVar("About")


class Tasks(Generic[About]):
    """Tasks on a cluster.

    Args:
        expected: Number of workers that were asked for, where that is known.
    """

    def __init__(self, client: Any, expected: int, feedback: Feedback) -> None:
        self.client = client
        self.unfinished = 0
        self._expected, self._feedback = expected, feedback
        self._futures: dict[Any, About] = {}
        self._plugins: list[str] = []
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @property
    def workers(self) -> int:
        """The number of workers that there are or soon will be. Where others start them, more may come than are there."""
        return self._expected or max(LEAST_WORKERS, len(self.client.nthreads()))

    def send_file(self, file: str, name: str) -> None:
        """Put a copy of a file into the folder of each worker, also of those that come later.

        Args:
            name: Its name there.
        """
        plugin = _module("distributed.diagnostics.plugin", "distributed").UploadFile(file, load=False)
        plugin.filename = name
        self._plugins.append(f"{name} {secrets.token_hex(4)}")
        self.client.register_plugin(plugin, self._plugins[-1])

    def submit(self, about: About, function: Callable[..., Any], *arguments: Any) -> None:
        """Hand over a task.

        Args:
            about: Subject of the task, which ``next_done`` returns with its result.
            arguments: Numbers, texts, and tuples and dictionaries of such.
        """
        # Not pure: what it reads may have changed since the same was asked for before.
        future = self.client.submit(function, *arguments, pure=False)
        self._futures[future] = about
        self.unfinished += 1
        future.add_done_callback(self._done.put)

    def next_done(self) -> tuple[About, Callable[[], Any]]:
        """Wait for the next task that is done. Return what it is about, and what gives its result, or raises its error.

        Raises:
            Cancelled: The user wants to stop.
        """
        since, said = time.monotonic(), False
        while True:
            self._feedback.stop_if_cancelled()
            with contextlib.suppress(queue.Empty):
                future = self._done.get(timeout=POLL_WORKERS_S)
                if future in self._futures:
                    self.unfinished -= 1
                    return self._futures.pop(future), functools.partial(_result, future)
            if not said and time.monotonic() - since > WORTH_SAYING_S:
                said = True
                if not self.client.nthreads():
                    self._feedback.info("No worker of Dask is there yet. The job waits for one.")

    def cancel(self, about: About) -> None:
        """Cancel all tasks that are about this."""
        dropped = [future for future, other in self._futures.items() if other is about]
        for future in dropped:
            del self._futures[future]
        self.unfinished -= len(dropped)
        self.client.cancel(dropped)

    def close(self) -> None:
        """Drop all tasks, and what was sent for them."""
        with contextlib.suppress(Exception):
            self.client.cancel(list(self._futures))
            for plugin in self._plugins:
                self.client.unregister_worker_plugin(plugin)
        self._futures.clear()


@contextmanager
def tasks_on_cluster(feedback: Feedback) -> Iterator[Tasks[Any]]:
    """Give the tasks on the cluster that the user has named, or make one for as long as this lasts.

    Raises:
        RequestError: What was named is no cluster, or torchrun has started several processes.
        ProcessLostError: It cannot be reached.
        FalseError: Dask is not installed, or another version of this library is.
    """
    name = scheduler_name()
    if share().world_size > 1:
        raise RequestError(
            f"torchrun has started several processes, and {name} is named as scheduler.",
            "Start the job with torchrun or with a scheduler, not with both.",
        )
    distributed = _module("distributed", "distributed")
    with ExitStack() as stack:
        cluster, expected = _cluster(name, stack)
        try:
            client = distributed.Client(
                **({"scheduler_file": name} if _is_file(name) else {"address": cluster}),
                timeout=CONNECT_S,
                set_as_default=False,
            )
        except (OSError, ValueError, distributed.comm.CommClosedError, *_timed_out()) as error:
            raise ProcessLostError(
                f"The scheduler {name} cannot be reached: {error}.", "See that it runs, and that its address is right."
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # What matters of it is said below.
        stack.callback(_close, client)
        _check_versions(client)
        tasks: Tasks[Any] = Tasks(client, expected, feedback)
        feedback.info(
            f"Dask computes, with {len(client.nthreads())} workers so far. Its dashboard is at {client.dashboard_link}."
        )
        address = str(client.scheduler.address)
        if not address.startswith("tls") and not _HERE.match(address):
            feedback.info(
                f"The scheduler {address} is reached without TLS. Everyone who reaches it can run programs on its workers, "
                "and on this computer."
            )
        stack.callback(tasks.close)
        yield tasks


def tell_of_idle_gpus(device: str, feedback: Feedback) -> None:
    """Say how a map would use all GPUs of this computer, where it uses one of several that nobody has chosen.

    Args:
        device: The device that the job asks for.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = device if device != "auto" else preferred_device()
    if count > 1 and named in ("auto", "cuda") and share().world_size == 1:
        feedback.info(f"One of {count} GPUs computes. With the scheduler {LOCAL} a map uses all of them.")


def _cluster(name: str, stack: ExitStack) -> tuple[Any, int]:
    """Return the cluster that a name stands for, or its address, and how many workers are asked for."""
    if _is_file(name) or _ADDRESS.fullmatch(name):
        return name, 0
    kind, _, count = name.partition(":")
    kind = QUEUES.get(kind, kind)
    if not (kind == LOCAL or _CLASS.fullmatch(kind)) or not re.fullmatch(r"|[1-9]\d{0,5}", count):
        raise RequestError(
            f"{name} names no scheduler of Dask.",
            "Name the address of one, such as tls://server:8786, a scheduler file, local, local:4 or slurm:8.",
        )
    if kind == LOCAL:
        cluster = _local_cluster(int(count or 0))
        expected = len(cluster.worker_spec)
    else:
        package, _, what = kind.rpartition(".")
        with _signals_left_alone():
            made = getattr(_module(package, kind.partition(".")[0].replace("_", "-")), what, None)
        if made is None:
            raise RequestError(f"{package} has no {what}.", "Name a class of clusters, such as dask_jobqueue.SLURMCluster.")
        try:
            cluster, expected = made(), int(count or 1)
            cluster.scale(expected)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise FalseError(
                f"The scheduler {name} cannot be started: {error}.",
                "Say in ~/.config/dask what its workers need, as its documentation describes.",
            ) from error
    stack.callback(_close, cluster)
    return cluster, expected


def _local_cluster(workers: int) -> Any:
    """Return processes of this computer. Only they can reach the scheduler: it listens here alone, with a key of its own."""
    distributed = _module("distributed", "distributed")
    _module("cryptography", "cryptography")
    cores = int(_module("dask.system", "dask").CPU_COUNT)
    # Each GPU has one, which takes that of its number.
    workers = workers or torch.cuda.device_count() or max(min(2, cores), cores // THREADS_OF_A_WORKER)
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        # Dask would stop a worker at its share of the memory. What a part takes is known, and its result is small.
        memory_limit=0,
        dashboard_address="127.0.0.1:0",
        security=True,
        silence_logs=logging.CRITICAL,
        env={
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(max(1, cores // workers)),
            "LOCAL_WORLD_SIZE": str(workers),
        },
    )


def _close(opened: Any) -> None:
    with contextlib.suppress(*_timed_out()):
        opened.close(CLOSE_S)


def _timed_out() -> tuple[type[Exception], ...]:
    """Return the classes of what Dask raises where something takes too long: two in Python 3.10, later one."""
    return TimeoutError, asyncio.TimeoutError


def _is_file(name: str) -> bool:
    return name.endswith(".json")


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise FalseError(
            f"The scheduler takes the package {package}, which is not installed in the compute environment.",
            how_to_install(package),
        ) from error


@contextmanager
def _signals_left_alone() -> Iterator[None]:
    """Keep what is imported from taking Ctrl-C for itself, as dask_jobqueue does; in this thread it could not anyway."""
    before, signal.signal = signal.signal, lambda *_: None
    try:
        yield
    finally:
        signal.signal = before


def _check_versions(client: Any) -> None:
    """Raise FalseError where the scheduler or a worker has another version of this library, or none."""
    found = client.get_versions(packages=["false_core"])
    others = {"the scheduler": found["scheduler"], **found["workers"]}
    for who, one in others.items():
        check_version(str(one["packages"].get("false_core")), who)


def check_version(version: str, who: str) -> None:
    """Raise FalseError where somebody has another version of this library than this process."""
    if version != __version__:
        raise FalseError(
            f"{who} has version {version} of false_core, and this is {__version__}.",
            "Install the same version for the scheduler and for all workers.",
        )


def _result(future: Any) -> Any:
    """Return the result of a task that is done, or raise why there is none."""
    distributed = _module("distributed", "distributed")
    if future.status == "cancelled" or future.status == "lost":
        raise _lost()
    try:
        return future.result()
    except distributed.KilledWorker as error:
        raise ProcessLostError(
            f"{error.allowed_failures + 1} worker(s) of Dask were lost, each while it computed the same part.",
            "Their logs say why. Most often the memory is too small for the number of workers on a computer.",
        ) from error
    except (distributed.CancelledError, distributed.comm.CommClosedError, *_timed_out()) as error:
        raise _lost() from error


def _lost() -> ProcessLostError:
    return ProcessLostError(
        "The scheduler of Dask was lost.", "Run the job again when it is there: what is finished is kept."
    )


def take_own_gpu() -> None:
    """Have this worker compute on the GPU of its number, where it has one, as workers of this computer do.

    Those that dask_cuda starts see their own GPU as the first one.
    """
    from distributed import get_worker

    number = get_worker().name
    if isinstance(number, int) and torch.cuda.is_available() and "dask_cuda" not in sys.modules:
        os.environ["LOCAL_RANK"] = str(number % torch.cuda.device_count())


class DroppedTask(threading.Event):
    """The wish to end the task that runs in this thread, in place of that to end a job.

    Dask cannot end a task that runs, but its worker knows when the client has cancelled it, or is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        from distributed import get_worker

        self._tasks = get_worker().state.tasks
        self._key = get_worker().get_current_task()

    def is_set(self) -> bool:
        """Return whether to end."""
        task = self._tasks.get(self._key)
        return task is None or task.state == "cancelled"


def put_if_absent(what: str, number: int) -> int:
    """Return a number on which all tasks agree that call it the same: the one that was named first."""
    from distributed import Lock, Variable

    variable = Variable(what)
    with Lock(what):
        try:
            return int(variable.get(timeout="100 ms"))
        except _timed_out():
            variable.set(number)
            return number
