"""Weights to start from instead of random ones: an encoder of ours, a file of timm weights, or weights timm knows by name.

Reading a file executes nothing: safetensors holds nothing but numbers, and of pickled files only the numbers are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from pickle import UnpicklingError  # What torch.load raises when it refuses a program. Nothing here unpickles.
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from false_core.computing.backbone_libraries import NothingDrawnOnMeta, timm
from false_core.errors import ModelFileError
from false_core.feedback import Feedback
from false_core.models.encoder import build_encoder, channels_of
from false_core.models.general import BACKBONE, GENERAL, ORIGIN, general_weights
from false_core.models.header import ENCODER
from false_core.models.model_file import check_bands, is_model_file, load_weights, read_card
from false_core.presets import PRESETS_IN_WORDS
from false_core.raster.band_colours import BAND_COLOURS, BandColours
from false_core.raster.statistics import number_ranges
from false_core.untrusted import check_unpacked

NONE = "none"
"""Stands for no weights, where a name of weights is asked for."""
DEFAULT_OF_TIMM = "imagenet"
"""Stands for the weights that timm itself takes for a backbone; nearly all of those were trained on ImageNet."""
UNKNOWN_LICENCE = "licence unknown"
"""Stands in the card of a model for the licence of weights for which timm names none."""
CHOSEN_BANDS = "bands"
"""Under this name the card of a model says what the weights make of the bands."""
_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Under one of these names a training checkpoint keeps the weights."""
_PREFIXES = re.compile(r"^(?:_orig_mod\.|module\.)*")
"""Prefixes that wrappers for compiling and for several GPUs put in front of every name."""


def start_from(
    weights: str, encoder: Any, backbone: str, raster: str, bands: BandColours, feedback: Feedback
) -> dict[str, Any]:
    """Fill an encoder with given weights, and return what they are, for the card of the model; nothing where it has none.

    Args:
        weights: ``"none"``, or ``"general"`` for those that come with the library; for a backbone for which none do, those
            that timm takes by default, or none where they cannot be downloaded. Path of an encoder file, which must be of
            the same backbone and number of bands. Or path of a file with a timm state dict of the backbone: safetensors, or
            written by ``torch.save``. Or a name of timm weights such as ``"resnet50.a1_in1k"``, or ``"imagenet"`` for those
            timm takes by default; these are downloaded unless they are in the cache already. All but an encoder file may be
            for another number of bands, see ``fit_to_bands``.
        encoder: A network that ``build_encoder`` made.
        backbone: Its name.
        raster: Name of the raster, for messages.
        bands: Known colours of its bands.
        feedback: It is told what the encoder starts from, and which bands its colours look at.

    Raises:
        ModelFileError: There are no such weights, they cannot be read or downloaded, or do not fit.
    """
    if weights == NONE:
        return {}
    if weights == GENERAL:
        origin = _start_from_general(encoder, backbone, bands, feedback)
    elif is_model_file(weights):
        origin = _continue(weights, encoder, backbone, raster)
    elif _is_path(weights):
        origin = {"file": Path(weights).name}
        origin |= _told(fill(encoder, _read(weights), backbone, origin["file"], bands))
    else:
        origin = _start_from_timm(_timm_name(weights, backbone), encoder, backbone, bands)
    if origin:
        feedback.info(f"Starting from {origin_in_words(origin)}. {origin.get(CHOSEN_BANDS, '')}".rstrip())
    return origin


def encoder_that_others_trained(
    wanted: str, raster: str, bands: BandColours, feedback: Feedback
) -> tuple[str, Any, dict[str, Any]]:
    """Return the name of an encoder in timm, a network with weights that others trained, and where they come from.

    Args:
        wanted: The name; empty: the encoder that comes with the library. That one is taken, too, where timm has no weights
            of another or cannot download them.
        raster, bands, feedback: See ``start_from``.
    """
    if wanted not in ("", BACKBONE):
        encoder = build_encoder(wanted, len(bands.numbers))
        try:
            return wanted, encoder, start_from(DEFAULT_OF_TIMM, encoder, wanted, raster, bands, feedback)
        except ModelFileError as error:
            feedback.warn(f"{error.what} The general encoder {BACKBONE} is taken instead.")
    encoder = build_encoder(BACKBONE, len(bands.numbers))
    return BACKBONE, encoder, start_from(GENERAL, encoder, BACKBONE, raster, bands, feedback)


def origin_in_words(origin: Mapping[str, Any]) -> str:
    """Return what an encoder started from, as ``start_from`` tells it, for the end of a sentence."""
    told = ", ".join(str(origin[key]) for key in ("trained_on", "source", "licence") if key in origin)
    if "general" in origin:
        return f"the general encoder {origin['general']} ({told})"
    name = str(origin.get("file") or origin.get("timm", ""))
    return f"{name} ({told})" if told else name


def _told(bands: str) -> dict[str, str]:
    return {CHOSEN_BANDS: bands} if bands else {}


def _start_from_general(encoder: Any, backbone: str, bands: BandColours, feedback: Feedback) -> dict[str, Any]:
    if backbone == BACKBONE:
        return ORIGIN | _told(fill(encoder, general_weights(), backbone, GENERAL, bands))
    try:
        return _start_from_timm(_timm_name(DEFAULT_OF_TIMM, backbone), encoder, backbone, bands)
    except ModelFileError as error:
        feedback.warn(
            f"{error.what} The encoder starts from random weights. To start from trained ones, connect to the network once, "
            f"or choose the backbone {BACKBONE}, whose weights come with the library."
        )
        return {}


def _start_from_timm(name: str, encoder: Any, backbone: str, bands: BandColours) -> dict[str, Any]:
    told = _told(fill(encoder, _download(name), backbone, name, bands))
    known = timm.models.get_pretrained_cfg(name)
    source = known and (f"https://huggingface.co/{known.hf_hub_id}" if known.hf_hub_id else known.url)
    return {"timm": name, "source": source or "timm", "licence": (known and known.license) or UNKNOWN_LICENCE, **told}


def fit_to_bands(weight: Tensor, bands: int, colours: Sequence[str] = ()) -> Tensor:
    """Return the weight of a first convolution for other bands: an image that is grey in all of them gives what it gave.

    Where the colours of bands are known, each takes the filter of its colour, and all others share the mean of the three.
    Otherwise bands take the filters of the given ones in turn, as in timm; then the same is added to all of them.

    Args:
        weight: A tensor of shape (out, given bands, height, width); of three bands these are red, green and blue.
        bands: Number of bands wanted.
        colours: Known colours of these bands, see ``BandColours``; empty where nothing is known.

    Returns:
        The weight, of shape (out, bands, height, width). Of bands like those before, ``weight`` itself.
    """
    given = weight.shape[1]
    if given == len(BAND_COLOURS) and any(colours):
        return torch.einsum("ocyx,cb->obyx", weight, _shares(colours).to(weight))
    if given == bands:
        return weight
    in_turn = weight[:, torch.arange(bands) % given] * (given / bands)
    return in_turn + (weight.sum(dim=1, keepdim=True) - in_turn.sum(dim=1, keepdim=True)) / bands


def _shares(colours: Sequence[str]) -> Tensor:
    """Return the share of each band in each colour, of shape (3, bands). Those of a colour add up to 1."""
    shares = torch.full((len(BAND_COLOURS), len(colours)), 1 / len(colours), dtype=torch.float64)
    others = [index for index, colour in enumerate(colours) if not colour]
    own = {colour: [index for index, of in enumerate(colours) if of == colour] for colour in BAND_COLOURS}
    for colour in BAND_COLOURS:
        # What the raster lacks is looked for in another band: near infrared tells as much as blue.
        if not own[colour] and others:
            own[colour] = [others.pop(0)]
    for row, colour in zip(shares, BAND_COLOURS):
        if own[colour]:
            row[:] = 0
            row[own[colour]] = 1 / len(own[colour])
            # All others together weigh as much as one: the colours are not to drown among two hundred bands.
            row[others] = 1 / len(BAND_COLOURS) / max(1, len(others))
            row /= row.sum()
    return shares


def bands_in_words(bands: BandColours, given: int) -> str:
    """Say in a sentence what weights for ``given`` bands make of a raster's bands; nothing where it goes without saying."""
    number = len(bands.numbers)
    if given != len(BAND_COLOURS):
        return "" if number == given else f"The weights were made for {given} bands and take the {number} bands in turn."
    if number == 1:
        return "The weights take the only band for grey."
    if not bands.told_by:
        how = f"take the bands {number_ranges(bands.numbers)} for these" if number == given else "take the bands in turn"
        return f"Nothing says which bands are red, green and blue: the weights {how}."
    known = []
    for colour in BAND_COLOURS:
        own = [band for band, of in zip(bands.numbers, bands.colours) if of == colour]
        if own:
            known.append(f"band{'s' * (len(own) > 1)} {number_ranges(own)} for {colour}")
    return f"The weights take {', '.join(known)}, {bands.told_by}."


def _continue(path: str, encoder: Any, backbone: str, raster: str) -> dict[str, Any]:
    """Fill ``encoder`` from an encoder file of ours."""
    card = read_card(path, ENCODER)
    if card.encoder != backbone:
        made_with = PRESETS_IN_WORDS.get(str(card.method.get("preset")))
        raise ModelFileError(
            f"{Path(path).name} holds a {card.encoder}, but this preset trains a {backbone}.",
            f"Choose the preset it was made with: the {made_with}." if made_with else "Choose the preset it was made with.",
        )
    check_bands(card, path, channels_of(encoder)[0], raster)
    load_weights(path, encoder)
    return {"file": Path(path).name, "method": card.method, "provenance": card.provenance}


def _is_path(weights: str) -> bool:
    """Return whether ``weights`` is a file, as opposed to a name.

    Raises:
        ModelFileError: It can only be a file, and there is none.
    """
    if os.path.isfile(weights):
        return True
    if os.path.isdir(weights):
        raise ModelFileError(f"{weights} is a folder.", "Name the file with the weights.")
    if re.search(r"[\\/:]|\.(safetensors|pth|pt|bin|ckpt|tar)$", weights):
        raise ModelFileError(f"The file with weights {weights} does not exist.")
    return False


def _read(path: str) -> dict[str, Tensor]:
    """Return the weights in a file by name."""
    name = Path(path).name
    check_unpacked(path)
    try:
        if path.lower().endswith(".safetensors"):
            return dict(safetensors.torch.load_file(path))
        body = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ModelFileError(
            f"{name} holds no weights, or more than weights, and is not opened: what is more could be a program.",
            "Save the state_dict of the network alone, best with safetensors.",
        ) from error
    except Exception as error:  # In a damaged file torch stumbles in many ways.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelFileError(f"{name} holds no weights that can be read, or is cut off: {reason}.") from error
    for wrapper in _WRAPPERS:
        if isinstance(body, Mapping) and isinstance(body.get(wrapper), Mapping):
            body = body[wrapper]
    if not isinstance(body, Mapping):
        raise ModelFileError(f"{name} holds no weights by name.", "Save the state_dict of a timm network.")
    return {_PREFIXES.sub("", str(key)): value for key, value in body.items() if isinstance(value, Tensor)}


def _timm_name(weights: str, backbone: str) -> str:
    """Return the full name of timm weights for ``backbone``."""
    known = timm.list_pretrained(f"{backbone}.*")
    default = timm.models.get_pretrained_cfg(backbone)
    if weights == DEFAULT_OF_TIMM and default and default.tag:
        return f"{backbone}.{default.tag}"
    if weights in known:
        return weights
    choices = ", ".join([DEFAULT_OF_TIMM, *known]) if known else "none by name"
    raise ModelFileError(
        f"There are no weights called {weights!r} for {backbone}, the backbone of this preset.",
        f"There are: {choices}. Or name a file.",
    )


def _download(timm_name: str) -> dict[str, Tensor]:
    """Return the weights that timm keeps under a name, from its cache or the network."""
    try:
        tensors: dict[str, Tensor] = timm.create_model(timm_name, pretrained=True).state_dict()
    except Exception as error:  # timm, huggingface_hub and the HTTP library beneath raise what they like.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelFileError(
            f"The weights {timm_name} cannot be downloaded: {reason}",
            "Connect to the network, once is enough. Or fetch the file elsewhere, from "
            f"https://huggingface.co/timm/{timm_name}, and name it here.",
        ) from error
    return tensors


def fill(encoder: Any, given: Mapping[str, Tensor], backbone: str, source: str, bands: BandColours) -> str:
    """Fill ``encoder`` with weights named as timm names them. Return what they make of the bands, in words.

    Raises:
        ModelFileError: They are not those of ``backbone``.
    """
    own: dict[str, Tensor] = encoder.model.state_dict()
    plain = {_plain(name): tensor for name, tensor in given.items()}
    first = encoder.model.pretrained_cfg.get("first_conv") or ()
    adapted = {_plain(f"{name}.weight") for name in ([first] if isinstance(first, str) else first)}
    fitted: dict[str, Tensor] = {}
    told = ""
    for name, wanted in own.items():
        # Files of old do not hold the number of batches that batch norms have seen, and nothing depends on it.
        value = plain.get(_plain(name), wanted if name.endswith("num_batches_tracked") else None)
        if value is not None and _plain(name) in adapted and value.ndim == wanted.ndim:
            told = bands_in_words(bands, value.shape[1])
            value = fit_to_bands(value.float(), wanted.shape[1], bands.colours)
        if value is not None and value.shape == wanted.shape:
            fitted[name] = value
    missing, strange = sorted(own.keys() - fitted.keys()), sorted(plain.keys() - _names_of(backbone))
    if missing or strange:
        lacks = f"{len(missing)} of {len(own)} are missing or of another shape, such as {missing[0]}" if missing else ""
        has_more = f"{len(strange)} are unknown to it, such as {strange[0]}" if strange else ""
        raise ModelFileError(
            f"{source} does not hold the weights of a {backbone}, the backbone of this preset: "
            f"{' and '.join(filter(None, (lacks, has_more)))}.",
            "Choose a file with the state dict of that timm model, or another preset.",
        )
    encoder.model.load_state_dict(fitted)
    return told


@cache
def _names_of(backbone: str) -> frozenset[str]:
    """Return the names of all weights of a backbone, its classifier's too."""
    with NothingDrawnOnMeta(), torch.device("meta"):
        return frozenset(_plain(name) for name in timm.create_model(backbone).state_dict())


def _plain(name: str) -> str:
    """Return a name of a weight that is the same in a network and in its pyramid of features."""
    # timm turns stages.0 of some networks into stages_0 there.
    return name.replace(".", "_")
