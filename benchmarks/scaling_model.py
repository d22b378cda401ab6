"""What a job costs on many processes, from what its parts cost on one: on paper, before anybody rents a cluster.

    python benchmarks/scaling_model.py                       the two examples of docs/scaling.md
    python benchmarks/scaling_model.py --processes 8 64 512  for other numbers of GPUs
    python benchmarks/scaling_model.py --price 3.5           money for an hour of a GPU

Every number that goes in stands below under its name, with its unit. ``benchmarks/scaling.py`` measures them for the
processors of one computer, and compares what this model makes of them with what 1, 2 and 4 processes really take.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

HOUR = 3600.0


@dataclass(frozen=True)
class Machine:
    """Where a process computes.

    Attributes:
        network: Bytes per second between two processes.
        latency_s: Of one message.
        storage: Bytes per second that all processes together read.
        cores: That all processes share; infinite where each has enough for itself.
    """

    network: float
    latency_s: float
    storage: float = math.inf
    cores: float = math.inf


@dataclass(frozen=True)
class Training:
    """What pretraining consists of.

    Attributes:
        batch: Patches of a step, of all processes.
        patch_s: Computing a patch, forward and backward, both views.
        step_s: What a step takes besides, whatever its size.
        read_s: Reading and cutting a patch, by a thread of the processor.
        patch_bytes: Read from storage for a patch.
        gradient_bytes: Exchanged each step.
        embedding_bytes: Of a patch, both views and all points.
        pair_s: Comparing two embeddings, forward and backward; each process compares all.
        embeddings: Of a patch, both views and all points.
        norm_messages: Of batch norms in a step, forward and backward; each waits for the slowest.
    """

    batch: int
    patch_s: float
    step_s: float
    read_s: float
    patch_bytes: float
    gradient_bytes: float
    embedding_bytes: float
    pair_s: float
    embeddings: int
    norm_messages: int


@dataclass(frozen=True)
class Step:
    """What a step takes, by its parts, in seconds."""

    compute: float
    wait_for_data: float
    gradients: float
    embeddings: float
    compare: float
    norms: float

    @property
    def total(self) -> float:
        """Return all of it."""
        return self.compute + self.wait_for_data + self.gradients + self.embeddings + self.compare + self.norms


def step(training: Training, machine: Machine, processes: int) -> Step:
    """Return what a step takes on so many processes."""
    own = training.batch / processes
    # What all processes compute together, on the cores there are.
    crowd = max(1.0, processes / machine.cores)
    compute = (own * training.patch_s + training.step_s) * crowd
    compare = (training.batch * training.embeddings) ** 2 * training.pair_s * crowd
    # Read ahead, beside the computation, where a core is free for it.
    busy = processes * (own * (training.patch_s + training.read_s) + training.step_s) / machine.cores
    reading = max(busy, own * training.read_s, training.batch * training.patch_bytes / machine.storage)
    gradients = _all_reduce(training.gradient_bytes, machine, processes)
    embeddings = _all_gather(training.batch * training.embedding_bytes, machine, processes)
    norms = training.norm_messages * _all_reduce(8192, machine, processes)
    return Step(compute, max(0.0, reading - compute), gradients, embeddings, compare, norms)


def _all_reduce(content: float, machine: Machine, processes: int) -> float:
    """Return what a ring takes: each process sends everything nearly twice."""
    if processes == 1:
        return 0.0
    return 2 * (processes - 1) / processes * content / machine.network + 2 * math.log2(processes) * machine.latency_s


def _all_gather(content: float, machine: Machine, processes: int) -> float:
    if processes == 1:
        return 0.0
    return (processes - 1) / processes * content / machine.network + math.log2(processes) * machine.latency_s


@dataclass(frozen=True)
class Mapping:
    """What classifying consists of.

    Attributes:
        pixels: Of all rasters.
        pixel_s: Computing a pixel, overlap of tiles included.
        decode_s: Decoding a pixel, on the cores of one process.
        pixel_bytes: Read for a pixel, compressed.
        map_bytes: Written for a pixel, compressed.
        assemble: Bytes per second at which one process joins the parts; 0 where they stay apart under a VRT.
    """

    pixels: float
    pixel_s: float
    decode_s: float
    pixel_bytes: float
    map_bytes: float
    assemble: float


@dataclass(frozen=True)
class Mapped:
    """What classifying takes, by its parts, in seconds. All but the last go on at the same time."""

    compute: float
    decode: float
    storage: float
    joining: float

    @property
    def total(self) -> float:
        """Return all of it."""
        return max(self.compute, self.decode, self.storage) + self.joining


def mapped(mapping: Mapping, machine: Machine, processes: int) -> Mapped:
    """Return what classifying takes on so many processes."""
    return Mapped(
        compute=mapping.pixels * mapping.pixel_s / processes,
        decode=mapping.pixels * mapping.decode_s / processes,
        storage=mapping.pixels * (mapping.pixel_bytes + mapping.map_bytes) / machine.storage,
        joining=mapping.pixels * mapping.map_bytes / mapping.assemble if mapping.assemble else 0.0,
    )


# An NVIDIA H100 by its data sheet and common experience, not measured here: 990 TFLOP/s in bfloat16, of which convolutions
# reach a quarter; 400 Gbit/s between computers; 20 GB/s from a parallel file system; 16 cores for each GPU. Measured on one
# core: 26 ns to decode a pixel of 4 bands of 16 bits in Deflate, half its size, and 2 ms to read and cut a patch.
CARD_FLOPS = 0.25 * 990e12
CORES = 16
CLUSTER = Machine(network=40e9, latency_s=20e-6, storage=20e9)
PATCH_FLOP = 49e9
"""ResNet-50 on two views of 224 pixels, forward and backward, as PyTorch counts it."""
PIXEL_FLOP = 200e3
"""ResNet-50 with a decoder, forward."""
OVERLAP = 1.27
"""Of tiles: pixels computed for a pixel of the map."""
PAPER = Training(
    batch=4096,
    patch_s=PATCH_FLOP / CARD_FLOPS,
    step_s=5e-3,
    read_s=2e-3 / CORES,
    patch_bytes=224 * 224 * 4 * 2 / 2,
    gradient_bytes=28e6 * 4,
    embedding_bytes=2 * 128 * 4,
    pair_s=3 * 2 * 128 / (0.1 * 60e12),
    embeddings=2,
    norm_messages=2 * 53,
)
IMAGERY_BYTES = 100e12
CONTINENT = Mapping(
    # Europe, 10.2 million square kilometres, at 0.5 m.
    pixels=10.2e12 / 0.25,
    pixel_s=OVERLAP * PIXEL_FLOP / CARD_FLOPS,
    decode_s=OVERLAP * 26e-9 / CORES,
    pixel_bytes=4 * 2 / 2,
    map_bytes=0.1,
    assemble=0.0,
)


def main() -> None:
    """Print both examples."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 8, 64, 512])
    parser.add_argument("--price", type=float, default=3.0, help="for an hour of a GPU")
    parser.add_argument("--epochs", type=float, default=1.0, help="times that every patch is seen")
    parser.add_argument("--batch", type=int, default=PAPER.batch)
    choice = parser.parse_args()
    console, training = Console(width=120), replace(PAPER, batch=choice.batch)
    steps = choice.epochs * IMAGERY_BYTES / training.patch_bytes / training.batch
    table = Table(
        "GPUs", "Step", "Compute", "Data", "Gradients", "Embeddings", "Compare", "Norms", "Hours", "Efficiency", "Cost",
        title=f"Pretraining on 100 TB, ResNet-50 at 224, batch {training.batch}, {steps:,.0f} steps",
    )  # fmt: skip
    alone = step(training, CLUSTER, 1).total
    for processes in choice.processes:
        made = step(training, CLUSTER, processes)
        hours = steps * made.total / HOUR
        parts = (made.compute, made.wait_for_data, made.gradients, made.embeddings, made.compare, made.norms)
        table.add_row(
            str(processes), f"{1e3 * made.total:,.0f} ms", *(f"{part / made.total:.0%}" for part in parts),
            f"{hours:,.1f}", f"{alone / processes / made.total:.0%}", f"{hours * processes * choice.price:,.0f}",
        )  # fmt: skip
    console.print(table)
    table = Table(
        "GPUs",
        "Compute",
        "Decode",
        "Storage",
        "Hours",
        "Cost",
        title=f"Mapping {CONTINENT.pixels:.1e} pixels",
    )
    for processes in choice.processes:
        found = mapped(CONTINENT, CLUSTER, processes)
        hours = [one / HOUR for one in (found.compute, found.decode, found.storage, found.total)]
        table.add_row(
            str(processes), *(f"{one:,.1f}" for one in hours), f"{hours[-1] * processes * choice.price:,.0f}"
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
