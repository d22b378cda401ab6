"""The parameters in a dialog of ours, filled in as far as the layers, and what was made before, say what is meant."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from processing.gui.ParametersPanel import ParametersPanel
from qgis.core import (
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
)
from qgis.PyQt.QtWidgets import QWidget

from qgis_false import made_files
from qgis_false.choice_names import name_choices
from qgis_false.class_field import class_field_of
from qgis_false.dialogs.destinations import proposed
from qgis_false.layers import layer_of
from qgis_false.result_names import stem_of


class FalsePanel(ParametersPanel):  # type: ignore[misc]
    """Proposes values and follows the layers that are chosen; what the user has entered stays."""

    def __init__(self, parent: QWidget, algorithm: QgsProcessingAlgorithm) -> None:
        self._proposals: Dict[str, Any] = {}
        super().__init__(parent, algorithm)
        self._choose_layers()
        for definition in self._definitions():
            if isinstance(definition, QgsProcessingParameterEnum):
                name_choices(self.wrappers[definition.name()].wrappedWidget())
            if isinstance(definition, (QgsProcessingParameterRasterLayer, QgsProcessingParameterMultipleLayers)):
                self._follow(definition.name(), self.propose_files)
            if isinstance(definition, QgsProcessingParameterFile):
                self._follow(definition.name(), self.propose_destinations)
            if isinstance(definition, QgsProcessingParameterField):
                self._follow(definition.parentLayerParameterName(), self.propose_fields)
        self.propose_fields()
        self.propose_files()

    def propose_fields(self) -> None:
        """Choose the fields that hold the classes."""
        for definition in self._definitions():
            if isinstance(definition, QgsProcessingParameterField):
                field = class_field_of(self._layer(definition.parentLayerParameterName()), guess=True)
                self.wrappers[definition.name()].setParameterValue(field or None, self.processing_context)

    def propose_files(self) -> None:
        """Offer the encoder and the model that were made last, and places for what will be made."""
        for definition in self._definitions():
            if isinstance(definition, QgsProcessingParameterFile):
                path = self._made_before(definition)
                if path:
                    self._propose(definition.name(), path)
        self.propose_destinations()

    def propose_destinations(self) -> None:
        """Offer a place for each result that is made anyway; never that of a file which is there."""
        source, algorithm = self._source(), self.algorithm()
        for definition in algorithm.destinationParameterDefinitions():
            if definition.createByDefault() and definition.name() in self.wrappers:
                path = proposed(source, algorithm.name(), definition.name(), _ending(definition))
                if path:
                    self._propose(definition.name(), path)

    def subject(self) -> str:
        """Return what the results are of, in one word."""
        return stem_of(self._source().split("|")[0])

    def _propose(self, name: str, value: str) -> None:
        """Put a value where there is none, or only one that was proposed before."""
        wrapper = self.wrappers[name]
        entered = _text(wrapper.parameterValue())
        if entered in ("", QgsProcessing.TEMPORARY_OUTPUT, self._proposals.get(name)):
            self._proposals[name] = value
            wrapper.setParameterValue(value, self.processing_context)

    def _choose_layers(self) -> None:
        """Choose the map that was made last where a map is wanted, and no map where a raster is."""
        rasters = [one for one in QgsProject.instance().mapLayers().values() if isinstance(one, QgsRasterLayer)]
        maps = {one.source() for one in rasters if made_files.is_map(one.source())}
        for definition in self._definitions():
            if not isinstance(definition, QgsProcessingParameterRasterLayer):
                continue
            wrapper = self.wrappers[definition.name()]
            if definition.name() == "MAP":
                last = made_files.last_made(made_files.MAP)
                wanted = [one for one in rasters if one.source() == last]
            elif definition.name().upper() == "RASTER" and self._source_of(definition.name()) in maps:
                wanted = [one for one in rasters if one.source() not in maps]
            else:
                continue
            if wanted:
                wrapper.setParameterValue(wanted[0].id(), self.processing_context)

    def _made_before(self, definition: QgsProcessingParameterFile) -> Optional[str]:
        """Return the file that was made last and is of the kind that a parameter wants."""
        source = self._source()
        if definition.fileFilter().startswith("FALSE encoder"):
            return made_files.last_made(made_files.ENCODER, source) if source else None
        if definition.fileFilter().startswith("FALSE segmenter"):
            of_raster = made_files.last_made(made_files.SEGMENTER, source) if source else None
            return of_raster or made_files.last_made(made_files.SEGMENTER)
        return None

    def _follow(self, name: str, do: Any) -> None:
        wrapper = self.wrappers.get(name)
        if wrapper is not None and hasattr(wrapper, "widgetValueHasChanged"):
            wrapper.widgetValueHasChanged.connect(lambda *_: do())

    def _definitions(self) -> List[QgsProcessingParameterDefinition]:
        return [one for one in self.algorithm().parameterDefinitions() if one.name() in self.wrappers]

    def _source(self) -> str:
        """Return the file that all is made from: the first raster, or the first file."""
        inputs = [one for one in self._definitions() if not one.isDestination()]
        for kinds in ((QgsProcessingParameterRasterLayer, QgsProcessingParameterMultipleLayers), QgsProcessingParameterFile):
            for definition in inputs:
                if isinstance(definition, kinds):
                    source = self._source_of(definition.name())
                    if source:
                        return source
        return ""

    def _source_of(self, name: str) -> str:
        value = self.wrappers[name].parameterValue()
        value = value[0] if isinstance(value, list) and value else value
        layer = layer_of(value, self._context()) if value else None
        return str(layer.source()) if layer is not None else _text(value)

    def _layer(self, name: str) -> Optional[QgsMapLayer]:
        value = self.wrappers[name].parameterValue() if name in self.wrappers else None
        return layer_of(value, self._context()) if value else None

    def _context(self) -> QgsProcessingContext:
        self.processing_context.setProject(QgsProject.instance())
        return self.processing_context


def _text(value: Any) -> str:
    """Return what was entered as text, also where Processing wraps it."""
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink.staticValue()
    return value if isinstance(value, str) else ""


def _ending(definition: QgsProcessingParameterDefinition) -> str:
    """Return the ending of the files of an output, with a dot; of a folder nothing."""
    if isinstance(definition, QgsProcessingParameterFolderDestination):
        return ""
    if isinstance(definition, QgsProcessingParameterFileDestination):
        return str(definition.fileFilter().partition("*")[2].partition(")")[0])
    return ".tif" if isinstance(definition, QgsProcessingParameterRasterDestination) else ".gpkg"
