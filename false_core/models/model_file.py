"""One file per model: weights in safetensors, and in its header everything needed to use them.

Reading such a file executes nothing, opens no other file and needs no network.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from false_core import __version__
from false_core.errors import ModelFileError, OutputError
from false_core.labels.classes import ClassTable
from false_core.publish import published
from false_core.raster.statistics import Normalisation

FORMAT = "false-model"
FORMAT_VERSION = 2
"""2: an encoder may bring a decoder along. Files without one are written as 1, which older versions read too."""
DECODER_PREFIX = "decoder."
"""Of the weights of a decoder, in a file of an encoder as in that of a segmenter."""
LONGEST_HEADER = 16_000_000
"""Bytes. The header of a real model is a thousandth of that."""
ENCODER, SEGMENTER = "encoder", "segmenter"


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model but its weights.

    Attributes:
        kind: ``"encoder"`` or ``"segmenter"``.
        encoder: Name of the timm backbone.
        decoder: Name of the decoder. Of an encoder, of the decoder that was pretrained with it; empty where none was.
        bands: Names of the bands it takes, in order.
        band_numbers: Their numbers in the raster it was made on, counted from 1.
        dtype: Data type of that raster.
        normalisation: What to do to pixels first.
        pixel_size: Side of a pixel it works on, in CRS units of the raster it was made on.
        ground_sample_distance: The same in metres, None where the CRS was unknown.
        patch_size: Side of the patches it was trained on, in such pixels.
        classes: The classes, empty for an encoder.
        method: How it was made, for example ``"false"``, and with which settings.
        provenance: From what: inputs, label counts, scores, steps, and the library's version.
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
    classes: ClassTable = field(default_factory=lambda: ClassTable(()))
    method: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)


def save_model(path: str, card: ModelCard, network: nn.Module, decoder: nn.Module | None = None) -> None:
    """Write a model file, whole or not at all.

    Args:
        path: Of the file.
        card: What it holds.
        network: A segmenter or an encoder.
        decoder: Beside an encoder, the decoder that was pretrained with it; ``card.decoder`` is its name.

    Raises:
        OutputError: It cannot be written, for example because the disk is full.
    """
    body = {"format_version": 2 if decoder else 1, **{f.name: getattr(card, f.name) for f in dataclasses.fields(card)}}
    body["normalisation"] = card.normalisation.to_dict()
    body["classes"] = card.classes.to_list()
    body["provenance"] = {**card.provenance, "false_core": __version__}
    # One entry: several would come in a random order, and the same training is to give the same file.
    header = {FORMAT: json.dumps(body, ensure_ascii=False)}
    state = dict(network.state_dict())
    if decoder:
        state |= {f"{DECODER_PREFIX}{name}": tensor for name, tensor in decoder.state_dict().items()}
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with published(path) as (partial,):
        try:
            safetensors.torch.save_file(weights, partial, metadata=header)
        except (safetensors.SafetensorError, OSError) as error:
            raise OutputError(f"{path} cannot be written: {error}.", "Is the disk full?") from error


def is_model_file(path: str) -> bool:
    """Return whether a file calls itself a model of ours. It may be damaged all the same."""
    try:
        return FORMAT in _read_header(path)
    except ModelFileError:
        return False


def read_card(path: str, kind: str | None = None) -> ModelCard:
    """Read what a model is, without its weights.

    Args:
        path: Of the model file.
        kind: ``"encoder"`` or ``"segmenter"`` where it must be one of them.

    Raises:
        ModelFileError: It is missing, no model of ours, damaged, too new, or of the other kind.
    """
    header = _read_header(path)
    if FORMAT not in header:
        raise ModelFileError(f"{path} is not a model made by FALSE.", "Choose a file written by pretraining or fine-tuning.")
    try:
        body = json.loads(header[FORMAT])
        version = int(body["format_version"])
        if version > FORMAT_VERSION:
            raise ModelFileError(f"{path} was written by a newer version (format {version}).", "Update FALSE to use it.")
        card = _card(body)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"{path} is damaged: its description cannot be read ({error!r}).") from error
    if kind and card.kind != kind:
        step = "Run fine-tuning to make a model from it." if kind == SEGMENTER else "Choose a file written by pretraining."
        raise ModelFileError(f"{path} holds {_a(card.kind)}, but {_a(kind)} is needed.", step)
    return card


def load_weights(path: str, network: nn.Module) -> None:
    """Fill ``network`` with the weights in a model file. An encoder leaves a decoder that is beside it alone.

    Raises:
        ModelFileError: Names, shapes or types of the weights differ from the network's.
    """
    weights = _read_weights(path)
    if not any(name.startswith(DECODER_PREFIX) for name in network.state_dict()):
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(DECODER_PREFIX)}
    _fill(network, weights, path)


def load_decoder(path: str, decoder: nn.Module) -> None:
    """Fill ``decoder`` with the weights of the decoder in a model file.

    Raises:
        ModelFileError: Names, shapes or types of the weights differ from the decoder's.
    """
    weights = _read_weights(path).items()
    _fill(decoder, {name[len(DECODER_PREFIX) :]: t for name, t in weights if name.startswith(DECODER_PREFIX)}, path)


def _read_weights(path: str) -> dict[str, Tensor]:
    try:
        return dict(safetensors.torch.load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or cut off: {error}.") from error


def _fill(network: nn.Module, weights: Mapping[str, Tensor], path: str) -> None:
    own = network.state_dict()
    wrong = sorted(set(own) ^ set(weights)) or sorted(
        name for name in own if own[name].shape != weights[name].shape or own[name].dtype != weights[name].dtype
    )
    if wrong:
        raise ModelFileError(f"{path} is damaged: {len(wrong)} weights do not fit its own description, such as {wrong[0]}.")
    network.load_state_dict(dict(weights))


def check_bands(card: ModelCard, path: str, bands: int, raster: str) -> None:
    """Raise ModelFileError unless a model and the chosen bands of a raster go together."""
    if len(card.bands) != bands:
        raise ModelFileError(
            f"{Path(path).name} was made for {len(card.bands)} bands ({', '.join(card.bands)}), but {bands} of {raster} "
            "would be used.",
            "Use a raster of the same sensor with the same bands.",
        )


def _read_header(path: str) -> dict[str, str]:
    file = Path(path)
    if not file.is_file():
        raise ModelFileError(f"The model file {path} does not exist.")
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(LONGEST_HEADER, file.stat().st_size - 8):
                raise ModelFileError(f"{path} is not a model made by FALSE.", "Or it is cut off: copy it again.")
            header = json.loads(stream.read(length))
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} is not a model made by FALSE.") from error
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelFileError(f"{path} is not a model made by FALSE.")
    return metadata


def _card(body: Any) -> ModelCard:
    names = {f.name for f in dataclasses.fields(ModelCard)}
    given = {key: value for key, value in body.items() if key in names}
    card = ModelCard(
        **{
            **given,
            "bands": tuple(str(b) for b in body["bands"]),
            "band_numbers": tuple(int(b) for b in body["band_numbers"]),
            "normalisation": Normalisation.from_dict(body["normalisation"]),
            "classes": ClassTable.from_list(body["classes"]) if body["classes"] else ClassTable(()),
        }
    )
    _check(card)
    return card


def _check(card: ModelCard) -> None:
    """Raise ValueError where a card cannot be used, so that nothing after it needs to look again."""
    statistics = card.normalisation
    lists = (statistics.low, statistics.high, statistics.mean, statistics.deviation, card.band_numbers)
    if card.kind not in (ENCODER, SEGMENTER) or not card.bands or any(len(v) != len(card.bands) for v in lists):
        raise ValueError("kind, bands and normalisation do not go together")
    if min(card.band_numbers) < 1:
        raise ValueError("bands are counted from 1")
    if not all(math.isfinite(v) for values in lists for v in values) or min(statistics.deviation) <= 0:
        raise ValueError("the normalisation holds impossible numbers")
    for size in (card.pixel_size, card.patch_size, card.ground_sample_distance or 1):
        if not isinstance(size, (int, float)) or not 0 < size <= sys.float_info.max:
            raise ValueError("pixel_size, patch_size and ground_sample_distance must be above 0")
    # timm would look up a name with a slash or a colon in it in the network.
    if not all(re.fullmatch(r"[\w.-]*", name) for name in (card.encoder, card.decoder)):
        raise ValueError("the names of encoder and decoder must be plain ones")
    if not all(isinstance(part, dict) for part in (card.method, card.provenance)) or not isinstance(card.dtype, str):
        raise ValueError("method and provenance must be objects, dtype a text")
    if (card.kind == SEGMENTER) != bool(card.classes.classes):
        raise ValueError("a segmenter has classes, an encoder has none")


def _a(kind: str) -> str:
    return f"an {kind}" if kind == ENCODER else f"a {kind} (a fine-tuned model)"
