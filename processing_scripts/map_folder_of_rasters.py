"""A script for the Processing toolbox: one land-cover map for each raster of a folder, from labels on one of them.

Add it with "Add script to toolbox...". The model of the same name takes a list of rasters; this takes a folder, whatever
lies in it when it runs. Each step is one ``processing.run``, and the outputs of a step are the inputs of the next.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List, Optional

import processing
from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingMultiStepFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from qgis_false.translation import failure, tr

PATTERNS = ("*.tif", "*.tiff", "*.vrt", "*.img", "*.jp2")


class MapFolderOfRasters(QgsProcessingAlgorithm):
    """Pretrains on all rasters of a folder where that is asked for, fine-tunes on the labelled one, classifies them all."""

    def name(self) -> str:
        return "map_folder_of_rasters"

    def displayName(self) -> str:
        return tr("Map a folder of rasters")

    def group(self) -> str:
        return "FALSE"

    def groupId(self) -> str:
        return "false"

    def shortHelpString(self) -> str:
        return tr(
            "Makes a land-cover map of every raster in a folder; the labels lie on one of them. Pretrain first where those "
            "maps are not good enough: all rasters are used for learning without labels then. The rasters must come from "
            "the same sensor: same bands in the same order."
        )

    def createInstance(self) -> QgsProcessingAlgorithm:
        return MapFolderOfRasters()

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        self.addParameter(
            QgsProcessingParameterFile("FOLDER", tr("Folder with rasters"), QgsProcessingParameterFile.Behavior.Folder)
        )
        self.addParameter(QgsProcessingParameterRasterLayer("LABELLED", tr("Raster with labels")))
        self.addParameter(
            QgsProcessingParameterFeatureSource("LABELS", tr("Labels"), [QgsProcessing.SourceType.TypeVectorAnyGeometry])
        )
        self.addParameter(QgsProcessingParameterField("FIELD", tr("Class field"), parentLayerParameterName="LABELS"))
        self.addParameter(
            QgsProcessingParameterEnum(
                "PRESET", tr("Preset"), ["auto", "quick", "standard", "paper"], defaultValue="auto", usesStaticStrings=True
            )
        )
        self.addParameter(QgsProcessingParameterBoolean("PRETRAIN", tr("Pretrain first"), False))
        steps = QgsProcessingParameterNumber("STEPS", tr("Steps of pretraining"), minValue=1, optional=True)
        steps.setFlags(steps.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
        self.addParameter(steps)
        self.addParameter(QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder for the maps")))
        self.addOutput(QgsProcessingOutputNumber("MAPS", tr("Number of maps")))

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        folder = self.parameterAsFile(parameters, "FOLDER", context)
        rasters = rasters_in(folder)
        output = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        if os.path.realpath(output) == os.path.realpath(folder):
            raise failure("The maps would mix with the rasters. Choose another folder for the maps.")
        os.makedirs(output, exist_ok=True)
        settings = {"PRESET": self.parameterAsEnumString(parameters, "PRESET", context)}
        bar = QgsProcessingMultiStepFeedback(3, feedback)

        def run(step: int, algorithm: str, **values: Any) -> Dict[str, Any]:
            if feedback.isCanceled():
                raise failure("Cancelled.")
            bar.setCurrentStep(step)
            return processing.run(algorithm, values, context=context, feedback=bar, is_child_algorithm=True)

        pretrained: Dict[str, Any] = {}
        if self.parameterAsBoolean(parameters, "PRETRAIN", context):
            steps = {} if parameters.get("STEPS") is None else {"STEPS": self.parameterAsInt(parameters, "STEPS", context)}
            file = os.path.join(output, "encoder.safetensors")
            pretrained["ENCODER"] = run(0, "false:pretrain", RASTERS=rasters, ENCODER=file, **settings, **steps)["ENCODER"]
        model = run(
            1, "false:finetune", RASTER=parameters["LABELLED"], LABELS=parameters["LABELS"], FIELD=parameters["FIELD"],
            **pretrained, MODEL=os.path.join(output, "model.safetensors"), **settings,
        )["MODEL"]  # fmt: skip
        maps = run(2, "false:classifymany", RASTERS=rasters, MODEL=model, OUTPUT=output)["MAPS"]
        return {"OUTPUT": output, "MAPS": maps}


def rasters_in(folder: str) -> List[str]:
    """Return the rasters that lie in ``folder`` itself, sorted by name.

    Raises:
        QgsProcessingException: There is none.
    """
    found = sorted({path for pattern in PATTERNS for path in Path(folder).glob(pattern)})
    if not found:
        raise failure("There is no raster in {folder}. Looked for {patterns}.", folder=folder, patterns=", ".join(PATTERNS))
    return [str(path) for path in found]
