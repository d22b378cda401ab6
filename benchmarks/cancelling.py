"""The seconds that a job takes to end when it is cancelled, in every stage of every job.

    python benchmarks/cancelling.py [--only TEXT] [--times 1]

The stages are those of ``tests/core/cancel_stages.py``: real jobs in a compute process as QGIS starts it, cancelled as
soon as it says that it is there. QGIS itself kills a process that has not ended 1.8 s after that; here nobody does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

from cancel_stages import STAGES, World, cancelled_in, ended_well, make_inputs  # noqa: E402
from small_world import label_boxes, on_map, textured_land, write_labels, write_raster  # noqa: E402 - in a folder of their own.
from web_folder import STUCK, WAITING, WebFolder, served  # noqa: E402

from false_core.dispatch import run  # noqa: E402
from false_core.jobs import Finetune, Pretrain  # noqa: E402

PROMISED_S = 2.0


def main() -> int:
    """Measure and print a table. Return 1 where one took longer than is promised, or did not end as it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="stages whose job or name holds this text")
    parser.add_argument("--times", type=int, default=1, help="how often each; the longest time counts")
    options = parser.parse_args()
    table = Table("job", "cancelled in", "s", "")
    longest, wrong = 0.0, 0
    with tempfile.TemporaryDirectory() as name, served(_folder(Path(name) / "server")) as web:
        folder = Path(name)
        os.environ["FALSE_CACHE"] = str(folder / "cache")
        world = _world(folder, web)
        for job, stages in STAGES.items():
            for stage in stages:
                if options.only not in f"{job} {stage.title}":
                    continue
                ended = []
                for _ in range(options.times):
                    for flag in (STUCK, WAITING):
                        (web.folder / flag).unlink(missing_ok=True)
                    ended.append(cancelled_in(stage, world, _folder(Path(tempfile.mkdtemp(dir=folder)))))
                last = max(ended, key=lambda one: one.seconds)
                well = all(ended_well(one, stage) for one in ended)
                how = "WRONG" if not well else "was done before it heard" if last.code == 0 else ""
                longest, wrong = max(longest, last.seconds), wrong + (not well or last.seconds > PROMISED_S)
                table.add_row(job, stage.title, f"{last.seconds:.2f}", how)
                print(f"{job}, {stage.title}: {last.seconds:.2f} s {how}", flush=True)
    Console(width=120).print(table)
    print(f"The longest took {longest:.2f} s.")
    return int(bool(wrong))


def _folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _world(folder: Path, web: WebFolder) -> World:
    land = write_raster(folder / "land.tif", textured_land(), nodata=0)
    names, boxes = label_boxes()
    labels = write_labels(folder / "labels.gpkg", names, [on_map(box) for box in boxes])
    encoder, model = str(folder / "e.safetensors"), str(folder / "m.safetensors")
    run(Pretrain((land,), encoder, preset="quick", device="cpu", steps=1, batch_size=4))
    run(Finetune(land, labels, "cover", model, encoder, preset="quick", device="cpu", head="network", steps=1))
    return World(land, labels, encoder, model, out=_folder(folder / "out"), web=web, **make_inputs(folder, web))


if __name__ == "__main__":
    sys.exit(main())
