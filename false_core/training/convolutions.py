"""The choice of cuDNN's kernels for the convolutions of a training. On other devices nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fast_convolutions() -> Iterator[None]:
    """Return a context in which convolutions are as fast as cuDNN has them.

    It tries its kernels on each shape that it meets, which pays here, as all crops of a training have one shape. Which one
    wins is not the same every time: maps, whose pixels must not depend on that, are made without. What is trained in float32
    is rounded to TF32 for the convolution where the GPU has that, as in the published training.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.allow_tf32
    cudnn.benchmark = cudnn.allow_tf32 = True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32 = before
