"""Sees to it that what was started here does not outlive QGIS, however QGIS ends: see ``warden``."""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from pathlib import Path
from typing import Dict, List, Optional, Set, Tuple

from qgis_false.environment import warden

FAREWELL_S = 0.5
"""How long the warden may take to go when QGIS ends."""


class Guard:
    """Speaks to the warden, which is started when there is somebody to look after for the first time.

    Where there is no Python to run it with, nobody is looked after. A job still notices that its stdin has ended then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Jobs run in threads.
        self._leaders: Set[int] = set()
        self._process: Optional[subprocess.Popen] = None

    def watch(self, leader: int) -> None:
        """Look after a process, the head of a group, and all it starts."""
        with self._lock:
            self._leaders.add(leader)
            if self._process is None or not self._told([f"+{leader}"]):
                # The first one, or the last one was killed, or is stuck. It must not end the jobs when it comes to itself.
                if self._process is not None:
                    self._process.kill()
                self._process = _started()
                self._told([f"+{one}" for one in sorted(self._leaders)])

    def forget(self, leader: int) -> None:
        """It has ended, and all it has started."""
        with self._lock:
            if leader in self._leaders:
                self._leaders.discard(leader)
                self._told([f"-{leader}"])

    def close(self) -> None:
        """QGIS ends, as it should."""
        with self._lock:
            if self._process is None or self._process.stdin is None:
                return
            self._process.stdin.close()
            try:
                self._process.wait(FAREWELL_S)
            except subprocess.TimeoutExpired:
                pass  # It has somebody to end.

    def _told(self, lines: List[str]) -> bool:
        if self._process is None or self._process.stdin is None or self._process.poll() is not None:
            return False
        try:
            # Little enough for the pipe to take it at once.
            os.write(self._process.stdin.fileno(), "".join(f"{line}\n" for line in lines).encode())
        except OSError:  # It has just gone, or is stuck and its pipe full.
            return False
        return True


GUARD = Guard()
"""Of this QGIS."""
atexit.register(GUARD.close)


def _started() -> Optional[subprocess.Popen]:
    from qgis_false.environment.processes import own_process_group  # They start programs through this.

    found = _plain_python()
    if found is None:
        return None
    python, variables = found
    # -I would hide the PYTHONHOME that the interpreter of the macOS app needs.
    isolation = "-s" if "PYTHONHOME" in variables else "-I"
    try:
        process = subprocess.Popen(
            # Without packages, as it is to be there at once.
            [python, isolation, "-S", str(Path(warden.__file__))], env=variables, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0, **own_process_group(),
        )  # fmt: skip
    except OSError:
        return None
    if process.stdin is not None and not warden.WINDOWS:
        os.set_blocking(process.stdin.fileno(), False)
    return process


def _plain_python() -> Optional[Tuple[str, Dict[str, str]]]:
    """Return the Python that comes with QGIS, or else the one that computes, and the variables to start it with."""
    from qgis_false.environment.host import this_host
    from qgis_false.environment.interpreters import NoEnvironment, candidates, find_interpreter, interpreter_variables
    from qgis_false.environment.variables import compute_variables

    host = this_host()
    variables = compute_variables(host)
    for candidate in candidates(host):
        if candidate.of_qgis:
            return candidate.path, interpreter_variables(candidate, variables)
    try:
        return str(find_interpreter().path), variables
    except NoEnvironment:
        return None
