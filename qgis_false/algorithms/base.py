"""Turns a job of the library into a Processing algorithm: same parameters, same words, nothing declared twice."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Type

from qgis import utils
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsRasterLayer,
)
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QWidget

from false_core import jobs
from false_core.errors import FalseError
from qgis_false import PLUGIN_FOLDER, made_files, settings, tasks
from qgis_false.algorithms.fields import classified, shown_fields, the_only
from qgis_false.algorithms.groups import title_of_group
from qgis_false.algorithms.kinds import Request, definition, export_definition, job_fields
from qgis_false.algorithms.problems import problems, with_names_of_rasters
from qgis_false.environment.processes import ProcessingCancelled
from qgis_false.help import help_page
from qgis_false.layers import class_field, legend, sources
from qgis_false.layers.result_names import name_layers
from qgis_false.length_units import in_unit_of
from qgis_false.parameter_names import with_labels_and_names
from qgis_false.translation import tr, with_decimal_sign

Values = Dict[str, Any]
"""Values of parameters, or outputs, by their names, as Processing hands them over."""
ICONS_FOLDER = PLUGIN_FOLDER / "icons"
"""Holds one SVG for each algorithm, under its name."""


def missing_to_compute(job: Type[Any]) -> str:
    """Return why a job cannot be run on this computer and what to do, or nothing where it can."""
    # Not needed when QGIS starts.
    from qgis_false.compute.launcher import launcher_for
    from qgis_false.environment.interpreters import NoEnvironment, find_interpreter

    try:
        launcher = launcher_for(job)
        if launcher is None or launcher.needs_interpreter:
            find_interpreter()
    except (NoEnvironment, QgsProcessingException) as error:
        return str(error)
    return ""


def _in_short(value: Any) -> str:
    """Return a result as a person reads it. QGIS shows all outputs with sixteen digits."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() else with_decimal_sign(f"{value:.4g}")


class FalseAlgorithm(QgsProcessingAlgorithm):
    """The base of every algorithm of ours: parameters, results and help as they are declared, a title, tags, the icon."""

    JOB: Type[Any]
    """A job of the library, or one of ``qgis_false.tasks``, which the plugin does itself."""
    NAME = ""
    """Name in the algorithm's id. Empty: that of the job."""
    TITLE = ""
    GROUP = ""
    """One of ``qgis_false.algorithms.groups``."""
    TAGS: Tuple[str, ...] = ()
    is_trial = False
    """True where it does its job on a small part, for a person to see what comes. QGIS runs a copy that does as this one."""

    def createInstance(self) -> QgsProcessingAlgorithm:
        return type(self)()

    def name(self) -> str:
        return self.NAME or tasks.name_of(self.JOB)

    def displayName(self) -> str:
        return tr(self.TITLE)

    def group(self) -> str:
        return title_of_group(self.GROUP)

    def groupId(self) -> str:
        return self.GROUP

    def shortDescription(self) -> str:
        return tr((inspect.getdoc(self.JOB) or "").partition("\n")[0])

    def shortHelpString(self) -> str:
        paragraphs = (inspect.getdoc(self.JOB) or "").split("\n\n")
        return "\n\n".join(tr(" ".join(paragraph.split())) for paragraph in paragraphs)

    def tags(self) -> List[str]:
        return ["false", *self.TAGS]

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath()) if self.svgIconPath() else super().icon()

    def svgIconPath(self) -> str:
        own = ICONS_FOLDER / f"{self.name()}.svg"
        if own.is_file():
            return str(own)
        return self.provider().svgIconPath() if self.provider() else super().svgIconPath()

    def helpUrl(self) -> str:
        return help_page(self.name())

    def createCustomParametersWidget(self, parent: Optional[QWidget] = None) -> QWidget:
        from qgis_false.dialogs.dialog import FalseDialog  # qgis_process has no windows.

        return FalseDialog(self, parent)

    def what_is_missing(self) -> str:
        """Return why nothing can be computed and what to do, or nothing where all is there."""
        return ""

    def can_be_estimated(self) -> bool:
        """Return whether it can be said before what it costs."""
        return False

    def can_be_tried(self) -> bool:
        """Return whether it can be done on a small part first, to see what comes."""
        return False

    def canExecute(self) -> Tuple[bool, str]:
        # On the desktop the dialog opens all the same: it has the buttons that mend it, where QGIS has none.
        missing = "" if utils.iface is not None else self.what_is_missing()
        return not missing, missing

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        for field in shown_fields(self.JOB).values():
            self.addParameter(definition(field))
        for result in self.JOB.RESULTS:
            output = QgsProcessingOutputNumber if result.kind == jobs.NUMBER else QgsProcessingOutputString
            self.addOutput(output(result.name.upper(), tr(result.label)))

    def checkParameterValues(self, parameters: Values, context: QgsProcessingContext) -> Tuple[bool, str]:
        found = problems(self.JOB, parameters, context)
        if found:
            return False, " ".join(found)
        named = with_names_of_rasters(self.JOB, parameters, context)
        if not named:
            return super().checkParameterValues(parameters, context)
        # As QGIS does it, but for what it takes for layers that are not there.
        for parameter in self.parameterDefinitions():
            name, value = parameter.name(), parameters.get(parameter.name())
            if name not in named and not parameter.checkValueIsAcceptable(value, context):
                return False, tr(
                    "{name} cannot be used: {value}.",
                    name=f"{jobs.quoted_label(parameter.description())} ({name})",
                    value=value,
                )
        return True, ""

    def processAlgorithm(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        try:
            return self.carry_out(parameters, context, feedback)
        except ProcessingCancelled as error:
            # Of anything but this very class QGIS shows the traceback to its user.
            raise QgsProcessingException(str(error)) from error

    def warnings(self, parameters: Values, context: QgsProcessingContext) -> List[str]:
        """Return what is probably not meant, in sentences. A dialog asks before it runs, any other run warns."""
        return []

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        """Do what was asked for, and return the outputs. See ``QgsProcessingAlgorithm.processAlgorithm``."""
        raise NotImplementedError

    def warn_of_unknown(self, parameters: Values, feedback: QgsProcessingFeedback) -> None:
        """QGIS passes over a name it does not know. A user who mistyped one should hear of it."""
        known = [definition.name() for definition in self.parameterDefinitions()]
        for name in parameters:
            if name not in known:
                feedback.pushWarning(
                    tr(
                        "{algorithm} has no parameter {name}. It has {names}.",
                        algorithm=self.name(), name=name, names=", ".join(known),
                    )
                )  # fmt: skip


class JobAlgorithm(FalseAlgorithm):
    """Base of the algorithms that run a job. A subclass names its job and says what is special about it."""

    STYLED: Tuple[str, ...] = ()
    """Outputs of the job that carry how they are to be drawn: the names and colours of their classes, or a style."""
    LEARNS_CLASSES = False
    """True where classes are learned from labels, of which is said before a run what is probably not meant."""
    CARRIES_CLASSES = False
    """True where the map has names and colours of its own: what the style of the labels lacks is no matter."""
    TRIED_ON_A_PART = False
    """True where a part of the raster shows what it makes of the whole."""
    only_estimates: bool
    """True where it is not to do its job, but to say what that costs. QGIS runs a copy, which does as this one."""

    def createInstance(self) -> QgsProcessingAlgorithm:
        made = type(self)()
        made.only_estimates, made.is_trial = self.only_estimates, self.is_trial
        return made

    def __init__(self) -> None:
        super().__init__()
        self.only_estimates = False
        self._class_field = ""
        self._crs: Optional[QgsCoordinateReferenceSystem] = None
        self._style: Optional[legend.LabelStyle] = None

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        super().initAlgorithm(configuration)
        if tasks.can_be_exported(self.JOB):
            self.addParameter(export_definition())

    def displayName(self) -> str:
        title = super().displayName()
        return f"{tr('Estimate')}: {title}" if getattr(self, "only_estimates", False) else title

    def what_is_missing(self) -> str:
        return missing_to_compute(self.JOB)

    def can_be_estimated(self) -> bool:
        from qgis_false.compute.launcher import is_on_scheduler

        # A launcher or a scheduler may have it done by another computer.
        elsewhere = settings.LAUNCHER.value() or is_on_scheduler(self.JOB)
        return self.JOB in (jobs.Pretrain, jobs.Finetune, jobs.Classify) and not elsewhere

    def can_be_tried(self) -> bool:
        return self.TRIED_ON_A_PART

    def prepareAlgorithm(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> bool:
        if self.is_trial:
            feedback.pushInfo(
                tr("This is a trial on a part of the raster. Its results are temporary, and no other step is offered them.")
            )
        # Here and not later, because this is the main thread, which layers and their styles belong to.
        self._crs = self._crs_of_raster(parameters, context)
        named = the_only(self.JOB, jobs.FIELD)
        if not named:
            return True
        layer = sources.layer_of(parameters.get(classified(self.JOB)), context)
        self._class_field = self.parameterAsString(parameters, named, context)
        if not self._class_field and layer is not None:
            self._class_field = class_field.class_field_of(layer)
            if self._class_field:
                feedback.pushInfo(tr("The classes are taken from the field {field}.", field=self._class_field))
        for warning in self.warnings(parameters, context):
            feedback.pushWarning(warning)
        if "legend" in jobs.parameters(self.JOB):
            self._style = legend.style_of(layer, self._class_field)
        return True

    def _crs_of_raster(self, parameters: Values, context: QgsProcessingContext) -> Optional[QgsCoordinateReferenceSystem]:
        """Return the CRS of the first raster among the parameters, where that is a layer."""
        for name, field in shown_fields(self.JOB).items():
            value = parameters.get(name)
            value = value[0] if isinstance(value, list) and value else value
            if not value or not field.parameter.kind.is_raster or sources.value_stands_for_rasters(value, context):
                continue
            layer = sources.layer_of(value, context)
            if isinstance(layer, QgsRasterLayer):
                return layer.crs()
        return None

    def warnings(self, parameters: Values, context: QgsProcessingContext) -> List[str]:
        if not (self.LEARNS_CLASSES and parameters.get("LABELS")):
            return []
        return class_field.warnings_about_run(self, parameters, "LABELS", "FIELD", context)

    def carry_out(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        # Not needed when QGIS starts.
        from qgis_false.compute.launcher import folder_for_files
        from qgis_false.compute.worker import run_job
        from qgis_false.environment.supervisor import folder_for_a_job

        self.warn_of_unknown(parameters, feedback)
        if self.only_estimates:
            return self._estimated(parameters, context, feedback)
        exported = tasks.can_be_exported(self.JOB)
        target = self.parameterAsFileOutput(parameters, tasks.EXPORT_PARAMETER, context) if exported else ""
        if target:
            return self._exported(os.path.abspath(target), parameters, context, feedback)
        with folder_for_a_job(folder_for_files(self.JOB)) as folder:
            job = self._job(parameters, context, feedback, Path(folder))
            name_layers(job, context, self.is_trial)
            results = run_job(job, feedback)
        if not self.is_trial:
            self._remember(job)
        for result in self.JOB.RESULTS:
            if results.get(result.name) is not None:
                feedback.pushInfo(f"{in_unit_of(self._crs, tr(result.label))}: {_in_short(results[result.name])}")
        declared = [*jobs.outputs(job), *(result.name for result in self.JOB.RESULTS)]
        return {name.upper(): results[name] for name in declared if name in results}

    def _remember(self, job: jobs.Job) -> None:
        """Note the encoder, model or map that was made, for the next dialog."""
        kinds = {"encoder": made_files.MADE_ENCODER, "model": made_files.MADE_SEGMENTER}
        if isinstance(job, jobs.Classify):
            kinds["output"] = made_files.MADE_MAP
        declared = jobs.parameters(job)
        named = [path for name, one in declared.items() if one.kind.is_raster for path in one.kind.paths(getattr(job, name))]
        rasters = [jobs.raster_name(name).path for name in named]
        for name, path in jobs.outputs(job).items():
            if name in kinds:
                made_files.remember_file(kinds[name], path, rasters)

    def _job(
        self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback, folder: Path
    ) -> jobs.Job:
        """Return the job that was asked for. Layers and styles that are not files are written to ``folder``."""
        fields = job_fields(Request(self, parameters, context, feedback, folder, self._class_field, self._style), self.JOB)
        told = QgsProcessingFeedback(False) if self.CARRIES_CLASSES else feedback
        entries = self._style.entries(told) if self._style else []
        if entries:
            fields["legend"] = legend.write_legend(entries, folder)
        try:
            with jobs.parameters_named_by(jobs.BY_LABEL):
                return jobs.from_mapping({"job": self.JOB.NAME, **fields})
        except FalseError as error:
            raise QgsProcessingException(with_labels_and_names(self.JOB, str(error))) from error

    def _estimated(self, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> Values:
        """Say what the job costs, and do nothing of it."""
        from qgis_false.compute.exported_job import forget_layers
        from qgis_false.compute.launcher import folder_for_files
        from qgis_false.compute.worker import run_job
        from qgis_false.environment.supervisor import folder_for_a_job

        with folder_for_a_job(folder_for_files(jobs.Estimate)) as folder:
            asked = self._job(parameters, context, feedback, Path(folder))
            forget_layers(asked, context)
            file = Path(folder) / "job.json"
            file.write_text(jobs.to_json(asked), encoding="utf-8")
            results = run_job(jobs.Estimate(str(file)), feedback)
        return {name.upper(): value for name, value in results.items()}

    def _exported(
        self, target: str, parameters: Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Values:
        """Write the job to a file, and return where its outputs will be, so that a model can export its next step too."""
        from qgis_false.compute import exported_job  # Not needed when QGIS starts.

        with exported_job.files_folder_for(target) as folder:
            asked = self._job(parameters, context, feedback, folder)
            job = exported_job.export(asked, target, folder, feedback)
        exported_job.forget_layers(asked, context)
        declared = jobs.parameters(job)
        # A report goes to the Results Viewer, which opens it at once.
        planned = {name: path for name, path in jobs.outputs(job).items() if declared[name].kind != jobs.NEW_REPORT}
        return {tasks.EXPORT_PARAMETER: target, **{name.upper(): path for name, path in planned.items()}}
