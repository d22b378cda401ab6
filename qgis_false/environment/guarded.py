"""Sees to it that what was started here does not outlive QGIS, however QGIS ends: see ``warden``."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple, Union

from qgis_false.environment import warden

FAREWELL_S = 0.5
"""How long the warden may take to go when QGIS ends."""


class Guard:
    """Speaks to the warden, which is started when there is somebody to look after for the first time.

    Where there is no Python to run it with, nobody is looked after. A job still notices that its stdin has ended then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # Jobs run in threads.
        self._looked_after: Set[str] = set()
        self._process: Optional[subprocess.Popen] = None

    def watch(self, one: Union[int, str]) -> None:
        """Look after a process, the head of a group, and all it starts; or after a folder with the files of a job."""
        with self._lock:
            name = json.dumps(one)
            self._looked_after.add(name)
            if self._process is None or not self._told([f"+{name}"]):
                # The first one, or the last one was killed, or is stuck. It must not end the jobs when it comes to itself.
                if self._process is not None:
                    self._process.kill()
                self._process = _started()
                self._told([f"+{known}" for known in sorted(self._looked_after)])

    def forget(self, one: Union[int, str]) -> None:
        """It has ended, and all it has started; or the folder is gone."""
        with self._lock:
            name = json.dumps(one)
            if name in self._looked_after:
                self._looked_after.discard(name)
                self._told([f"-{name}"])

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


@contextmanager
def folder_for_a_job(parent: str) -> Iterator[str]:
    """Make a folder in ``parent`` for the files of a job. It is removed in the end, and also where QGIS is gone before."""
    folder = ""
    try:
        with tempfile.TemporaryDirectory(prefix=warden.FOLDER, dir=parent) as folder:
            GUARD.watch(folder)
            yield folder
    finally:
        GUARD.forget(folder)


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
