"""Several processes that do one job together, as ``torchrun`` starts them.

``share()`` says which of them this one is; without ``torchrun`` it is the only one. ``process_group()`` brings them
together. They are told apart by their rank; that of rank 0 is the main one and speaks for all. Nothing here schedules or
supervises: ``torchrun`` starts the processes, ends all when one of them ends, and starts them again where it was told to.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from false_core.cancellation import raise_if_set, stop_because
from false_core.errors import Cancelled, FalseError, OutOfMemoryError, ProcessLostError, RequestError, failure_of_code
from false_core.outputs.publish import discard_unfinished
from false_core.settings import patience_s

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")

POLL_S = 0.1
SIGN_OF_LIFE_S = 2.0
"""The time between two signs of life."""
FAILURE_REASON_S = 0.8
"""Seconds that a process that lost the others waits to hear why. Shorter than a cancelled job may take to end."""
TO_END_S = 5.0
"""Seconds that a process has to end by itself where another one failed."""
STUCK = 10
"""Patience with a computation that all take part in, as a multiple of that with a silent process."""


@dataclass(frozen=True)
class Share:
    """The part of a job that this process does.

    Attributes:
        rank: The number of this process, from 0.
        world_size: The number of processes.
        local_rank: Its number among the processes of its machine, which is also that of its GPU.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Return whether this process tells of the job, and writes what belongs to all."""
        return self.rank == 0

    def check_divides(self, count: int, things: str) -> None:
        """Raise RequestError if there are fewer ``things`` than processes."""
        if count < self.world_size:
            raise RequestError(
                f"A batch of {count} {things} cannot be shared by {self.world_size} processes.",
                "Start fewer of them, or choose a larger batch size.",
            )

    def of(self, count: int) -> slice:
        """Return which of ``count`` things in a row are this process's. The shares differ by one at most."""
        return slice(count * self.rank // self.world_size, count * (self.rank + 1) // self.world_size)

    def lengths(self, count: int) -> list[int]:
        """Return how many of ``count`` things each process has."""
        bounds = [count * rank // self.world_size for rank in range(self.world_size + 1)]
        return [stop - start for start, stop in pairwise(bounds)]


WHOLE_JOB = Share()
"""The share of a process that does the job alone: everything."""


def share() -> Share:
    """Return which process this is, from the variables that ``torchrun`` sets.

    Raises:
        RequestError: They contradict each other.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    try:
        rank, world, local = (int(os.environ.get(name, default)) for name, default in zip(names, ("0", "1", "0")))
    except ValueError as error:
        raise RequestError(f"RANK, WORLD_SIZE and LOCAL_RANK must be numbers: {error}.") from error
    if not 0 <= rank < world or local < 0:
        raise RequestError(f"There is no process of rank {rank} among {world}.", "Start the job with torchrun.")
    return Share(rank, world, local)


def is_started_again(error: FalseError) -> bool:
    """Return whether ``torchrun`` starts the processes again after ``error``, and that helps."""
    left = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)) - int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
    return left > 0 and isinstance(error, (ProcessLostError, OutOfMemoryError))


@dataclass
class World:
    """The processes of a job, and what they say to each other. Alone, a process says nothing.

    Every method is called by all processes, in the same order.
    """

    share: Share = Share()
    _notes: _SharedNotes | None = field(default=None, repr=False)
    _asked: int = field(default=0, repr=False)

    @property
    def is_shared(self) -> bool:
        """Return whether there is more than this one process."""
        return self.share.world_size > 1

    def broadcast_object(self, make: Callable[[], Value]) -> Value:
        """Return what ``make`` returns in the process of rank 0, in all of them. It must be what JSON holds.

        The others wait, however long that takes, as long as the first gives signs of life.
        """
        if self._notes is None:
            return make()
        # Every process counts alike, so that the same number means the same question, and no answer is taken for another.
        self._asked += 1
        return self._notes.broadcast_object(f"answer {self._asked}", make)  # type: ignore[no-any-return]

    def broadcast_bytes(self, content: bytes | None) -> bytes | None:
        """Return the ``content`` that the process of rank 0 has, in all of them."""
        # The others have to make room for it before it can be sent. No content has no length.
        length = self.broadcast_object(lambda: -1 if content is None else len(content))
        if self._notes is None or length < 0:
            return content if self._notes is None else None
        import torch
        import torch.distributed as dist

        buffer = torch.empty(length, dtype=torch.uint8)
        if self.share.is_main and content is not None:
            buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        dist.broadcast(buffer, 0)
        return buffer.numpy().tobytes()

    def smallest(self, number: int) -> int:
        """Return the smallest of the numbers that the processes have."""
        return min(first for (first,) in self.numbers([number]))

    def numbers(self, own: Sequence[int]) -> list[list[int]]:
        """Return the numbers of all processes, each as many. They do not pass through a GPU, so none is waited for."""
        if not self.is_shared:
            return [list(own)]
        import torch

        everyone = self._gathered(torch.tensor(own, dtype=torch.long))
        return everyone.view(self.share.world_size, len(own)).tolist()

    def all_gather(self, rows: Tensor, lengths: Sequence[int]) -> list[Tensor]:
        """Return the tensors of all processes, in the order of their ranks. Without gradients.

        Args:
            rows: The tensor of this process.
            lengths: Number of rows of each process.
        """
        rows = rows.detach()
        if not self.is_shared or not max(lengths):
            return [rows] * len(lengths)
        import torch

        # As long as the longest, as all must be alike.
        padded = rows.new_zeros((max(lengths), *rows.shape[1:]))
        padded[: len(rows)] = rows
        everyone = torch.split(self._gathered(padded), len(padded))
        return [theirs[:length] for theirs, length in zip(everyone, lengths)]

    def all_gather_rows(self, own: Tensor, count: int) -> Tensor:
        """Return ``count`` rows of which each process has its share. Without gradients, where there are several."""
        if not self.is_shared:
            return own
        import torch

        return torch.cat(self.all_gather(own, self.share.lengths(count)))

    def _gathered(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes, each as many, one after the other."""
        import torch.distributed as dist

        everyone = rows.new_empty((self.share.world_size * len(rows), *rows.shape[1:]))
        dist.all_gather_into_tensor(everyone, rows.contiguous())
        return everyone

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the sum of those of all processes."""
        self._in_one(tensors, lambda dist, flat: dist.all_reduce(flat))

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by that of the process of rank 0."""
        self._in_one(tensors, lambda dist, flat: dist.broadcast(flat, 0))

    def _in_one(self, tensors: Sequence[Tensor], talk: Callable[[Any, Tensor], object]) -> None:
        """Send all tensors of a kind at once: a message each would wait for the network, not use it."""
        if not self.is_shared:
            return
        import torch
        import torch.distributed as dist

        kinds: dict[tuple[Any, Any], list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        with torch.no_grad():
            for alike in kinds.values():
                flat = torch.cat([tensor.reshape(-1) for tensor in alike])
                talk(dist, flat)
                for tensor, new in zip(alike, torch.split(flat, [tensor.numel() for tensor in alike])):
                    tensor.copy_(new.view(tensor.shape))


ALONE = World()


@contextmanager
def process_group(mine: Share, stop: threading.Event) -> Iterator[World]:
    """Bring the processes of a job together, and hold them together until all are done.

    Where one fails, the others fail with its message.

    Args:
        stop: Event that ends the job at its next step. Set where another process failed.

    Raises:
        ProcessLostError: Another process is gone without a word.
        FalseError: The failure of whichever process failed first.
    """
    if mine.world_size == 1:
        yield ALONE
        return
    parent = os.getppid()  # Before torch is loaded, which takes seconds.
    import torch
    import torch.distributed as dist

    if not dist.is_available():
        raise RequestError("This PyTorch cannot work with several processes.", "Run the job without torchrun.")
    # What is in memory goes from computer to computer, and what is on GPUs from GPU to GPU.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    patience = patience_s()
    limit = timedelta(seconds=STUCK * patience)
    try:
        with _ended_with(parent, stop):
            # Held on to: without torchrun everything the processes tell each other is kept in it.
            first = _store("", limit, keeps=mine.is_main and not _is_kept_by_torchrun())
            run_id = _rendezvous(first, mine, limit)
            store = _store(run_id, limit)
            dist.init_process_group(backend, store=store, rank=mine.rank, world_size=mine.world_size, timeout=limit)
            notes = _SharedNotes(mine, stop, patience, _store(run_id, limit))
    except KeyError as error:
        raise RequestError(f"{error} is not set.", "Start the processes with torchrun.") from error
    except (dist.DistError, RuntimeError) as error:
        raise ProcessLostError(f"The processes of the job did not find each other: {error}.") from error
    try:
        yield World(mine, notes)
        notes.wait_for_all()
    except Exception as error:
        first = notes.first_failure(error)
        if first is error:
            raise
        raise first from error
    finally:
        notes.close()
        # Not where a process is lost: it would wait for that one.
        if notes.all_are_well:
            dist.destroy_process_group()


def _is_kept_by_torchrun() -> bool:
    """Return whether torchrun keeps what the processes tell each other. Then it did so before it started them."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


@contextmanager
def _ended_with(parent: int, stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` where torchrun is killed meanwhile: the process would try for long to reach a store that is gone.

    Args:
        parent: The parent of this process at its start. A system that does not give it another one goes by patience alone.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            if os.getppid() != parent:
                stop_because(stop, ProcessLostError())
                return

    if _is_kept_by_torchrun():
        threading.Thread(target=watch, daemon=True, name="torchrun").start()
    try:
        yield
    finally:
        over.set()


def _store(prefix: str, limit: timedelta, keeps: bool = False) -> Any:
    """Return a new connection to where ``torchrun``, or else the process of rank 0, keeps what processes tell each other."""
    import torch.distributed as dist

    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # The process of rank 0 may come late. A torchrun that cannot be reached is gone.
    soon = timedelta(seconds=patience_s()) if _is_kept_by_torchrun() else limit
    store = dist.TCPStore(address, port, is_master=keeps, wait_for_workers=False, timeout=soon)  # type: ignore[attr-defined]
    store.set_timeout(limit)
    return dist.PrefixStore(prefix, store)  # type: ignore[attr-defined]


def _rendezvous(store: Any, mine: Share, limit: timedelta) -> str:
    """Return the id of this start of the job, on which all its processes agree.

    The store outlives processes that ``torchrun`` starts again, and so do the notes in it. Each process makes itself known
    by a word that was never used before, and is answered.
    """
    word, deadline = secrets.token_hex(8), time.monotonic() + limit.total_seconds()
    answered = set()  # A process that torchrun starts again comes with another word, and is answered again.

    def not_too_late() -> None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {limit.total_seconds():.0f} s")
        time.sleep(POLL_S / 2)

    if mine.rank > 0:
        welcome = f"false/welcome {mine.rank} {word}"
        store.set(f"false/hello {mine.rank}", word)
        while not store.check([welcome]):
            not_too_late()
        run_id: str = store.get(welcome).decode()
        store.set(f"{run_id}/here {mine.rank}", "")
        return run_id
    run_id = f"false/{word}"
    missing = set(range(1, mine.world_size))
    while missing:
        for rank in missing:
            if store.check([f"false/hello {rank}"]):
                theirs = store.get(f"false/hello {rank}").decode()
                if theirs not in answered:
                    store.set(f"false/welcome {rank} {theirs}", run_id)
                    answered.add(theirs)
        missing = {rank for rank in missing if not store.check([f"{run_id}/here {rank}"])}
        not_too_late()
    return run_id


class _SharedNotes:
    """The notes that processes leave for each other: signs of life, answers, failures.

    It is the store that ``torchrun`` keeps, over a connection of its own, so that a note can be read while this process
    waits for the others in a computation. torchrun alone ends all processes when one fails too, but without the reason, and
    one that hangs only after the time-out of the whole group.
    """

    def __init__(self, mine: Share, stop: threading.Event, patience: float, store: Any) -> None:
        self.mine, self.all_are_well = mine, True
        self._stop, self._patience = stop, patience
        self._store = store
        # The connection takes one question at a time, and the thread that watches asks over it too.
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._heard: dict[int, tuple[int, float]] = {}
        """The last sign of life of each process, and when it came by the clock of this one: those of computers differ."""
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="signs of life")
        self._watcher.start()

    def broadcast_object(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns in the process of rank 0."""
        if self.mine.is_main:
            answer = make()
            self._write(name, [answer])  # In a list, as None would be taken for nothing written yet.
            return answer
        return self._awaited(name)[0]

    def wait_for_all(self) -> None:
        """Return when all processes came this far."""
        self._write(f"done {self.mine.rank}", True)
        for rank in range(self.mine.world_size):
            self._awaited(f"done {rank}")
        # Where no torchrun keeps the store it lies in the process of rank 0, which must not take it away too soon.
        self._write(f"left {self.mine.rank}", True)
        if self.mine.is_main:
            self._wait(lambda: self._all_wrote("left"))

    def first_failure(self, error: Exception) -> Exception:
        """Return what to raise where this process met ``error``: the failure of another one, if that came first."""
        try:
            if isinstance(error, Cancelled):
                # Told by the user all are told at once, and by a torchrun that has lost a process all but that one.
                self._wait(lambda: self._failure() is not None or self._all_wrote("told to stop"))
            elif _is_of_a_connection(error):
                # Not a failure of this process: the one that caused it may be about to say what happened.
                self._wait(lambda: self._failure() is not None)
            told = self._failure()
            if told is not None:
                first: Exception = told
            elif _is_of_a_connection(error) or (isinstance(error, Cancelled) and not self._all_wrote("told to stop")):
                first = ProcessLostError()
            else:
                first = error
                self._write("failure", self._note(error))
        except RuntimeError:  # The store is gone, and what holds it.
            first = error if isinstance(error, FalseError) and not isinstance(error, Cancelled) else ProcessLostError()
        self.all_are_well = False
        return first

    def close(self) -> None:
        """Give no more signs of life."""
        self._ended.set()
        self._watcher.join(SIGN_OF_LIFE_S)

    def _awaited(self, name: str) -> Any:
        while True:
            found = self._read(name)
            if found is not None:
                return found
            raise_if_set(self._stop)
            time.sleep(POLL_S / 2)

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + FAILURE_REASON_S
        while not until() and time.monotonic() < deadline:
            time.sleep(POLL_S / 2)

    def _all_wrote(self, name: str) -> bool:
        return all(self._read(f"{name} {rank}") is not None for rank in range(self.mine.world_size))

    def _note(self, error: Exception) -> dict[str, Any]:
        if isinstance(error, FalseError):
            return {"what": error.what, "remedy": error.remedy, "code": error.code, "rank": self.mine.rank}
        return {"what": f"{type(error).__name__}: {error}.", "remedy": "", "code": "bug", "rank": self.mine.rank}

    def _failure(self) -> FalseError | None:
        """Return the failure of another process, if there is one."""
        note = self._read("failure")
        if note is None or note["rank"] == self.mine.rank:
            return None
        where = "" if note["code"] == Cancelled.code else f" (Process {note['rank'] + 1} of {self.mine.world_size}.)"
        return failure_of_code(note["code"], note["what"] + where, note["remedy"])

    def _watch(self) -> None:
        """Give signs of life, and look for those of the others and for their failures."""
        beats, beaten = 0, -math.inf
        told: float | None = None
        silent: FalseError | None = None
        while not self._ended.wait(POLL_S):
            try:
                if time.monotonic() - beaten > SIGN_OF_LIFE_S:
                    beats, beaten = beats + 1, time.monotonic()
                    self._write(f"alive {self.mine.rank}", beats)
                    silent = self._silent()
                if self._stop.is_set() and told is None:
                    told = time.monotonic()
                    self._write(f"told to stop {self.mine.rank}", True)
                if told is not None and time.monotonic() - told > FAILURE_REASON_S and not self._all_wrote("told to stop"):
                    silent = ProcessLostError()
                failure = self._failure() or silent
            except RuntimeError:  # The store is gone.
                failure = ProcessLostError()
            if failure is not None and not self._ended.is_set():
                stop_because(self._stop, failure)
                # A computation that waits for a process that is gone ends with this one only.
                if not self._ended.wait(TO_END_S):
                    discard_unfinished()
                    os._exit(failure.exit_code)
                return

    def _silent(self) -> FalseError | None:
        """Return what to end with where one of the others has given no sign of life for too long."""
        now = time.monotonic()
        for rank in range(self.mine.world_size):
            beats = self._read(f"alive {rank}") or 0
            before, since = self._heard.get(rank, (-1, now))
            self._heard[rank] = (beats, since if beats == before else now)
            if now - self._heard[rank][1] > self._patience and self._read(f"done {rank}") is None:
                return ProcessLostError()
        return None

    def _write(self, name: str, value: Any) -> None:
        with self._lock:
            self._store.set(name, json.dumps(value))

    def _read(self, name: str) -> Any:
        """Return what stands under ``name``, or None."""
        with self._lock:
            return json.loads(self._store.get(name)) if self._store.check([name]) else None


def _is_of_a_connection(error: Exception) -> bool:
    """Return whether ``error`` says that the processes do not reach each other."""
    import torch.distributed as dist

    words = ("gloo", "nccl", "connection", "socket", "timed out", "peer")
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
