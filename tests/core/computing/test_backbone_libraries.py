"""Tests of how timm and segmentation-models-pytorch are imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from false_core.computing.backbone_libraries import NothingDrawnOnMeta

LIBRARY = Path(__file__).resolve().parents[3] / "false_core"
TAKEN_FROM_ONE_PLACE = {"timm", "segmentation_models_pytorch", "torchvision"}


def run(code: str) -> str:
    """Return what a program prints that runs in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


COMPUTING = ("session.session", "mapping.classify.classify", "mapping.embed", "areas.find_similar")
"""Modules that only compute features."""
BUILT = "a network"
WITHOUT_THE_COMPILER = """
import importlib, sys

def tell(what):
    print(what, "torch._dynamo" in sys.modules, sep=":")

for name in {modules!r}:
    importlib.import_module("false_core." + name)
    tell(name)
assert "timm" in sys.modules
import torch
from false_core.models.encoder import build_encoder
from false_core.models.general import general_weights
levels = build_encoder("tf_efficientnet_lite0", 4).eval()(torch.rand(1, 4, 64, 64))
assert len(levels) == 6 and "classifier.weight" in general_weights()
tell({built!r})
from false_core.dispatch import run
from false_core.jobs import Classify
for kind, model in {models!r}.items():
    run(Classify({land!r}, model, {output!r} + kind + ".tif", device="cpu"))
    tell(kind)
"""


@pytest.fixture(scope="module")
def compiler_is_loaded(land: str, model: str, frozen_model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Whether one program that does more and more has loaded the compiler of PyTorch by then: "True" or "False", by what."""
    output, models = f"{tmp_path_factory.mktemp('maps')}/", {"model": model, "frozen_model": frozen_model}
    code = WITHOUT_THE_COMPILER.format(modules=COMPUTING, built=BUILT, models=models, land=land, output=output)
    return dict(line.split(":") for line in run(code).splitlines() if line.endswith((":True", ":False")))


@pytest.mark.thorough
@pytest.mark.parametrize("what", [*COMPUTING, BUILT, "model", "frozen_model"])
def test_features_and_maps_are_computed_without_the_compiler_of_pytorch(
    what: str, compiler_is_loaded: dict[str, str]
) -> None:
    assert compiler_is_loaded[what] == "False"


def test_nothing_is_drawn_for_tensors_without_values_and_all_is_for_others() -> None:
    with NothingDrawnOnMeta():
        without_values = torch.nn.Conv2d(3, 8, 3, device="meta")
        drawn = torch.nn.init.normal_(torch.zeros(100))
    assert without_values.weight.is_meta
    assert drawn.std() > 0.5


@pytest.mark.thorough
def test_the_compiler_works_as_ever_for_whoever_wants_it_afterwards() -> None:
    code = """
import sys, torch, false_core.computing.backbone_libraries
from torchvision.ops import roi_align
boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
print(roi_align(torch.ones(1, 3, 8, 8, requires_grad=True), boxes, 2).sum().item())

@torch.compiler.disable
def twice(x):
    return 2 * x

print(torch.compile(twice, backend="eager")(torch.ones(1)).item(), sys.modules["torch._dynamo.utils"].__file__ is not None)
"""
    assert run(code).split() == ["12.0", "2.0", "True"]


def test_no_other_module_imports_them() -> None:
    texts = {path: path.read_text("utf-8") for path in LIBRARY.rglob("*.py")}
    naming = [path for path, text in texts.items() if any(name in text for name in TAKEN_FROM_ONE_PLACE)]
    importers = {path.name for path in naming if TAKEN_FROM_ONE_PLACE & packages_imported_by(path)}
    assert importers == {"backbone_libraries.py"}


def packages_imported_by(path: Path) -> set[str]:
    """Return the first part of the name of every module that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    taken_from = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | taken_from}
