"""The jobs for what comes before the work: example data, an estimate of a job, and a check of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import FILE, INTEGER, NEW_RASTER, NEW_VECTOR, TEXT, parameter


@dataclass(frozen=True)
class ExampleData(Job, done_by="false_core.synthetic.example_data:example_data"):
    """Make a scene to try everything on: an aerial image, and labels on 1 % of it.

    The scene is generated on this computer, and nothing is downloaded. It shows fields, meadows, roads, roofs, trees and
    water from above, in red, green, blue and near infrared. Fine-tune a model with its labels, then classify the raster.
    """

    raster: str = parameter(NEW_RASTER, "Raster", "The image to write, a GeoTIFF.")
    labels: str = parameter(
        NEW_VECTOR,
        "Labels",
        "The label polygons to write, as GeoPackage or another format that goes by its extension. Their class field is "
        "land_cover.",
    )
    truth: Optional[str] = parameter(
        NEW_RASTER,
        "Raster of the true classes",
        "Optional raster with the class of every pixel, to assess a map with.",
        None,
    )
    size: int = parameter(
        INTEGER,
        "Side of the scene",
        "Larger scenes take longer.",
        1024,
        unit="pixels",
        minimum=256,
        maximum=8192,
        advanced=True,
    )
    seed: int = parameter(
        INTEGER, "Seed", "Another seed makes another scene.", 0, minimum=0, maximum=2**31 - 1, advanced=True
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("polygons", "Label polygons"),)


@dataclass(frozen=True)
class Estimate(Job, done_by="false_core.estimate:estimate"):
    """Estimate how long a job will take, and how much memory and disk.

    The job is one of pretraining, fine-tuning or classifying, in a file that Export the job writes. Nothing of it is done
    but a test of two seconds, of which the result is remembered. The button Estimate in the dialogs does the same without a
    file. Times are right within a factor of two, where other programs leave the computer alone.
    """

    file: str = parameter(FILE, "Job", "The JSON file of the job.", of="json")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("seconds", "Seconds"),
        Result("memory_gb", "Memory in GB"),
        Result("disk_gb", "Disk in GB"),
    )


@dataclass(frozen=True)
class Check(Job, done_by="false_core.computing.device:check"):
    """Check the compute environment: versions, device, and a real computation on it."""

    device: str = usual.device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("version", "false_core version", TEXT),
        Result("python", "Python", TEXT),
        Result("torch", "PyTorch", TEXT),
        Result("device", "Device", TEXT),
        Result("device_name", "Device name", TEXT),
        Result("memory_gb", "Memory of the device in GB"),
        Result("gflops", "Speed of the test kernel in GFLOP/s"),
    )
