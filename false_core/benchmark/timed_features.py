"""Features that are computed once and kept, with the seconds that they took: the cost of an encoder stays known."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from false_core.experiments.kept_features import mark_of_code
from false_core.outputs.publish import published
from false_core.raster.file_state import raster_signature
from false_core.raster.source import RasterSource
from false_core.raster.statistics import Normalisation

Arrays = Mapping[str, npt.NDArray[Any]]
_SECONDS = "seconds"


def features_kept_in(folder: Path, key: str, compute: Callable[[], Arrays]) -> tuple[Arrays, float]:
    """Return arrays by name from the file of a key, or compute and keep them. With them the seconds that it took then."""
    file = folder / f"{key}.safetensors"
    if file.is_file():
        with safetensors.safe_open(file, "np") as kept:
            return {name: kept.get_tensor(name) for name in kept.keys()}, float(kept.metadata()[_SECONDS])  # noqa: SIM118
    began = time.monotonic()
    arrays = {name: np.ascontiguousarray(values) for name, values in compute().items()}
    seconds = time.monotonic() - began
    folder.mkdir(parents=True, exist_ok=True)
    with published(file) as (partial,):
        safetensors.numpy.save_file(arrays, partial, metadata={_SECONDS: f"{seconds:.3f}"})
    return arrays, seconds


def key_of_features(source: RasterSource, normalisation: Normalisation, *more: Any) -> str:
    """Return a key of all that decides features: the raster, what is normal in it, and what else is named."""
    facts = [
        mark_of_code(),
        raster_signature(source.files),
        source.path,
        source.bands,
        source.factor,
        source.name_in_jobs,
        normalisation.to_dict(),
    ]
    return hashlib.sha256(json.dumps([facts, more], sort_keys=True, default=str).encode()).hexdigest()[:24]


def digest_of_array(values: npt.NDArray[Any]) -> str:
    """Return a digest of the numbers in an array."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
