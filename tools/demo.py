"""The main job from end to end on a generated scene: fine-tune, classify, and compare the map with the truth.

Runs the algorithms through qgis_process, as a user's script would, in a QGIS profile of its own that is thrown away
afterwards. With ``--pretrain`` the second phase comes first. Where QGIS is missing it runs the same jobs through the command
line. Behind `make demo`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import matplotlib
import numpy as np
import rasterio
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from rasterio.features import rasterize

from false_core.accuracy.metrics import Scores, confusion_matrix, score
from false_core.synthetic import CLASSES, SceneFiles, write_scene

matplotlib.use("agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parent.parent
FIELD = "land_cover"


@dataclass(frozen=True)
class Job:
    """One of the steps: its name, what a reader should know, its parameters as the library names them."""

    name: str
    title: str
    parameters: Mapping[str, str]


def main() -> None:
    """Run the demo and print where its results are."""
    arguments = _arguments()
    folder: Path = arguments.folder.resolve()
    shutil.rmtree(folder / "results", ignore_errors=True)
    (folder / "results").mkdir(parents=True)
    began = time.monotonic()

    print(f"A generated scene of {arguments.size} x {arguments.size} pixels", flush=True)
    scene = write_scene(folder, arguments.size, arguments.size, arguments.seed)
    jobs = _jobs(scene, folder / "results", arguments)
    qgis = None if arguments.without_qgis else _qgis_process()
    if qgis:
        _run_in_qgis(qgis, jobs)
    else:
        print("\nQGIS is not used here: the same jobs run through the command line false-core.")
        for number, job in enumerate(jobs, start=1):
            _announce(number, job)
            _run([sys.executable, "-m", "false_core", job.name, *_as_flags(job)])

    picture = folder / "results" / "demo.png"
    classified = Path(jobs[-1].parameters["output"])
    scores = _score(scene, classified)
    _draw(scene, classified, scores, picture)
    _summarise(jobs, picture, scores, time.monotonic() - began)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "demo", help="where to write everything")
    parser.add_argument("--size", type=int, default=1024, help="side of the scene in pixels")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes another scene")
    parser.add_argument("--preset", default="quick", help="settings of the training")
    parser.add_argument("--pretrain", action="store_true", help="learn from the image without labels first")
    parser.add_argument("--steps", type=int, default=150, help="training steps of --pretrain")
    parser.add_argument("--without-qgis", action="store_true", help="use the command line even where QGIS is there")
    return parser.parse_args()


def _jobs(scene: SceneFiles, results: Path, arguments: argparse.Namespace) -> list[Job]:
    encoder, model = str(results / "encoder.safetensors"), str(results / "model.safetensors")
    training = {"preset": arguments.preset, "seed": str(arguments.seed)}
    pretraining = Job(
        "pretrain", "learn from the image without labels",
        {"rasters": str(scene.image), "encoder": encoder, "report": str(results / "pretrain.html"),
         "truth": str(scene.truth), **training, "steps": str(arguments.steps)},
    )  # fmt: skip
    return [
        *([pretraining] if arguments.pretrain else []),
        Job(
            "finetune", "learn the classes from the labels, 1 % of the area",
            {"raster": str(scene.image), "labels": f"{scene.labels}|layername=labels", "field": FIELD,
             **({"encoder": encoder} if arguments.pretrain else {}),
             "model": model, "report": str(results / "report.html"), **training},
        ),
        Job(
            "classify", "map the whole image",
            {"raster": str(scene.image), "model": model, "output": str(results / "map.tif"),
             "confidence": str(results / "confidence.tif")},
        ),
    ]  # fmt: skip


def _announce(number: int, job: Job) -> None:
    print(f"\n{number}. {job.name}: {job.title}", flush=True)


def _as_flags(job: Job) -> Iterator[str]:
    for name, value in job.parameters.items():
        yield from (f"--{name.replace('_', '-')}", value.partition("|")[0])


# --- through QGIS ----------------------------------------------------------------------------------------------------------


def _qgis_process() -> str | None:
    """Return the program. The plain one is tried last: on QGIS 3.22 it is a wrapper that fails at every call."""
    return shutil.which("qgis_process.bin") or shutil.which("qgis_process")


def _run_in_qgis(qgis: str, jobs: list[Job]) -> None:
    with _profile() as environment:
        _run([qgis, "plugins", "enable", "qgis_false"], environment, quiet=True)
        for number, job in enumerate(jobs, start=1):
            _announce(number, job)
            print(f"    qgis_process run false:{job.name}", flush=True)
            assignments = [f"{name.upper()}={value}" for name, value in job.parameters.items()]
            _run([qgis, "run", f"false:{job.name}", "--", *assignments], environment, follow=_show_qgis)


@contextmanager
def _profile() -> Iterator[dict[str, str]]:
    """Give the environment of a QGIS that has a fresh profile with the plugin, no screen, and our interpreter."""
    with tempfile.TemporaryDirectory(prefix="false-demo-") as folder:
        plugin = Path(folder, "profiles", "default", "python", "plugins", "qgis_false")
        plugin.mkdir(parents=True)
        # The checkout keeps metadata.txt beside the plugin; in a profile it belongs inside.
        for source in (*(ROOT / "qgis_false").iterdir(), ROOT / "metadata.txt"):
            if source.name != "__pycache__":
                (plugin / source.name).symlink_to(source)
        runtime = Path(folder, "runtime")
        runtime.mkdir(mode=0o700)
        # QGIS's GDAL would name each driver that it is to leave out and does not have; the compute process sets this itself.
        here = {name: value for name, value in os.environ.items() if name != "GDAL_SKIP"}
        yield {
            **here,
            "QGIS_CUSTOM_CONFIG_PATH": folder,
            "QT_QPA_PLATFORM": "offscreen",
            "XDG_RUNTIME_DIR": str(runtime),
            "FALSE_CORE_PYTHON": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def _run(command: list[str], environment: dict[str, str] | None = None, quiet: bool = False, follow: Any = None) -> None:
    """Run ``command`` to its end; where it fails, end the demo with what it said and ``follow`` has not shown."""
    said: list[str] = []
    if not quiet and not follow:
        code = subprocess.run(command, env=environment, check=False).returncode
    else:
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            lines = follow(process.stdout) if follow else process.stdout
            said = [line.rstrip() for line in lines]
        code = process.returncode
    if code:
        sys.exit("\n".join([*said[-15:], f"The demo ends here: {command[0]} {command[1]} failed with exit code {code}."]))


def _show_qgis(lines: Iterator[str]) -> Iterator[str]:
    """Print what an algorithm says, without the lists of inputs and outputs around it; yield the lines left out."""
    percent, begun, last = 0, False, ("", 0)
    for line in lines:
        # Progress comes as 0...10...20 in front of whatever is said next.
        dots = re.match(r"(?:(?:0|[1-9]0|100)(?=[.A-Z]|$)|\.)*(?:100 - done\.)?", line)
        assert dots is not None
        percent = int((re.findall(r"\d+", dots.group()) or [percent])[-1])
        text = line[dots.end() :].rstrip()
        begun = begun or text == "Inputs"
        if not begun or not text or re.fullmatch(r"Inputs|Results|-+|(?!ERROR)[A-Z_]+:\t.*", text):
            yield line
            continue
        # "Pretraining, 40 patches/s, 2 min left" comes again and again; once for every 10 % is enough.
        this = (text.partition(", ")[0], percent)
        if this != last:
            print(f"    {percent:3d} %  {text}", flush=True)
        last = this


# --- what came of it -------------------------------------------------------------------------------------------------------


def _score(scene: SceneFiles, classified: Path) -> Scores:
    """Score the map on every pixel whose truth is known, outside the label polygons."""
    with rasterio.open(scene.truth) as source:
        truth, transform = source.read(1), source.transform
    with rasterio.open(classified) as source:
        mapped = source.read(1)
    labels = geopandas.read_file(scene.labels)
    labelled = rasterize(labels.geometry, truth.shape, transform=transform, dtype="uint8") > 0
    counted = (truth > 0) & ~labelled
    return score(confusion_matrix(truth[counted].astype(int) - 1, mapped[counted].astype(int) - 1, len(CLASSES)))


def _draw(scene: SceneFiles, classified: Path, scores: Scores, target: Path) -> None:
    """Write image, labels, map and truth side by side."""
    with rasterio.open(scene.image) as source:
        bands, bounds = source.read([1, 2, 3]), source.bounds
    valid = bands.any(0)
    low, high = np.percentile(bands[:, valid], (0.5, 99.5))
    photo = np.where(valid, np.clip((bands - low) / (high - low), 0, 1) ** 0.8, 1.0).transpose(1, 2, 0)
    extent = (bounds.left, bounds.right, bounds.bottom, bounds.top)
    colours = ListedColormap(["white", *(c.color for c in CLASSES)])

    figure, axes = plt.subplots(1, 4, figsize=(16, 4.75), layout="constrained")
    axes[0].imshow(photo, extent=extent)
    axes[1].imshow(0.5 + 0.5 * photo.mean(2, keepdims=True).repeat(3, 2), extent=extent)
    labels = geopandas.read_file(scene.labels)
    labels.plot(ax=axes[1], color=[colours(code) for code in labels["code"]], edgecolor="black", linewidth=0.5, aspect=None)
    for axis, path in ((axes[2], classified), (axes[3], scene.truth)):
        with rasterio.open(path) as source:
            axis.imshow(source.read(1), extent=extent, cmap=colours, vmin=0, vmax=len(CLASSES), interpolation="nearest")
    titles = ("Image", "Labels (1 % of the area)", f"Map: OA {scores.oa:.2f}, mIoU {scores.miou:.2f}", "Truth")
    for axis, title in zip(axes, titles):
        axis.set_title(title, fontsize=13)
        axis.set_axis_off()
        axis.set_xlim(extent[:2])
        axis.set_ylim(extent[2:])
    patches = [Patch(color=c.color, label=c.name) for c in CLASSES]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(CLASSES), frameon=False, fontsize=12)
    figure.savefig(target, dpi=90)
    plt.close(figure)


def _summarise(jobs: list[Job], picture: Path, scores: Scores, seconds: float) -> None:
    each = ", ".join(f"{c.name} {iou:.2f}" for c, iou in zip(CLASSES, scores.iou))
    titles = {"classify": "Map", "finetune": "Report", "pretrain": "Pretraining"}
    made = {"classify": "output"}
    rows = (
        *((titles[job.name], job.parameters[made.get(job.name, "report")]) for job in reversed(jobs)),
        ("Picture", str(picture)),
        ("OA / mIoU", f"{scores.oa:.3f} / {scores.miou:.3f}   (outside the label polygons)"),
        ("IoU", each),
        ("Time", f"{int(seconds // 60)} min {int(seconds % 60)} s"),
    )
    print("\n" + "\n".join(f"{name + ':':13} {value}" for name, value in rows))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Cancelled.")
