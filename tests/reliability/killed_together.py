"""Kill processes that do one job together under torchrun, at random moments: see ``kill_at_random.py``. Linux only.

What is killed is drawn: one process, after which torchrun ends the others or, where it was told to, starts all of them
again; all of them and torchrun; or torchrun alone, which leaves the others to themselves.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from job_server import ROOT
from killed_jobs import DONE, GROW, HIGH, JOBS, SHRINK, YOUNG_S, Tally, classify_job, contents, names, outputs

from false_core.jobs import to_json

RANK, RESTARTED, ALL, LAUNCHER = "one process", "one, and torchrun goes on", "all with torchrun", "torchrun alone"
CHOICE = (RANK, RANK, RESTARTED, ALL, ALL, LAUNCHER)
ONE_IN_CALLS, ONE_IN_EARLY = 3, 6
"""Of those where one process is killed, at a system call; of the others, while Python and torch are still loaded."""
AT_A_CALL = "at a system call"
LOADING = "while torch was loaded"
MOST_S = 900.0
GONE_S = 20.0
"""How long others may take to end after a kill."""
LOOK_AGAIN_S = 0.005
OF_TORCHRUN = "torchelastic_"
"""Start of the names of folders that torchrun makes for what its processes say. One that is killed leaves them."""


@dataclass(frozen=True)
class Running:
    """Processes at work.

    Attributes:
        launcher: torchrun, or the only process.
        token: A variable that only these processes have.
    """

    launcher: subprocess.Popen[bytes]
    token: str

    def alive(self) -> dict[int, str]:
        """Return the rank of each process that is alive by its number; empty for torchrun."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):  # Of somebody else, or gone.
                variables = (folder / "environ").read_bytes().split(b"\0")
                if self.token.encode() in variables:
                    ranks = [text[5:].decode() for text in variables if text.startswith(b"RANK=")]
                    found[int(folder.name)] = "".join(ranks)
        return found

    def kill(self, wanted: Callable[[str], bool]) -> int:
        """Kill those with such ranks and return how many they are."""
        killed = 0
        for number, rank in self.alive().items():
            if wanted(rank):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                    killed += 1
        return killed


class TrialOfSeveral:
    """A job that several processes do, and the folder in which they are killed."""

    def __init__(self, name: str, folder: Path, seed: int, processes: int) -> None:
        self.folder, self.out, self.cache = folder, folder / "out", folder / "cache"
        self._notes, self._temporary = folder / "notes", folder / "temporary"
        self._processes = processes
        self._chance, self.tally = random.Random(seed), Tally()
        self._killed = classify_job(folder, HIGH * processes) if name == "classify" else JOBS[name](folder)
        self._job = folder / "job.json"
        self._job.write_text(to_json(self._killed.job), encoding="utf-8")
        self._inputs = contents(folder)
        self.longest_left: dict[str, float] = {}
        # Adding up gradients rounds in another way with another number of processes. A map is the same.
        self._clear()
        self._finished(1 if name == "classify" else processes)
        self._outputs, self._left = outputs(self.out), names(self.cache)
        self._clear()
        began = time.monotonic()
        self._finished(processes)
        self.seconds = time.monotonic() - began
        self._loading = max(path.stat().st_mtime for path in self._notes.glob("ready-*")) - self._began
        self._longest = self.seconds - self._loading
        done = self._done()
        self._calls = {rank: done[rank]["calls"] for rank in done}
        self._parts = sum(len(one["made"]) for one in done.values())
        self._compare("undisturbed")
        loading = f"{self._loading:.1f} s until all have loaded, {self.seconds:.1f} s in all"
        print(
            f"{processes} processes, {self._parts} parts: {loading}; system calls {self._calls}", file=sys.stderr, flush=True
        )

    def kill(self, number: int) -> None:
        """Kill some process or all, let the job go on, and look."""
        self._clear()
        what = self._chance.choice(CHOICE)
        at_call = what in (RANK, RESTARTED) and self._chance.randrange(ONE_IN_CALLS) == 0
        rank = self._chance.randrange(self._processes)
        variables = {"KILLED_RANK": str(rank), "KILLED_BEFORE": str(self._chance.randint(1, self._calls[rank]))}
        with self._started(self._processes, int(what == RESTARTED), variables if at_call else {}) as running:
            stage, what = self._disturb(running, what, str(rank), at_call)
            label = f"{number + 1}: {what}, {stage}"
            if what == RESTARTED:
                self._wait(running)
                if running.launcher.returncode:
                    self._problem(label, f"torchrun ended with {running.launcher.returncode}: {self._last_words()}")
                self._gone(running, label, what)
            else:
                self._gone(running, label, what)
                if at_call and stage != DONE:
                    stage = f"{AT_A_CALL}, {self._killed.stage_of(self.out, self.cache)}"
                    label = f"{number + 1}: {what}, {stage}"
        self.tally.killed[f"{what} | {stage}"] += 1
        if any(content != self._outputs.get(file) for file, content in outputs(self.out).items()):
            self._problem(label, "an output is not whole")
        if what != RESTARTED:
            kept = len(list(self.out.glob(".*.strips/strip-*/contents.json")))
            time.sleep(YOUNG_S)
            self._forget_notes()
            if not self._finished(self._processes, label):
                return
            made = sum(len(one["made"]) for one in self._done().values())
            self.tally.went_on += bool(kept)
            if self._parts and kept + made != self._parts and not stage.endswith(DONE):
                self._problem(label, f"{kept} parts were kept and {made} made, of {self._parts}")
        self._compare(label)
        print(f"  {label}; differences so far: {len(self.tally.problems)}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Look at the inputs once more."""
        now = contents(self.folder)
        if {name: now.get(name) for name in self._inputs} != self._inputs:
            self.tally.problems.append("an input was changed")

    def table(self) -> str:
        """Return how often what was killed, and when."""
        whats = (RANK, RESTARTED, ALL, LAUNCHER)
        killed = self.tally.killed
        stages = sorted({key.partition(" | ")[2] for key in killed})
        lines = ["| killed | " + " | ".join(whats) + " |", "|---" * (len(whats) + 1) + "|"]
        lines += [
            f"| {stage} | " + " | ".join(str(killed[f"{what} | {stage}"]) for what in whats) + " |" for stage in stages
        ]
        sums = [sum(number for key, number in killed.items() if key.startswith(what + " | ")) for what in whats]
        lines.append("| **kills** | " + " | ".join(map(str, sums)) + " |")
        gone = [f"{self.longest_left.get(what, 0.0):.1f} s" for what in whats]
        lines.append("| until no process was left, at most | " + " | ".join(gone) + " |")
        return "\n".join(lines)

    def _disturb(self, running: Running, what: str, rank: str, at_call: bool) -> tuple[str, str]:
        """Kill something. Return how far the job was, and what was killed in the end."""
        if at_call:
            self._wait(running, until=lambda: running.launcher.poll() is not None)
            came = (self._notes / "restarted").exists() if what == RESTARTED else running.launcher.returncode != 0
            return (AT_A_CALL if came else DONE), what
        early = self._chance.randrange(ONE_IN_EARLY) == 0
        if early:
            self._pause(running, self._chance.uniform(0, self._loading))
        else:
            ready = [self._notes / f"ready-{number}" for number in range(self._processes)]
            self._wait(running, until=lambda: all(path.exists() for path in ready))
            self._pause(running, self._chance.uniform(0, self._longest))
        wanted = {RANK: rank.__eq__, RESTARTED: rank.__eq__, ALL: lambda _: True, LAUNCHER: lambda text: not text}[what]
        over = running.launcher.poll() is not None
        if not over and not running.kill(wanted):
            if running.launcher.poll() is None and early:  # Before there are any but torchrun.
                what = ALL
                running.kill(lambda _: True)
            else:
                over = True
        stage = DONE if over else self._killed.stage_of(self.out, self.cache)
        if not early:
            self._longest *= SHRINK if stage == DONE else GROW
        elif not over and not any(self.out.iterdir()):
            stage = LOADING
        return stage, what

    def _compare(self, label: str) -> None:
        if outputs(self.out) != self._outputs:
            self._problem(label, "the outputs differ")
        temporary = {path.name for path in self._temporary.iterdir() if not path.name.startswith(OF_TORCHRUN)}
        for where, found, wanted in (
            ("out", names(self.out), set(self._outputs)),
            ("cache", names(self.cache), self._left),
            ("temporary", temporary, set()),
        ):
            if found != wanted:
                self._problem(label, f"left behind in {where}: {sorted(found ^ wanted)}")

    def _finished(self, processes: int, label: str = "") -> bool:
        """Do the job to its end. Return whether it succeeded; where it must, end this program."""
        with self._started(processes, 0, {}) as running:
            self._wait(running)
            self._gone(running, label or "undisturbed", DONE)
        if running.launcher.returncode:
            if not label:
                raise SystemExit(f"The job fails: {self._last_words()}")
            self._problem(label, f"it does not go on: {self._last_words()}")
        return running.launcher.returncode == 0

    @contextmanager
    def _started(self, processes: int, restarts: int, variables: dict[str, str]) -> Iterator[Running]:
        """Start the job. Whatever is left of it in the end is killed."""
        word = secrets.token_hex(8)
        several = [
            "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", f"--max-restarts={restarts}",
        ]  # fmt: skip
        program = [str(Path(__file__).with_name("killed_rank.py")), "run", str(self._job)]
        command = [sys.executable, *(several if processes > 1 else []), *program]
        environment = {
            **os.environ, **variables, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "FALSE_CACHE": str(self.cache),
            "TMPDIR": str(self._temporary), "KILLED_NOTES": str(self._notes), "KILLED_WORD": word,
        }  # fmt: skip
        self._began = time.time()
        with (self.folder / "said.txt").open("wb") as said:
            launcher = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        running = Running(launcher, f"KILLED_WORD={word}")
        try:
            yield running
        finally:
            running.kill(lambda _: True)
            launcher.wait()

    def _wait(self, running: Running, until: Callable[[], bool] = lambda: False) -> None:
        """Wait until something holds, or the job has ended."""
        deadline = time.monotonic() + MOST_S
        while running.launcher.poll() is None and not until():
            if time.monotonic() > deadline:
                raise SystemExit(f"It hangs: {running.alive()}, {self._last_words()}")
            time.sleep(LOOK_AGAIN_S)

    def _pause(self, running: Running, seconds: float) -> None:
        ends = time.monotonic() + seconds
        self._wait(running, until=lambda: time.monotonic() > ends)

    def _gone(self, running: Running, label: str, what: str) -> None:
        """Wait until no process is left."""
        began = time.monotonic()
        while running.alive():
            if time.monotonic() - began > GONE_S:
                self._problem(label, f"still there after {GONE_S:.0f} s: {running.alive()}")
                return
            running.launcher.poll()  # Else it stays as a zombie.
            time.sleep(0.02)
        self.longest_left[what] = max(self.longest_left.get(what, 0.0), time.monotonic() - began)

    def _done(self) -> dict[int, dict[str, Any]]:
        """Return what each process said of its work, by rank."""
        return {
            int(path.stem.partition("-")[2]): json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(self._notes.glob("done-*.json"))
        }

    def _last_words(self) -> str:
        return (self.folder / "said.txt").read_text(encoding="utf-8", errors="replace")[-3000:]

    def _clear(self) -> None:
        for folder in (self.out, self.cache, self._notes, self._temporary):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.out, self._notes, self._temporary):
            folder.mkdir()

    def _forget_notes(self) -> None:
        shutil.rmtree(self._notes)
        self._notes.mkdir()

    def _problem(self, label: str, what: str) -> None:
        self.tally.problems.append(f"{label}: {what}")
        print(self.tally.problems[-1], file=sys.stderr, flush=True)
