"""The cost of a job on many processes, from that of its parts on one: on paper, before anybody rents a cluster.

    python benchmarks/scaling_model.py                           the tables of docs/scaling.md
    python benchmarks/scaling_model.py --processes 8 64 512      for other numbers of GPUs
    python benchmarks/scaling_model.py --batch-size 4096         for other batches
    python benchmarks/scaling_model.py --cores 2                 for other numbers of cores beside each GPU
    python benchmarks/scaling_model.py --price 3.5               money for an hour of a GPU
    python benchmarks/scaling_model.py --count                   FLOP and launches of a step, on tensors without numbers

Every number that goes in stands below under its name, with its unit. ``benchmarks/scaling.py`` measures them for the
processors of one computer, and compares what this model makes of them with what 1, 2 and 4 processes really take.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, dataclass, replace

from rich.console import Console
from rich.table import Table

HOUR = 3600.0


@dataclass(frozen=True)
class Machine:
    """The machine that a process computes on.

    Attributes:
        network: Bytes per second between two processes.
        latency_s: Seconds that a message takes beside its bytes.
        storage: Bytes per second that all processes together read.
        cores: Number of cores that all processes share; infinite where each has enough for itself.
    """

    network: float
    latency_s: float
    storage: float = math.inf
    cores: float = math.inf


@dataclass(frozen=True)
class Training:
    """The parts of pretraining.

    Attributes:
        batch: Patches of a step, of all processes.
        patch_s: Computing a patch, forward and backward, both views.
        step_s: Seconds that a step takes besides, whatever its size.
        least_s: Seconds that starting the operations of a step takes. A GPU cannot be faster.
        read_s: Reading and cutting a patch, by all threads of a process.
        patch_bytes: Read from storage for a patch.
        gradient_bytes: Exchanged each step.
        bucket_bytes: Bytes of it that leave at a time, while the backward pass computes. Infinite: all at its end.
        embedding_bytes: Bytes of the embeddings of a patch, both views and all points.
        pair_s: Comparing two embeddings, forward and backward; each process compares its share with all.
        embeddings: Number of embeddings of a patch, both views and all points.
        norm_messages: Number of messages of batch norms in a step, forward and backward; each waits for the slowest.
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
    least_s: float = 0.0
    bucket_bytes: float = math.inf


@dataclass(frozen=True)
class Step:
    """The seconds of a step, by its parts."""

    compute: float
    starting: float
    data: float
    gradients: float
    compare: float
    norms: float

    @property
    def total(self) -> float:
        """Return all of it."""
        return float(sum(asdict(self).values()))

    @property
    def slowest(self) -> str:
        """Return the part beside computing that takes longest."""
        parts = asdict(self)
        del parts["compute"]
        return max(parts, key=lambda name: parts[name])


def step(training: Training, machine: Machine, processes: int) -> Step:
    """Return what a step takes on so many processes."""
    own = training.batch / processes
    # What all processes compute together, on the cores there are.
    crowd = max(1.0, processes / machine.cores)
    compute = (own * training.patch_s + training.step_s) * crowd
    embeddings = training.batch * training.embeddings
    compare = embeddings**2 / processes * training.pair_s * crowd
    # Embeddings there, denominators between, gradients back.
    compare += _all_gather(2 * training.batch * training.embedding_bytes + 4 * embeddings, machine, processes, 3)
    starting = max(0.0, training.least_s - compute - compare)
    # Read ahead, beside the computation, where a core is free for it.
    busy = processes * (own * (training.patch_s + training.read_s) + training.step_s) / machine.cores
    reading = max(busy, own * training.read_s, training.batch * training.patch_bytes / machine.storage)
    data = max(0.0, reading - compute - compare - starting)
    # Two thirds of computing is the backward pass. The last bucket leaves at its end.
    last = min(training.bucket_bytes, training.gradient_bytes)
    early = _all_reduce(training.gradient_bytes - last, machine, processes) - 2 / 3 * max(compute, training.least_s)
    gradients = max(0.0, early) + _all_reduce(last, machine, processes)
    norms = training.norm_messages * _all_reduce(8192, machine, processes)
    return Step(compute, starting, data, gradients, compare, norms)


def _all_reduce(content: float, machine: Machine, processes: int) -> float:
    """Return what a ring takes: each process sends everything nearly twice."""
    if processes == 1:
        return 0.0
    return 2 * (processes - 1) / processes * content / machine.network + 2 * math.log2(processes) * machine.latency_s


def _all_gather(content: float, machine: Machine, processes: int, messages: int) -> float:
    if processes == 1:
        return 0.0
    return (processes - 1) / processes * content / machine.network + messages * math.log2(processes) * machine.latency_s


@dataclass(frozen=True)
class Mapping:
    """The parts of classifying.

    Attributes:
        pixels: Number of pixels of all rasters.
        pixel_s: Computing a pixel, overlap of tiles included.
        decode_s: Reading a pixel, on the cores of one process.
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
    """The seconds of classifying, by its parts. All but the last go on at the same time."""

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


# An NVIDIA H100 by its data sheet and common experience, not measured here: 67 TFLOP/s in float32 and 3.35 TB/s, of which
# 70 % are reached; eager PyTorch trains ResNet-50 on 3,000 views of 224 pixels a second in bfloat16 (73 TFLOP/s: it is bound
# by memory), and on half as many in float32, which moves twice as much. 8 GPUs in a computer with 450 GB/s between them,
# 400 Gbit/s between computers; 20 GB/s from a parallel file system; 16 cores for each GPU. Measured on one core, by
# ``benchmarks/loading.py``: what it takes to make a patch of the preset standard out of decoded pixels, to decode a chunk of
# 4 bands of 16 bits in Deflate, half its size, and to make a pixel of a map; and what of that is Python, which one thread at
# a time runs.
CARD_FLOP, CARD_BYTES, REACHED = 67e12, 3.35e12, 0.7
VIEWS_S = 3000.0
CONVOLUTION_FLOPS = 73e12
CARDS_OF_A_COMPUTER = 8
CORES = 16
INSIDE = Machine(network=450e9, latency_s=10e-6, storage=20e9)
BETWEEN = Machine(network=40e9, latency_s=20e-6, storage=20e9)
LOADERS, DECODERS = 4, 16
"""Threads that make batches, and that decode, where there are as many cores."""
PATCH_S, PATCH_PYTHON_S = 0.08e-3, 0.04e-3
CHUNK_S, CHUNK_BYTES = 10.2e-3, 512**2 * 4 * 2 / 2
CHUNKS_OF_A_BATCH = {"standard": 7.0, "paper": 6.7}
"""Chunks that are decoded for a batch of a raster of 20,480 x 20,480 pixels, which does not fit the memory. Of 8 processes
each decodes an eighth of that (0.93 and 1.03)."""
MAP_PIXEL_S, MAP_PYTHON_S = 39e-9, 1.4e-9
"""Seconds for a pixel of the map, overlap of tiles included."""
PAIR_FLOP, PAIR_BYTES = 6 * 128, 98
"""``benchmarks/contrastive_loss.py --gpus`` counts them: 29 GFLOP and 3.7 GB for 6,144 embeddings of 128."""
LAUNCHES, NORM_LAUNCHES, LAUNCH_S = 1_045, 9, 5e-6
"""Launches of a step with ResNet-50 (``--count``), and those of each batch norm over several processes beyond one."""
NORMS = 53
BUCKET_BYTES = 25 << 20
PIXEL_FLOP = 173e3
"""ResNet-50 with the decoder SegFormer, forward."""
OVERLAP = 1.27
"""Pixels of tiles that are computed for a pixel of the map."""


def preset(name: str, batch: int, cores: int, in_memory: bool, processes: int) -> Training:
    """Return what pretraining with a preset consists of.

    Args:
        batch: Patches of a step; 0: those of the preset.
        cores: Number of cores beside each GPU.
        in_memory: True where the raster stays decoded in memory.
    """
    side, places, views_s = {"standard": (160, 24, VIEWS_S), "paper": (224, 1, VIEWS_S / 2)}[name]
    usual = {"standard": 128, "paper": 256}[name]
    chunks = 0.0 if in_memory else CHUNKS_OF_A_BATCH[name] / usual
    # The larger a patch, the more of it is cut.
    made = PATCH_S * (side / 160) ** 2 / min(LOADERS, cores) + chunks * CHUNK_S / min(DECODERS, cores)
    return Training(
        batch=batch or usual,
        patch_s=2 * (side / 224) ** 2 / views_s,
        step_s=0.0,
        read_s=max(made, PATCH_PYTHON_S),
        patch_bytes=chunks * CHUNK_BYTES,
        gradient_bytes=28e6 * 4,
        embedding_bytes=2 * places * 128 * 4,
        pair_s=PAIR_FLOP / (CARD_FLOP * REACHED) + PAIR_BYTES / (CARD_BYTES * REACHED),
        embeddings=2 * places,
        norm_messages=2 * NORMS,
        least_s=(LAUNCHES + (NORMS * NORM_LAUNCHES if processes > 1 else 0)) * LAUNCH_S,
        bucket_bytes=BUCKET_BYTES,
    )


CONTINENT = Mapping(
    # Europe, 10.2 million square kilometres, at 0.5 m.
    pixels=10.2e12 / 0.25,
    pixel_s=OVERLAP * PIXEL_FLOP / CONVOLUTION_FLOPS,
    decode_s=MAP_PIXEL_S,
    pixel_bytes=4 * 2 / 2,
    map_bytes=0.1,
    assemble=0.0,
)


def machine(processes: int) -> Machine:
    """Return where so many GPUs compute."""
    return INSIDE if processes <= CARDS_OF_A_COMPUTER else BETWEEN


def print_training(console: Console, name: str, choice: argparse.Namespace, in_memory: bool) -> None:
    """Print one line per number of GPUs."""
    training = preset(name, choice.batch_size, choice.cores, in_memory, 1)
    where = "decoded in memory" if in_memory else "20,480 x 20,480 pixels, decoded as needed"
    table = Table(
        "GPUs", "Step", "Computing", "Starting", "Data", "Comparing", "Batch norms", "Gradients", "Patches/s", "Efficiency",
        "Hours for 10,000 steps", "Cost", "Slowest beside computing",
        title=f"{name}: batch {training.batch}, raster {where}, {choice.cores} cores beside each GPU",
    )  # fmt: skip
    alone = step(training, machine(1), 1).total
    for processes in choice.processes:
        if processes > training.batch:
            continue
        training = preset(name, choice.batch_size, choice.cores, in_memory, processes)
        made = step(training, machine(processes), processes)
        hours = 10_000 * made.total / HOUR
        parts = (made.compute, made.starting, made.data, made.compare, made.norms, made.gradients)
        table.add_row(
            str(processes), f"{1e3 * made.total:,.1f} ms", *(f"{part / made.total:.0%}" for part in parts),
            f"{training.batch / made.total:,.0f}", f"{alone / processes / made.total:.0%}", f"{hours:,.2f}",
            f"{hours * processes * choice.price:,.2f}", made.slowest,
        )  # fmt: skip
    console.print(table)


def print_map(console: Console, choice: argparse.Namespace) -> None:
    """Print one line per number of GPUs."""
    mapping = replace(CONTINENT, decode_s=max(CONTINENT.decode_s / min(DECODERS, choice.cores), MAP_PYTHON_S))
    table = Table(
        "GPUs", "Computing", "Decoding", "Storage", "Hours", "Cost",
        title=f"Mapping {mapping.pixels:.1e} pixels, {choice.cores} cores beside each GPU",
    )  # fmt: skip
    for processes in choice.processes:
        found = mapped(mapping, machine(processes), processes)
        hours = [one / HOUR for one in (found.compute, found.decode, found.storage, found.total)]
        table.add_row(str(processes), *(f"{one:,.1f}" for one in hours), f"{hours[-1] * processes * choice.price:,.0f}")
    console.print(table)


def print_count() -> None:
    """Count what a step of the network asks of a GPU: no GPU is needed, nor a number computed."""
    import torch
    from contrastive_loss import Asked
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    from false_core.models.encoder import build_encoder
    from false_core.presets import PRETRAIN

    for name in ("standard", "paper"):
        settings = PRETRAIN[name]
        with FakeTensorMode():
            encoder = build_encoder(settings.encoder, 4)
            optimiser = torch.optim.AdamW(encoder.parameters(), foreach=True)
            views = torch.zeros(2 * settings.batch_size, 4, settings.crop_size, settings.crop_size)
            with FlopCounterMode(display=False) as counter, Asked() as asked:  # type: ignore[no-untyped-call]
                torch.autograd.backward(encoder(views)[-1].mean())
                optimiser.step()
        flop = counter.get_total_flops()
        print(f"{name}: {flop / 1e12:.2f} TFLOP, {asked.launches} operations of the network and its optimiser")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--price", type=float, default=3.0, help="for an hour of a GPU")
    parser.add_argument("--batch-size", type=int, default=0, help="patches of a step; 0: those of the preset")
    parser.add_argument("--cores", type=int, default=CORES, help="beside each GPU")
    parser.add_argument("--count", action="store_true")
    choice = parser.parse_args()
    if choice.count:
        print_count()
        return
    console = Console(width=160)
    for name in ("standard", "paper"):
        for in_memory in (True, False):
            print_training(console, name, choice, in_memory)
    print_map(console, choice)


if __name__ == "__main__":
    main()
