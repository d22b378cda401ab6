"""Pretraining end to end against torchgeo and lightly: patches per second from a GeoTIFF into the same encoder.

    python benchmarks/pretraining_peers.py                      all that is installed
    python benchmarks/pretraining_peers.py --raster file.tif    on another raster than a generated one
    python benchmarks/pretraining_peers.py --device cuda        on a GPU

The peers are not dependencies. An environment of their own, on top of the one that runs the library:

    python -m venv peers
    uv pip install --python peers/bin/python --no-deps -r benchmarks/pretraining_peers.txt
    echo /path/to/the/library/environment/site-packages > peers/lib/python3.11/site-packages/base.pth
    PYTHONPATH=. peers/bin/python benchmarks/pretraining_peers.py

All three train the encoder of the quick preset with SimCLR's loss on the whole patch, AdamW, the same numbers and the same
number of threads, on the raster's own pixels. torchgeo: RandomGeoSampler, a DataLoader in a worker process, its SimCLR
trainer's augmentations and loss. lightly: tiles cut to PNG files beforehand, which is counted for as many steps as it took
to use each tile once; LightlyDataset, its SimCLRTransform in a worker process, NTXentLoss. For a GPU each has a worker for
every core, and pinned memory. A step is timed with its reading; what a pipeline has to set up once is left out. Rounds
take turns, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import false_core.computing.native_libraries  # noqa: F401 - before numpy, whose threads it limits

# isort: split

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.windows import Window as RasterioWindow
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from false_core.computing.device import choose_device
from false_core.computing.memory import keep_memory
from false_core.computing.precision import autocast, precisions_in_training
from false_core.computing.threads import cores
from false_core.feedback import Feedback
from false_core.methods.simclr import nt_xent
from false_core.models.encoder import ImageProjector, build_encoder, channels_of
from false_core.presets import IMAGE, PRETRAIN
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MeasuredRasters, measure
from false_core.sampling.loading import loaded_ahead
from false_core.sampling.views import PatchDraw, PatchSampler, RawViews
from false_core.synthetic import write_large
from false_core.training.trainer import Trainer

SIZE, BATCH, BANDS = 64, 32, 3
LIBRARIES = ("FALSE", "torchgeo", "lightly")
SETTINGS = replace(
    PRETRAIN["quick"], method="simclr", level=IMAGE, points=0, crop_size=SIZE, batch_size=BATCH, most_pixels=0
)
QUIET = Feedback(lambda event: None)

Step = Callable[[], object]


def ours(raster: str, device: torch.device) -> Step:
    """Return a step of this library."""
    source = RasterSource(raster, (1, 2, 3))
    area = source.window_of(None)
    torch.manual_seed(0)
    trainer = Trainer(SETTINGS, 10_000, build_encoder(SETTINGS.encoder, BANDS), 0, device, BANDS, QUIET)
    sampler = PatchSampler(
        MeasuredRasters([source], [area], measure([source], [area], QUIET)),
        PatchDraw(BATCH, SIZE, SETTINGS.scales, 0, 0),
        10**9,
        device,
    )

    def make(step: int) -> RawViews:
        return trainer.prepare(sampler.batch(step), step)

    batches = loaded_ahead(make, count(), device)
    return lambda: trainer.train_on(next(batches))


class Plain(nn.Module):
    """The same encoder and projector for the peers."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        torch.manual_seed(0)
        self.encoder = build_encoder(SETTINGS.encoder, BANDS)
        self.projector = ImageProjector(channels_of(self.encoder), SETTINGS.hidden, SETTINGS.dimensions)
        self.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.parameters(), SETTINGS.learning_rate)

    def forward(self, views: Tensor) -> Tensor:
        """Return embeddings."""
        with autocast(self.device, precisions_in_training(self.device, SETTINGS.mixed_precision)[0]):
            embeddings: Tensor = self.projector(self.encoder(views.contiguous(memory_format=torch.channels_last)))
        return embeddings

    def descend(self, loss: Tensor) -> None:
        """Do the rest of a step."""
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()


def loading(device: torch.device) -> dict[str, Any]:
    """Return how the peers are told to load batches for a device."""
    return {"num_workers": cores(), "pin_memory": True} if device.type == "cuda" else {"num_workers": 1}


def torchgeo(raster: str, device: torch.device) -> Step:
    """Return a step as torchgeo's SimCLR trainer does it."""
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import RandomGeoSampler
    from torchgeo.trainers.simclr import simclr_augmentations

    class Scene(RasterDataset):  # type: ignore[misc]
        """The raster."""

        filename_glob = Path(raster).name
        all_bands = ("1", "2", "3")

    dataset = Scene(str(Path(raster).parent))
    sampler = RandomGeoSampler(dataset, size=2 * SIZE, length=BATCH * 10_000)
    loader: DataLoader[Any] = DataLoader(
        dataset, batch_size=BATCH, sampler=sampler, collate_fn=stack_samples, **loading(device)
    )
    augment = simclr_augmentations(SIZE, torch.full((BANDS,), 1 / 3))
    network, batches = Plain(device), iter(loader)

    def step() -> None:
        images = next(batches)["image"][:, :BANDS].to(device, non_blocking=device.type == "cuda").float() / 255
        with torch.no_grad():
            views = torch.cat([augment(images), augment(images)])
        network.descend(nt_xent(network(views), SETTINGS.temperature).loss)

    return step


def lightly(raster: str, folder: Path, device: torch.device) -> tuple[Step, float]:
    """Return a step of lightly's SimCLR recipe, and what cutting the tiles of one batch took."""
    from lightly.data import LightlyDataset
    from lightly.loss import NTXentLoss
    from lightly.transforms import SimCLRTransform
    from PIL import Image

    began, tiles = time.perf_counter(), 0
    with rasterio.open(raster) as file:
        for row in range(0, file.height - 2 * SIZE, 2 * SIZE):
            for column in range(0, file.width - 2 * SIZE, 2 * SIZE):
                pixels = file.read((1, 2, 3), window=RasterioWindow(column, row, 2 * SIZE, 2 * SIZE))
                Image.fromarray(np.moveaxis(pixels, 0, -1).astype(np.uint8)).save(folder / f"{row}_{column}.png")
                tiles += 1
    cutting = (time.perf_counter() - began) / tiles * BATCH
    dataset = LightlyDataset(str(folder), transform=SimCLRTransform(input_size=SIZE))
    loader = torch.utils.data.DataLoader(
        dataset, BATCH, shuffle=True, drop_last=True, persistent_workers=True, **loading(device)
    )
    network, loss, batches = Plain(device), NTXentLoss(SETTINGS.temperature), endless(loader)

    def step() -> None:
        first, second = next(batches)[0]
        views = torch.cat([first, second]).to(device, non_blocking=device.type == "cuda")
        one, two = network(views).chunk(2)
        network.descend(loss(one, two))

    return step, cutting


def endless(loader: Any) -> Iterator[Any]:
    """Yield batches without end."""
    while True:
        yield from loader


def seconds(step: Step, steps: int, device: torch.device) -> float:
    """Return what one of several steps takes."""
    began = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / steps


def compared(raster: str, folder: Path, device: torch.device, rounds: int, steps: int) -> list[dict[str, float]]:
    """Return the seconds of a step of each library that is there, round by round."""
    work: dict[str, Step] = {"FALSE": ours(raster, device)}
    cutting = dict.fromkeys(LIBRARIES, 0.0)
    if importlib.util.find_spec("torchgeo"):
        work["torchgeo"] = torchgeo(raster, device)
    if importlib.util.find_spec("lightly"):
        (folder / "tiles").mkdir()
        work["lightly"], cutting["lightly"] = lightly(raster, folder / "tiles", device)
    for step in work.values():
        step()
    return [{who: seconds(step, steps, device) + cutting[who] for who, step in work.items()} for _ in range(rounds)]


def patches_per_second(rounds: list[dict[str, float]], who: str) -> float:
    """Return the speed of a library, the median of the rounds."""
    return BATCH / statistics.median(taken[who] for taken in rounds)


def main() -> None:
    """Print one line for each library that is there."""
    keep_memory()  # As a job does, here for all that is compared.
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--raster")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="in a round")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raster = choice.raster or str(folder / "raster.tif")
        if not choice.raster:
            write_large(raster, 2048, 2048)
        device = choose_device(choice.device, QUIET)
        rounds = compared(raster, folder, device, choice.rounds, choice.steps)
    table = Table(
        "", "Patches per second", "FALSE is faster by", title=f"{SETTINGS.encoder}, {BATCH} patches of {SIZE} pixels"
    )
    for who in rounds[0]:
        ratio = statistics.median(taken[who] / taken["FALSE"] for taken in rounds)
        table.add_row(who, f"{patches_per_second(rounds, who):.1f}", "" if who == "FALSE" else f"{ratio:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{torch.get_num_threads()} threads, {choice.rounds} rounds of {choice.steps} steps, medians.")


if __name__ == "__main__":
    main()
