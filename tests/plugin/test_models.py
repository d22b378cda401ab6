"""The models that come with the plugin: all that can be made of its algorithms are there, and QGIS finds nothing wrong."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "qgis_false" / "models"


@pytest.fixture
def builders(provider) -> dict:
    spec = importlib.util.spec_from_file_location("build_models", ROOT / "tools" / "build_models.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MODELS


@pytest.fixture
def possible(builders, provider) -> list:
    return [build() for needed, build in builders.items() if provider.algorithm(needed) is not None]


def test_every_model_that_can_be_made_is_there_and_no_other(possible):
    assert {file.stem for file in FOLDER.glob("*.model3")} == {model.name() for model in possible}, (
        "run tools/build_models.py"
    )


def test_qgis_finds_nothing_wrong_with_them(possible, provider):
    assert possible
    for model in possible:
        shipped = provider.algorithm(model.name()).create()
        assert shipped.validate() == (True, [])
        assert [output.name() for output in shipped.outputDefinitions()], "it has no outputs"


def test_every_input_and_output_has_help(possible, provider):
    # Of the file and not of what was just built: newer versions of QGIS would name the outputs of a new model differently.
    for shipped in (provider.algorithm(model.name()).create() for model in possible):
        texts = shipped.helpContent()
        asked = [definition.name() for definition in shipped.parameterDefinitions()]
        assert asked
        assert [name for name in asked if not texts.get(name)] == []


def test_parameters_of_the_steps_are_all_set(possible):
    """QGIS leaves a parameter that a model does not set at nothing, not at its default."""
    for model in possible:
        for name, child in model.childAlgorithms().items():
            wanted = {p.name() for p in child.algorithm().parameterDefinitions() if not p.isDestination()}
            assert set(child.parameterSources()) == wanted, name
