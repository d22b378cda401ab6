"""The texts of the models that come with the plugin, read from their files: this runs where there is no QGIS."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "qgis_false" / "models"


@dataclass(frozen=True)
class Entry:
    """A parameter or an output of a model, with the texts that its dialog shows."""

    name: str
    label: str
    help: str


@dataclass(frozen=True)
class ShippedModel:
    """One model."""

    title: str
    about: str
    inputs: tuple[Entry, ...]
    outputs: tuple[Entry, ...]

    @property
    def page(self) -> str:
        """Name of its help page, without the ending, as ``qgis_false.help.page_of_model`` has it."""
        return self.title.lower().replace(" ", "_")

    @property
    def call(self) -> str:
        """A call of ``qgis_process``."""
        values = {"raster": "raster.tif", "rasters": "raster.tif", "labels": "labels.gpkg", "field": "land_cover"}
        values |= {"encoder": "encoder.safetensors", **{entry.name: _file_of(entry) for entry in self.outputs}}
        given = [f"{name}={values[name]}" for name in (e.name for e in (*self.inputs, *self.outputs)) if name in values]
        return " \\\n    ".join([f'qgis_process run "false:{self.title}" --', *given])


def shipped_models() -> Iterator[ShippedModel]:
    """Yield the models in the order of their titles."""
    for file in sorted(FOLDER.glob("*.model3")):
        root = ElementTree.parse(file).getroot()
        parts = {part.get("name"): part for part in root}
        helps = {part.get("name", ""): part.get("value", "") for part in parts["help"]}
        labels = {}
        for definition in parts["parameterDefinitions"]:
            texts = {part.get("name"): part.get("value", "") for part in definition}
            labels[definition.get("name", "")] = texts["description"]
        inputs = [part.get("value", "") for part in parts["parameterOrder"]]
        yield ShippedModel(
            parts["model_name"].get("value", ""),
            helps["ALG_DESC"],
            tuple(Entry(name, labels[name], helps[name]) for name in inputs),
            tuple(Entry(name, labels[name], helps[name]) for name in labels if name not in inputs),
        )


def _file_of(output: Entry) -> str:
    stem = output.name.partition(":")[2]
    endings = {"encoder": ".safetensors", "model": ".safetensors", "map": ".tif", "places": ".gpkg", "maps": ""}
    return stem + endings.get(stem, ".html")
