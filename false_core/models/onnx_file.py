"""A model as an ONNX file that the QGIS plugin Deepness opens with the right settings.

What Deepness 0.6.5 does is written here as its code has it; its documentation differs in places.

- It cuts square tiles of the input's fixed size from the raster, at the ``resolution`` of the metadata in cm per pixel, and
  gives them as float32 of shape (batch, bands, side, side), RGB first.
- It divides every value by 255, whatever the raster's data type is, then takes away ``standardization_mean`` and divides by
  ``standardization_std``. Only 8-bit rasters are documented. Here mean and std are 0 and 1, and the first step of the
  network multiplies by 255, so that raw pixels arrive: of 8 bits exactly, of others to seven digits.
- It takes the class of the highest probability. Probabilities below ``seg_thresh`` are set to 0 before, after which a pixel
  without any left is of the first class. Here the threshold is 0, as in ``Classify``, and no background class is needed.
- ``class_names`` maps channels, counted from 0, to names. Codes and colours of classes have no place in it.
- ``tile_size`` is what the code reads and ``tiles_size`` what the documentation says; both are written.
- It pins onnxruntime 1.12.1 to 1.17, which reads operator sets up to 17.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from false_core.errors import FalseError, OutputError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import ExportOnnx, name_for_user
from false_core.models.encoder import STRIDE
from false_core.models.from_file import segmenter_from
from false_core.models.header import SEGMENTER
from false_core.models.missing_package import how_to_install
from false_core.models.model_file import ModelCard, read_card
from false_core.outputs.publish import published
from false_core.raster.statistics import Normalisation

OPSET = 17
OVERLAP_PERCENT = 20
"""The part of a tile that overlaps the next one. Deepness does not blend: it keeps the middle of each."""
DIVISOR = 255.0
"""The number that Deepness divides pixels by."""
DOCUMENTED_TYPE = "uint8"


def export_onnx(job: ExportOnnx, feedback: Feedback) -> dict[str, Any]:
    """Run an ``ExportOnnx`` job: write the ONNX file. Return its results by name."""
    with feedback.stage("Reading the model", 0.2):
        if not job.output.lower().endswith(".onnx"):
            raise OutputError(f"{job.output} is not an ONNX file.", "Choose a name that ends in .onnx.")
        onnx = onnx_package()
        card = read_card(job.model, SEGMENTER)
        stride = card.head.stride if card.head else STRIDE
        if job.tile % stride:
            below = job.tile // stride * stride
            sides = " or ".join(str(side) for side in (below, below + stride) if side)
            name = name_for_user(job, "tile")
            raise RequestError(f"{name} must be a multiple of {stride}; it is {job.tile}.", f"Use {sides}.")
        segmenter = segmenter_from(job.model, card)
        _say_what_to_know(card, feedback)
    with feedback.stage("Exporting", 0.8), published(job.output) as (partial,):
        network = DeepnessNetwork(segmenter, card.normalisation, job.nodata).eval()
        try:
            export_network(network, torch.zeros(1, len(card.bands), job.tile, job.tile), str(partial))
            model = onnx.load(str(partial))
            for key, value in deepness_metadata(card, job.tile).items():
                model.metadata_props.add(key=key, value=json.dumps(value))
            # The exporter loses sight of the size behind the last resizing.
            for side in model.graph.output[0].type.tensor_type.shape.dim[2:]:
                side.dim_value = job.tile
            model.producer_name = "FALSE"
            onnx.checker.check_model(model)
            onnx.save(model, str(partial))
        except OSError as error:
            raise OutputError(f"{job.output} cannot be written: {error.strerror}.", "Is the disk full?") from error
    return {"classes": len(card.classes), "resolution": resolution_cm(card)}


class DeepnessNetwork(nn.Module):
    """A segmenter with all that comes before and after it: pixels as Deepness gives them in, probabilities out.

    Called on (batch, bands, side, side), raw pixels divided by 255, with a side that is a multiple of the segmenter's
    stride, it returns the probabilities of the classes (batch, classes, side, side).

    Args:
        segmenter: A network that ``segmenter_from`` made.
        normalisation: The normalisation of pixels that it wants.
        nodata: Value that means missing, band by band; None: only what is not a number does.
    """

    def __init__(self, segmenter: nn.Module, normalisation: Normalisation, nodata: float | None = None) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.nodata = nodata
        for name, values in normalisation.to_dict().items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None])

    def forward(self, shared: Tensor) -> Tensor:
        """Return probabilities of shape (batch, classes, side, side)."""
        low, high, mean, std = (self.get_buffer(name) for name in ("low", "high", "mean", "deviation"))
        pixels = shared * DIVISOR
        missing = torch.isnan(pixels)
        if self.nodata is not None:
            # Dividing and multiplying by 255 may have changed the last digit.
            missing = missing | ((pixels - self.nodata).abs() <= 1e-6 * max(1.0, abs(self.nodata)))
        # Filled first, as runtimes differ in what the smaller of a number and no number is.
        filled = torch.where(missing, mean, pixels)
        normalised = (torch.minimum(torch.maximum(filled, low), high) - mean) / std
        scores: Tensor = self.segmenter(torch.where(missing, torch.zeros_like(normalised), normalised))
        return scores.softmax(dim=1)


def deepness_metadata(card: ModelCard, tile: int) -> dict[str, Any]:
    """Return what Deepness reads from the file, by key; the values are written as JSON."""
    return {
        "model_type": "Segmentor",
        "class_names": {number: c.name for number, c in enumerate(card.classes)},
        "resolution": resolution_cm(card),
        "tile_size": tile,
        "tiles_size": tile,
        "tiles_overlap": OVERLAP_PERCENT,
        "standardization_mean": [0.0] * len(card.bands),
        "standardization_std": [1.0] * len(card.bands),
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }


def resolution_cm(card: ModelCard) -> float:
    """Return the pixel size in cm. Where no CRS says how long a unit is, Deepness takes it for a metre."""
    return 100 * (card.ground_sample_distance or card.pixel_size)


def _say_what_to_know(card: ModelCard, feedback: Feedback) -> None:
    named = ", ".join(f"{number} {name}" for number, name in zip(card.band_numbers, card.bands))
    if card.band_numbers == tuple(range(1, len(card.bands) + 1)):
        feedback.info(f"The model takes the first bands of a raster, in this order: {named}.")
    else:
        feedback.warn(f"The model takes the bands {named}, in this order. Choose them in Deepness as the channels mapping.")
    if card.dtype != DOCUMENTED_TYPE:
        feedback.warn(
            f"The model was made on {card.dtype} values; Deepness documents 8-bit rasters only. Its version 0.6 reads "
            "others too, and the model undoes what it does to them. Try a small part first."
        )
    if card.ground_sample_distance is None:
        feedback.warn("How large a pixel is in metres is not known, as the raster had no CRS. A unit is taken for a metre.")


def onnx_package() -> Any:
    """Return the module ``onnx``, which writing such a file takes.

    Raises:
        FalseError: It is missing.
    """
    try:
        import onnx
        import onnx.checker
    except ImportError as error:
        raise FalseError(
            "Exporting takes the package onnx, which is not installed in the compute environment.",
            how_to_install("onnx"),
        ) from error
    return onnx


def export_network(
    network: nn.Module, example: Tensor, path: str, outputs: Sequence[str] = ("output",), of_any_size: bool = False
) -> None:
    """Write a network as an ONNX file that takes batches of any size.

    Args:
        network: Network in evaluation mode.
        example: An input of it.
        outputs: The names of its results, as many as it returns.
        of_any_size: True where its input, and so its results, may have any height and width.
    """

    def axes(name: str) -> dict[int, str]:
        return {0: "batch", **({2: f"height_{name}", 3: f"width_{name}"} if of_any_size else {})}

    with warnings.catch_warnings(), torch.no_grad():
        # Of two kinds. The exporter that replaces this one takes two packages more, and writes operators that Deepness's
        # runtime lacks. And that the sizes of the features are fixed is meant: so is the size of a tile.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=list(outputs),
            dynamic_axes={"input": axes("input"), **{name: axes(name) for name in outputs}},
        )
