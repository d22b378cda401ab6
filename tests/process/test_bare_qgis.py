"""A QGIS whose Python has none of the scientific libraries: the plugin loads and lists everything."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from qgis_profile import ROOT

from false_core import jobs

LIBRARIES = (
    "torch", "torchvision", "timm", "segmentation_models_pytorch", "numpy", "scipy", "pandas", "geopandas", "shapely",
    "pyogrio", "rasterio", "safetensors", "matplotlib", "jinja2", "tyro", "rich",
)  # fmt: skip

# Python runs a module of this name when it starts, in QGIS as anywhere.
BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LIBRARIES!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="session")
def profile(plain_profile):
    """The processes themselves are looked at here."""
    return plain_profile


@pytest.fixture
def bare(tmp_path) -> dict[str, str]:
    """Variables under which none of the libraries can be imported by QGIS."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    return {"PYTHONPATH": str(tmp_path)}


def listed(said: str) -> set[str]:
    return set(re.findall(r"\bfalse:(\w[\w ]*\w)\t", said))


def test_every_algorithm_and_model_is_listed(profile, bare):
    said = profile.call("list", **bare).said
    models = {file.stem for file in (ROOT / "qgis_false" / "models").glob("*.model3")}
    assert listed(said) == listed(profile.call("list").said)
    assert listed(said) >= {"pretrain", "finetune", "classify", "checkenvironment"} | models


def test_help_is_complete(profile, bare):
    said = profile.call("help", "false:finetune", **bare).said
    assert jobs.parameters(jobs.Finetune)["labels"].help.split(".")[0] in said


def test_the_compute_process_is_not_touched_by_it(profile, bare):
    """QGIS's Python and the compute environment are two: what is broken in one works in the other."""
    assert profile.run("false:checkenvironment", bare, DEVICE="cpu").results["TORCH"]


def test_the_libraries_are_really_out_of_reach(profile, bare, tmp_path):
    """The tests above would pass without a blocker, were it not for this."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "rich.py").touch()
    script = (ROOT / "processing_scripts" / "map_folder_of_rasters.py").read_text("utf-8")
    profile.scripts.mkdir(parents=True, exist_ok=True)
    needy = Path(profile.scripts / "needs_rich.py")
    needy.write_text(script.replace("import os", "import os\nimport rich").replace("map_folder_of_rasters", "needs_rich"))
    try:
        assert "script:needs_rich" in profile.call("list", PYTHONPATH=str(there)).said
        both = os.pathsep.join([bare["PYTHONPATH"], str(there)])
        assert "script:needs_rich" not in profile.call("list", PYTHONPATH=both).said
    finally:
        needy.unlink()
