"""Plays ``python -m false_core run JOB.json --events`` and behaves as its first argument says. Standard library only."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from fake_worker import say, started


def main() -> int:
    mode, path = sys.argv[1], Path(sys.argv[sys.argv.index("run") + 1])
    assert sys.argv[-1] == "--events"
    assert Path(os.environ["PYTHONPATH"], "false_core", "cli.py").is_file()
    job = json.loads(path.read_text("utf-8"))
    if mode == "another version":
        started("9.9.9")
    else:
        started()
    if mode == "talks":
        print("Downloading: 100%", flush=True)
        time.sleep(60)
    if mode == "fails":
        say("failed", what=f"The raster {job['raster']} is not there.", remedy="Choose another.", code="input")
        return 1
    if mode == "listens":
        assert sys.stdin.readline() == "here\n"
        while sys.stdin.readline() not in ("cancel\n", ""):
            continue
        return 3
    if mode == "watches its file":
        while path.exists():
            time.sleep(0.05)
        return 3
    if mode == "checks":
        say("finished", outputs={"device": "cpu"})
        return 0
    say("progress", fraction=0.5, stage="Classifying", eta_s=None, rate="")
    say("artifact", kind="output", path=job["output"])
    if mode != "writes nothing":
        Path(job["output"]).write_bytes(json.dumps(job).encode())
    say("finished", outputs={"output": job["output"], "pixels": 12})
    return 0


if __name__ == "__main__":
    sys.exit(main())
