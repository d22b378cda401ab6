"""The jobs that ask a model file for something else than a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import INTEGER, MODEL, NEW_FILE, NEW_REPORT, NEW_VECTOR, NUMBER, RASTER, TEXT, VECTOR, parameter


@dataclass(frozen=True)
class SuggestLabels(Job, done_by="false_core.mapping.suggest_labels:suggest_labels"):
    """Suggest where to digitise next.

    It looks for the few small squares that would teach the model most: where it is not sure of the class, and which look
    unlike each other and unlike what is labelled. Digitise all you can see in them, add it to your labels, and fine-tune
    again. Squares with nodata or with labels are left out.
    """

    raster: str = parameter(RASTER, "Raster", "The raster to digitise on." + usual.STANDS_FOR_ONE)
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(
        NEW_VECTOR, "Suggested places", "The layer to write: squares with rank, score and reason. Rank 1 comes first."
    )
    labels: Optional[str] = parameter(
        VECTOR,
        "Labels so far",
        "What is digitised already. It is not suggested again, nor what looks like it. Empty: the squares only differ from "
        "each other.",
        None,
        of="raster",
    )
    count: int = parameter(INTEGER, "Number of places", "How many squares to suggest.", 10, minimum=1, maximum=1000)
    size: Optional[float] = parameter(
        NUMBER,
        "Side of a square",
        "The side is rounded to 4 working pixels. Empty: a side that suits the model, 32 working pixels with most.",
        None,
        unit="CRS units",
        minimum=0.0,
        advanced=True,
    )
    extent: Optional[str] = usual.extent("Look only in this part", "everywhere", of="raster")
    seed: int = usual.seed()
    device: str = usual.device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("suggested", "Places suggested"),)


@dataclass(frozen=True)
class ExportOnnx(Job, done_by="false_core.models.onnx_file:export_onnx"):
    """Export a model for Deepness.

    Deepness is a QGIS plugin that runs models in the ONNX format. The file holds the network, what it does to pixels first,
    class names and pixel size, so that Deepness opens it with the right settings. Deepness knows no nodata and blends no
    tiles: Classify a raster makes the better map.
    """

    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(NEW_FILE, "ONNX model", "The ONNX file to write.", of="onnx")
    tile: int = parameter(
        INTEGER,
        "Tile size",
        "Side of the tiles that Deepness cuts the raster into: a multiple of 32, for some models of 64 or 128. Larger ones "
        "show the model more around each pixel and take more memory.",
        512,
        unit="pixels",
        minimum=64,
        maximum=4096,
        advanced=True,
    )
    nodata: Optional[float] = parameter(
        NUMBER,
        "Nodata value",
        "Value that the model takes for missing, band by band, as it does where the raster says so itself. Deepness fills "
        "with 0 beyond the raster's edge. Empty: none.",
        None,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("classes", "Number of classes"),
        Result("resolution", "Pixel size in centimetres"),
    )


@dataclass(frozen=True)
class ModelInfo(Job, done_by="false_core.models.model_info:model_info"):
    """Say what a model or encoder file is.

    The report shows what it maps, what it needs, what it does to pixels first, how good it is and how it was made. Nothing
    is computed, and the file stays as it is.
    """

    model: str = parameter(MODEL, "Model", "A model or an encoder file.")
    report: str = parameter(NEW_REPORT, "Report", "HTML report on the file.")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("kind", "Kind", TEXT),
        Result("classes", "Number of classes"),
        Result("pixel_size", "Pixel size it works on, in CRS units"),
        Result("encoder", "Encoder", TEXT),
    )
