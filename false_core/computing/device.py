"""The device that computes: choosing one, saying which, and checking that it works."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

import torch

from false_core import __version__
from false_core.computing.distributed import share
from false_core.computing.precision import Use, autocast, forbid_tf32, precision_of
from false_core.errors import DeviceError
from false_core.feedback import Feedback
from false_core.jobs import FLOAT32, Check
from false_core.settings import preferred_device

OUT_OF_MEMORY = re.compile(
    "out of memory|out_of_memory|alloc_failed|allocation_failed|cudaErrorMemoryAllocation|DefaultCPUAllocator", re.IGNORECASE
)
"""Phrases of errors of no class of their own that say that memory ran out: of the driver, pinned memory, Apple's GPUs, NCCL
and Triton, of cuBLAS and its like (CUBLAS_STATUS_ALLOC_FAILED), of cuDNN 9, and of the CPU."""
CPU = torch.device("cpu")
PROCESSORS = Path("/proc/cpuinfo")
"""Path of the file in which Linux tells what its processors are."""


def choose_device(request: str, feedback: Feedback) -> torch.device:
    """Return the device to compute on, after a real computation on it. A GPU becomes the current one of this thread.

    Args:
        request: ``auto`` takes what ``FALSE_DEVICE`` names, or else a working GPU and otherwise the CPU; ``cpu``, ``cuda``,
            ``cuda:N`` and ``mps`` insist. Of several processes on a computer each takes a GPU of its own.

    Raises:
        DeviceError: What was asked for is not there or does not work.
    """
    named = request if request != "auto" else preferred_device()
    if named != "auto":
        origin = "" if named == request else ", which FALSE_DEVICE or the options of the plugin name,"
        device = _parse(named)
        if device.type == "cuda" and (device.index is None or _shares_computer()):
            own = torch.device("cuda", _gpu_of_this_process())
            if device.index is not None:
                feedback.info(f"{named} was named, but each process takes a GPU of its own, the first one {own}.")
            device = own
        problem = _problem(device)
        if problem:
            raise DeviceError(
                f"The device {named}{origin} cannot be used: {problem}.", "Choose auto to fall back to the CPU."
            )
        feedback.info(f"Computing on {describe(device)}.")
        return device
    for device in (torch.device("cuda", _gpu_of_this_process()), torch.device("mps")):
        problem = _problem(device)
        if not problem:
            feedback.info(f"Computing on {describe(device)}.")
            return device
        if device.type == "cuda" and torch.cuda.is_available():
            feedback.warn(f"There is a GPU, but it cannot be used: {problem}.")
    feedback.info(f"Computing on {describe(torch.device('cpu'))}. No usable GPU was found.")
    return CPU


def tell_precision(what: str, device: torch.device, feedback: Feedback) -> None:
    """Say which numbers a job computes with, where others could be expected: on a GPU, or where they are short."""
    if device.type != "cpu" or what != FLOAT32:
        feedback.info(f"The network computes in {what}.")


def describe(device: torch.device) -> str:
    """Return the device's name for a person. Which numbers it computes with each job decides, and says."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "mps":
        return "the Apple GPU (mps)"
    return f"the CPU ({torch.get_num_threads()} threads)"


@functools.cache
def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    with contextlib.suppress(OSError):
        told = re.search(r"^model name\s*:\s*(.+)$", PROCESSORS.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if told:
            return told.group(1).strip()
    return platform.processor()


def check(job: Check, feedback: Feedback) -> dict[str, Any]:
    """Run the ``Check`` job: versions, the device, and the speed of a real kernel on it."""
    with feedback.stage("Checking the device", 1.0):
        device = choose_device(job.device, feedback)
        gflops = _measure(device)
    # Imported so that an environment that lacks one of them fails here, not in the middle of a job.
    import geopandas
    import rasterio

    from false_core.computing.backbone_libraries import smp, timm

    feedback.info(
        f"false_core {__version__}, Python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}, "
        f"segmentation-models-pytorch {smp.__version__}, rasterio {rasterio.__version__}, "
        f"geopandas {geopandas.__version__}."
    )
    return {
        "version": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": str(device),
        "device_name": describe(device),
        "memory_gb": round(memory_of(device) / 1e9, 1),
        "gflops": round(gflops, 1),
    }


def _gpu_of_this_process() -> int:
    """Return which NVIDIA GPU this process takes: of several processes on a computer, each its own."""
    return share().local_rank % max(1, torch.cuda.device_count())


def _shares_computer() -> bool:
    """Return whether other processes of the job compute on this computer, by torchrun or as workers of Dask."""
    return os.environ.get("LOCAL_WORLD_SIZE", str(share().world_size)) != "1"


def _parse(request: str) -> torch.device:
    try:
        device = torch.device(request)
    except RuntimeError as error:
        raise DeviceError(f"There is no device called {request!r}.", "Use auto, cpu, cuda, cuda:N or mps.") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"The device {request!r} is not supported.", "Use auto, cpu, cuda, cuda:N or mps.")
    return device


def _problem(device: torch.device) -> str:
    """Return why ``device`` cannot be used, or nothing. Runs a small convolution, as drivers can lie."""
    if device.type == "cuda" and not torch.cuda.is_available():
        return "PyTorch sees no CUDA GPU (none there, no driver, or a PyTorch without CUDA)"
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        return f"there are {torch.cuda.device_count()} CUDA GPU(s)"
    if device.type == "mps" and not torch.backends.mps.is_available():
        return "PyTorch sees no Apple GPU"
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
            forbid_tf32()
        image, kernel = torch.ones(1, 2, 8, 8, device=device), torch.ones(3, 2, 3, 3, device=device)
        with autocast(device, precision_of(device, Use.DECODER)):
            answer = float(torch.nn.functional.conv2d(image, kernel)[0, 0, 0, 0])
    except RuntimeError as error:
        return f"a test computation failed with {str(error).splitlines()[0]!r}"
    return "" if answer == 18.0 else f"a test computation gave {answer} instead of 18"


def _measure(device: torch.device) -> float:
    """Return the speed of a float32 matrix product in GFLOP/s."""
    side = 4096 if device.type == "cuda" else 1024
    a, b = torch.rand(side, side, device=device), torch.rand(side, side, device=device)
    float((a @ b)[0, 0])
    began = time.perf_counter()
    repetitions = 5
    for _ in range(repetitions):
        c = a @ b
    float(c[0, 0])
    return 2 * side**3 * repetitions / (time.perf_counter() - began) / 1e9


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, of a device or of the computer."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or bool(OUT_OF_MEMORY.search(str(error)))


def is_failure_of_device(error: BaseException) -> bool:
    """Return whether an error says that the device itself does not work any more: lost, hung, or a fault in its memory."""
    # torch has a class for it since 2.8, and before only words.
    failure = getattr(torch, "AcceleratorError", None)
    words = ("CUDA error", "CUDA driver error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "HIP error", "MPS backend")
    return (failure is not None and isinstance(error, failure)) or any(word in str(error) for word in words)


def memory_of(device: torch.device) -> float:
    """Return the memory of the device in bytes, 0 where it cannot be told."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory())
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):  # Not told on this system, Windows for one.
        return 0.0
