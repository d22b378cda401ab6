"""The job that makes a model of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.declarations.choices import HEADS
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import CHOICE, FLAG, INTEGER, NEW_MODEL, NEW_REPORT, NUMBER, RASTER, TEXT, VECTOR, parameter


@dataclass(frozen=True)
class Finetune(Job, done_by="false_core.training.finetune:finetune", shared=True):
    """Train a land-cover model from a few labels, with an encoder of your own if you have one.

    Digitise about 1 % of the raster as polygons, lines or points with a class field. Labels are held out in turn, in whole
    blocks of space, to score the model; it learns from all of them. The result is one model file with everything that
    classifying needs.
    """

    raster: str = parameter(RASTER, "Raster", "The raster the labels were digitised on." + usual.STANDS_FOR_ONE)
    labels: str = parameter(
        VECTOR,
        "Labels",
        "Polygons, lines or points with a class field. About 1 % of the area is a good start. They are "
        "reprojected to the raster where needed.",
        of="raster",
    )
    field: str = usual.class_field(
        "Whole numbers from 0 to 254 keep their codes on the map, also where they are kept as text. Anything else gets "
        "codes 1, 2, 3... in sorted order. Empty values are left out.",
        of="labels",
    )
    model: str = parameter(
        NEW_MODEL, "Model", "The model file to write. It keeps crops of the raster around labels, for maps in int8."
    )
    encoder: Optional[str] = usual.encoder_file()
    head: str = parameter(
        CHOICE,
        "Head",
        "What tells classes apart. linear: a linear classifier on the features of frozen encoders, at several pixel sizes. "
        "texture: one on local means and standard deviations of the bands. network: a decoder that is trained, with the "
        "encoder; it takes far longer. auto: linear with texture, texture, the pixels' own values and their combinations "
        "are compared by cross-validation over the labels, and the best is kept.",
        "auto",
        choices=HEADS,
    )
    bands: Tuple[int, ...] = usual.bands_of_encoder(of="raster")
    preset: str = usual.preset()
    backbone: Optional[str] = usual.backbone("the general encoder, and with the head network that of the preset")
    seed: int = usual.seed()
    device: str = usual.device()
    steps: Optional[int] = usual.from_preset(
        INTEGER, "Training steps", "Number of training steps of the head network.", minimum=1, maximum=10**7
    )
    freeze: Optional[bool] = usual.from_preset(
        FLAG,
        "Freeze the encoder",
        "With the head network: train the decoder only, as in the paper. Otherwise the encoder is trained through after a "
        "first phase. Other heads never change it.",
    )
    weights: str = usual.general_encoder(
        " Without either, heads look at colours and texture, and the head network starts from nothing."
    )
    smoothing: float = parameter(
        NUMBER,
        "Smoothing",
        "Standard deviation of the window in which the probabilities of classes are averaged. 0: none. Not for the head "
        "network.",
        0.0,
        unit="CRS units",
        minimum=0.0,
        advanced=True,
    )
    unlabelled: bool = parameter(
        FLAG,
        "Learn from pixels without a label",
        "Fit heads once more, to the labels and to those pixels of the raster that they are surest about, and let them lean "
        "to classes that cover much of it. It makes better maps of this raster. Turn it off for a model that is to map "
        "other rasters, where classes are common that this one hardly shows. Not for the head network.",
        True,
        advanced=True,
    )
    validation: float = parameter(
        NUMBER,
        "Share of labels held out",
        "Share of the labels that score a head network before they train it too. 0: no score. Other heads are scored by "
        "cross-validation over all labels.",
        0.2,
        minimum=0.0,
        maximum=0.5,
        advanced=True,
    )
    legend: Optional[str] = usual.legend("the classes are called and how they look", style="the label layer's style")
    report: Optional[str] = parameter(NEW_REPORT, "Report", "HTML report with scores, curves and settings.", None)

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("accuracy", "Overall accuracy and its limits, or: unknown", TEXT),
        Result("oa", "Overall accuracy"),
        Result("oa_low", "Lower limit of the overall accuracy (95 %)"),
        Result("oa_high", "Upper limit of the overall accuracy (95 %)"),
        Result("miou", "Mean intersection over union"),
        Result("macc", "Mean class accuracy"),
        Result("kappa", "Cohen's kappa"),
    )
