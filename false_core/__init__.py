"""FALSE: land-cover maps from a few labels.

    import false_core

    false_core.pretrain(rasters=("image.tif",), encoder="encoder.safetensors")
    false_core.finetune(raster="image.tif", labels="labels.gpkg", field="land_cover",
                        encoder="encoder.safetensors", model="model.safetensors")
    made = false_core.classify(raster="image.tif", model="model.safetensors", output="map.tif")

These functions, ``assess``, ``run`` for every other job, the modules ``jobs``, ``events`` and ``errors``, and the classes of
results are public. All other modules are private and may change. Nothing heavy is imported here: ``import false_core`` costs
no torch, numpy or rasterio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List

__version__ = "0.1.0"
__all__ = [
    "Assessed", "Classified", "Finetuned", "Pretrained", "Results", "__version__",
    "assess", "classify", "errors", "events", "finetune", "jobs", "pretrain", "run",
]  # fmt: skip

if TYPE_CHECKING:
    from false_core import errors, events, jobs
    from false_core.api import (
        Assessed,
        Classified,
        Finetuned,
        Pretrained,
        Results,
        assess,
        classify,
        finetune,
        pretrain,
        run,
    )


def __getattr__(name: str) -> Any:
    """Import what is public when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'false_core' has no attribute {name!r}")
    from importlib import import_module

    if name in ("errors", "events", "jobs"):
        return import_module(f"false_core.{name}")
    return getattr(import_module("false_core.api"), name)


def __dir__() -> List[str]:
    return sorted(__all__)
