"""Many small jobs one after another in one QGIS: does its memory grow, or do its files, threads or processes?

    QT_QPA_PLATFORM=offscreen .venv-qgis/bin/python benchmarks/many_jobs.py [--jobs 200]

Runs in QGIS's own Python, without a screen. Each job goes through the plugin's algorithm, as from the toolbox, and is done
by a compute process of its own; the layers it makes are loaded into the project and taken out again. FALSE_CORE_PYTHON
names the Python that computes, where it is not the checkout's. Needs Linux, for it counts in ``/proc``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUND = ("polygonise", "samplepoints", "assess", "polygonise", "assess", "samplepoints", "polygonise", "classify")
"""Jobs that are run again and again."""
ROWS = 10
SCENE = "import sys; from false_core.synthetic import write_scene; write_scene(sys.argv[1], 256, 192, 1, 0.04)"
GROWTH_MB, GROWTH_FILES = 20.0, 6
"""Growth that is let pass between the first rounds, which load what all need, and the end. QGIS keeps files open a while."""


@dataclass(frozen=True)
class State:
    """The memory, files and processes of this process at a time.

    Attributes:
        jobs, seconds: Number of jobs that were done by then, and seconds since the start.
        memory: MB in memory (resident).
        files: Open files, pipes included.
        threads: Their number.
        children: Processes that it has started, the dead that nobody has buried included.
    """

    jobs: int
    seconds: float
    memory: float
    files: int
    threads: int
    children: int


def main() -> int:
    """Run the jobs and print a table. Return 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ.setdefault("QGIS_CUSTOM_CONFIG_PATH", name)
        os.environ["FALSE_CACHE"] = str(Path(name) / "cache")
        states = run_jobs(options.jobs, Path(name))
    grown = what_grew(states)
    print("Nothing grew." if not grown else f"GREW: {', '.join(grown)}.")
    return int(bool(grown))


def _row(state: State) -> str:
    counts = f"{state.files:6d} {state.threads:8d} {state.children:10d}"
    return f"{state.jobs:5d} {state.seconds:8.0f} {state.memory:7.1f} {counts}"


def what_grew(states: list[State]) -> list[str]:
    """Return what the last state has more of than the first one after which every kind of job has run."""
    first = next((state for state in states if state.jobs >= len(ROUND)), states[0])
    last = states[-1]
    grown = ["memory"] if last.memory - first.memory > GROWTH_MB else []
    grown += ["files"] if last.files - first.files > GROWTH_FILES else []
    grown += ["threads"] if last.threads - first.threads > GROWTH_FILES else []
    return grown + (["processes"] if last.children > first.children else [])


def run_jobs(count: int, folder: Path) -> list[State]:
    """Run ``count`` jobs in ``folder`` and return what this process had after each tenth of them."""
    for path in ("/usr/share/qgis/python/plugins", str(ROOT)):
        sys.path.insert(0, path)
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    application.initQgis()
    from processing.core.Processing import Processing

    Processing.initialize()
    from qgis_false.plugin import FalsePlugin

    plugin = FalsePlugin()
    plugin.initProcessing()
    values = _parameters(folder)
    began, ran = time.monotonic(), Counter[str]()
    states: list[State] = []
    print(f"{'jobs':>5s} {'seconds':>8s} {'MB':>7s} {'files':>6s} {'threads':>8s} {'processes':>10s}", flush=True)
    for number in range(1, count + 1):
        name = ROUND[number % len(ROUND)]
        _run(name, values[name])
        ran[name] += 1
        if number % max(1, count // ROWS) == 0:
            states.append(_state(number, time.monotonic() - began))
            print(_row(states[-1]), flush=True)
    print(", ".join(f"{times} times {name}" for name, times in sorted(ran.items())))
    return states


def _parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """Make a scene and a model that was hardly trained. Return the parameters by algorithm."""
    python = os.environ.get("FALSE_CORE_PYTHON") or str(ROOT / ".venv" / "bin" / "python")
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([python, "-c", SCENE, str(folder)], check=True, env=variables)
    image, truth, model = (str(folder / name) for name in ("image.tif", "truth.tif", "m.safetensors"))
    labels = f"{folder / 'labels.gpkg'}|layername=labels"
    small = {"RASTER": image, "PRESET": "quick", "STEPS": 1, "DEVICE": "cpu"}
    _run("finetune", {**small, "LABELS": labels, "FIELD": "land_cover", "MODEL": model})
    return {
        "classify": {"RASTER": image, "MODEL": model, "OUTPUT": str(folder / "map.tif"), "DEVICE": "cpu"},
        "polygonise": {"MAP": truth, "OUTPUT": str(folder / "polygons.gpkg")},
        "samplepoints": {"MAP": truth, "OUTPUT": str(folder / "points.gpkg")},
        "assess": {"MAP": truth, "TRUTH": truth, "TABLE": str(folder / "table.csv")},
    }


def _run(name: str, values: dict[str, Any]) -> None:
    import processing
    from qgis.core import QgsProcessingFeedback, QgsProject

    processing.runAndLoadResults(f"false:{name}", values, QgsProcessingFeedback(False))
    QgsProject.instance().clear()


def _state(jobs: int, seconds: float) -> State:
    import gc

    gc.collect()
    status = Path("/proc/self/status").read_text()
    children = sum(f"\nPPid:\t{os.getpid()}\n" in _status(path) for path in Path("/proc").glob("[0-9]*/status"))
    return State(
        jobs,
        seconds,
        int(status.split("VmRSS:")[1].split()[0]) / 1000,
        len(os.listdir("/proc/self/fd")),
        int(status.split("Threads:")[1].split()[0]),
        children,
    )


def _status(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # It is gone by now.


if __name__ == "__main__":
    sys.exit(main())
