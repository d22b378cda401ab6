"""A script for the Processing toolbox: how good is the map with a tenth of the labels, with a quarter, with all of them?

Add it with "Add script to toolbox...". Polygons of each class are set aside, the same ones for every share; models are
trained on growing shares of the others, each share holding the one before, and scored on what was set aside. A curve that
has gone flat says that more labels of this kind will not help; one that still rises says that they will.
"""

from __future__ import annotations

import csv
import math
import os
import random
import tempfile
from html import escape
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import processing
from qgis.core import (
    NULL,
    QgsFeature,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeedback,
    QgsProcessingMultiStepFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingUtils,
    QgsReferencedRectangle,
    QgsVectorLayer,
)

from qgis_false.translation import failure, tr

CODE = "class_code"
PRETRAINED, UNTRAINED = "pretrained", "untrained"
Polygon = Tuple[QgsGeometry, int]
"""A shape and the code of its class."""


class Run(NamedTuple):
    """One model: what it was trained on, and how well it did on what was set aside.

    No dataclass: those need their module to be registered, and QGIS does not register its scripts.
    """

    encoder: str
    share: float
    repeat: int
    polygons: int
    oa: float
    miou: float


class LabelBudgetCurve(QgsProcessingAlgorithm):
    """Fine-tunes on seeded subsets of the polygons and scores each model on polygons that none of them saw."""

    def name(self) -> str:
        return "label_budget_curve"

    def displayName(self) -> str:
        return tr("Accuracy against the share of labels used")

    def group(self) -> str:
        return "FALSE"

    def groupId(self) -> str:
        return "false"

    def shortHelpString(self) -> str:
        return tr(
            "Trains models on growing shares of your polygons and scores each on polygons set aside, so that you see "
            "whether more labels would help. Every class needs two polygons at least, better ten. Polygons next to each "
            "other look alike: where yours lie in clumps, the curve is too high.\n\n"
            "It takes as many fine-tunings as shares times repeats. The table has one line per model, the chart shows them "
            "all and their mean."
        )

    def createInstance(self) -> QgsProcessingAlgorithm:
        return LabelBudgetCurve()

    def initAlgorithm(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        integer = QgsProcessingParameterNumber.Type.Integer
        double = QgsProcessingParameterNumber.Type.Double
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        encoder = "FALSE encoder (*.safetensors);;All files (*)"
        self.addParameter(QgsProcessingParameterRasterLayer("RASTER", tr("Raster")))
        self.addParameter(QgsProcessingParameterFeatureSource("LABELS", tr("Labels (polygons)"), polygons))
        self.addParameter(QgsProcessingParameterField("FIELD", tr("Class field"), parentLayerParameterName="LABELS"))
        self.addParameter(QgsProcessingParameterFile("ENCODER", tr("Encoder"), optional=True, fileFilter=encoder))
        self.addParameter(
            QgsProcessingParameterBoolean("COMPARE", tr("Compare with an encoder that was not pretrained"), False)
        )
        self.addParameter(QgsProcessingParameterString("SHARES", tr("Shares of the labels"), "0.1,0.25,0.5,1"))
        self.addParameter(QgsProcessingParameterNumber("REPEATS", tr("Repeats"), integer, 3, minValue=1, maxValue=100))
        self.addParameter(
            QgsProcessingParameterEnum(
                "PRESET", tr("Preset"), ["auto", "quick", "standard", "paper"], defaultValue="auto", usesStaticStrings=True
            )
        )
        advanced = [
            QgsProcessingParameterNumber(
                "SET_ASIDE", tr("Share of polygons set aside for scoring"), double, 0.3, minValue=0.05, maxValue=0.9
            ),
            QgsProcessingParameterNumber("STEPS", tr("Training steps"), integer, optional=True, minValue=1),
            QgsProcessingParameterNumber("SEED", tr("Seed"), integer, 0, minValue=0),
            QgsProcessingParameterString("DEVICE", tr("Device"), "auto"),
        ]
        for definition in advanced:
            definition.setFlags(definition.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
            self.addParameter(definition)
        self.addParameter(QgsProcessingParameterFileDestination("TABLE", tr("Table"), "CSV files (*.csv)"))
        self.addParameter(QgsProcessingParameterFileDestination("CHART", tr("Chart"), "HTML files (*.html)"))

    def processAlgorithm(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        shares = shares_in(self.parameterAsString(parameters, "SHARES", context))
        field = self.parameterAsString(parameters, "FIELD", context)
        source = self.parameterAsSource(parameters, "LABELS", context)
        classes, polygons = polygons_of(source, field)
        repeats, seed = (self.parameterAsInt(parameters, name, context) for name in ("REPEATS", "SEED"))
        aside = self.parameterAsDouble(parameters, "SET_ASIDE", context)
        encoders = self._encoders(parameters, context)
        settings = {
            "PRESET": self.parameterAsEnumString(parameters, "PRESET", context),
            "DEVICE": self.parameterAsString(parameters, "DEVICE", context),
        }
        if parameters.get("STEPS") is not None:
            settings["STEPS"] = self.parameterAsInt(parameters, "STEPS", context)
        steps = [(r, s, e) for r in range(repeats) for s in shares for e in encoders]
        bar = QgsProcessingMultiStepFeedback(len(steps), feedback)
        runs: List[Run] = []
        with tempfile.TemporaryDirectory(prefix="false-", dir=QgsProcessingUtils.tempFolder()) as folder:
            for number, (repeat, share, encoder) in enumerate(steps):
                if feedback.isCanceled():
                    raise failure("Cancelled.")
                bar.setCurrentStep(number)
                training, test = split(polygons, share, aside, random.Random(f"{seed} {repeat}"))
                told = tr("Model {number} of {total}: {polygons} {polygons:polygon|polygons}, {encoder}",
                          number=number + 1, total=len(steps), polygons=len(training), encoder=name_of(encoder))  # fmt: skip
                feedback.pushInfo(told)
                model = os.path.join(folder, "model.safetensors")
                run(
                    "false:finetune", context, bar, RASTER=parameters["RASTER"], LABELS=layer(training, source), FIELD=CODE,
                    ENCODER=encoders[encoder], MODEL=model, VALIDATION=0, SEED=seed + repeat, **settings,
                )  # fmt: skip
                confusion = self._score(
                    parameters, context, bar, model, layer(test, source), settings["DEVICE"], folder, number
                )
                runs.append(Run(encoder, share, repeat, len(training), *accuracy(confusion)))
        table = self.parameterAsFileOutput(parameters, "TABLE", context)
        chart = self.parameterAsFileOutput(parameters, "CHART", context)
        write_table(runs, table)
        with open(chart, "w", encoding="utf-8") as stream:
            stream.write(page(runs, classes))
        return {"TABLE": table, "CHART": chart}

    def _encoders(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> Dict[str, Optional[str]]:
        encoder = self.parameterAsFile(parameters, "ENCODER", context)
        compare = self.parameterAsBoolean(parameters, "COMPARE", context)
        if compare and not encoder:
            raise failure("There is no encoder to compare with an untrained one. Name one, or do not compare.")
        return {**({PRETRAINED: encoder} if encoder else {}), **({} if encoder and not compare else {UNTRAINED: None})}

    def _score(
        self, parameters: Dict[str, Any], context: QgsProcessingContext, bar: QgsProcessingFeedback, model: str,
        test: QgsVectorLayer, device: str, folder: str, number: int,
    ) -> Dict[Tuple[int, int], int]:  # fmt: skip
        """Return how many pixels of each true class (first) were mapped as each class (second; 0: not mapped)."""
        # Only where the polygons are: the rest of the raster would be mapped for nothing.
        box = test.extent()
        box.scale(1.1)
        classified = run(
            "false:classify", context, bar, RASTER=parameters["RASTER"], MODEL=model, DEVICE=device,
            EXTENT=QgsReferencedRectangle(box, test.crs()), OUTPUT=os.path.join(folder, f"{number}.tif"),
        )["OUTPUT"]  # fmt: skip
        counted = run(
            "native:zonalhistogram", context, bar, INPUT_RASTER=classified, RASTER_BAND=1, INPUT_VECTOR=test,
            COLUMN_PREFIX="n", OUTPUT=os.path.join(folder, f"{number}.gpkg"),
        )["OUTPUT"]  # fmt: skip
        confusion: Dict[Tuple[int, int], int] = {}
        for feature in QgsVectorLayer(counted, "counted").getFeatures():
            for name in feature.fields().names():
                mapped = 0 if name == "nNODATA" else int(name[1:]) if name[:1] == "n" and name[1:].isdigit() else None
                if mapped is not None and feature[name]:
                    cell = (feature[CODE], mapped)
                    confusion[cell] = confusion.get(cell, 0) + int(feature[name])
        if not confusion:
            raise failure("No pixel lies in the polygons set aside. Do the labels lie over the raster?")
        return confusion


def run(algorithm: str, context: QgsProcessingContext, feedback: QgsProcessingFeedback, **values: Any) -> Dict[str, Any]:
    """Run one algorithm as a step of this one."""
    return processing.run(algorithm, values, context=context, feedback=feedback, is_child_algorithm=True)


def shares_in(text: str) -> List[float]:
    """Return the shares written in ``text``, growing.

    Raises:
        QgsProcessingException: One of them is no number above 0 and up to 1.
    """
    try:
        shares = sorted({float(part) for part in text.split(",")})
    except ValueError:
        shares = []
    if not shares or not all(0 < share <= 1 for share in shares):
        raise failure("The shares {text} cannot be read. Write numbers above 0 and up to 1, as 0.1,0.5,1.", text=repr(text))
    return shares


def polygons_of(source: QgsProcessingFeatureSource, field: str) -> Tuple[List[str], List[Polygon]]:
    """Return the names of the classes, whose codes are 1, 2, 3..., and the polygons. Those without a class are left out.

    Raises:
        QgsProcessingException: There are fewer than two classes, or a class has only one polygon.
    """
    found = [(f.geometry(), f[field]) for f in source.getFeatures() if f.hasGeometry() and not f.geometry().isEmpty()]
    found = [(geometry, str(value)) for geometry, value in found if value not in (None, NULL, "")]
    classes = sorted({value for _, value in found})
    lonely = [name for name in classes if sum(value == name for _, value in found) < 2]
    if len(classes) < 2 or len(classes) > 254:
        raise failure(
            "The field {field} holds {number} {number:class|classes}; it takes 2 to 254.", field=field, number=len(classes)
        )
    if lonely:
        raise failure(
            "Only one polygon each: {names}. A class needs two: one to learn from, one to score with.",
            names=", ".join(lonely),
        )
    return classes, [(flat(geometry), classes.index(value) + 1) for geometry, value in found]


def flat(geometry: QgsGeometry) -> QgsGeometry:
    """Return the polygon without heights and curves, as a multi-polygon."""
    shape = QgsGeometry(geometry.constGet().segmentize())
    shape.get().dropZValue()
    shape.get().dropMValue()
    shape.convertToMultiType()
    return shape


def split(
    polygons: Sequence[Polygon], share: float, aside: float, order: random.Random
) -> Tuple[List[Polygon], List[Polygon]]:
    """Return polygons to train with and to score with, each class in its share and with one of each at least.

    With the same ``order`` a larger share holds all of a smaller one, and what is set aside is the same.
    """
    training: List[Polygon] = []
    test: List[Polygon] = []
    for code in sorted({code for _, code in polygons}):
        members = [polygon for polygon in polygons if polygon[1] == code]
        order.shuffle(members)
        kept = min(max(1, round(aside * len(members))), len(members) - 1)
        test += members[:kept]
        training += members[kept : kept + max(1, math.ceil(share * (len(members) - kept)))]
    return training, test


def layer(polygons: Sequence[Polygon], like: QgsProcessingFeatureSource) -> QgsVectorLayer:
    """Return the polygons as a layer in memory, in the CRS of ``like``."""
    made = QgsVectorLayer(f"MultiPolygon?field={CODE}:integer", "labels", "memory")
    made.setCrs(like.sourceCrs())
    features = []
    for geometry, code in polygons:
        feature = QgsFeature(made.fields())
        feature.setGeometry(geometry)
        feature.setAttribute(CODE, code)
        features.append(feature)
    made.dataProvider().addFeatures(features)
    made.updateExtents()
    return made


def accuracy(confusion: Dict[Tuple[int, int], int]) -> Tuple[float, float]:
    """Return overall accuracy and mean intersection over union. A pixel that was not mapped is a wrong one."""
    total = sum(confusion.values())
    right = {code: confusion.get((code, code), 0) for code, _ in confusion}
    ious = []
    for code, hits in right.items():
        union = sum(count for cell, count in confusion.items() if code in cell)
        ious.append(hits / union)
    return sum(right.values()) / total, sum(ious) / len(ious)


def write_table(runs: Sequence[Run], path: str) -> None:
    """Write one line per model."""
    with open(path, "w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["encoder", "share", "repeat", "polygons", "oa", "miou"])
        for one in runs:
            table.writerow([one.encoder, one.share, one.repeat, one.polygons, f"{one.oa:.4f}", f"{one.miou:.4f}"])


# --- the chart -------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 440, 300, 40, 24, 44, 12
COLOURS = {PRETRAINED: "#3b82c4", UNTRAINED: "#c8553d"}


def name_of(encoder: str) -> str:
    """Return in words which encoder a model had."""
    return tr("pretrained encoder") if encoder == PRETRAINED else tr("untrained encoder")


def page(runs: Sequence[Run], classes: Sequence[str]) -> str:
    """Return an HTML page with the chart and the means, complete in itself."""
    rows = "".join(
        f"<tr><td>{name_of(encoder)}<td>{share:.0%}<td>{mean([r.polygons for r in of]):.0f}<td>{len(of)}"
        f"<td>{mean([r.oa for r in of]):.3f}<td>{mean([r.miou for r in of]):.3f}"
        for (encoder, share), of in grouped(runs).items()
    )
    encoders = [name for name in COLOURS if any(r.encoder == name for r in runs)]
    legend = " ".join(f'<b style="color:{COLOURS[name]}">&#9679; {name_of(name)}</b>' for name in encoders)
    charts = "".join(
        chart(runs, score, title) for score, title in (("oa", tr("Overall accuracy")), ("miou", tr("Mean IoU")))
    )
    title = tr("Accuracy against the share of labels")
    how = tr(
        "Points are single models, lines their means. All were scored on polygons that none of the models of the same "
        "repeat had seen."
    )
    columns = (tr("Encoder"), tr("Share"), tr("Polygons"), tr("Models"), "OA", "mIoU")
    head = "".join(f"<th>{escape(name)}" for name in columns)
    named = tr("Classes: {names}", names=", ".join(classes))
    return (
        f'<!DOCTYPE html><html><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
        "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
        "td:first-child,th:first-child{text-align:left}svg{max-width:100%}</style>"
        f"<h1>{escape(title)}</h1><p>{escape(how)}</p><p>{legend}</p>{charts}"
        f"<table><tr>{head}</tr>{rows}</table><p>{escape(named)}</p></html>"
    )


def chart(runs: Sequence[Run], score: str, title: str) -> str:
    """Return an SVG picture of ``score`` against the share of labels."""

    def x(share: float) -> float:
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (1 - value) * (HEIGHT - TOP - BOTTOM)

    ticks = (0, 0.2, 0.4, 0.6, 0.8, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{title}">'
    ]
    parts += [f'<path d="M{LEFT} {y(tick):.1f}H{x(1):.1f}" stroke="#ddd"/>' for tick in ticks]
    parts += [f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>' for tick in ticks]
    last = -math.inf
    for share in sorted({r.share for r in runs}):
        if x(share) - last > 34:  # Names would run into each other.
            parts.append(f'<text x="{x(share):.1f}" y="{HEIGHT - 26}" text-anchor="middle">{share:.0%}</text>')
            last = x(share)
    by = tr("by share of the labels used")
    parts.append(f'<text x="{x(0.5):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{title}, {by}</text>')
    for encoder, colour in COLOURS.items():
        means = [(s, mean([getattr(r, score) for r in of])) for (e, s), of in grouped(runs).items() if e == encoder]
        if means:
            line = " ".join(f"{x(share):.1f},{y(value):.1f}" for share, value in means)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        points = [(x(r.share), y(getattr(r, score))) for r in runs if r.encoder == encoder]
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{colour}"/>' for px, py in points]
    return "".join(parts) + "</svg>"


def grouped(runs: Sequence[Run]) -> Dict[Tuple[str, float], List[Run]]:
    """Return the runs by encoder and share, shares growing."""
    keys = sorted({(r.encoder, r.share) for r in runs})
    return {key: [r for r in runs if (r.encoder, r.share) == key] for key in keys}


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
