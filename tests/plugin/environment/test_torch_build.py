"""The build of PyTorch fits the system, the GPU and the driver."""

from __future__ import annotations

import pytest
from recorded_hosts import recorded_host

TURING, AMPERE, BLACKWELL, PASCAL, KEPLER = (7, 5), (8, 6), (12, 0), (6, 1), (3, 5)


def choice(name: str, *gpus: tuple[int, tuple[int, int] | None], wanted: str = "auto", has_uv: bool = True):
    from qgis_false.environment.torch_build import Gpu, choose_builds

    gpus = [Gpu("a GPU", (driver, 0), capability) for driver, capability in gpus]
    return choose_builds(recorded_host(name), gpus, wanted, has_uv)


@pytest.mark.parametrize(
    ("name", "gpus", "builds"),
    [
        # Linux: the package index has the CUDA build, without a choice.
        ("debian", [(580, TURING)], ["cuda index"]),
        ("debian", [(595, BLACKWELL)], ["cuda index"]),
        ("debian", [], ["cpu cpu"]),
        # Windows: the package index has the CPU build, without a choice.
        ("osgeo4w", [(581, AMPERE)], ["cuda auto", "cpu index"]),
        ("osgeo4w", [], ["cpu index"]),
        # An old driver or an old GPU: the last builds for CUDA 12.
        ("debian", [(535, AMPERE)], ["cuda cu126 <2.15", "cpu cpu"]),
        ("osgeo4w", [(552, AMPERE)], ["cuda cu126 <2.15", "cpu index"]),
        ("osgeo4w", [(580, PASCAL)], ["cuda cu126 <2.15", "cpu index"]),
        # No build for both of them.
        ("osgeo4w", [(570, BLACKWELL)], ["cpu index"]),
        ("osgeo4w", [(470, TURING)], ["cpu index"]),
        ("debian", [(470, KEPLER)], ["cpu cpu"]),
        # The better of two GPUs counts.
        ("osgeo4w", [(581, PASCAL), (581, AMPERE)], ["cuda auto", "cpu index"]),
        # An old driver does not tell the capability.
        ("osgeo4w", [(530, None)], ["cuda cu126 <2.15", "cpu index"]),
        ("macos_app", [], ["cpu index"]),
    ],
)
def test_by_gpu_and_driver(provider, name, gpus, builds):
    told = choice(name, *gpus).builds
    assert [f"{build.gives} {build.backend or 'index'} {build.bound}".strip() for build in told] == builds


@pytest.mark.parametrize(
    ("name", "gpus", "wanted", "larger"),
    [
        ("debian", [], "auto", True),
        ("debian", [(580, TURING)], "cpu", True),
        ("debian", [(535, AMPERE)], "auto", True),
        ("debian", [(580, TURING)], "auto", False),
        ("debian", [], "index", False),
        ("osgeo4w", [], "auto", False),
        ("osgeo4w", [(581, AMPERE)], "auto", False),
    ],
)
def test_what_is_larger_than_needed_is_never_tried_by_itself(provider, name, gpus, wanted, larger):
    told = choice(name, *gpus, wanted=wanted)
    assert (told.larger is not None) is larger
    assert told.larger not in told.builds


def test_what_to_do_about_an_old_driver_is_said(provider):
    assert "Install the driver 580" in choice("osgeo4w", (570, BLACKWELL)).why
    assert "need the driver 580" in choice("debian", (535, AMPERE)).why
    assert "of the generation Turing or later" in choice("debian", (580, PASCAL)).why
    assert "too old" in choice("debian", (470, KEPLER)).why


def test_what_a_user_asks_for_counts_more_than_the_card(provider):
    assert choice("debian", (580, AMPERE), wanted="cpu").builds[0].backend == "cpu"
    assert [build.backend for build in choice("debian", wanted="index").builds] == [""]
    assert choice("osgeo4w", wanted="cuda").builds[0].backend == "auto"


def test_without_uv_there_is_the_package_index_only_and_a_gpu_on_windows_is_not_used(provider):
    told = choice("osgeo4w", (581, AMPERE), has_uv=False)
    assert [build.backend for build in told.builds] == [""]
    assert "the GPU is not used" in told.why


def test_a_backend_that_uv_was_told_is_left_to_uv(provider):
    from dataclasses import replace

    from qgis_false.environment.torch_build import choose_builds

    host = recorded_host("debian")
    host = replace(host, variables={**host.variables, "UV_TORCH_BACKEND": "rocm7.2"})
    told = choose_builds(host, [], "auto", True)
    assert [build.backend for build in told.builds] == [""]
    assert "rocm7.2" in told.why


@pytest.mark.parametrize(
    ("answer", "gpus"),
    [
        ("NVIDIA GeForce RTX 3060, 581.29, 8.6\n", [("NVIDIA GeForce RTX 3060", (581, 29), (8, 6))]),
        ("Tesla V100-SXM2-32GB, 535.183.01, 7.0\nTesla T4, 535.183.01, 7.5\n",
         [("Tesla V100-SXM2-32GB", (535, 183, 1), (7, 0)), ("Tesla T4", (535, 183, 1), (7, 5))]),
        ("GeForce GTX 970, 441.22\n", [("GeForce GTX 970", (441, 22), None)]),
        ("NVIDIA T500, 581.29, [N/A]\n", [("NVIDIA T500", (581, 29), None)]),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", []),
        ('Field "compute_cap" is not a valid field to query.\n', []),
        ("", []),
    ],
)  # fmt: skip
def test_the_answers_of_nvidia_smi_are_understood(provider, answer, gpus):
    from qgis_false.environment.torch_build import Gpu, parse_nvidia_smi

    assert parse_nvidia_smi(answer) == [Gpu(*gpu) for gpu in gpus]


def test_the_driver_s_program_is_looked_for_where_windows_has_it(provider):
    from qgis_false.environment.torch_build import nvidia_smi_places

    assert nvidia_smi_places(recorded_host("osgeo4w")) == [r"C:\Windows\System32\nvidia-smi.exe"]
    assert nvidia_smi_places(recorded_host("conda_linux")) == ["/usr/bin/nvidia-smi"]
    assert nvidia_smi_places(recorded_host("macos_app")) == []
