"""Plays torchrun, srun and ssh: stays in the foreground, talks of its own, and starts what comes after its own arguments.

The first argument names how it behaves, the second a file in which it leaves the id of what it started. Standard library
only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def note(process_id: int) -> None:
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(str(process_id))


def main() -> int:
    mode, command = sys.argv[1], sys.argv[3:]
    if mode == "fails":
        print("Connecting ...", flush=True)
        print("error: there is no partition called gpus", file=sys.stderr)
        return 4
    if mode == "waits in a queue":
        note(os.getpid())
        print("job 17 is queued and waits for resources", file=sys.stderr, flush=True)
        time.sleep(60)
    if mode == "replaces itself":
        print("Welcome to the cluster", flush=True)
        os.execv(command[0], command)
    print("Welcome to the cluster", flush=True)
    print('{"mood": "good"}', flush=True)
    print("Last login: a long time ago", file=sys.stderr, flush=True)
    streams = {}
    if mode == "passes on nothing":  # As sbatch --wait does.
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    if mode == "is deaf":
        streams = {"stdin": subprocess.DEVNULL}
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # In a session of its own, as torchrun does it: a signal to the group of the launcher does not get there.
    child = subprocess.Popen(command, start_new_session=True, **streams)
    note(child.pid)
    return 1 if child.wait() else 0


if __name__ == "__main__":
    sys.exit(main())
