"""Plays the compute process and misbehaves in one way, named by its first argument. Standard library only."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(event: str, **body: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **body}) + "\n")
    sys.stdout.flush()


def started(version: str = "") -> None:
    say("started", job="classify", version=version or plugin_version(), pid=os.getpid())


def plugin_version() -> str:
    library = Path(__file__).resolve().parents[2] / "false_core" / "__init__.py"
    return re.search(r'__version__ = "(.+)"', library.read_text("utf-8"))[1]


def half_written(job: dict) -> None:
    """Leave behind what a killed job leaves behind."""
    folder, name = os.path.split(job["output"])
    scratch = os.path.join(folder, f".{name}.0badcafe.partial")
    os.mkdir(scratch)
    open(os.path.join(scratch, name), "wb").close()


def write_outputs(job: dict) -> dict:
    with open(job["output"], "wb") as file:
        file.write(b"a map")
    return {"output": job["output"], "pixels": 12}


def remember(process_id: int) -> None:
    """Leave a process id where the test can find it."""
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(str(process_id))


def main() -> int:
    mode = sys.argv[1]
    if mode == "does not read the job":
        time.sleep(60)
    line = sys.stdin.readline()
    job = json.loads(line)
    if mode == "silent":
        remember(os.getpid())
        started()
        time.sleep(60)
    elif mode == "well behaved":
        started()
        say("progress", fraction=0.25, stage="Reading", eta_s=None, rate="")
        say("progress", fraction=0.5, stage="Classifying", eta_s=90.0, rate="12 tiles/s")
        say("message", level="info", text="On the CPU.")
        say("message", level="warning", text="No pixel is like the labels.")
        say("metric", step=1, name="loss", value=0.5)
        print("library chatter", file=sys.stderr)
        say("artifact", kind="output", path=job["output"])
        say("finished", outputs=write_outputs(job))
    elif mode == "garbage":
        started()
        sys.stdout.write("Downloading: 100%\n")
        sys.stdout.flush()
        time.sleep(60)
    elif mode == "binary garbage":
        started()
        sys.stdout.buffer.write(b"\xff\xfe\x00" * 100 + b"\n")
        sys.stdout.flush()
        time.sleep(60)
    elif mode == "endless line":
        started()
        while True:
            sys.stdout.write("x" * 65536)
    elif mode == "flood":
        started()
        for _ in range(20_000):
            print("chatter " * 10, file=sys.stderr)
            say("progress", fraction=0.5, stage="Flooding", eta_s=1.0, rate="")
        say("finished", outputs=write_outputs(job))
    elif mode == "endless flood":
        remember(os.getpid())
        started()
        while True:
            print("chatter", file=sys.stderr)
            say("progress", fraction=0.5, stage="Flooding", eta_s=1.0, rate="")
    elif mode == "crash":
        started()
        half_written(job)
        print("Fatal: a pointer to nowhere", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif mode == "out of memory":
        started()
        half_written(job)
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "another version":
        started("9.9.9")
        say("finished", outputs=write_outputs(job))
    elif mode == "falls silent":
        remember(os.getpid())
        started()
        sys.stdout.flush()
        os.close(1)
        time.sleep(60)
    elif mode == "half an event":
        started()
        sys.stdout.write('{"event": "finished", "outputs": {"outp')
        sys.stdout.flush()
    elif mode == "unknown event":
        say("celebrated", mood="good")
        time.sleep(60)
    elif mode == "event of wrong types":
        say("progress", fraction="a lot", stage=7)
        time.sleep(60)
    elif mode == "talks on after its result":
        started()
        say("finished", outputs=write_outputs(job))
        for _ in range(1000):
            print("after the end " * 20)
            print("and more", file=sys.stderr)
        print("good bye", file=sys.stderr)
    elif mode == "empty file":
        started()
        open(job["output"], "wb").close()
        say("finished", outputs={"output": job["output"]})
    elif mode == "exit without a result":
        started()
        print("I am tired", file=sys.stderr, flush=True)
    elif mode == "missing file":
        started()
        say("finished", outputs={"output": job["output"], "pixels": 12})
    elif mode == "bad exit code":
        started()
        say("finished", outputs=write_outputs(job))
        return 7
    elif mode == "fails":
        started()
        say("failed", what="The model is for 4 bands, the raster has 3.", remedy="Choose another raster.", code="model")
        return 1
    elif mode == "bug":
        started()
        say("failed", what="Something went wrong.", remedy="Report it.", code="bug", details="Traceback: line 7")
        return 1
    elif mode == "ignores cancel":
        half_written(job)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        remember(child.pid)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        started()
        time.sleep(60)
    elif mode == "cancels nicely":
        remember(os.getpid())
        started()
        if sys.stdin.readline().strip() == "cancel":
            with open(sys.argv[2], "w", encoding="utf-8") as file:
                file.write("it was told")
            say("failed", what="Cancelled.", remedy="", code="cancelled")
            return 3
    elif mode == "grandchild holds the pipe":
        started()
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        remember(child.pid)
        say("finished", outputs=write_outputs(job))
        os._exit(0)
    elif mode == "grandchild holds the pipe, no result":
        started()
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        remember(child.pid)
        os._exit(0)
    elif mode == "does not go":
        remember(os.getpid())
        started()
        say("finished", outputs=write_outputs(job))
        time.sleep(60)
    elif mode == "shows its surroundings":
        started()
        say("message", level="info", text=json.dumps(dict(os.environ)))
        say("finished", outputs=write_outputs(job))
    else:
        raise SystemExit(f"no mode {mode}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
