"""The gain by short numbers on this processor: a tile through an encoder, and a training step of it, against float32.

    python benchmarks/cpu_precision.py
    python benchmarks/cpu_precision.py --models model.safetensors other.safetensors

The encoders are those of the presets: of *quick*, its first one from before there was a general encoder, and of *standard*.
They are made ready as a map has them. The two kinds of numbers take turns, and the best round of each counts. Processors
without instructions for bfloat16 emulate it: the line above the table says which this one has.
With models, it is the processor time of a tile of their maps in float32, bfloat16 and int8, texture and all; and below, how
int8 agrees with float32 on the labels that a model keeps. ``OMP_NUM_THREADS=1`` makes that fair where other programs run.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from false_core.inference.folding import parts_for_inference
from false_core.inference.int8 import int8_segmenter
from false_core.mapping.classify.compute import network_of
from false_core.models.encoder import build_encoder
from false_core.models.fused import FeatureParts
from false_core.models.header import SEGMENTER
from false_core.models.model_file import read_card
from false_core.models.segmenter import class_probabilities

ENCODERS = ("tf_efficientnet_lite0", "resnet10t", "resnet50")
TILE_PX, BATCH, VIEW_PX = 768, 32, 64
ROUNDS = 5
INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "amx_tile")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[], metavar="MODEL")
    models = parser.parse_args().models
    console = Console(width=100)
    console.print(f"{torch.get_num_threads()} threads; the processor has {', '.join(_instructions()) or 'none of them'}.")
    if models:
        _print_maps(models, console)
        return
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


def _print_maps(models: list[str], console: Console) -> None:
    """Measure tiles of the maps of models, and print a table."""
    cpu, names = torch.device("cpu"), ("float32", "bfloat16", "int8")
    table = Table("model", *names, "int8 faster")
    for model in models:
        card = read_card(model, SEGMENTER)
        networks = {name: network_of(model, card, cpu, getattr(torch, name)) for name in names}
        pixels = torch.randn(1, len(card.bands), TILE_PX, TILE_PX)
        best = dict.fromkeys(names, float("inf"))
        for _ in range(ROUNDS):
            for name, network in networks.items():
                began = time.process_time()
                class_probabilities(network, pixels)
                best[name] = min(best[name], time.process_time() - began)
        table.add_row(
            Path(model).name, *(f"{best[name]:.3f} s" for name in names), f"{best['float32'] / best['int8']:.2f} x"
        )
    console.print(table)
    for model in models:
        console.print(f"{Path(model).name}: {int8_segmenter(model).agreement.told()}")


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
