"""The settings of torch, numpy, GDAL and onnxruntime in a process of ours, as far as the user has not said it.

To be imported before any of them is loaded.
"""

from __future__ import annotations

import os

from false_core.untrusted.drivers import allow_by_list

GDAL_SETTINGS = {
    # Megabytes for decoded blocks of rasters. GDAL's own default, 5 % of the memory, is more than all the rest on a large
    # computer. With 64, a raster of 10,980 columns that is stored row by row took six times as long to read.
    "GDAL_CACHEMAX": "160",
    # By itself GDAL waits for a server for ever, and gives up at its first hiccup.
    "GDAL_HTTP_CONNECTTIMEOUT": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",
    "GDAL_HTTP_LOW_SPEED_TIME": "60",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
}
"""Values that hold where the user has set no other."""

# Threads of a computation that wait for each other sleep instead of spinning. Where two programs share the cores, spinning
# made a training step two to four times slower. Those of numpy and scipy have no such setting, and are two groups that take
# the cores from each other: on two busy cores they fitted the classifiers of a head forty times more slowly than one thread.
# It counts only where it is set before torch and numpy are imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What PyTorch cannot do on Apple's GPUs it does on the CPU instead of giving up: systems of equations before 2.7, and for
# longer the gradients of features at points, which pretraining asks for. It looks once, when it is imported.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
# By itself onnxruntime (1.31) tells its maker over the network what it does, and keeps a file of a name that
# others can foresee in the folder for temporary files. It looks once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
allow_by_list()


def set_up_gdal() -> None:
    """Say how GDAL is to behave, as far as the user has not."""
    # In the environment, where every thread finds it. GDAL looks once, when it reads its first block.
    for name, value in GDAL_SETTINGS.items():
        os.environ.setdefault(name, value)
