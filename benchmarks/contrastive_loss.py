"""Time of the FNCC loss, forward and backward, in tiles against the whole matrix of similarities at once.

    python benchmarks/contrastive_loss.py             against the whole matrix
    python benchmarks/contrastive_loss.py --share     as a share of a step of pretraining, at a batch of 256 patches
    python benchmarks/contrastive_loss.py --memory    peak memory of 65,536 embeddings of 128
    python benchmarks/contrastive_loss.py --gpus      what it would take on GPUs, from what it asks of them

Both forms are timed in turn, and the best of several rounds counts. The ratio is what to look at. The share is that of the
processor time of a step; ResNet-50 is timed on 4 patches of 224 pixels and taken 64 times: a whole step would take minutes.
The memory is the highest that the system reports for a process of its own, with PyTorch and all.

What it would take on a GPU is arithmetic, not measured: the operations of one pass on tensors without numbers, their FLOP,
the bytes that they read and write, and their launches, over what the data sheet says of the GPU. A kernel that never wrote
a similarity would be left with the FLOP.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from pretraining import CASES, Case, taken
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from false_core.methods import pairs
from false_core.methods.fncc import fncc_loss
from false_core.presets import PRETRAIN
from false_core.synthetic import write_large

SIZES = ((512, 128), (1536, 64), (6144, 128))
"""Embeddings and their dimensions."""
TEMPERATURE, THRESHOLD = 0.2, 0.9
ROUNDS = 7
BATCH = 256
LARGE = (65_536, 128)
GPUS = {
    "H100 SXM": (67e12, 3.35e12),
    "A100 40 GB": (19.5e12, 1.56e12),
    "RTX 4090": (82.6e12, 1.01e12),
    "RTX 3060": (12.7e12, 0.36e12),
    "T4": (8.1e12, 0.32e12),
}
"""Float32 operations and bytes of memory a second, by the data sheets."""
REACHED = 0.7
"""Share of either that is reached."""
LAUNCH_S = 5e-6
VIEWS_S = 3000 / 3.35e12
"""Views of 224 pixels that ResNet-50 trains on, a second and byte of the memory: it is bound by memory."""
LOGSUMEXP_PASSES, LOGSUMEXP_LAUNCHES = 5, 7
"""Passes and launches of ``torch.logsumexp`` beyond reading its input once: highest, distance, exponential, sum and log."""


class Asked(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that operations read and write, and their launches."""

    moved = launches = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and count it, unless it only looks at a tensor in another way."""
        made = func(*args, **(kwargs or {}))
        if func.namespace == "aten" and not func.is_view and "empty" not in str(func):
            of_input = sum(t.nbytes for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor))
            of_output = sum(t.nbytes for t in tree_leaves(made) if isinstance(t, Tensor))
            # What is filled is not read, and of what is gathered from no more than that.
            self.moved += of_output if func._opname in ("fill_", "gather") else of_input + of_output
            self.launches += 1
            if "logsumexp" in str(func):
                self.moved += LOGSUMEXP_PASSES * of_input
                self.launches += LOGSUMEXP_LAUNCHES - 1
        return made


def whole_matrix(embeddings: Tensor) -> Tensor:
    """Return the loss with confidence 1 and one neighbour, in the plainest form that autograd can differentiate."""
    z = torch.nn.functional.normalize(embeddings, dim=1)
    similarity = z @ z.T
    own = torch.arange(len(z), device=z.device)
    positive = own.roll(len(z) // 2)
    of_positive = similarity[own, positive]
    distance = (similarity.detach() - of_positive.detach()[:, None]).abs()
    distance[own, own] = distance[own, positive] = torch.inf
    of_nearest = similarity[own, distance.argmin(dim=1)]
    logits = similarity / TEMPERATURE
    denominator = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf).logsumexp(dim=1)
    both = torch.logaddexp(of_positive / TEMPERATURE, of_nearest / TEMPERATURE)
    return (denominator - torch.where(of_positive > THRESHOLD, both, of_positive / TEMPERATURE)).mean()


def in_tiles(embeddings: Tensor) -> Tensor:
    """Return the loss of the library."""
    return fncc_loss(embeddings, TEMPERATURE, THRESHOLD, 1.0)


def seconds(loss: Callable[[Tensor], Tensor], embeddings: Tensor) -> float:
    """Return the processor time of one forward and backward pass."""
    began = time.process_time()
    torch.autograd.backward(loss(embeddings))
    return time.process_time() - began


def random_embeddings(count: int, dimensions: int) -> Tensor:
    """Return ``count`` embeddings that want gradients."""
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(0)).requires_grad_()


def against_the_whole_matrix() -> None:
    """Print one line per size."""
    print(f"{torch.get_num_threads()} threads, processor time in ms, best of {ROUNDS}")
    for count, dimensions in SIZES:
        embeddings = random_embeddings(count, dimensions)
        torch.testing.assert_close(in_tiles(embeddings), whole_matrix(embeddings), rtol=1e-5, atol=1e-5)
        rounds = [(seconds(whole_matrix, embeddings), seconds(in_tiles, embeddings)) for _ in range(ROUNDS)]
        whole, tiles = (1e3 * min(column) for column in zip(*rounds))
        print(f"{count:6d} x {dimensions:<4d} whole {whole:8.1f}   tiles {tiles:8.1f}   whole / tiles {whole / tiles:.2f}")


def share_of_a_step() -> None:
    """Print one line per encoder: what the loss takes of a step at a batch of 256 patches."""
    print(f"{torch.get_num_threads()} threads, processor time, medians of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as folder:
        raster = str(Path(folder) / "raster.tif")
        write_large(raster, 4096, 4096)
        for name, patches in (("quick", BATCH), ("resnet50", 4)):
            settings = replace(CASES[name], batch_size=patches)
            embeddings = random_embeddings(2 * BATCH * max(1, settings.points), settings.dimensions)
            with closing(Case(settings, raster, torch.device("cpu"))) as case:
                case.fixed()
                rounds = [
                    (taken(case.fixed, 1, case.device).processor * BATCH / patches, seconds(in_tiles, embeddings))
                    for _ in range(ROUNDS)
                ]
            step, loss = (statistics.median(column) for column in zip(*rounds))
            print(
                f"{settings.encoder}, {settings.crop_size} pixels, {len(embeddings)} x {settings.dimensions}: step "
                f"{step:.2f} s, loss {loss:.3f} s, {loss / step:.1%}"
            )


def pass_once(count: int, dimensions: int) -> None:
    """Print the peak memory of this process before and after one pass forward and backward."""
    embeddings = random_embeddings(count, dimensions)
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    began = time.perf_counter()
    torch.autograd.backward(in_tiles(embeddings))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    print(
        f"{count} x {dimensions}: {before:.2f} GB before, {after:.2f} GB at most, {time.perf_counter() - began:.0f} s; "
        f"the whole matrix would take {4 * count**2 / 1e9:.0f} GB"
    )


def on_gpus() -> None:
    """Print one line per GPU: what the loss of the preset standard would take, and which share of a step that is."""
    settings = PRETRAIN["standard"]
    count = 2 * settings.batch_size * settings.points
    with FakeTensorMode(), patch.object(pairs, "TILE", pairs.TILE_OF_A_GPU):
        embeddings = torch.zeros(count, settings.dimensions, requires_grad=True)
        with FlopCounterMode(display=False) as counter, Asked() as asked:  # type: ignore[no-untyped-call]
            torch.autograd.backward(in_tiles(embeddings))
    flop = counter.get_total_flops()
    print(
        f"standard: {count} embeddings of {settings.dimensions}: {flop / 1e9:.0f} GFLOP in float32, {asked.moved / 1e9:.1f} "
        f"GB, {asked.launches} launches"
    )
    views = 2 * settings.batch_size * (settings.crop_size / 224) ** 2
    for name, (flops, bandwidth) in GPUS.items():
        products, passes, launches = flop / flops / REACHED, asked.moved / bandwidth / REACHED, asked.launches * LAUNCH_S
        network = views / (VIEWS_S * bandwidth)
        # Launches go on while the GPU still works, so the larger of the two counts.
        loss = max(products + passes, launches)
        print(
            f"{name} products {1e3 * products:5.1f} ms, passes {1e3 * passes:5.1f} ms, launches {1e3 * launches:4.1f} ms; "
            f"{1e3 * loss:5.1f} ms, network {1e3 * network:6.1f} ms; loss {loss / (loss + network):5.1%} of a step, the "
            f"best kernel would save {(loss - products) / (loss + network):5.1%}"
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Time and memory of the FNCC loss.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--share", action="store_true")
    what.add_argument("--memory", action="store_true")
    what.add_argument("--gpus", action="store_true")
    choice = parser.parse_args()
    if choice.share:
        share_of_a_step()
    elif choice.gpus:
        on_gpus()
    elif choice.memory:
        process = multiprocessing.get_context("spawn").Process(target=pass_once, args=LARGE)
        process.start()
        process.join()
        sys.exit(process.exitcode)
    else:
        against_the_whole_matrix()


if __name__ == "__main__":
    main()
