"""The parameters in a dialog of ours, filled in as far as the layers, and what was made before, say what is meant."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from processing.gui.ParametersPanel import ParametersPanel
from qgis import utils
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
from qgis.PyQt.QtWidgets import QLabel, QLineEdit, QWidget

from qgis_false import made_files
from qgis_false.choice_names import name_choices
from qgis_false.dialogs.destinations import proposed
from qgis_false.dialogs.devices import list_of_devices
from qgis_false.dialogs.presets import show_where_empty, texts_of_preset
from qgis_false.dialogs.trial import trial_values
from qgis_false.layers.class_field import class_field_of
from qgis_false.layers.result_names import stem_of
from qgis_false.layers.sources import layer_of, raster_layers
from qgis_false.length_units import in_unit_of
from qgis_false.tasks import EXPORT_PARAMETER


class FalsePanel(ParametersPanel):  # type: ignore[misc]
    """Proposes values and follows the layers that are chosen; what the user has entered stays.

    Attributes:
        is_trial: True while a run is begun that does a small part alone.
    """

    is_trial = False

    def __init__(self, parent: QWidget, algorithm: QgsProcessingAlgorithm) -> None:
        self._proposals: Dict[str, Any] = {}
        self._labels: Dict[str, Tuple[QLabel, str]] = {}
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
        self._follow("PRESET", self.show_preset)
        self.show_preset()
        self.propose_fields()
        self.propose_files()
        if EXPORT_PARAMETER in self.wrappers:  # A button of the dialog does it: it is for the few who compute elsewhere.
            wrapper = self.wrappers[EXPORT_PARAMETER]
            wrapper.wrappedWidget().hide()
            for label in self.findChildren(QLabel):
                if label.text().startswith(self.algorithm().parameterDefinition(EXPORT_PARAMETER).description()):
                    label.hide()
            advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
            others = [one for one in self._definitions() if one.flags() & advanced and one.name() != EXPORT_PARAMETER]
            self.findChild(QWidget, "grpAdvanced").setVisible(bool(others))

    def addParameterLabel(self, definition: QgsProcessingParameterDefinition, label: QLabel) -> None:
        self._labels[definition.name()] = label, label.text()
        super().addParameterLabel(definition, label)

    def addParameterWidget(self, definition: QgsProcessingParameterDefinition, widget: QWidget, stretch: int = 0) -> None:
        if definition.name().upper() == "DEVICE" and isinstance(widget, QLineEdit):
            widget = list_of_devices(widget)
        super().addParameterWidget(definition, widget, stretch)

    def show_preset(self) -> None:
        """Show what comes from the preset where nothing is entered."""
        if "PRESET" not in self.wrappers:
            return
        preset = str(self.wrappers["PRESET"].parameterValue())
        for name, text in texts_of_preset(self.algorithm().name(), preset).items():
            wrapper = self.wrappers.get(name.upper())
            if wrapper is not None:
                show_where_empty(wrapper.wrappedWidget(), text)

    def show_units(self) -> None:
        """Say lengths in the unit of the CRS of the raster."""
        crs = next((one.crs() for one in self._rasters() if one is not None and one.crs().isValid()), None)
        for label, text in self._labels.values():
            label.setText(in_unit_of(crs, text))

    def propose_fields(self) -> None:
        """Choose the fields that hold the classes."""
        for definition in self._definitions():
            if isinstance(definition, QgsProcessingParameterField):
                field = class_field_of(self._layer(definition.parentLayerParameterName()), guess=True)
                self.wrappers[definition.name()].setParameterValue(field or None, self.processing_context)

    def propose_files(self) -> None:
        """Offer the encoder and the model that were made last, and places for what will be made."""
        self.show_units()
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

    def first_raster(self) -> Optional[QgsRasterLayer]:
        """Return the first raster that is chosen, where it is a layer that QGIS can look at."""
        return next((one for one in self._rasters() if isinstance(one, QgsRasterLayer) and one.isValid()), None)

    def can_be_tried(self) -> bool:
        """Return whether there is a part to try: stages say themselves what they look at."""
        stages = self.wrappers.get("STAGES")
        return self.first_raster() is not None and not (stages is not None and _text(stages.parameterValue()))

    def createProcessingParameters(self, *given: Any, **named: Any) -> Dict[str, Any]:
        # Here and not in the dialog, which QGIS 3.40 no longer asks for them.
        values: Dict[str, Any] = super().createProcessingParameters(*given, **named)
        raster = self.first_raster() if self.is_trial else None
        if raster is None:
            return values
        canvas = utils.iface.mapCanvas() if utils.iface is not None else None
        return trial_values(self.algorithm(), values, raster, canvas)

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
        rasters = raster_layers()
        maps = {one.source() for one in rasters if made_files.is_map(one.source())}
        for definition in self._definitions():
            wrapper = self.wrappers[definition.name()]
            if isinstance(definition, QgsProcessingParameterMultipleLayers):
                images = [one.id() for one in rasters if one.source() not in maps]
                is_optional = definition.flags() & QgsProcessingParameterDefinition.Flag.FlagOptional
                if not is_optional and len(images) == 1 and not wrapper.parameterValue():
                    wrapper.setParameterValue(images, self.processing_context)
            if not isinstance(definition, QgsProcessingParameterRasterLayer):
                continue
            if definition.name() == "MAP":
                last = made_files.last_made(made_files.MADE_MAP)
                wanted = [one for one in rasters if one.source() == last]
            elif definition.name().upper() == "RASTER" and self._source_of(definition.name()) in ("", *maps):
                is_optional = definition.flags() & QgsProcessingParameterDefinition.Flag.FlagOptional
                wanted = [] if is_optional else [one for one in rasters if one.source() not in maps]
            elif definition.name() in ("BEFORE", "AFTER"):  # What is newer lies upon what is older.
                of_kind = [one for one in rasters if (one.source() in maps) == (self.algorithm().name() == "comparemaps")]
                wanted = of_kind[:1] if definition.name() == "AFTER" else of_kind[1:2]
            else:
                continue
            if wanted:
                wrapper.setParameterValue(wanted[0].id(), self.processing_context)

    def _made_before(self, definition: QgsProcessingParameterFile) -> Optional[str]:
        """Return the file that was made last and is of the kind that a parameter wants."""
        source = self._source()
        if definition.fileFilter().startswith("FALSE encoder"):
            return made_files.last_made(made_files.MADE_ENCODER, source) if source else None
        if definition.fileFilter().startswith("FALSE segmenter"):
            of_raster = made_files.last_made(made_files.MADE_SEGMENTER, source) if source else None
            return of_raster or made_files.last_made(made_files.MADE_SEGMENTER)
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

    def _rasters(self) -> List[Optional[QgsMapLayer]]:
        kinds = (QgsProcessingParameterRasterLayer, QgsProcessingParameterMultipleLayers)
        return [self._layer(one.name()) for one in self._definitions() if isinstance(one, kinds)]

    def _layer(self, name: str) -> Optional[QgsMapLayer]:
        value = self.wrappers[name].parameterValue() if name in self.wrappers else None
        value = value[0] if isinstance(value, list) and value else value
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
