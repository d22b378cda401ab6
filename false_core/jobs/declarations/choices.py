"""The words that parameters admit, where more than one module knows them."""

from __future__ import annotations

from false_core.settings import PREFERRED_PRECISIONS

UNTRAINED = "random"
METHODS = {
    "false": "FALSE", "simclr": "SimCLR", "barlow_twins": "Barlow Twins", "pcl": "PCL", "rissnet": "RiSSNet",
    "gfcnet": "GFCNet", "glcnet": "GLCNet", "grass": "GraSS", "moco": "MoCo v2", "sticl": "STICL", "last": "LaST",
    "inpainting": "Inpainting", "jigsaw": "Jigsaw", "colourisation": "Colourisation", "autoencoder": "Autoencoder",
    "pca": "PCA", UNTRAINED: "untrained encoder",
}  # fmt: skip
"""Methods of pretraining, and what they are called in tables."""
CALIBRATED = ("rissnet", "gfcnet", "glcnet", "grass")
"""Methods that can take FNSD and FNCC, which FALSE always does, for their contrastive loss."""
PUBLISHED, ELSEWHERE = "published", "elsewhere"
SEARCHES = (PUBLISHED, ELSEWHERE)
"""Ways to look for false negatives."""
PRESETS = ("auto", "quick", "standard", "paper")
NOTHING_KEPT = "nothing"
KEPT = (NOTHING_KEPT, "norms", "stride2", "stride4", "stride8", "stride16")
"""Parts of an encoder that stay as they are in pretraining."""
BY_CHANCE, BY_FEATURES, BY_GRADIENTS = "chance", "features", "gradients"
"""Ways to choose places among those found."""
AUTO_PRECISION, FLOAT32, INT8 = PRECISIONS = (*PREFERRED_PRECISIONS, "int8")
"""Numbers that networks compute with: those that the device was built for, or float32 on any device."""
AUTO_HEAD, LINEAR_HEAD, TEXTURE_HEAD, NETWORK_HEAD = HEADS = ("auto", "linear", "texture", "network")
"""Heads: the best of several, classifiers on features of encoders alone, on texture alone, and a decoder that is trained."""
ADAPTIVE = "adaptive"
"""Instead of one confidence weight for all pairs: one for each."""
GENERAL_WEIGHTS, NO_WEIGHTS = "general", "none"
LABELLED_BEFORE, LABELLED_AFTER, LABELLED_BOTH = "before", "after", "both"
"""Dates at which labels hold."""
