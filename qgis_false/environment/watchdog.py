"""Ends what QGIS has started when QGIS itself is gone and cannot: it crashed, or was killed.

QGIS starts this file once, with a plain Python, and tells it on stdin whom to look after: ``+ID`` for a process that it has
started as the head of a group, ``-ID`` when that one is no more. The same with a path, as JSON, for a folder with the files
of a job: one that another program started, as Slurm does it for ``sbatch``, hears of nothing but that its file is gone. The
end of stdin means that QGIS is gone: a pipe ends with the process that holds it, whatever that one died of. Standard library
only, as it runs on its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Dict, Iterable, List, Optional, Set, Tuple

IS_WINDOWS = os.name == "nt"
TERMINATION_S = 2.0
"""Seconds that processes may take which were told to end. A job ends within ``events.CANCEL_DEADLINE_S``."""
EXIT_POLL_S = 0.05
LISTING_S = 5.0
"""Seconds that the system may take to list its processes."""
FOLDER_PREFIX = "false-"
"""The beginning of the name of a folder that may be removed."""

Process = Tuple[int, str]
"""Its id and, as the system gives ids anew, when it was started."""


def process_tree(leader: int) -> Set[Process]:
    """Return the processes in the group of ``leader`` and those that it or they have started, in whatever group.

    ``torchrun`` puts what it starts into groups of their own. On Windows it is none: there ``taskkill`` finds them.
    """
    if IS_WINDOWS:
        return set()
    known = _processes()
    found = {one for one, (_, _, group) in known.items() if leader in (one, group)}
    grown = True
    while grown:
        more = {one for one, (_, parent, _) in known.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return {(one, known[one][0]) for one in found}


def kill_all(processes: Iterable[Process]) -> None:
    """Kill those of ``processes`` that still run."""
    known = _processes()
    for one, since in processes:
        if one in known and known[one][0] == since and one != os.getpid():
            try:
                os.kill(one, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # It has just gone.


def _processes() -> Dict[int, Tuple[str, int, int]]:
    """Return when each running process was started, its parent and its group. Those that are dead are left out."""
    found = {}
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return _listed()
    for number in numbers:
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                # The name, in brackets, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # It is gone by now.
        if len(fields) > 19 and fields[0] not in (b"Z", b"X"):
            found[int(number)] = (fields[19].decode(), int(fields[1]), int(fields[2]))
    return found or _listed()


def _listed() -> Dict[int, Tuple[str, int, int]]:
    """Return the same where there is no /proc, as on macOS."""
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat=,lstart="]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LISTING_S)
    except (OSError, subprocess.SubprocessError):
        return {}
    found = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        fields = line.split(None, 4)
        if len(fields) == 5 and not fields[3].startswith("Z"):
            found[int(fields[0])] = (fields[4], int(fields[1]), int(fields[2]))
    return found


def end_all(leaders: List[int]) -> None:
    """End the groups of ``leaders`` and all they started: first they are told to, then they are killed."""
    if IS_WINDOWS:
        time.sleep(TERMINATION_S)  # Nothing there is told politely; the end of stdin is what a job hears.
        for leader in leaders:
            command = ["taskkill", "/T", "/F", "/PID", str(leader)]
            subprocess.run(command, capture_output=True, check=False, timeout=LISTING_S)
        return
    wanted = set().union(*map(process_tree, leaders))
    for leader in leaders:
        _signal(leader, signal.SIGTERM)
    deadline = time.monotonic() + TERMINATION_S
    while time.monotonic() < deadline:
        wanted |= set().union(*map(process_tree, leaders))
        known = _processes()
        wanted = {(one, since) for one, since in wanted if one in known and known[one][0] == since}
        if not wanted:
            return
        time.sleep(EXIT_POLL_S)
    kill_all(wanted)


def _signal(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass  # No process is left there.


def remove_all(folders: Iterable[str]) -> None:
    """Remove ``folders`` with what is in them, as far as the system allows it."""
    for folder in folders:
        if os.path.basename(folder).startswith(FOLDER_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)


def main(lines: Optional[Iterable[bytes]] = None) -> None:
    """Listen, and end in the end whom QGIS has left behind."""
    os.chdir(os.path.abspath(os.sep))  # So that no folder is in use because of this.
    leaders: Set[int] = set()
    folders: Set[str] = set()
    for line in lines if lines is not None else iter(sys.stdin.buffer.readline, b""):
        try:
            one = json.loads(line[1:])
        except ValueError:
            continue
        known = leaders if isinstance(one, int) else folders
        (known.add if line.startswith(b"+") else known.discard)(one)
    remove_all(folders)
    if leaders:
        end_all(sorted(leaders))
    remove_all(folders)  # Windows keeps the files that a process has open.


if __name__ == "__main__":
    main()
