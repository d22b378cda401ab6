"""The FALSE group in the Processing toolbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingModelAlgorithm, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QWidget

from false_core import jobs
from qgis_false import ICON_FILE, PLUGIN_FOLDER
from qgis_false.algorithms import groups
from qgis_false.algorithms.assess import Assess
from qgis_false.algorithms.base import missing_to_compute
from qgis_false.algorithms.change import Change
from qgis_false.algorithms.checkenvironment import CheckEnvironment
from qgis_false.algorithms.classify import Classify
from qgis_false.algorithms.classifyareas import ClassifyAreas
from qgis_false.algorithms.classifymany import ClassifyMany
from qgis_false.algorithms.collectplaces import CollectPlaces
from qgis_false.algorithms.comparemaps import CompareMaps
from qgis_false.algorithms.diagnostics import Diagnostics
from qgis_false.algorithms.editmap import EditMap
from qgis_false.algorithms.embed import Embed
from qgis_false.algorithms.estimate import Estimate
from qgis_false.algorithms.exampledata import ExampleData
from qgis_false.algorithms.exportonnx import ExportOnnx
from qgis_false.algorithms.findsimilar import FindSimilar
from qgis_false.algorithms.finetune import Finetune
from qgis_false.algorithms.groups import title_of_group
from qgis_false.algorithms.handin import HandIn
from qgis_false.algorithms.importresults import ImportResults
from qgis_false.algorithms.modelinfo import ModelInfo
from qgis_false.algorithms.outlinepoints import OutlinePoints
from qgis_false.algorithms.polygonise import Polygonise
from qgis_false.algorithms.pretrain import Pretrain
from qgis_false.algorithms.samplepoints import SamplePoints
from qgis_false.algorithms.setupenvironment import SetUpEnvironment
from qgis_false.algorithms.suggestlabels import SuggestLabels
from qgis_false.help import help_page, page_of_model
from qgis_false.layers.class_field import warnings_about_run
from qgis_false.translation import tr, translate_model

ALGORITHMS = (
    Pretrain,
    Finetune,
    Classify,
    ClassifyMany,
    EditMap,
    ClassifyAreas,
    FindSimilar,
    OutlinePoints,
    Change,
    Polygonise,
    Embed,
    SamplePoints,
    Assess,
    CompareMaps,
    HandIn,
    SuggestLabels,
    CollectPlaces,
    ExportOnnx,
    ModelInfo,
    ImportResults,
    Estimate,
    SetUpEnvironment,
    ExampleData,
    CheckEnvironment,
    Diagnostics,
)
GROUPS_OF_MODELS = {
    "Map from a few labels": groups.START,
    "Map a folder of rasters": groups.MAP,
    "Improve a map": groups.IMPROVE,
}
MODELS_FOLDER = PLUGIN_FOLDER / "models"


class ShippedModel(QgsProcessingModelAlgorithm):
    """A model that comes with the plugin. Its title is in the language of QGIS; its name, which scripts know, stays."""

    is_trial = False

    def createInstance(self) -> QgsProcessingModelAlgorithm:
        made = ShippedModel()
        made.loadVariant(self.toVariant())
        made.setSourceFilePath(self.sourceFilePath())
        return made

    def displayName(self) -> str:
        return tr(super().displayName())

    def group(self) -> str:
        return title_of_group(self.groupId())

    def groupId(self) -> str:
        return GROUPS_OF_MODELS[self.name()]

    def helpUrl(self) -> str:
        return help_page(page_of_model(self.name()))

    def what_is_missing(self) -> str:
        """Return why nothing can be computed and what to do, or nothing where all is there."""
        return missing_to_compute(jobs.Finetune)

    def can_be_tried(self) -> bool:
        """Return whether it can be done on a small part first: its steps have no extent in common."""
        return False

    def can_be_estimated(self) -> bool:
        """Return whether it can be said before what it costs: several jobs, of which later ones need the earlier."""
        return False

    def warnings(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> List[str]:
        """Return what is probably not meant, in sentences, for the dialog to ask before it runs."""
        return warnings_about_run(self, parameters, "labels", "field", context)

    def createCustomParametersWidget(self, parent: Optional[QWidget] = None) -> QWidget:
        from qgis_false.dialogs.dialog import FalseDialog  # qgis_process has no windows.

        return FalseDialog(self, parent)


class FalseProvider(QgsProcessingProvider):
    """Offers the algorithms and the models made of them."""

    def id(self) -> str:
        return "false"

    def name(self) -> str:
        return "FALSE"

    def longName(self) -> str:
        return tr("FALSE: land-cover maps from a few labels")

    def icon(self) -> QIcon:
        return QIcon(str(ICON_FILE))

    def svgIconPath(self) -> str:
        return str(ICON_FILE)

    def loadAlgorithms(self) -> None:
        # QGIS asks first while the registry does not have this provider. A model would find none of the algorithms that it
        # is made of, and have no outputs. The plugin has it ask again.
        if QgsApplication.processingRegistry().providerById(self.id()) is None:
            return
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())
        for file in shipped_models():
            model = ShippedModel()
            if not model.fromFile(str(file)):
                raise RuntimeError(tr("The model {file} cannot be read. Install the plugin again.", file=file))
            translate_model(model)
            self.addAlgorithm(model)

    def defaultRasterFileExtension(self, *arguments: object) -> str:
        return "tif"

    def supportedOutputRasterLayerExtensions(self) -> List[str]:
        # A VRT is what a very large map is called that is made as tiles.
        return ["tif", "tiff", "vrt"]


def shipped_models() -> List[Path]:
    """Return the files of the models that come with the plugin."""
    return sorted(MODELS_FOLDER.glob("*.model3"))
