"""One file per model: weights in safetensors, and in its header everything needed to use them.

Reading such a file executes nothing, opens no other file and needs no network. Memory is taken for its weights only once its
header has been found to be that of the network it names; ``models.from_file`` makes that network.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from false_core import __version__
from false_core.errors import ModelFileError, OutputError
from false_core.models.area_classifier import AreaSpec
from false_core.models.fused import FusedSpec
from false_core.models.header import (
    AREA_CLASSIFIER,
    ENCODER,
    LONGEST_HEADER,
    METADATA,
    MODEL_FORMAT,
    MODEL_KINDS,
    SEGMENTER,
    check_kind,
    not_of_ours,
    read_header,
    texts_of_header,
)
from false_core.models.label_crops import CROPS_PREFIX, LabelCrops, are_crops, crops_of
from false_core.outputs.publish import published
from false_core.raster.band_descriptions import BandDescription
from false_core.raster.classes import ClassTable
from false_core.raster.same_bands import BandReference
from false_core.raster.source import RasterSource
from false_core.raster.statistics import MAX_FLOAT32, Normalisation
from false_core.untrusted import on_one_line, parse_json

FORMAT_VERSION = 5
"""2: an encoder may bring a decoder along. 3: a segmenter may have a head on frozen features, and an encoder the general one
that it was pretrained from. 4: a classifier of areas. 5: a segmenter keeps crops around its labels. Files without these are
written as 1, which older versions read too."""
DECODER_PREFIX = "decoder."
"""The prefix of the weights of a decoder, in a file of an encoder as in that of a segmenter."""
GENERAL_PREFIX = "general."
"""The prefix of the weights of the general encoder that an encoder was pretrained from, in the file of that encoder."""
STAGES = "stages"
"""Under this name the provenance of an encoder lists the stages of its pretraining."""
MADE_BY = "made_by"
"""Under this name the provenance holds what ``false-core rerun`` needs, see ``false_core.models.record``."""
LABELLING_SESSION = "labelling session"
"""The name of the method of a model that a labelling session made."""
PRECISION = "precision"
"""Under this name the settings of a training hold the numbers that its network computed with."""
LEANS_TO = "leans_to"
"""Under this name the method of a model holds the shares of the raster, by class code, that its head leans to."""
SHAPES = "shapes"
"""Under this name the scores hold the number of label shapes that they count."""
MISSING_SHAPES = "missing_shapes"
"""Under this name the provenance holds how many more label shapes, by class code, would make the accuracy known."""
MOST_BANDS = 65_536
"""Bands that a model may have, as many as GDAL reads."""
LARGEST_PATCH = 65_536
SIZES = (1e-9, 1e9)
"""The range of sizes of pixels, in any unit."""
MAX_STANDARD_DEVIATIONS = 1e12
"""Standard deviations that a pixel may be away from the mean of its band when normalised, far below the end of float32."""
LATER_WEIGHTS = {"features.random_features.offsets_of_values": "features.random_features.offsets"}
"""Weights that files from before there were any lack, and those that were taken in their place, of the same layout."""
_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""The names of the types of weights in safetensors."""


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model but its weights.

    Attributes:
        kind: ``"encoder"``, ``"segmenter"`` or ``"area classifier"``.
        encoder: Name of the timm backbone.
        decoder: Name of the decoder. Of an encoder, of the decoder that was pretrained with it; empty where none was.
        general: The timm backbone of the general encoder that its pretraining began with; empty where it
            began from nothing.
        bands: Names of the bands it takes, in order.
        band_numbers: Their numbers in the raster it was made on, counted from 1.
        dtype: Data type of that raster.
        normalisation: Mean and standard deviation of each band, by which pixels are normalised first.
        pixel_size: Side of a pixel it works on, in CRS units of the raster it was made on.
        ground_sample_distance: The same in metres, None where the CRS was unknown.
        patch_size: Side of the patches it was trained on, in such pixels.
        classes: The classes, empty for an encoder.
        head: Specification of a segmenter of frozen features; None for a decoder.
        areas: Specification of a classifier of areas.
        method: Method of the making, for example ``"false"``, and its settings.
        provenance: Source of it: inputs, label counts, scores, steps, and the library's version.
        descriptions: Descriptions of the bands in the raster, in whose scale and offset the model takes pixels. None at all
            in a file of an older version.
    """

    kind: str
    encoder: str
    bands: tuple[str, ...]
    band_numbers: tuple[int, ...]
    dtype: str
    normalisation: Normalisation
    pixel_size: float
    ground_sample_distance: float | None
    patch_size: int
    decoder: str = ""
    general: str = ""
    head: FusedSpec | None = None
    areas: AreaSpec | None = None
    classes: ClassTable = field(default_factory=lambda: ClassTable(()))
    method: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    descriptions: tuple[BandDescription, ...] = ()

    @property
    def reference(self) -> BandReference:
        """The reference that another raster is compared with."""
        known = self.descriptions or tuple(
            BandDescription("" if name == f"Band {number}" else name) for name, number in zip(self.bands, self.band_numbers)
        )
        return BandReference("the model", "the model was made on", known, self.band_numbers, self.dtype)


def save_model(
    path: str,
    card: ModelCard,
    network: nn.Module,
    decoder: nn.Module | None = None,
    general: nn.Module | None = None,
    crops: LabelCrops | None = None,
) -> None:
    """Write a model file, whole or not at all.

    Args:
        decoder: Decoder that was pretrained with an encoder, beside it; ``card.decoder`` is its name.
        general: General encoder that the pretraining of an encoder began with, beside it; ``card.general`` is its name.
        crops: Crops around the labels that a segmenter learned from.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    version = 5 if crops else 4 if card.areas else 3 if card.head or general else 2 if decoder else 1
    body = {"format_version": version, **{f.name: getattr(card, f.name) for f in dataclasses.fields(card)}}
    body["head"] = card.head.to_dict() if card.head else None
    if card.areas:
        body["areas"] = card.areas.to_dict()
    else:
        del body["areas"]  # Files of the other kinds stay as they were.
    body["normalisation"] = card.normalisation.to_dict()
    body["classes"] = card.classes.to_list()
    body["descriptions"] = [description.to_dict() for description in card.descriptions]
    body["provenance"] = {**card.provenance, "false_core": __version__}
    text = json.dumps(_printable(json.loads(json.dumps(body))), ensure_ascii=False)
    if len(text.encode()) > LONGEST_HEADER // 2:
        # A training must not be lost for it: what is longest by far are the names of tens of thousands of inputs.
        body["provenance"] = _without_inputs(body["provenance"])
        text = json.dumps(_printable(json.loads(json.dumps(body))), ensure_ascii=False)
    # One entry: several would come in a random order, and the same training is to give the same file.
    header = {MODEL_FORMAT: text}
    state = dict(network.state_dict())
    for prefix, beside in ((DECODER_PREFIX, decoder), (GENERAL_PREFIX, general)):
        if beside:
            state |= {f"{prefix}{name}": tensor for name, tensor in beside.state_dict().items()}
    if crops:
        state |= crops.tensors()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with published(path) as (partial,):
        try:
            safetensors.torch.save_file(weights, partial, metadata=header)
        except (safetensors.SafetensorError, OSError) as error:
            raise OutputError(f"{path} cannot be written: {error}.", "Is the disk full?") from error


def is_model_file(path: str) -> bool:
    """Return whether a file calls itself a model of ours. It may be damaged all the same."""
    try:
        return MODEL_FORMAT in texts_of_header(read_header(path), path)
    except ModelFileError:
        return False


def facts_of_raster(source: RasterSource) -> dict[str, Any]:
    """Return what a ``ModelCard`` says of the raster, on its working grid, that a model is made on."""
    return {
        "bands": source.band_names,
        "band_numbers": source.bands,
        "dtype": source.dtype,
        "pixel_size": source.working_pixel_size,
        "ground_sample_distance": source.working_ground_distance,
        "descriptions": source.descriptions,
    }


def read_card(path: str, kind: str | None = None) -> ModelCard:
    """Read what a model is, without its weights.

    Args:
        kind: ``"encoder"``, ``"segmenter"`` or ``"area classifier"`` where it must be one of them.

    Raises:
        ModelFileError: It is missing, no model of ours, damaged, too new, or of the other kind.
    """
    header = texts_of_header(read_header(path), path)
    if MODEL_FORMAT not in header:
        raise not_of_ours(path)
    try:
        body = _printable(parse_json(header[MODEL_FORMAT]))
        version = int(body["format_version"])
        if version > FORMAT_VERSION:
            raise ModelFileError(f"{path} was written by a newer version (format {version}).", "Update FALSE to use it.")
        card = _card(body)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"{path} is damaged: its description cannot be read ({error!r}).") from error
    check_kind(path, card.kind, kind)
    return card


def check_layout(path: str, network: nn.Module, prefix: str = "") -> None:
    """Compare the header of a model file with a network, which may be on the meta device: names, shapes and types.

    Args:
        network: Network that should be in it. An encoder leaves alone what is beside it.
        prefix: Prefix of the names, as for ``load_weights``.

    Raises:
        ModelFileError: They differ, or the header cannot be read.
    """
    header = read_header(path)
    own = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    header = _completed(header)
    names = _names_for(own, [name for name in header if name != METADATA], prefix)
    wrong = sorted(set(own) ^ names) or sorted(
        name for name in own if _layout(header[name]) != (list(own[name].shape), _DTYPES.get(own[name].dtype))
    )
    if wrong:
        raise ModelFileError(f"{path} is damaged: {len(wrong)} weights do not fit its own description, such as {wrong[0]}.")
    _check_crops(path, header)


def load_weights(path: str, network: nn.Module, prefix: str = "") -> None:
    """Fill ``network`` with the weights in a model file. An encoder leaves alone what is beside it.

    Args:
        prefix: The prefix of the names in the file, for its decoder or its general encoder alone.

    Raises:
        ModelFileError: Names, shapes or types of the weights differ from the network's, or some are no finite numbers.
    """
    check_layout(path, network, prefix)
    try:
        weights: dict[str, Tensor] = _completed(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or cut off: {error}.") from error
    chosen = {f"{prefix}{name}": name for name in network.state_dict()}
    broken = [name for name in chosen if not bool(torch.isfinite(weights[name]).all())]
    if broken:
        raise ModelFileError(
            f"{path} cannot be used: {len(broken)} of its {len(weights)} weights hold values that are no finite numbers, "
            f"such as {broken[0]}.",
            "Copy it again, or train it again.",
        )
    network.load_state_dict({name: weights[stored] for stored, name in chosen.items()})


def read_crops(path: str, card: ModelCard) -> LabelCrops | None:
    """Return the crops around its labels that a model keeps; None where it keeps none.

    Raises:
        ModelFileError: They are damaged.
    """
    named = _check_crops(path, read_header(path))
    if not named:
        return None
    try:
        with safetensors.safe_open(path, "pt") as file:
            return crops_of({name: file.get_tensor(name) for name in named}, len(card.bands), len(card.classes))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is damaged: the crops around its labels cannot be read ({error!r}).") from error


def _check_crops(path: str, header: Mapping[str, Any]) -> list[str]:
    """Return the names of the crops in a header. Others under their prefix are refused before they are read.

    Raises:
        ModelFileError: They are.
    """
    stored = {name: _layout(entry) for name, entry in header.items() if name.startswith(CROPS_PREFIX)}
    if stored and not are_crops(stored):
        raise ModelFileError(f"{path} is damaged: the crops around its labels cannot be read.")
    return list(stored)


def _completed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file holds, by name, with what it holds in the place of later weights."""
    later = {name: stored[before] for name, before in LATER_WEIGHTS.items() if before in stored}
    return later | dict(stored)


def _names_for(own: Mapping[str, Tensor], stored: Sequence[str], prefix: str) -> set[str]:
    """Return those of the names in a file that should be the network's: with a prefix, or all but what is beside it."""
    if prefix:
        return {name for name in stored if name.startswith(prefix)}
    beside = tuple(p for p in (DECODER_PREFIX, GENERAL_PREFIX, CROPS_PREFIX) if not any(name.startswith(p) for name in own))
    return {name for name in stored if not name.startswith(beside)}


def check_bands(card: ModelCard, path: str, bands: int, raster: str) -> None:
    """Raise ModelFileError unless a model and the chosen bands of a raster go together."""
    if len(card.bands) != bands:
        raise wrong_bands(card, path, bands, raster)


def wrong_bands(card: ModelCard, path: str, bands: int, raster: str) -> ModelFileError:
    """Return the error that a raster has not the bands that a model was made for."""
    return ModelFileError(
        f"{Path(path).name} was made for {len(card.bands)} bands ({', '.join(card.bands)}), but {bands} of {raster} "
        "would be used.",
        "Use a raster of the same sensor with the same bands.",
    )


def _without_inputs(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of the making without what it would take to do it again."""
    kept = {name: value for name, value in provenance.items() if name != MADE_BY}
    return {name: _without_inputs(value) if isinstance(value, dict) else value for name, value in kept.items()}


def _layout(entry: Any) -> tuple[Any, Any]:
    """Return shape and type of a tensor as a header declares them."""
    return (entry.get("shape"), entry.get("dtype")) if isinstance(entry, dict) else (None, None)


def _printable(body: Any) -> Any:
    """Return JSON with a blank for each character that is no visible one: its texts end up in terminals, pages and lists."""
    if isinstance(body, str):
        return on_one_line(body)
    if isinstance(body, list):
        return [_printable(item) for item in body]
    if isinstance(body, dict):
        return {on_one_line(key): _printable(value) for key, value in body.items()}
    return body


def _card(body: Any) -> ModelCard:
    names = {f.name for f in dataclasses.fields(ModelCard)}
    given = {key: value for key, value in body.items() if key in names}
    card = ModelCard(
        **{
            **given,
            "bands": tuple(str(b) for b in body["bands"]),
            "band_numbers": tuple(int(b) for b in body["band_numbers"]),
            "normalisation": Normalisation.from_dict(body["normalisation"]),
            "head": FusedSpec.from_dict(body["head"]) if body.get("head") else None,
            "areas": AreaSpec.from_dict(body["areas"]) if body.get("areas") else None,
            "classes": ClassTable.from_list(body["classes"]) if body["classes"] else ClassTable(()),
            "descriptions": tuple(map(BandDescription.from_dict, body.get("descriptions", ()))),
        }
    )
    _check(card)
    return card


def _check(card: ModelCard) -> None:
    """Raise ValueError where a card cannot be used, so that nothing after it needs to look again."""
    statistics = card.normalisation
    lists = (statistics.low, statistics.high, statistics.mean, statistics.std, card.band_numbers)
    if card.kind not in MODEL_KINDS or not card.bands or any(len(v) != len(card.bands) for v in lists):
        raise ValueError("kind, bands and normalisation do not go together")
    if card.descriptions and len(card.descriptions) != len(card.bands):
        raise ValueError("there must be a description of each band")
    if min(card.band_numbers) < 1 or max(card.band_numbers) > MOST_BANDS or len(card.bands) > MOST_BANDS:
        raise ValueError(f"bands are counted from 1 to {MOST_BANDS}")
    if not all(map(_is_possible, statistics.low, statistics.high, statistics.mean, statistics.std)):
        raise ValueError("the normalisation holds impossible numbers")
    for size in (card.pixel_size, 1 if card.ground_sample_distance is None else card.ground_sample_distance):
        if not _is_number(size) or not SIZES[0] <= size <= SIZES[1]:
            raise ValueError("pixel_size and ground_sample_distance must be the sides of pixels")
    if type(card.patch_size) is not int or not 1 <= card.patch_size <= LARGEST_PATCH:
        raise ValueError("patch_size must be a number of pixels")
    # timm would look up a name with a slash or a colon in it in the network.
    made_of = [made.encoders for made in (card.head, card.areas) if made]
    networks = (card.encoder, card.decoder, card.general, *(name for names in made_of for name in names))
    if not all(re.fullmatch(r"[\w.-]*", name) for name in networks):
        raise ValueError("the names of encoders and decoder must be plain ones")
    if card.general and card.kind != ENCODER:
        raise ValueError("only an encoder has a general one beside it")
    if not all(isinstance(part, dict) for part in (card.method, card.provenance)) or not isinstance(card.dtype, str):
        raise ValueError("method and provenance must be objects, dtype a text")
    _check_provenance(card.provenance)
    if (card.kind == ENCODER) == bool(card.classes.classes):
        raise ValueError("a classifier has classes, an encoder has none")
    if (card.kind == AREA_CLASSIFIER) != bool(card.areas):
        raise ValueError("a classifier of areas says what it is made of, and nothing else does")
    if card.head and (card.kind != SEGMENTER or card.decoder):
        raise ValueError("only a segmenter without a decoder has a head")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_possible(low: float, high: float, mean: float, std: float) -> bool:
    """Return whether a band can be normalised with these in single precision, as pixels are."""
    finite = all(abs(value) <= MAX_FLOAT32 for value in (low, high, mean, std))
    return finite and low <= high and std > 0 and max(abs(low - mean), abs(high - mean)) / std <= MAX_STANDARD_DEVIATIONS


def _check_provenance(provenance: dict[str, Any]) -> None:
    """Raise ValueError where what is told of the making is not in the form that reports expect. The rest may be anything."""
    labels, scores = provenance.get("labels", {}), provenance.get("scores", {})
    missing = provenance.get(MISSING_SHAPES, {})
    if not isinstance(missing, dict) or not all(map(_is_number, missing.values())):
        raise ValueError("the missing shapes must be counts by class")
    counts = list(labels.values()) if isinstance(labels, dict) else [None]
    if not all(isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair)) for pair in counts):
        raise ValueError("the labels must be counts by class")
    if not isinstance(scores, dict) or not all(map(_is_number, scores.values())):
        raise ValueError("the scores must be numbers")
    rasters = provenance.get("rasters", [])
    if not isinstance(rasters, list) or not all(isinstance(name, str) for name in rasters):
        raise ValueError("the rasters must be names")
    if not isinstance(provenance.get("pretraining", {}), dict):
        raise ValueError("the settings of pretraining must be an object")
    encoder = provenance.get("encoder")
    if isinstance(encoder, dict):
        _check_provenance(encoder)
