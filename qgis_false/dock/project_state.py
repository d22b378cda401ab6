"""The state of the labelling that a project remembers, so that the dock finds its work when the project is opened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence

from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer

from false_core.jobs import GENERAL_WEIGHTS

SCOPE = "false"
RASTER_KEY, LABELS_KEY, ENCODER_KEY, MODEL_KEY, WEIGHTS_KEY = (
    "/label/raster",
    "/label/labels",
    "/label/encoder",
    "/label/model",
    "/label/weights",
)

HIDDEN_KEY = "/hidden_maps"


@dataclass(frozen=True)
class EncoderChoice:
    """The encoder that looks at the raster: a file, a model file to go on from, or neither; and the general one or not."""

    encoder: str = ""
    model: str = ""
    weights: str = GENERAL_WEIGHTS


class RememberedWork(NamedTuple):
    """A raster that was labelled, its label layer, and what looked at it. The classes are the style of the layer."""

    raster: QgsRasterLayer
    labels: QgsVectorLayer
    encoder_choice: EncoderChoice


def remember_work(raster: QgsRasterLayer, labels: QgsVectorLayer, encoder_choice: EncoderChoice) -> None:
    """Note in the project what is worked on."""
    project = QgsProject.instance()
    texts = {
        RASTER_KEY: raster.id(),
        LABELS_KEY: labels.id(),
        ENCODER_KEY: project.writePath(encoder_choice.encoder) if encoder_choice.encoder else "",
        MODEL_KEY: project.writePath(encoder_choice.model) if encoder_choice.model else "",
        WEIGHTS_KEY: encoder_choice.weights,
    }
    for key, text in texts.items():
        if project.readEntry(SCOPE, key, "")[0] != text:
            project.writeEntry(SCOPE, key, text)


def remembered_work() -> Optional[RememberedWork]:
    """Return what the project remembers, or None where it is nothing or its layers are gone."""
    project = QgsProject.instance()
    raster, labels, encoder, model, weights = (
        project.readEntry(SCOPE, key, "")[0] for key in (RASTER_KEY, LABELS_KEY, ENCODER_KEY, MODEL_KEY, WEIGHTS_KEY)
    )
    image, layer = project.mapLayer(raster), project.mapLayer(labels)
    if not isinstance(image, QgsRasterLayer) or not isinstance(layer, QgsVectorLayer):
        return None
    if not (image.isValid() and layer.isValid()):
        return None
    encoder_choice = EncoderChoice(
        project.readPath(encoder) if encoder else "", project.readPath(model) if model else "", weights or GENERAL_WEIGHTS
    )
    return RememberedWork(image, layer, encoder_choice)


def forget_work() -> None:
    """Remember nothing any more."""
    QgsProject.instance().removeEntry(SCOPE, "/label")


def remember_hidden(ids: Sequence[str]) -> None:
    """Note in the project the ids of the maps that are hidden for a while, as it may be saved meanwhile."""
    project = QgsProject.instance()
    if ids:
        project.writeEntry(SCOPE, HIDDEN_KEY, list(ids))
    elif hidden_maps():
        project.removeEntry(SCOPE, HIDDEN_KEY)


def hidden_maps() -> List[str]:
    """Return the ids of the maps that are hidden for a while."""
    return list(QgsProject.instance().readListEntry(SCOPE, HIDDEN_KEY, [])[0])
