"""A script for the Processing toolbox: from a raster and a few labels to a map, the model of the same name written as code.

Add it with "Add script to toolbox...". It is the shortest example of calling the FALSE algorithms: each step is one
``processing.run``, and the outputs of a step are the inputs of the next. Start from it where a model is not enough.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

import processing
from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingMultiStepFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from qgis_false.translation import failure, tr


class MapFromAFewLabels(QgsProcessingAlgorithm):
    """Fine-tunes and classifies, after pretraining where that is asked for, and keeps all that was made in one folder."""

    def name(self) -> str:
        return "map_from_a_few_labels"

    def displayName(self) -> str:
        return tr("Map from a few labels (script)")

    def group(self) -> str:
        return "FALSE"

    def groupId(self) -> str:
        return "false"

    def shortHelpString(self) -> str:
        return tr(
            "Makes a land-cover map of a raster from a few labels. Model, reports and map go to one folder. Pretrain first "
            "where that map is not good enough: its encoder goes there too, and is used again by further runs."
        )

    def createInstance(self) -> QgsProcessingAlgorithm:
        return MapFromAFewLabels()

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        any_geometry = [QgsProcessing.SourceType.TypeVectorAnyGeometry]
        self.addParameter(QgsProcessingParameterRasterLayer("RASTER", tr("Raster")))
        self.addParameter(QgsProcessingParameterFeatureSource("LABELS", tr("Labels"), any_geometry))
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
        self.addParameter(QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder for the results")))
        self.addOutput(QgsProcessingOutputString("ACCURACY", tr("Overall accuracy and its limits, or: unknown")))
        self.addOutput(QgsProcessingOutputNumber("MIOU", tr("Mean intersection over union")))

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        folder = self.parameterAsFileOutput(parameters, "OUTPUT", context)
        os.makedirs(folder, exist_ok=True)
        settings = {"PRESET": self.parameterAsEnumString(parameters, "PRESET", context)}
        raster = parameters["RASTER"]
        bar = QgsProcessingMultiStepFeedback(3, feedback)

        def run(step: int, algorithm: str, **values: Any) -> Dict[str, Any]:
            if feedback.isCanceled():
                raise failure("Cancelled.")
            bar.setCurrentStep(step)
            return processing.run(algorithm, values, context=context, feedback=bar, is_child_algorithm=True)

        pretrained: Dict[str, Any] = {}
        if self.parameterAsBoolean(parameters, "PRETRAIN", context):
            pretrained["ENCODER"] = os.path.join(folder, "encoder.safetensors")
            if os.path.exists(pretrained["ENCODER"]):
                feedback.pushInfo(tr("Using the encoder that is there: {path}", path=pretrained["ENCODER"]))
            else:
                if parameters.get("STEPS") is not None:
                    pretrained["STEPS"] = self.parameterAsInt(parameters, "STEPS", context)
                run(
                    0, "false:pretrain", RASTERS=[raster], REPORT=os.path.join(folder, "pretrain.html"), **settings,
                    **pretrained,
                )  # fmt: skip
                pretrained.pop("STEPS", None)
        tuned = run(
            1, "false:finetune", RASTER=raster, LABELS=parameters["LABELS"], FIELD=parameters["FIELD"], **pretrained,
            MODEL=os.path.join(folder, "model.safetensors"), REPORT=os.path.join(folder, "finetune.html"), **settings,
        )  # fmt: skip
        run(
            2, "false:classify", RASTER=raster, MODEL=tuned["MODEL"], OUTPUT=os.path.join(folder, "map.tif"),
            CONFIDENCE=os.path.join(folder, "confidence.tif"),
        )  # fmt: skip
        # With few labels the scores are unknown, and then there are none.
        return {"OUTPUT": folder, **{name: tuned[name] for name in ("ACCURACY", "MIOU") if name in tuned}}
