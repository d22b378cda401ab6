"""Pretraining on 1, 2 and 4 processes of this computer: what they take, and what ``scaling_model.py`` said they would.

    python benchmarks/scaling.py                        1, 2 and 4 processes of one thread each
    python benchmarks/scaling.py --processes 1 2 4 8    as many GPUs, where there are such
    python benchmarks/scaling.py --batch-size 64

What goes into the model is measured on one process: what a patch, a step, reading a patch and comparing two embeddings take;
and on several: what exchanging gradients takes, and what a batch norm sends, between computations as long as the network's.
Then the whole step is measured. Every line starts processes with torchrun; the best of several rounds counts, round after
round, as other programs may use the computer meanwhile.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from scaling_model import Machine, Training, step

from false_core.computing.device import choose_device
from false_core.computing.distributed import World, process_group, share
from false_core.feedback import Feedback
from false_core.methods.fncc import fncc_loss
from false_core.models.encoder import build_encoder
from false_core.presets import PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.views import PatchDraw, PatchSampler
from false_core.synthetic import write_large
from false_core.training.trainer import LocalBatch, Trainer

ROOT = Path(__file__).resolve().parents[1]
STEPS, WARM_UP = 8, 3
NORM_BYTES = 8192


@dataclass(frozen=True)
class Measured:
    """The measurements of one run.

    Attributes:
        step_s: Seconds of a whole step.
        read_s: Seconds of reading and cutting a patch, alone.
        gradients_s: Exchanging as many bytes as the gradients have.
        message_s: Exchanging as much as a batch norm does, between computations: with the wait for the slowest.
        gradient_bytes: Bytes of the network's gradients.
        norm_messages: Exchanges of batch norms in a step.
    """

    step_s: float
    read_s: float
    gradients_s: float
    message_s: float
    gradient_bytes: int
    norm_messages: int


def work(raster: str, batch_size: int, world: World) -> Measured:
    """Train a few steps together with the other processes."""
    torch.set_num_threads(1)
    quiet = Feedback()
    settings = replace(PRETRAIN["quick"], batch_size=batch_size, most_pixels=0)
    source = RasterSource(raster)
    area = source.window_of(None)
    device = choose_device("auto", quiet)
    torch.manual_seed(0)
    encoder = build_encoder(settings.encoder, len(source.bands))
    trainer = Trainer(settings, 10_000, encoder, 0, device, len(source.bands), quiet, world)
    sampler = PatchSampler(
        MeasuredRasters([source], [area], measure([source], [area], quiet)),
        PatchDraw(batch_size, settings.crop_size, settings.scales, settings.points, 0),
        10**9,
        device,
    )

    def make(number: int) -> LocalBatch:
        pairs = sampler.batch(number, world.share)
        return LocalBatch(pairs, trainer.prepare(pairs, number))

    batches = loaded_ahead(make, count(), device)
    for _ in range(WARM_UP):
        trainer.train_on(next(batches).views)
    step_s = _seconds(lambda: trainer.train_on(next(batches).views), STEPS, device)
    batches.close()
    numbers = count(10_000)
    read_s = _seconds(lambda: make(next(numbers)), STEPS, device) / batch_size * world.share.world_size
    parameters = [p for p in trainer.method.parameters() if p.requires_grad]
    gradient_bytes = sum(p.numel() * p.element_size() for p in parameters)
    norms = sum("BatchNorm" in type(module).__name__ for module in trainer.method.modules())
    gradients = [torch.zeros_like(p) for p in parameters]
    message = [torch.zeros(NORM_BYTES // 4, device=device)]
    gradients_s = _seconds(lambda: world.all_reduce(gradients), STEPS, device)
    message_s = _exchange_between_computations(world, message, step_s / (2 * norms), device)
    return Measured(step_s, read_s, gradients_s, message_s, gradient_bytes, 2 * norms)


def _exchange_between_computations(world: World, message: list[torch.Tensor], every_s: float, device: torch.device) -> float:
    """Return what an exchange adds where each process computes about ``every_s`` between two of them."""
    layer = torch.nn.Conv2d(32, 32, 3, padding=1).to(device)
    values = torch.randn(4, 32, 32, 32, device=device)

    def compute() -> None:
        with torch.inference_mode():
            for _ in range(times):
                layer(values)

    def compute_and_exchange() -> None:
        compute()
        world.all_reduce(message)

    times = 20
    taken = _seconds(compute, 10, device)
    # The same work on all: the first process says how much.
    times = max(1, world.broadcast_object(lambda: round(times * every_s / taken)))
    rounds = [_mean(compute_and_exchange, 50, device) - _mean(compute, 50, device) for _ in range(3)]
    return max(0.0, statistics.median(rounds))


def _mean(once: Callable[[], object], times: int, device: torch.device) -> float:
    began = time.perf_counter()
    for _ in range(times):
        once()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / times


def _seconds(once: Callable[[], object], times: int, device: torch.device) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        once()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def start(raster: str, batch_size: int, processes: int) -> Measured:
    """Start the processes and return what the first of them found."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    program = [str(Path(__file__)), "--work", raster, str(batch_size)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *program], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def pair_s(batch_size: int) -> float:
    """Return what comparing two embeddings takes, forward and backward."""
    torch.set_num_threads(1)
    settings = PRETRAIN["quick"]
    embeddings = torch.randn(2 * batch_size * settings.points, settings.dimensions).requires_grad_()
    taken = _seconds(lambda: torch.autograd.backward(fncc_loss(embeddings)), 5, torch.device("cpu"))
    return taken / len(embeddings) ** 2


def main() -> None:
    """Measure the parts, predict, measure the whole, print both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    choice = parser.parse_args()
    if choice.work:
        with process_group(share(), threading.Event()) as world:
            found = work(choice.work[0], int(choice.work[1]), world)
            if world.share.is_main:
                print(json.dumps(asdict(found)), flush=True)
        return
    batch, cores = choice.batch_size, float(os.cpu_count() or 1)
    settings = PRETRAIN["quick"]
    with tempfile.TemporaryDirectory() as folder:
        raster = str(Path(folder) / "raster.tif")
        write_large(raster, 4096, 4096)
        # Two batch sizes on one process tell what a patch takes, and what a step.
        half = [start(raster, batch // 2, 1) for _ in range(choice.rounds)]
        rounds = [{n: start(raster, batch, n) for n in choice.processes} for _ in range(choice.rounds)]
    best = {n: min((one[n] for one in rounds), key=lambda found: found.step_s) for n in choice.processes}
    compared = pair_s(batch)
    alone = best[min(best)]
    embeddings = 2 * settings.points
    pairs = {size: (size * embeddings) ** 2 * compared for size in (batch, batch // 2)}
    of_half = min(found.step_s for found in half) - pairs[batch // 2]
    patch_s = (alone.step_s - pairs[batch] - of_half) / (batch - batch // 2)
    table = Table("Processes", "Step", "Predicted", "Measured over predicted", "Efficiency", "Exchange")
    for processes, found in best.items():
        training = Training(
            batch=batch, patch_s=patch_s, step_s=max(0.0, of_half - patch_s * (batch // 2)), read_s=alone.read_s,
            patch_bytes=0.0, gradient_bytes=alone.gradient_bytes, embedding_bytes=4.0 * embeddings * settings.dimensions,
            pair_s=compared, embeddings=embeddings, norm_messages=alone.norm_messages if processes > 1 else 0,
        )  # fmt: skip
        latency = found.message_s / 2 / max(1.0, (processes - 1).bit_length())
        moved = 2 * (processes - 1) / processes * alone.gradient_bytes
        network = moved / found.gradients_s if processes > 1 else 1e12
        said = step(training, Machine(network, latency, cores=cores), processes)
        exchange = said.gradients + said.norms
        table.add_row(
            str(processes), f"{1e3 * found.step_s:.0f} ms", f"{1e3 * said.total:.0f} ms", f"{found.step_s / said.total:.2f}",
            f"{alone.step_s / found.step_s / min(processes, cores):.2f}", f"{1e3 * exchange:.0f} ms",
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(
        f"{settings.encoder}, {batch} patches a step, {cores:.0f} cores, one thread a process, best of {choice.rounds}. "
        "Efficiency: speed over that of one process, per core in use."
    )


if __name__ == "__main__":
    main()
