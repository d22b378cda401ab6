"""Writes the models that come with the plugin: ``QT_QPA_PLATFORM=offscreen python3 tools/build_models.py``.

Run it with a Python that has PyQGIS, best of the oldest QGIS supported, after the parameters of an algorithm have changed.
A test says when that is so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Qt draws the order of attributes anew in each process, and every line of the models would change each time.
os.environ["QT_HASH_SEED"] = "0"

from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtCore import QPointF

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from false_core import jobs  # noqa: E402

FOLDER = ROOT / "qgis_false" / "models"
SECOND_PHASE = (
    "Where the map is not good enough, the second phase is to learn from the image itself: run 'Pretrain an encoder', and "
    "run this again with the encoder file."
)
FROM_A_FEW_LABELS = (
    "This makes a land-cover map from a raster and a few labels, in minutes. It trains a model with the labels and "
    "classifies the raster. Style the label layer by categories of the class field, and the map takes names and colours "
    f"from it. {SECOND_PHASE}"
)
FOLDER_OF_RASTERS = (
    "This makes a land-cover map of each of many rasters, from labels on one of them. It trains a model with the labels and "
    "classifies them all. The rasters must come from the same sensor: same bands in the same order. Use Add Directory in "
    f"the list of rasters to take a whole folder. {SECOND_PHASE}"
)
IMPROVE = (
    "This makes a map better, one turn after the other. It trains a model with all labels you have by now, classifies the "
    "raster, and suggests where to digitise next. Digitise what you see there, add it to your labels, and run this again. "
    "The encoder stays as it is, so a turn takes little time."
)


def map_from_a_few_labels() -> QgsProcessingModelAlgorithm:
    """Return the model that fine-tunes and classifies, one after the other."""
    helps = {
        **helps_of_labels(),
        "encoder": jobs.parameters(jobs.Finetune)["encoder"].help,
        "extent": "Map this part only. Empty: everything.",
    }
    model = started("Map from a few labels", [*labelled_raster(), encoder(), preset(), extent(), device()], helps)
    finetune = child(
        "finetune", "1. Fine-tune", 0,
        {"RASTER": given("raster"), "LABELS": given("labels"), "FIELD": given("field"), "PRESET": given("preset"),
         "ENCODER": given("encoder"), "DEVICE": given("device")},
    )  # fmt: skip
    classify = child(
        "classify", "2. Classify", 1,
        {"RASTER": given("raster"), "MODEL": made_by("finetune", "MODEL"), "EXTENT": given("extent"),
         "DEVICE": given("device")},
    )  # fmt: skip
    publish(finetune, {"model": "MODEL", "report": "REPORT"})
    publish(classify, {"map": "OUTPUT", "map_report": "REPORT"})
    for algorithm in (finetune, classify):
        model.addChildAlgorithm(algorithm)
    descriptions = {
        "ALG_DESC": FROM_A_FEW_LABELS, "ALG_CREATOR": "FALSE for QGIS", **helps, "classify:map": "The map.",
        "finetune:model": "The model, to classify other rasters of the same kind with.",
        "finetune:report": "How well the model does on labels it was not trained with.",
        "classify:map_report": jobs.parameters(jobs.Classify)["report"].help,
    }  # fmt: skip
    model.setHelpContent(descriptions)
    return model


def map_a_folder_of_rasters() -> QgsProcessingModelAlgorithm:
    """Return the model that fine-tunes on the labelled one of many rasters, and classifies them all."""
    rasters = QgsProcessingParameterMultipleLayers("rasters", "Rasters", QgsProcessing.SourceType.TypeRaster)
    helps = {
        **helps_of_labels(),
        "rasters": "The rasters to map. Use Add Directory to take a whole folder.",
        "raster": "The raster the labels were digitised on: one of those above, or another of the same kind.",
        "encoder": jobs.parameters(jobs.Finetune)["encoder"].help,
    }
    labelled, labels, field = labelled_raster()
    labelled.setDescription("Raster with labels")
    inputs = [rasters, labelled, labels, field, encoder(), preset(), device()]
    model = started("Map a folder of rasters", inputs, helps)
    finetune = child(
        "finetune", "1. Fine-tune", 0,
        {"RASTER": given("raster"), "LABELS": given("labels"), "FIELD": given("field"), "PRESET": given("preset"),
         "ENCODER": given("encoder"), "DEVICE": given("device")},
    )  # fmt: skip
    classify = child(
        "classifymany", "2. Classify all", 1,
        {"RASTERS": given("rasters"), "MODEL": made_by("finetune", "MODEL"), "DEVICE": given("device")},
    )  # fmt: skip
    publish(finetune, {"model": "MODEL", "report": "REPORT"})
    publish(classify, {"maps": "OUTPUT"})
    for algorithm in (finetune, classify):
        model.addChildAlgorithm(algorithm)
    descriptions = {
        "ALG_DESC": FOLDER_OF_RASTERS, "ALG_CREATOR": "FALSE for QGIS", **helps,
        "classifymany:maps": "The folder with the maps, one for each raster.",
        "finetune:model": "The model, to classify other rasters of the same kind with.",
        "finetune:report": "How well the model does on labels it was not trained with.",
    }  # fmt: skip
    model.setHelpContent(descriptions)
    return model


def improve_a_map() -> QgsProcessingModelAlgorithm:
    """Return the model of one turn: fine-tuning with all labels so far, classifying, and suggesting the next ones."""
    count = QgsProcessingParameterNumber("count", "Number of places", defaultValue=10, minValue=1, maxValue=1000)
    helps = {
        **helps_of_labels(),
        "encoder": jobs.parameters(jobs.Finetune)["encoder"].help,
        "count": "How many places to suggest for digitising next.",
        "extent": "Map this part only, and suggest places there only. Empty: everything.",
    }
    model = started("Improve a map", [*labelled_raster(), encoder(), preset(), count, extent(), device()], helps)
    finetune = child(
        "finetune", "1. Fine-tune again", 0,
        {"RASTER": given("raster"), "LABELS": given("labels"), "FIELD": given("field"), "PRESET": given("preset"),
         "ENCODER": given("encoder"), "DEVICE": given("device")},
    )  # fmt: skip
    classify = child(
        "classify", "2. Classify", 1,
        {"RASTER": given("raster"), "MODEL": made_by("finetune", "MODEL"), "EXTENT": given("extent"),
         "DEVICE": given("device")},
    )  # fmt: skip
    suggest = child(
        "suggestlabels", "3. Suggest where to digitise next", 2,
        {"RASTER": given("raster"), "MODEL": made_by("finetune", "MODEL"), "LABELS": given("labels"),
         "COUNT": given("count"), "EXTENT": given("extent"), "DEVICE": given("device")},
    )  # fmt: skip
    publish(finetune, {"model": "MODEL", "report": "REPORT"})
    publish(classify, {"map": "OUTPUT", "map_report": "REPORT"})
    publish(suggest, {"places": "OUTPUT"})
    for algorithm in (finetune, classify, suggest):
        model.addChildAlgorithm(algorithm)
    descriptions = {
        "ALG_DESC": IMPROVE, "ALG_CREATOR": "FALSE for QGIS", **helps, "classify:map": "The map, with all labels so far.",
        "finetune:model": "The model, to classify other rasters of the same kind with.",
        "finetune:report": "How well the model does on labels it was not trained with. Compare it with the last turn's.",
        "classify:map_report": jobs.parameters(jobs.Classify)["report"].help,
        "suggestlabels:places": "Where to digitise next, the most useful place first.",
    }  # fmt: skip
    model.setHelpContent(descriptions)
    return model


# Each model by the algorithm without which it cannot be.
MODELS = {"classify": map_from_a_few_labels, "classifymany": map_a_folder_of_rasters, "suggestlabels": improve_a_map}


def labelled_raster() -> list[QgsProcessingParameterDefinition]:
    return [
        QgsProcessingParameterRasterLayer("raster", "Raster"),
        QgsProcessingParameterFeatureSource("labels", "Labels", [QgsProcessing.SourceType.TypeVectorAnyGeometry]),
        QgsProcessingParameterField("field", "Class field", parentLayerParameterName="labels", optional=True),
    ]


def encoder() -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterFile(
        "encoder", "Encoder", optional=True, fileFilter=f"FALSE encoder (*.{jobs.MODEL_FILES})"
    )


def preset() -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterEnum("preset", "Preset", list(jobs.PRESETS), defaultValue="auto", usesStaticStrings=True)


def extent() -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterExtent("extent", "Extent", optional=True)


def device() -> QgsProcessingParameterDefinition:
    return advanced(QgsProcessingParameterString("device", "Device", "auto"))


def advanced(definition: QgsProcessingParameterDefinition) -> QgsProcessingParameterDefinition:
    """Return a parameter that lies among those of which most people need none."""
    definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    return definition


def helps_of_labels() -> dict[str, str]:
    """Return what the dialogs of the single steps say too."""
    texts = {name: jobs.parameters(jobs.Finetune)[name].help for name in ("raster", "labels", "field")}
    of_pretraining = jobs.parameters(jobs.Pretrain)
    return {**texts, **{name: of_pretraining[name].help for name in ("preset", "device")}}


def started(
    title: str, inputs: list[QgsProcessingParameterDefinition], helps: dict[str, str]
) -> QgsProcessingModelAlgorithm:
    """Return a model that has its inputs and no step yet."""
    model = QgsProcessingModelAlgorithm(title, "")
    for row, definition in enumerate(inputs):
        definition.setHelp(helps[definition.name()])
        component = QgsProcessingModelParameter(definition.name())
        component.setPosition(QPointF(120, 80 + 80 * row))
        model.addModelParameter(definition, component)
    model.setParameterOrder([definition.name() for definition in inputs])
    return model


def child(
    name: str, title: str, column: int, values: dict[str, QgsProcessingModelChildParameterSource]
) -> QgsProcessingModelChildAlgorithm:
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
        published = QgsProcessingModelOutput(name, name.replace("_", " ").capitalize())
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
    provider.refreshAlgorithms()
    for needed, build in MODELS.items():
        if provider.algorithm(needed) is None:
            continue
        model = build()
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
