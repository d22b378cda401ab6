"""The wait before anything happens: the plugin when QGIS starts, and a job until its first batch is done.

    python benchmarks/starting_up.py [--qgis-python .venv-qgis/bin/python]

Every start is a process of its own. Wall clock and processor time, the best of several rounds: on a busy computer the
processor time says more. Files lie in the system's cache after the first round. Plugin: from the import to the registered
provider, in a QGIS that has started and has loaded Processing. Job: the command that the plugin starts, on a scene of 512 x
512 pixels with the preset quick, until it tells of the first batch; how much of that are imports alone is shown beside it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from false_core import events, jobs
from false_core.dispatch import run
from false_core.events import Failed, Metric, Progress
from false_core.jobs import Classify, Finetune, Pretrain
from false_core.synthetic import write_scene

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3
PLUGIN_LIMIT_S, JOB_LIMIT_S = 0.05, 8.0
IMPORTS = {
    "pretrain": "false_core.training.pretrain",
    "finetune": "false_core.training.finetune",
    "classify": "false_core.mapping.classify.classify",
}
# What QGIS does with a plugin at its start, without the windows.
START_PLUGIN = """\
import sys, time
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path[:0] = [sys.argv[1], QgsApplication.pkgDataPath() + "/python/plugins"]
from processing.core.Processing import Processing
Processing.initialize()
wall, processor = time.perf_counter(), time.process_time()
import qgis_false
plugin = qgis_false.classFactory(None)
plugin.initProcessing()
print(time.perf_counter() - wall, time.process_time() - processor, flush=True)
import os
os._exit(0)  # QGIS has been seen to crash when its interpreter ends.
"""


@dataclass(frozen=True)
class Taken:
    """Seconds of one start."""

    wall: float
    processor: float


def best(start: Callable[[Any], Taken], what: Any) -> Taken:
    """Return the shortest times of several rounds."""
    rounds = [start(what) for _ in range(ROUNDS)]
    return Taken(min(r.wall for r in rounds), min(r.processor for r in rounds))


def start_plugin(python: str) -> Taken:
    """Load the plugin into a QGIS without windows."""
    # With the compiled modules that Python keeps, as every start of QGIS but the first has them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["QT_QPA_PLATFORM"] = "offscreen"
    command = [python, "-c", START_PLUGIN, str(ROOT)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Taken(*map(float, done.stdout.split()[-2:]))


def import_alone(module: str) -> Taken:
    """Import what a job needs, and nothing else."""
    return _until([sys.executable, "-u", "-c", f"import {module}; print('done'); import time; time.sleep(9)"], "", bool)


def start_job(job: jobs.Job) -> Taken:
    """Run a job in the worker process until its first batch is done, and end it there."""
    return _until([sys.executable, "-u", "-m", "false_core.worker"], jobs.to_json(job), _computes)


def _computes(line: str) -> bool:
    event = events.decode(line)
    if isinstance(event, Failed):
        raise SystemExit(event.what)
    # A training tells of the loss after its first step, classifying of its pace or, on a raster this small, of what follows.
    told = isinstance(event, Progress) and (event.stage == "Building overviews" or bool(event.rate))
    return isinstance(event, Metric) or told


def _until(command: list[str], line: str, reached: Callable[[str], bool]) -> Taken:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin and process.stdout
    process.stdin.write(line + "\n")
    process.stdin.flush()
    for text in process.stdout:
        if reached(text):
            os.kill(process.pid, signal.SIGKILL)
            break
    wall = time.perf_counter() - began
    _, _, usage = os.wait4(process.pid, 0)
    return Taken(wall, usage.ru_utime + usage.ru_stime)


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description="What has to be waited for before anything happens.")
    parser.add_argument("--qgis-python", default=str(ROOT / ".venv-qgis" / "bin" / "python"), help="a Python with PyQGIS")
    choice = parser.parse_args()
    console = Console()
    table = Table("", "wall clock", "processor", "of it imports", "goal", title=f"Starting up, best of {ROUNDS}")
    if Path(choice.qgis_python).exists():
        plugin = best(start_plugin, choice.qgis_python)
        table.add_row(
            "plugin", f"{1e3 * plugin.wall:.0f} ms", f"{1e3 * plugin.processor:.0f} ms", "", f"{1e3 * PLUGIN_LIMIT_S:.0f} ms"
        )
    else:
        console.print(f"There is no {choice.qgis_python}: the plugin is left out.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FALSE_CACHE"] = name
        scene = write_scene(folder / "scene", 512, 512)
        raster, labels = str(scene.image), str(scene.labels)
        model, encoder = str(folder / "model.safetensors"), str(folder / "encoder.safetensors")
        pretrain = Pretrain(rasters=(raster,), encoder=encoder, preset="quick", device="cpu")
        finetune = Finetune(raster, labels, "land_cover", model, encoder=encoder, preset="quick", device="cpu")
        run(replace(pretrain, steps=2))
        run(replace(finetune, steps=2))
        started: dict[str, jobs.Job] = {
            "pretrain": pretrain,
            "finetune": finetune,
            "classify": Classify(raster=raster, model=model, output=str(folder / "map.tif"), device="cpu"),
        }
        for title, job in started.items():
            whole, imports = best(start_job, job), best(import_alone, IMPORTS[title])
            table.add_row(
                title,
                f"{whole.wall:.1f} s",
                f"{whole.processor:.1f} s",
                f"{imports.wall:.1f} s, {imports.processor:.1f} s",
                f"{JOB_LIMIT_S:.0f} s",
            )
    console.print(table)


if __name__ == "__main__":
    main()
