"""Kill a small job with SIGKILL at random moments, start it again, and look at what comes of it.

    python tests/reliability/kill_at_random.py pretrain        100 times
    python tests/reliability/kill_at_random.py finetune 30      30 times
    python tests/reliability/kill_at_random.py classify --seed 1
    python tests/reliability/kill_at_random.py classify 50 --processes 2      see killed_together.py

Two kills in three come at a moment that is drawn from the time that the job takes. The third comes before one of its system
calls that publish something (fsync, rename and the like), as these last too short to be met by chance. One job in three is
killed again when it goes on.

After each: what has the name of an output is whole, the same command goes on with what was kept, its outputs are bit for bit
those of an undisturbed run, nothing is left but them, and no input was changed. Prints a table for docs/reliability.md. Exit
code 1 where anything differed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from job_server import Order, Server
from killed_jobs import DONE, GROW, JOBS, SHRINK, YOUNG_S, Tally, contents, names, outputs
from killed_together import TrialOfSeveral

from false_core.jobs import to_json

ONE_IN = 3
"""Kills that come at a system call, and jobs that are killed again."""
WENT_ON = "Going on "


class Trial:
    """A job, and the folder in which it is killed."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self.folder, self.out, self.cache = folder, folder / "out", folder / "cache"
        self._said = folder / "said.json"
        self._chance, self.tally = random.Random(seed), Tally()
        self._killed = JOBS[name](folder)
        self._job = to_json(self._killed.job)
        self._inputs = contents(folder)
        self._server = Server(self.cache)
        self.out.mkdir()
        began = time.monotonic()
        if self._server.do(Order(self._job, str(self._said))):
            raise SystemExit("The job fails.")
        self.seconds = self._longest = time.monotonic() - began
        self._calls = int(self._heard()["calls"])
        self._outputs, self._left = outputs(self.out), names(self.cache)

    def kill(self, number: int) -> None:
        """Kill the job once or twice, let it go on, and look."""
        for folder in (self.out, self.cache):
            shutil.rmtree(folder, ignore_errors=True)
        self.out.mkdir()
        stage = self._disturb(number, self.tally.killed)
        if number % ONE_IN == 1:
            stage += ", then " + self._disturb(number, self.tally.again)
        kept = self._killed.keeps(self.out, self.cache)
        time.sleep(YOUNG_S)
        if self._server.do(Order(self._job, str(self._said))):
            self._problem(number, stage, f"it does not go on: {self._heard()['said']}")
            return
        went_on = any(text.startswith(WENT_ON) for text in self._heard()["said"])
        self.tally.went_on += went_on
        if kept and not went_on and not stage.endswith(DONE):
            self._problem(number, stage, "it began anew")
        if outputs(self.out) != self._outputs:
            self._problem(number, stage, "the outputs differ")
        for folder, wanted in ((self.out, set(self._outputs)), (self.cache, self._left)):
            if names(folder) != wanted:
                self._problem(number, stage, f"left behind in {folder.name}: {sorted(names(folder) ^ wanted)}")
        print(f"  {number + 1}: {stage}; differences so far: {len(self.tally.problems)}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Look at the inputs once more."""
        self._server.close()
        now = contents(self.folder)
        if {name: now.get(name) for name in self._inputs} != self._inputs:
            self.tally.problems.append("an input was changed")

    def _disturb(self, number: int, counter: Counter[str]) -> str:
        """Kill the job somewhere, and return where."""
        if number % ONE_IN == 0:
            call = self._chance.randint(1, self._calls)
            status = self._server.do(Order(self._job, str(self._said), kill_before=call))
        else:
            moment = time.time() + self._chance.uniform(0, self._longest)
            status = self._server.do(Order(self._job, str(self._said), kill_at=moment))
        stage = self._killed.stage_of(self.out, self.cache) if status else DONE
        counter[stage] += 1
        if number % ONE_IN:
            # On a busy machine it takes longer now and less then.
            self._longest *= SHRINK if stage == DONE else GROW
        if any(content != self._outputs.get(file) for file, content in outputs(self.out).items()):
            self._problem(number, stage, "an output is not whole")
        return stage

    def _heard(self) -> dict[str, list[str]]:
        return dict(json.loads(self._said.read_text(encoding="utf-8")))

    def _problem(self, number: int, stage: str, what: str) -> None:
        self.tally.problems.append(f"{number + 1}: {what} ({stage})")
        print(self.tally.problems[-1], file=sys.stderr, flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Kill a job at random moments.")
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("times", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="That do the job together, under torchrun.")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        trial: Trial | TrialOfSeveral
        if choice.processes > 1:
            trial = TrialOfSeveral(choice.job, Path(name), choice.seed, choice.processes)
        else:
            trial = Trial(choice.job, Path(name), choice.seed)
        for number in range(choice.times):
            trial.kill(number)
        trial.end()
    tally = trial.tally
    print(f"{choice.job}: undisturbed {trial.seconds:.1f} s, {choice.times} kills, {tally.again.total()} second ones\n")
    if isinstance(trial, TrialOfSeveral):
        print(trial.table())
    else:
        print("| killed | times | again |\n|---|---|---|")
        for stage in sorted(tally.killed | tally.again):
            print(f"| {stage} | {tally.killed[stage]} | {tally.again[stage]} |")
        print(f"| **all** | {tally.killed.total()} | {tally.again.total()} |")
    print(f"\nwent on with what was kept: {tally.went_on}; differences: {len(tally.problems)}")
    if tally.problems:
        raise SystemExit("\n".join(tally.problems))


if __name__ == "__main__":
    main()
