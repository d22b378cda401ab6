"""The header of a model file: what can be told of it before torch is loaded. Standard library only."""

from __future__ import annotations

import os
import struct
from typing import Any

from false_core.errors import ModelFileError
from false_core.untrusted import parse_json

MODEL_FORMAT = "false-model"
METADATA = "__metadata__"
"""The key under which safetensors keeps texts."""
LONGEST_HEADER = 8_000_000
"""Largest size of a header in bytes. The header of a real model is a hundredth of that."""
ENCODER, SEGMENTER, AREA_CLASSIFIER = "encoder", "segmenter", "area classifier"
MODEL_KINDS = (ENCODER, SEGMENTER, AREA_CLASSIFIER)


def check_model(path: str, kind: str | None = None) -> None:
    """Raise ModelFileError where a file is missing, calls itself no model of ours, or says it is of another kind.

    The rest of what may be wrong with it, ``read_card`` finds.
    """
    text = texts_of_header(read_header(path), path).get(MODEL_FORMAT)
    if text is None:
        raise not_of_ours(path)
    try:
        body = parse_json(text)
    except ValueError:
        return
    if isinstance(body, dict) and body.get("kind") in MODEL_KINDS:
        check_kind(path, body["kind"], kind)


def check_kind(path: str, found: str, wanted: str | None) -> None:
    """Raise ModelFileError where a model is not of the kind that is wanted; None: either will do."""
    if wanted and found != wanted:
        step = {
            ENCODER: "Choose a file written by pretraining.",
            SEGMENTER: "Choose a file written by fine-tuning.",
            AREA_CLASSIFIER: "Choose a file written by classifying areas.",
        }[wanted]
        if (found, wanted) == (ENCODER, SEGMENTER):
            step = "Run fine-tuning to make a model from it."
        raise ModelFileError(f"{path} holds {_a(found)}, but {_a(wanted)} is needed.", step)


def not_of_ours(path: str) -> ModelFileError:
    """Return the error that a file is of another program."""
    return ModelFileError(
        f"{path} is not a model made by FALSE.", "Choose a file written by pretraining, fine-tuning or classifying areas."
    )


def read_header(path: str) -> dict[str, Any]:
    """Return the header of a safetensors file: what lies where, and texts under ``METADATA``."""
    # os.path, as pathlib raises where a name is too long for the system.
    if not os.path.isfile(path):
        raise ModelFileError(f"The model file {path} does not exist.")
    try:
        with open(path, "rb") as stream:
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(LONGEST_HEADER, os.path.getsize(path) - 8):
                raise ModelFileError(f"{path} is not a model made by FALSE.", "Or it is cut off: copy it again.")
            text = stream.read(length)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        header = parse_json(text.decode("utf-8"))
        if not isinstance(header, dict):
            raise ValueError("a header is an object")
    except ValueError as error:
        raise ModelFileError(f"{path} is not a model made by FALSE: its header cannot be read.") from error
    return header


def texts_of_header(header: dict[str, Any], path: str) -> dict[str, str]:
    """Return the texts in a header by name."""
    metadata = header.get(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ModelFileError(f"{path} is not a model made by FALSE.")
    return metadata


def _a(kind: str) -> str:
    words = {ENCODER: "an encoder", SEGMENTER: "a segmenter (a fine-tuned model)", AREA_CLASSIFIER: "a model of areas"}
    return words[kind]
