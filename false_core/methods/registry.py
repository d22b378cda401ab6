"""The registry of methods, by the name a job gives them."""

from __future__ import annotations

from torch import nn

from false_core.jobs import UNTRAINED
from false_core.methods.autoencoder import Autoencoder
from false_core.methods.barlow_twins import BarlowTwins
from false_core.methods.colourisation import Colourisation
from false_core.methods.fncc import FALSE
from false_core.methods.gfcnet import GFCNet
from false_core.methods.glcnet import GLCNet
from false_core.methods.grass import GraSS
from false_core.methods.inpainting import Inpainting
from false_core.methods.jigsaw import Jigsaw
from false_core.methods.last import LaST
from false_core.methods.method import Method
from false_core.methods.moco import MoCo
from false_core.methods.pca import PCA
from false_core.methods.pcl import PCL
from false_core.methods.rissnet import RiSSNet
from false_core.methods.simclr import SimCLR
from false_core.methods.sticl import STICL
from false_core.methods.untrained import Untrained
from false_core.presets import PretrainSettings

METHOD_CLASSES: dict[str, type[Method]] = {
    "false": FALSE,
    "simclr": SimCLR,
    "barlow_twins": BarlowTwins,
    "pcl": PCL,
    "rissnet": RiSSNet,
    "gfcnet": GFCNet,
    "glcnet": GLCNet,
    "grass": GraSS,
    "moco": MoCo,
    "sticl": STICL,
    "last": LaST,
    "inpainting": Inpainting,
    "jigsaw": Jigsaw,
    "colourisation": Colourisation,
    "autoencoder": Autoencoder,
    "pca": PCA,
    UNTRAINED: Untrained,
}
"""``jobs.METHODS`` lists the same names."""


def build_method(encoder: nn.Module, settings: PretrainSettings) -> Method:
    """Return the method that ``settings`` names, around ``encoder``."""
    return METHOD_CLASSES[settings.method](encoder, settings)
