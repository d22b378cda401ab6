"""STICL: MoCo v2, with the second views of some patches in the colours of another place, another date or another sensor.

Huang et al., "Spatial-Temporal Invariant Contrastive Learning for Remote Sensing Scene Classification", IEEE GRSL 19, 2022,
doi 10.1109/LGRS.2022.3173419; after the abstract and the published code. The colours are brought over by optimal transport,
see ``false_core.sampling.style``, which any other method can have too: it is the parameter ``transfer``, and here it is 0.1
where nothing else is said, as published.
"""

from __future__ import annotations

from false_core.methods.moco import MoCo


class STICL(MoCo):
    """MoCo, whose settings say that colours are transferred."""

    signal = "the same place in the colours of another one, against places of earlier batches"
