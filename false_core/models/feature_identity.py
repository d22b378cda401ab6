"""The identity of features, under which they are kept: a digest of everything that decides them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import torch
from torch import nn

from false_core.raster.pixel_identity import facts_of_pixels
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation


def identity_of_features(
    source: RasterSource, normalisation: Normalisation, network: nn.Module, device: torch.device, *more: Any
) -> bytes | None:
    """Return a digest of what decides the features that a network makes of a raster.

    None where it cannot be told whether the raster is the same again later: nothing is to be kept of it then.

    Args:
        more: Further facts that decide them or how they are kept, as JSON can hold them.
    """
    pixels = facts_of_pixels(source)
    if pixels is None:
        return None
    facts = [
        torch.__version__,
        device.type,
        pixels,
        normalisation.to_dict(),
        more,
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    for tensor in network.state_dict().values():
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return digest.digest()
