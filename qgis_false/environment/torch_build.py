"""The build of PyTorch that fits a computer: by its system, the driver and the GPU. Decided from facts, nothing is started.

What is fact here (release matrix of PyTorch 2.15): the builds for CUDA 13 need NVIDIA's driver 580 and a GPU of compute
capability 7.5 (Turing) or newer; the last builds for older GPUs and drivers are those of PyTorch 2.14 for CUDA 12.6, for
capability 5.0 to 9.0 and a driver from 525 on. The package index has the CUDA build for Linux, the CPU build for Windows,
and for macOS one that uses Apple's GPU; other builds are on PyTorch's own index, which uv knows as "torch backends".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from qgis_false.environment.host import LINUX, MAC, Host
from qgis_false.tasks import AUTO_BUILD, CPU_BUILD, CUDA_BUILD, INDEX_BUILD
from qgis_false.translation import tr

CUDA_DRIVER, CUDA_CAPABILITY = 580, (7, 5)
OLD_DRIVER, OLD_CAPABILITIES = 525, ((5, 0), (9, 0))
OLD_BACKEND, OLD_BOUND = "cu126", "<2.15"
GB_TO_DOWNLOAD = {CUDA_BUILD: 3.0, CPU_BUILD: 0.5}
GB_TAKEN = {CUDA_BUILD: 6.0, CPU_BUILD: 1.5}
"""All packages together on the disk, as measured with PyTorch 2.15 on Linux."""
GB_ON_DISK = {CUDA_BUILD: 8.0, CPU_BUILD: 3.0}
"""Room that is asked for: the packages, and what is unpacked on the way."""


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU: its name, the driver's version, and the compute capability where the driver tells it."""

    name: str
    driver: Tuple[int, ...]
    capability: Optional[Tuple[int, int]] = None


@dataclass(frozen=True)
class Build:
    """One build of PyTorch that can be tried.

    Attributes:
        gives: ``cuda`` or ``cpu``; on macOS ``cpu`` includes Apple's GPU.
        backend: Name that uv has for it; empty for what the package index has.
        bound: Versions of torch it exists for, where the pinned one is not among them.
    """

    gives: str
    backend: str = ""
    bound: str = ""


@dataclass(frozen=True)
class BuildChoice:
    """Builds to try in this order, and why.

    Attributes:
        larger: Build of the package index, where none of them can be had. It computes as well, and is several times as
            large: the user is asked to choose it.
    """

    builds: Tuple[Build, ...]
    why: str
    larger: Optional[Build] = None

    @property
    def gives(self) -> str:
        """The packages of the first build."""
        return self.builds[0].gives


QUERY = ("--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader")
SHORT_QUERY = ("--query-gpu=name,driver_version", "--format=csv,noheader")
"""Words for drivers that are too old to tell the compute capability."""


def parse_nvidia_smi(text: str) -> List[Gpu]:
    """Return the GPUs in the answer of ``nvidia-smi`` to one of the queries."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) < 2 or not re.fullmatch(r"\d+(\.\d+)+", parts[1]):
            continue
        capability = re.fullmatch(r"(\d+)\.(\d+)", parts[2]) if len(parts) > 2 else None
        driver = tuple(map(int, parts[1].split(".")))
        found.append(Gpu(parts[0], driver, (int(capability[1]), int(capability[2])) if capability else None))
    return found


def nvidia_smi_places(host: Host) -> List[str]:
    """Return where ``nvidia-smi`` may be."""
    join = host.paths.join
    if host.system == MAC:
        return []
    if host.is_windows:
        windows = host.variables.get("SYSTEMROOT") or host.variables.get("SystemRoot") or r"C:\Windows"
        programs = host.variables.get("PROGRAMFILES") or host.variables.get("ProgramFiles") or r"C:\Program Files"
        places = [join(windows, "System32", "nvidia-smi.exe")]
        places.append(join(programs, "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe"))
    else:
        places = ["/usr/bin/nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi", "/run/current-system/sw/bin/nvidia-smi"]
        places += [join(folder, "nvidia-smi") for folder in host.variables.get("PATH", "").split(":") if folder]
    return [place for place in dict.fromkeys(places) if host.disk.is_program(place)]


def choose_builds(host: Host, gpus: Sequence[Gpu], wanted: str = AUTO_BUILD, has_uv: bool = True) -> BuildChoice:
    """Return which builds of PyTorch to try on ``host``.

    Args:
        has_uv: True where there is uv. Without it only the package index is there to take a build from.
    """
    if host.system == MAC:
        return BuildChoice((Build(CPU_BUILD),), tr("the build for Apple computers, which uses their GPU"))
    from_index = Build(CUDA_BUILD if host.system == LINUX else CPU_BUILD)
    if wanted == INDEX_BUILD:
        return BuildChoice((from_index,), tr("what the package index has, as was asked for"))
    if host.variables.get("UV_TORCH_BACKEND"):
        return BuildChoice(
            (from_index,), tr("what UV_TORCH_BACKEND says: {build}", build=host.variables["UV_TORCH_BACKEND"])
        )
    if not has_uv:
        why = tr("what the package index has; without uv there is no other choice")
        if host.is_windows and gpus and wanted != CPU_BUILD:
            why += ". " + tr("For Windows that is the build without CUDA: the GPU is not used")
        return BuildChoice((from_index,), why)
    # For Linux the index has the CUDA build only.
    cpu, larger = ((Build(CPU_BUILD, "cpu"),), from_index) if host.system == LINUX else ((Build(CPU_BUILD),), None)
    if wanted == CPU_BUILD:
        return BuildChoice(cpu, tr("the build for the CPU, as was asked for"), larger)
    if not gpus:
        if wanted == CUDA_BUILD:
            return BuildChoice(
                _cuda(host, from_index), tr("the CUDA build, as was asked for, though no NVIDIA GPU was found")
            )
        return BuildChoice(cpu, tr("the build for the CPU: no NVIDIA GPU with a driver was found"), larger)
    best = max(gpus, key=lambda gpu: gpu.capability or (0, 0))
    builds, why = _for_gpu(best, cpu, _cuda(host, from_index))
    return BuildChoice(builds, why, larger if builds[-1].gives == CPU_BUILD else None)


def _for_gpu(gpu: Gpu, cpu: Tuple[Build, ...], cuda: Tuple[Build, ...]) -> Tuple[Tuple[Build, ...], str]:
    driver = ".".join(map(str, gpu.driver))
    capability = gpu.capability or CUDA_CAPABILITY
    told = tr("{gpu}, driver {driver}", gpu=gpu.name, driver=driver)
    if gpu.driver[0] >= CUDA_DRIVER and capability >= CUDA_CAPABILITY:
        return cuda, tr("the CUDA build for {gpu}", gpu=told)
    if gpu.driver[0] >= OLD_DRIVER and OLD_CAPABILITIES[0] <= capability <= OLD_CAPABILITIES[1]:
        why = tr("the last CUDA build for {gpu}", gpu=told) + ". "
        if capability >= CUDA_CAPABILITY:
            why += tr("Newer builds need the driver {driver} at least", driver=CUDA_DRIVER)
        else:
            why += tr("Newer builds need a GPU of the generation Turing or later")
        return (Build(CUDA_BUILD, OLD_BACKEND, OLD_BOUND), *cpu), why
    if capability < OLD_CAPABILITIES[0]:
        return cpu, tr("the build for the CPU: {gpu} is too old for PyTorch", gpu=told)
    install = tr("Install the driver {driver} or newer and run this again", driver=CUDA_DRIVER)
    return cpu, tr("the build for the CPU: {gpu}", gpu=told) + ". " + install


def _cuda(host: Host, from_index: Build) -> Tuple[Build, ...]:
    return (from_index,) if host.system == LINUX else (Build(CUDA_BUILD, "auto"), from_index)
