"""Writes the models that come with the plugin: ``QT_QPA_PLATFORM=offscreen python3 tools/build_models.py``.

Run it with a Python that has PyQGIS, best of the oldest QGIS supported, after the parameters of an algorithm have changed.
A test says when that is so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QPointF

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from false_core import jobs  # noqa: E402

FOLDER = ROOT / "qgis_false" / "models"
SHORT_HELP = (
    "From a raster and a few labels to a land-cover map: learns from the raster without labels, trains a model with the "
    "labels, and classifies the raster. Style the label layer by categories of the class field, and the map takes names and "
    "colours from it."
)


def map_from_a_few_labels() -> QgsProcessingModelAlgorithm:
    """Return the model that runs pretraining, fine-tuning and classifying, one after the other."""
    model = QgsProcessingModelAlgorithm("Map from a few labels", "")
    inputs = [
        QgsProcessingParameterRasterLayer("raster", "Raster"),
        QgsProcessingParameterFeatureSource("labels", "Labels", [QgsProcessing.TypeVectorAnyGeometry]),
        QgsProcessingParameterField("field", "Class field", parentLayerParameterName="labels"),
        QgsProcessingParameterEnum("preset", "Preset", list(jobs.PRESETS), defaultValue="auto", usesStaticStrings=True),
        QgsProcessingParameterExtent("extent", "Extent", optional=True),
    ]
    helps = {
        "raster": jobs.parameters(jobs.Finetune)["raster"].help,
        "labels": jobs.parameters(jobs.Finetune)["labels"].help,
        "field": jobs.parameters(jobs.Finetune)["field"].help,
        "preset": jobs.parameters(jobs.Pretrain)["preset"].help,
        "extent": "Learn from this part only and map this part only. Empty: everything.",
    }
    for row, definition in enumerate(inputs):
        definition.setHelp(helps[definition.name()])
        component = QgsProcessingModelParameter(definition.name())
        component.setPosition(QPointF(120, 80 + 80 * row))
        model.addModelParameter(definition, component)

    model.setParameterOrder([definition.name() for definition in inputs])

    raster, labels, field, preset, extent = (given(definition.name()) for definition in inputs)
    pretrain = child("pretrain", "1. Pretrain", 0, {"RASTERS": raster, "PRESET": preset, "EXTENT": extent})
    finetune = child(
        "finetune", "2. Fine-tune", 1,
        {"RASTER": raster, "LABELS": labels, "FIELD": field, "PRESET": preset, "ENCODER": made_by("pretrain", "ENCODER")},
    )  # fmt: skip
    classify = child(
        "classify", "3. Classify", 2, {"RASTER": raster, "MODEL": made_by("finetune", "MODEL"), "EXTENT": extent}
    )
    publish(pretrain, {"encoder": "ENCODER"})
    publish(finetune, {"model": "MODEL", "report": "REPORT"})
    publish(classify, {"map": "OUTPUT"})
    for algorithm in (pretrain, finetune, classify):
        model.addChildAlgorithm(algorithm)
    descriptions = {
        "ALG_DESC": SHORT_HELP, "ALG_CREATOR": "FALSE for QGIS", **helps, "classify:map": "The map.",
        "finetune:model": "The model, to classify other rasters of the same kind with.",
        "finetune:report": "How well the model does on labels it was not trained with.",
        "pretrain:encoder": "The encoder, to fine-tune again when there are more labels.",
    }  # fmt: skip
    model.setHelpContent(descriptions)
    return model


def child(name: str, title: str, column: int, values: dict[str, QgsProcessingModelChildParameterSource]):
    """Return the algorithm ``false:name`` as a step. Parameters without a value are spelled out: QGIS wants each of them."""
    made = QgsProcessingModelChildAlgorithm(f"false:{name}")
    made.setChildId(name)
    made.setDescription(title)
    made.setPosition(QPointF(420 + 300 * column, 120 + 90 * column))
    for definition in made.algorithm().parameterDefinitions():
        if not definition.isDestination():
            source = values.get(definition.name())
            source = (
                QgsProcessingModelChildParameterSource.fromStaticValue(definition.defaultValue())
                if source is None
                else source
            )
            made.addParameterSources(definition.name(), [source])
    return made


def given(parameter: str) -> QgsProcessingModelChildParameterSource:
    return QgsProcessingModelChildParameterSource.fromModelParameter(parameter)


def made_by(child_id: str, output: str) -> QgsProcessingModelChildParameterSource:
    return QgsProcessingModelChildParameterSource.fromChildOutput(child_id, output)


def publish(algorithm: QgsProcessingModelChildAlgorithm, outputs: dict[str, str]) -> None:
    """Make outputs of a step outputs of the model: name of ours to name of the step's."""
    made = {}
    for row, (name, output) in enumerate(outputs.items()):
        published = QgsProcessingModelOutput(name, name.capitalize())
        published.setChildId(algorithm.childId())
        published.setChildOutputName(output)
        published.setPosition(QPointF(algorithm.position().x() + 200, algorithm.position().y() + 60 + 50 * row))
        made[name] = published
    algorithm.setModelOutputs(made)


def main() -> int:
    """Write every model and return the exit code."""
    application = QgsApplication([], False)
    application.initQgis()
    sys.path.append(QgsApplication.pkgDataPath() + "/python/plugins")
    from qgis_false.provider import FalseProvider

    provider = FalseProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    for model in (map_from_a_few_labels(),):
        file = FOLDER / f"{model.name()}.model3"
        if not model.toFile(str(file)):
            print(f"{file} cannot be written.", file=sys.stderr)
            return 1
        print(file.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # PyQGIS is known to crash when a plain script tears it down.
