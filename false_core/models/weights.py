"""Weights to start from instead of random ones: an encoder of ours, a file of timm weights, or weights timm knows by name.

Reading a file executes nothing: safetensors holds nothing but numbers, and of pickled files only the numbers are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # What torch.load raises when it refuses a program. Nothing here unpickles.
from typing import Any

import safetensors.torch
import timm
import torch
from torch import Tensor

from false_core.errors import ModelFileError
from false_core.models.encoder import channels_of
from false_core.models.model_file import ENCODER, check_bands, is_model_file, load_weights, read_card
from false_core.untrusted import check_unpacked

DEFAULT_OF_TIMM = "imagenet"
"""Stands for the weights that timm itself takes for a backbone; nearly all of those were trained on ImageNet."""
_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Under one of these names a training checkpoint keeps the weights."""
_PREFIXES = re.compile(r"^(?:_orig_mod\.|module\.)*")
"""What wrappers for compiling and for several GPUs put in front of every name."""


def start_from(weights: str, encoder: Any, backbone: str, raster: str) -> dict[str, Any]:
    """Fill an encoder with given weights, and return what they are, for the card of the model.

    Args:
        weights: Path of an encoder file, which must be of the same backbone and number of bands. Or path of a file with a
            timm state dict of the backbone: safetensors, or written by ``torch.save``. Or a name of timm weights such as
            ``"resnet50.a1_in1k"``, or ``"imagenet"`` for those timm takes by default; these are downloaded unless they
            are in the cache already. The last two may be for another number of bands, see ``fit_to_bands``.
        encoder: A network that ``build_encoder`` made.

    Raises:
        ModelFileError: There are no such weights, they cannot be read or downloaded, or do not fit.
    """
    name = Path(weights).name
    if is_model_file(weights):
        return _continue(weights, encoder, backbone, raster)
    if _is_path(weights):
        _fill(encoder, _read(weights), backbone, name)
        return {"file": name}
    timm_name = _timm_name(weights, backbone)
    _fill(encoder, _download(timm_name), backbone, timm_name)
    return {"timm": timm_name}


def fit_to_bands(weight: Tensor, bands: int) -> Tensor:
    """Return the weight of a first convolution for another number of bands.

    Bands take the filters of the given ones in turn, as in timm. Then the same is added to all of them, so that an image
    with the same value in all bands, a grey one, gives what it gave before.

    Args:
        weight: A tensor of shape (out, given bands, height, width).

    Returns:
        Of shape (out, bands, height, width). With as many bands as before, ``weight`` itself.
    """
    given = weight.shape[1]
    if given == bands:
        return weight
    in_turn = weight[:, torch.arange(bands) % given] * (given / bands)
    return in_turn + (weight.sum(dim=1, keepdim=True) - in_turn.sum(dim=1, keepdim=True)) / bands


def _continue(path: str, encoder: Any, backbone: str, raster: str) -> dict[str, Any]:
    """Fill ``encoder`` from an encoder file of ours."""
    card = read_card(path, ENCODER)
    if card.encoder != backbone:
        raise ModelFileError(
            f"{Path(path).name} holds a {card.encoder}, but this preset trains a {backbone}.",
            f"Choose the preset it was made with{', ' + str(card.method['preset']) if 'preset' in card.method else ''}.",
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


def _fill(encoder: Any, given: Mapping[str, Tensor], backbone: str, source: str) -> None:
    """Fill ``encoder`` with weights named as timm names them.

    Raises:
        ModelFileError: They are not those of ``backbone``.
    """
    own: dict[str, Tensor] = encoder.model.state_dict()
    plain = {_plain(name): tensor for name, tensor in given.items()}
    first = encoder.model.pretrained_cfg.get("first_conv") or ()
    adapted = {_plain(f"{name}.weight") for name in ([first] if isinstance(first, str) else first)}
    fitted: dict[str, Tensor] = {}
    for name, wanted in own.items():
        # Files of old do not hold the number of batches that batch norms have seen, and nothing depends on it.
        value = plain.get(_plain(name), wanted if name.endswith("num_batches_tracked") else None)
        if value is not None and _plain(name) in adapted and value.ndim == wanted.ndim:
            value = fit_to_bands(value.float(), wanted.shape[1])
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


def _names_of(backbone: str) -> set[str]:
    """Return the names of all weights of a backbone, its classifier's too."""
    with torch.device("meta"):
        return {_plain(name) for name in timm.create_model(backbone).state_dict()}


def _plain(name: str) -> str:
    """Return a name of a weight that is the same in a network and in its pyramid of features."""
    # timm turns stages.0 of some networks into stages_0 there.
    return name.replace(".", "_")
