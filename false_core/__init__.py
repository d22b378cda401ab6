"""FALSE: land-cover maps from a few labels.

Start with ``from false_core.jobs import Pretrain, Finetune, Classify`` and ``from false_core.run import run``.
Nothing heavy is imported here: ``import false_core`` costs no torch, numpy or rasterio.
"""

__version__ = "0.1.0"
