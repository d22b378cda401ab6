"""Everything that a GPU can show, in nine minutes on one: one JSON and one page.

    python benchmarks/gpu.py --out FOLDER                        all of it
    python benchmarks/gpu.py --out FOLDER --wheels WHEELS        on a bare machine with CUDA and PyTorch: what is missing is
                                                                 first installed from that folder, into FOLDER/packages
    python benchmarks/gpu.py --out FOLDER --device cpu           a rehearsal without a GPU
    python benchmarks/gpu.py --out FOLDER --device cpu --short   one of a minute

WHEELS is made where there is a network, for the same version of Python: pip download -d WHEELS .[test], and for the peers
pip download -d WHEELS -r benchmarks/pretraining_peers.txt, and with --no-deps -r benchmarks/classifying-peers.txt. What of
these is not there is not measured. What the machine has already is left alone, whatever its version.

Each part runs in a process of its own, so that one that fails or hangs costs its own rows only: these say "not measured",
and the JSON says why. Nothing that is measured on a CPU stands in a row of the page, all of which are of a GPU.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOT_MEASURED = "not measured"
LIMIT_S = 9 * 60
ROWS = {
    "GPU": ("name", "compute capability", "memory, GB", "numbers", "matrix product, TFLOP/s"),
    "tests": ("passed", "failed"),
    "pretraining quick": ("fixed batch, patches/s", "end to end, patches/s", "end to end over fixed"),
    "pretraining standard": (
        "fixed batch, patches/s", "end to end, patches/s", "end to end over fixed", "most memory of the GPU, GB",
    ),
    "contrastive loss": ("standard, as it is, ms", "standard, the whole matrix, ms"),
    "peers": ("FALSE, patches/s", "torchgeo, patches/s", "lightly, patches/s"),
    "fine-tuning": ("standard, crops/s",),
    "classifying": ("forward passes, Mpx/s", "from file to file, Mpx/s", "file to file over forward passes"),
    "peers in classifying": ("FALSE, Mpx/s", "torchgeo, Mpx/s", "geoai, Mpx/s", "Deepness' tiling, Mpx/s"),
    "two GPUs": (
        "a step of pretraining by one, ms", "the same batch by two under torchrun, ms", "a map by one, s",
        "the same by two workers of Dask, s",
    ),
}  # fmt: skip


def gpu_itself(device: str, short: bool) -> dict[str, Any]:
    """Return what the GPU is, by its own account and by the time of a matrix product."""
    import torch
    from pretraining import matrix_product, taken

    from false_core.computing.device import choose_device, memory_of
    from false_core.computing.precision import Use, in_words, precision_of
    from false_core.feedback import Feedback

    chosen = choose_device(device, Feedback())
    on_gpu = chosen.type == "cuda"
    product, flops = matrix_product(chosen)
    product()
    seconds = taken(product, 2 if short else 20, chosen).wall
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return {
        "name": ", ".join(names) if on_gpu else "the CPU",
        "compute capability": ".".join(map(str, torch.cuda.get_device_capability(chosen))) if on_gpu else "",
        "memory, GB": round(memory_of(chosen) / 1e9, 1),
        "numbers": in_words(precision_of(chosen, Use.DECODER)),
        "matrix product, TFLOP/s": round(flops / seconds / 1e12, 2),
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda),
    }


def files_with_tests() -> list[str]:
    """Return the files with tests that need a GPU. The others would be read for nothing."""
    every = sorted((ROOT / "tests" / "core").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in every if "pytest.mark.gpu" in file.read_text("utf-8")]


def tests(device: str, short: bool) -> dict[str, Any]:
    """Run the tests that need a GPU, on every one that there is."""
    words = ["-m", "gpu", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", *files_with_tests()]
    if short:
        words += ["-k", "precision"]
    environment = os.environ if device == "cuda" else {**os.environ, "FALSE_TEST_DEVICES": device}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    counted = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    if not counted:
        raise RuntimeError((done.stdout + done.stderr)[-1000:])
    failed = counted.get("failed", 0) + counted.get("error", 0)
    return {"passed": counted.get("passed", 0), "failed": failed, "said": done.stdout[-3000:] if failed else ""}


def pretraining(preset: str) -> Callable[[str, bool], dict[str, Any]]:
    """Return what compares steps on one fixed batch with steps from the file."""

    def measure(device: str, short: bool) -> dict[str, Any]:
        from contextlib import closing
        from dataclasses import replace

        import torch
        from pretraining import Case, taken

        from false_core.computing.device import choose_device
        from false_core.feedback import Feedback
        from false_core.presets import PRETRAIN
        from false_core.synthetic import write_large

        chosen, settings = choose_device(device, Feedback()), PRETRAIN[preset]
        if chosen.type == "cpu":
            settings = replace(settings, batch_size=4)
        with tempfile.TemporaryDirectory() as folder:
            raster = str(Path(folder) / "raster.tif")
            side = 1024 if short else 8192
            write_large(raster, side, side)
            with closing(Case(settings, raster, chosen)) as case:
                steps = 1 if short else 20
                found = {}
                for name, work in (("fixed batch", case.fixed), ("end to end", case.end_to_end)):
                    taken(work, 1 if short else 5, chosen)
                    found[name] = settings.batch_size / taken(work, steps, chosen).wall
        memory = torch.cuda.max_memory_allocated(chosen) if chosen.type == "cuda" else 0
        return {
            **{f"{name}, patches/s": round(speed, 1) for name, speed in found.items()},
            "end to end over fixed": round(found["end to end"] / found["fixed batch"], 3),
            "most memory of the GPU, GB": round(memory / 1e9, 2),
        }

    return measure


def peers(device: str, short: bool) -> dict[str, Any]:
    """Compare steps from the file with those of the peers that are there."""
    from pretraining_peers import LIBRARIES, compared, patches_per_second

    from false_core.computing.device import choose_device
    from false_core.feedback import Feedback
    from false_core.synthetic import write_large

    with tempfile.TemporaryDirectory() as folder:
        raster = str(Path(folder) / "raster.tif")
        side = 1024 if short else 4096
        write_large(raster, side, side)
        rounds, steps = (1, 1) if short else (5, 10)
        found = compared(raster, Path(folder), choose_device(device, Feedback()), rounds, steps)
    return {f"{who}, patches/s": round(patches_per_second(found, who), 1) for who in LIBRARIES if who in found[0]}


def contrastive_loss(device: str, short: bool) -> dict[str, Any]:
    """Compare the loss of a batch of ``standard`` with that of the whole matrix, forward and backward."""
    import torch
    from contrastive_loss import SIZES, in_tiles, random_embeddings, whole_matrix
    from pretraining import taken

    from false_core.computing.device import choose_device
    from false_core.feedback import Feedback

    chosen = choose_device(device, Feedback())
    embeddings = random_embeddings(*SIZES[0 if short else -1]).detach().to(chosen).requires_grad_()
    found = {}
    for what, loss in (("as it is", in_tiles), ("the whole matrix", whole_matrix)):

        def once(loss: Callable[[Any], Any] = loss) -> None:
            torch.autograd.backward(loss(embeddings))

        for times in (1, 1 if short else 10):
            found[what] = taken(once, times, chosen).wall
    return {f"standard, {what}, ms": round(1e3 * seconds, 2) for what, seconds in found.items()}


def fine_tuning(device: str, short: bool) -> dict[str, Any]:
    """Train the decoder of ``standard`` on some labels, and count the crops from its second step on."""
    from false_core import events
    from false_core.dispatch import run
    from false_core.jobs import Finetune
    from false_core.presets import FINETUNE
    from false_core.synthetic import write_scene

    preset, steps = ("quick", 3) if short else ("standard", 60)
    seconds: dict[int, float] = {}

    def note(event: events.Event) -> None:
        if isinstance(event, events.Metric):
            seconds.setdefault(event.step, time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        scene = write_scene(Path(folder) / "scene", 512 if short else 2048)
        made = str(Path(folder) / "model.safetensors")
        job = Finetune(
            str(scene.image), str(scene.labels), "code", made, head="network", weights="none", preset=preset, steps=steps,
            device=device,
        )  # fmt: skip
        run(job, note)
    first, last = min(seconds), max(seconds)
    crops = (last - first) * FINETUNE[preset].batch_size
    return {"standard, crops/s": round(crops / (seconds[last] - seconds[first]), 1)}


def peers_in_classifying(device: str, short: bool) -> dict[str, Any]:
    """Compare making a map with what the other programs that are there take for it."""
    from classifying import made, make, timed, variants

    side = 512 if short else 4096
    found = {}
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), side, "resnet10t" if device == "cpu" else "resnet50", "segformer", 1)
        case = made(Path(name), 1, device)
        for who, variant in (
            ("FALSE", "ours"), ("torchgeo", "torchgeo"), ("geoai", "geoai"), ("Deepness' tiling", "deepness"),
        ):  # fmt: skip
            do = variants()[variant].prepare(case)
            if do:
                do()
                found[f"{who}, Mpx/s"] = round(side * side / 1e6 / timed(do).wall, 2)
    return found


def two_gpus(device: str, short: bool) -> dict[str, Any]:
    """Compare two processes with one: steps under torchrun, and a map by workers of Dask. Nothing where one GPU is."""
    import scaling
    import torch
    from dask_workers import classify

    from false_core.dispatch import run
    from false_core.jobs import Classify, Finetune
    from false_core.synthetic import write_large, write_scene

    if device != "cpu" and torch.cuda.device_count() < 2:
        return {}
    side = 1024 if short else 8192
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raster, model = str(folder / "large.tif"), str(folder / "model.safetensors")
        scene = write_scene(folder / "scene", 512)
        head: dict[str, Any] = {"head": "network", "weights": "none", "steps": 2}
        run(Finetune(str(scene.image), str(scene.labels), "code", model, device=device, **head))
        write_large(raster, side, side)
        steps = [scaling.start(raster, 8 if short else 256, processes).step_s for processes in (1, 2)]
        job = Classify(raster, model, str(folder / "map.tif"), device=device)
        maps = [classify(job, scheduler)[0] for scheduler in ("", "local:2")]
    return {
        "a step of pretraining by one, ms": round(1e3 * steps[0], 1),
        "the same batch by two under torchrun, ms": round(1e3 * steps[1], 1),
        "a map by one, s": round(maps[0], 2),
        "the same by two workers of Dask, s": round(maps[1], 2),
    }


def classifying(device: str, short: bool) -> dict[str, Any]:
    """Compare making a map with nothing but the forward passes of its tiles."""
    import torch
    from classifying import CLASSES, make

    from false_core.computing.device import choose_device
    from false_core.computing.precision import Use, precision_of
    from false_core.dispatch import run
    from false_core.feedback import Feedback
    from false_core.inference.tiles import TilePlan
    from false_core.jobs import Classify
    from false_core.mapping.classify.compute import network_of
    from false_core.models.segmenter import class_probabilities
    from false_core.raster.source import Window

    chosen, side = choose_device(device, Feedback()), 512 if short else 8192
    encoder = "resnet10t" if chosen.type == "cpu" else "resnet50"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = make(folder, side, encoder, "segformer", 1)
        plan = TilePlan.for_area(Window(0, 0, side, side), CLASSES, 1)
        network = network_of(str(case.model), case.card, chosen, precision_of(chosen, Use.DECODER))
        batch = 1 if chosen.type == "cpu" else 8
        pixels = torch.randn(batch, len(case.card.bands), plan.side, plan.side, device=chosen)

        def passes() -> None:
            for _ in range(-(-len(plan) // batch)):
                found = class_probabilities(network, pixels)
            float(found[0, 0, 0, 0])

        def job() -> None:
            run(Classify(str(case.raster), str(case.model), str(folder / "map.tif"), device=str(chosen)))

        speeds = {}
        for what, work in (("forward passes", passes), ("from file to file", job)):
            work()
            began = time.perf_counter()
            work()
            speeds[what] = side * side / 1e6 / (time.perf_counter() - began)
    return {
        **{f"{what}, Mpx/s": round(speed, 2) for what, speed in speeds.items()},
        "file to file over forward passes": round(speeds["from file to file"] / speeds["forward passes"], 3),
    }


PARTS: dict[str, Callable[[str, bool], dict[str, Any]]] = {
    "GPU": gpu_itself,
    "tests": tests,
    "pretraining quick": pretraining("quick"),
    "pretraining standard": pretraining("standard"),
    "contrastive loss": contrastive_loss,
    "peers": peers,
    "fine-tuning": fine_tuning,
    "classifying": classifying,
    "peers in classifying": peers_in_classifying,
    "two GPUs": two_gpus,
}


def measured(part: str, arguments: argparse.Namespace, environment: dict[str, str], left: float) -> dict[str, Any]:
    """Return what a part found in a process of its own, or why it found nothing."""
    if left <= 0:
        return {"problem": "there was no time left"}
    words = [sys.executable, __file__, "--here", part, "--device", arguments.device, *(["--short"] * arguments.short)]
    began = time.monotonic()
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired:
        return {"problem": f"it was not done in {left:.0f} s"}
    found = {"problem": done.stderr[-2000:]} if done.returncode else json.loads(done.stdout.splitlines()[-1])
    return {**found, "seconds": round(time.monotonic() - began, 1)}


def is_there(wheel: str) -> bool:
    """Return whether what a wheel holds is the machine's own: PyTorch, what was built for it, and all that is importable."""
    name = wheel.partition("-")[0]
    if name == "torch" or name.startswith("nvidia") or importlib.util.find_spec(name.lower()):
        return True
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def page(found: dict[str, dict[str, Any]], device: str) -> str:
    """Return the page: a table for each part. What was not measured on a GPU is not said to be."""
    lines = ["# On a GPU", ""]
    if device == "cpu":
        lines += ["This was a rehearsal on the CPU. Its numbers are in the JSON.", ""]
    for part, rows in ROWS.items():
        lines += [f"## {part[0].upper()}{part[1:]}", "", "| | |", "|---|---|"]
        lines += [f"| {row} | {NOT_MEASURED if device == 'cpu' else found[part].get(row, NOT_MEASURED)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Run the parts one after the other and write down what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--short", action="store_true", help="a few steps of everything")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for all of it")
    parser.add_argument("--here", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(PARTS[arguments.here](arguments.device, arguments.short)))
        return
    if not arguments.out:
        parser.error("--out is missing")
    began = time.monotonic()
    arguments.out.mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    if arguments.wheels:
        packages = arguments.out / "packages"
        wheels = [str(path) for path in sorted(arguments.wheels.glob("*.whl")) if not is_there(path.name)]
        install = ["-m", "pip", "install", "--no-index", "--no-deps", "--upgrade", "--target", str(packages), *wheels]
        subprocess.run([sys.executable, *install], check=True)
        paths.append(str(packages))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    found: dict[str, dict[str, Any]] = {part: {"problem": "it was not asked for"} for part in PARTS}
    for part in arguments.only:
        found[part] = measured(part, arguments, environment, arguments.limit - (time.monotonic() - began))
        print(part, found[part], flush=True)
        (arguments.out / "gpu.json").write_text(json.dumps({"device": arguments.device, **found}, indent=1), "utf-8")
        (arguments.out / "gpu.md").write_text(page(found, arguments.device), "utf-8")


if __name__ == "__main__":
    main()
