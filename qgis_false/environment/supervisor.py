"""Supervision of what this plugin has started: all of it ends with QGIS, however QGIS ends. See ``watchdog``."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple, Union

from qgis_false.environment import watchdog

# Python has these names on Windows only.
_NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0x08000000)
_NEW_GROUP: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200)
PlainPython = Tuple[str, Dict[str, str]]
"""An interpreter, and the variables to start it with."""
WATCHDOG_EXIT_S = 0.5
"""Seconds that the watchdog may take to go when QGIS ends."""


def own_process_group() -> Dict[str, Any]:
    """Keep Ctrl-C in the terminal from reaching the process, and make it possible to end it with all it started."""
    if watchdog.IS_WINDOWS:
        return {"creationflags": _NO_WINDOW | _NEW_GROUP}
    return {"start_new_session": True}


def quiet_start() -> Dict[str, Any]:
    """Return what keeps Windows from opening a console for a short call."""
    return {"creationflags": _NO_WINDOW} if watchdog.IS_WINDOWS else {}


class Supervisor:
    """The list of what runs, which is told to the watchdog. That is started with the first entry.

    Without a Python to run the watchdog with, there is none. A job still notices that its stdin has ended then.

    Attributes:
        find_python: Returns the Python to run the watchdog with, or None. The plugin sets it: finding one starts programs,
            which are supervised themselves.
    """

    def __init__(self, find_python: Callable[[], Optional[PlainPython]] = lambda: None) -> None:
        self.find_python = find_python
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
                self._process = _started(self.find_python())
                self._told([f"+{known}" for known in sorted(self._looked_after)])

    def unwatch(self, one: Union[int, str]) -> None:
        """Look no longer after what has ended, with all it started, or after a folder that is gone."""
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
                self._process.wait(WATCHDOG_EXIT_S)
            except subprocess.TimeoutExpired:
                pass  # It still has processes to end.

    def _told(self, lines: List[str]) -> bool:
        if self._process is None or self._process.stdin is None or self._process.poll() is not None:
            return False
        try:
            # Little enough for the pipe to take it at once.
            os.write(self._process.stdin.fileno(), "".join(f"{line}\n" for line in lines).encode())
        except OSError:  # It has just gone, or is stuck and its pipe full.
            return False
        return True


SUPERVISOR = Supervisor()
"""The supervisor of this QGIS."""
atexit.register(SUPERVISOR.close)


@contextmanager
def folder_for_a_job(parent: str) -> Iterator[str]:
    """Make a folder in ``parent`` for the files of a job. It is removed in the end, and also where QGIS is gone before."""
    folder = ""
    try:
        with tempfile.TemporaryDirectory(prefix=watchdog.FOLDER_PREFIX, dir=parent) as folder:
            SUPERVISOR.watch(folder)
            yield folder
    finally:
        SUPERVISOR.unwatch(folder)


def _started(found: Optional[PlainPython]) -> Optional[subprocess.Popen]:
    if found is None:
        return None
    python, variables = found
    # -I would hide the PYTHONHOME that the interpreter of the macOS app needs.
    isolation = "-s" if "PYTHONHOME" in variables else "-I"
    try:
        process = subprocess.Popen(
            # Without packages, as it is to be there at once.
            [python, isolation, "-S", str(Path(watchdog.__file__))], env=variables, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0, **own_process_group(),
        )  # fmt: skip
    except OSError:
        return None
    if process.stdin is not None and not watchdog.IS_WINDOWS:
        os.set_blocking(process.stdin.fileno(), False)
    return process
