"""A script for the Processing toolbox: write down the whole job for a cluster, to be submitted there by hand.

Add it with "Add script to toolbox...". Into a folder go the labels, one JSON file per step, and a Slurm script that runs
them one after the other. Nothing is sent and nothing is started. The files are those that the plugin itself would use, so
what the cluster writes is what QGIS would have written.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from pathlib import Path
from typing import Any, Dict, List, Optional

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from false_core import jobs
from qgis_false.layers import label_layers, legend, sources
from qgis_false.translation import failure, tr

SCRIPT, LABELS_FILE = "land_cover.slurm", "labels.gpkg"
FILES = (SCRIPT, "1_pretrain.json", "2_finetune.json", "3_classify.json", LABELS_FILE, legend.LEGEND_FILE)

TEMPLATE = """\
#!/bin/bash
#SBATCH --job-name=land-cover
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus={gpus}
#SBATCH --cpus-per-task={cpus}
#SBATCH --time={hours}:00:00
#SBATCH --output="{log}"
{options}
# Submit it with: sbatch {script}
# It can be submitted again where it was cut short: a training goes on at its last checkpoint, which lies in FALSE_CACHE.
set -e
cd {folder}
export FALSE_CACHE="${{FALSE_CACHE:-$PWD/cache}}"
{activate}
for job in {jobs}; do
  echo "$job"
  python -m false_core run "$job"
done
"""


class RunOnCluster(QgsProcessingAlgorithm):
    """Writes labels, jobs and a Slurm script into a folder."""

    def __init__(self) -> None:
        super().__init__()
        self._style: Optional[legend.LabelStyle] = None

    def name(self) -> str:
        return "run_on_cluster"

    def displayName(self) -> str:
        return tr("Prepare a run on a cluster")

    def group(self) -> str:
        return "FALSE"

    def groupId(self) -> str:
        return "false"

    def shortHelpString(self) -> str:
        return tr(
            "Writes what a Slurm cluster needs to make a land-cover map: the labels, one JSON file per step, and a Slurm "
            "script. Nothing is submitted. Copy the folder to the cluster, unless both share a file system, and "
            "run sbatch {script} there.\n\n"
            "On the cluster, an environment with false_core must be there: pip install PLUGIN/library.",
            script=SCRIPT,
        )

    def createInstance(self) -> QgsProcessingAlgorithm:
        return RunOnCluster()

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        integer = QgsProcessingParameterNumber.Type.Integer
        any_geometry = [QgsProcessing.SourceType.TypeVectorAnyGeometry]
        self.addParameter(QgsProcessingParameterRasterLayer("RASTER", tr("Raster")))
        self.addParameter(QgsProcessingParameterFeatureSource("LABELS", tr("Labels"), any_geometry))
        self.addParameter(QgsProcessingParameterField("FIELD", tr("Class field"), parentLayerParameterName="LABELS"))
        self.addParameter(
            QgsProcessingParameterEnum(
                "PRESET", tr("Preset"), list(jobs.PRESETS), defaultValue="paper", usesStaticStrings=True
            )
        )
        self.addParameter(
            QgsProcessingParameterString("REMOTE_RASTER", tr("The raster's path on the cluster, if another"), optional=True)
        )
        self.addParameter(
            QgsProcessingParameterString("REMOTE_FOLDER", tr("The folder's path on the cluster, if another"), optional=True)
        )
        self.addParameter(
            QgsProcessingParameterString(
                "ACTIVATE", tr("Commands that make the environment available"), "source ~/false/bin/activate", multiLine=True
            )
        )
        self.addParameter(QgsProcessingParameterNumber("HOURS", tr("Hours"), integer, 12, minValue=1, maxValue=1000))
        advanced = [
            QgsProcessingParameterNumber("GPUS", tr("GPUs"), integer, 1, minValue=0, maxValue=1),
            QgsProcessingParameterNumber("CPUS", tr("CPU cores"), integer, 8, minValue=1, maxValue=1024),
            QgsProcessingParameterString(
                "OPTIONS", tr("More options for sbatch, as --partition=gpu --account=me"), optional=True
            ),
            QgsProcessingParameterNumber("STEPS", tr("Training steps"), integer, optional=True, minValue=1),
        ]
        for definition in advanced:
            definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
            self.addParameter(definition)
        self.addParameter(QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder for the job")))

    def prepareAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        # In the main thread, where the style of a layer may be read.
        field = self.parameterAsString(parameters, "FIELD", context)
        self._style = legend.style_of(sources.layer_of(parameters["LABELS"], context), field)
        return True

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        def text(name: str) -> str:
            return self.parameterAsString(parameters, name, context).strip()

        folder = Path(self.parameterAsFileOutput(parameters, "OUTPUT", context))
        there = [name for name in FILES if (folder / name).exists()]
        if there:
            raise failure("{folder} holds {files} already. Choose another folder.", folder=folder, files=", ".join(there))
        shown = self.parameterAsRasterLayer(parameters, "RASTER", context)
        raster = text("REMOTE_RASTER") or sources.name_in_job(shown, feedback)
        place = text("REMOTE_FOLDER") or str(folder)
        options = sbatch_options(text("OPTIONS"))
        folder.mkdir(parents=True, exist_ok=True)
        source = self.parameterAsSource(parameters, "LABELS", context)
        way = label_layers.way_to_raster(source, shown, context)
        label_layers.write_labels(source, text("FIELD"), folder / LABELS_FILE, feedback, way, self._style)
        entries = self._style.entries(feedback) if self._style else []
        if entries:
            legend.write_legend(entries, folder)
        steps = self.parameterAsInt(parameters, "STEPS", context) if parameters.get("STEPS") is not None else None
        plan = planned(raster, text("FIELD"), place, text("PRESET"), steps, bool(entries))
        for name, job in plan.items():
            (folder / name).write_text(jobs.to_json(job) + "\n", encoding="utf-8")
        script = TEMPLATE.format(
            gpus=self.parameterAsInt(parameters, "GPUS", context),
            cpus=self.parameterAsInt(parameters, "CPUS", context),
            hours=self.parameterAsInt(parameters, "HOURS", context),
            log=posixpath.join(in_quotation_marks(place), "log-%j.txt"),
            options="".join(f"#SBATCH {option}\n" for option in options),
            script=SCRIPT, folder=shlex.quote(place), activate=text("ACTIVATE"), jobs=" ".join(plan),
        )  # fmt: skip
        with open(folder / SCRIPT, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(script)
        submit = shlex.join(["sbatch", posixpath.join(place, SCRIPT)])
        feedback.pushInfo(tr("The job is in {folder}. On the cluster: {command}", folder=folder, command=submit))
        return {"OUTPUT": str(folder)}


def planned(raster: str, field: str, place: str, preset: str, steps: Optional[int], styled: bool) -> Dict[str, jobs.Job]:
    """Return the three jobs by the name of their file. ``place`` is where the folder lies on the cluster."""

    def at(name: str) -> str:
        return posixpath.join(place, name)

    encoder, model = at("encoder.safetensors"), at("model.safetensors")
    plan = {
        "1_pretrain.json": jobs.Pretrain(
            rasters=(raster,), encoder=encoder, preset=preset, steps=steps, report=at("pretrain.html")
        ),
        "2_finetune.json": jobs.Finetune(
            raster=raster, labels=at(LABELS_FILE), field=field, encoder=encoder, model=model, preset=preset,
            steps=steps, legend=at(legend.LEGEND_FILE) if styled else None, report=at("finetune.html"),
        ),
        "3_classify.json": jobs.Classify(
            raster=raster, model=model, output=at("map.tif"), confidence=at("confidence.tif")
        ),
    }  # fmt: skip
    for job in plan.values():
        jobs.validate(job)
    return plan


def in_quotation_marks(path: str) -> str:
    """Return ``path`` as sbatch reads it between quotation marks, where a percent sign would begin the name of a number."""
    return path.replace("%", "%%").replace('"', '\\"')


def sbatch_options(text: str) -> List[str]:
    """Return the options in ``text``, one each.

    Raises:
        QgsProcessingException: One of them is no option.
    """
    options = text.split()
    wrong = [option for option in options if not re.fullmatch(r"--?[\w-]+(=[\w.,:/+@%-]+)?", option)]
    if wrong:
        raise failure("{options} is no option for sbatch. Write it as --name=value.", options=", ".join(wrong))
    return options
