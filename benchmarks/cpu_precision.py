"""The gain by bfloat16 on this processor: a tile through an encoder, and a training step of it, against float32.

    python benchmarks/cpu_precision.py

The encoders are those of the presets: of *quick*, its first one from before there was a general encoder, and of *standard*.
They are made ready as a map has them. The two kinds of numbers take turns, and the best round of each counts. Processors
without instructions for bfloat16 emulate it: the line above the table says which this one has.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from false_core.inference.folding import parts_for_inference
from false_core.models.encoder import build_encoder
from false_core.models.fused import FeatureParts

ENCODERS = ("tf_efficientnet_lite0", "resnet10t", "resnet50")
TILE_PX, BATCH, VIEW_PX = 768, 32, 64
ROUNDS = 5
INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "amx_tile")


def main() -> None:
    """Measure, and print a table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    console = Console(width=100)
    console.print(f"{torch.get_num_threads()} threads; the processor has {', '.join(_instructions()) or 'none of them'}.")
    table = Table()
    for heading in ("encoder", "tile float32", "bfloat16", "faster", "step float32", "bfloat16", "faster"):
        table.add_column(heading)
    for name in ENCODERS:
        cells = []
        for work in (_tile(name), _step(name)):
            plain, short = _seconds(work)
            cells += [f"{plain:.3f} s", f"{short:.3f} s", f"{plain / short:.2f} x"]
        table.add_row(name, *cells)
    console.print(table)


def _tile(name: str) -> Callable[[], None]:
    """Return what passes a tile through an encoder."""
    encoder = parts_for_inference(FeatureParts([name], [(1,)], 3).eval()).encoders[0].to(memory_format=torch.channels_last)
    pixels = torch.randn(1, 3, TILE_PX, TILE_PX).contiguous(memory_format=torch.channels_last)

    def work() -> None:
        with torch.inference_mode():
            encoder(pixels)

    return work


def _step(name: str) -> Callable[[], None]:
    """Return what computes the gradients of a batch of views, as pretraining does."""
    encoder: nn.Module = build_encoder(name, 3).train().to(memory_format=torch.channels_last)
    views = torch.randn(BATCH, 3, VIEW_PX, VIEW_PX).contiguous(memory_format=torch.channels_last)

    def work() -> None:
        levels: list[Tensor] = encoder(views)
        torch.stack([level.float().mean() for level in levels[1:] if level.numel()]).sum().backward()  # type: ignore[no-untyped-call]

    return work


def _seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds that something takes in float32 and in bfloat16."""
    best = {False: float("inf"), True: float("inf")}
    for _ in range(ROUNDS):
        for short in best:
            began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=short):
                work()
            best[short] = min(best[short], time.perf_counter() - began)
    return best[False], best[True]


def _instructions() -> list[str]:
    """Return the processor's instructions for bfloat16, as far as Linux says them."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            words = set(file.read().split())
    except OSError:
        return []
    return [name for name in INSTRUCTIONS if name in words]


if __name__ == "__main__":
    main()
