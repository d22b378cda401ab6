"""What can be asked of this library. Each job is one frozen dataclass, and each parameter is declared once, here.

The Processing dialogs, the command line, the JSON that crosses the process border, the Python API and the help pages are
all made from these declarations. Standard library only, Python 3.9: the QGIS plugin imports this module too.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import sys
from dataclasses import dataclass
from typing import Any, ClassVar, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union, get_args

from false_core import strict_json
from false_core.errors import RequestError

__all__ = [
    "JOBS",
    "Assess",
    "Check",
    "Classify",
    "ClassifyMany",
    "Embed",
    "ExportOnnx",
    "Finetune",
    "Job",
    "ModelInfo",
    "Parameter",
    "Polygonise",
    "Pretrain",
    "SamplePoints",
    "SuggestLabels",
    "from_file",
    "from_json",
    "outputs",
    "parameter",
    "parameters",
    "to_json",
    "validate",
]

UNTRAINED = "random"
METHODS = {
    "false": "FALSE", "simclr": "SimCLR", "barlow_twins": "Barlow Twins", "pcl": "PCL", "rissnet": "RiSSNet",
    "gfcnet": "GFCNet", "glcnet": "GLCNet", "grass": "GraSS", UNTRAINED: "untrained encoder",
}  # fmt: skip
"""Methods of pretraining, and what they are called in tables."""
CALIBRATED = ("rissnet", "gfcnet", "glcnet", "grass")
"""Methods that can take FNSD and FNCC, which FALSE always does, for their contrastive loss."""
PRESETS = ("auto", "quick", "standard", "paper")
ENCODER_FILES = MODEL_FILES = "safetensors"

# The kinds of value a parameter can hold: how it is checked, and what a dialog shows for it.
RASTER, RASTERS, VECTOR, FIELD, MODEL = "raster", "rasters", "vector", "field", "model"
BANDS, EXTENT, CHOICE, INTEGER, NUMBER, NUMBER_OR_WORD, FLAG, TEXT, FILE, FILE_OR_NAME = (
    "bands",
    "extent",
    "choice",
    "integer",
    "number",
    "number_or_word",
    "flag",
    "text",
    "file",
    "file_or_name",
)
NEW_MODEL, NEW_REPORT, NEW_RASTER, NEW_VECTOR, NEW_TABLE, NEW_FILE, NEW_FOLDER = (
    "new_model",
    "new_report",
    "new_raster",
    "new_vector",
    "new_table",
    "new_file",
    "new_folder",
)
LIST_ENDING = ".txt"
STAC_ENDINGS = (".json", ".geojson")
_OUTPUT_KINDS = (NEW_MODEL, NEW_REPORT, NEW_RASTER, NEW_VECTOR, NEW_TABLE, NEW_FILE, NEW_FOLDER)
_MANY_KINDS = (RASTERS, BANDS)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a job, as every front end needs to know it.

    Attributes:
        kind: One of the kinds above.
        label: A few words, for a dialog.
        help: One or two sentences in plain words.
        unit: Unit of the value, or empty.
        minimum, maximum: Range of a number, both ends included.
        choices: Admitted values of a choice; of a number or word, the words.
        of: For a field, bands or an extent, the parameter with its layer. For a model, what it must hold: ``"encoder"``,
            ``"segmenter"``, or empty where it may be either. For a file, its extension.
        advanced: Folded away in dialogs.
        dialog: Whether a person sets it in QGIS; False where the plugin knows the value itself.
    """

    kind: str
    label: str
    help: str
    unit: str = ""
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: Tuple[str, ...] = ()
    of: str = ""
    advanced: bool = False
    dialog: bool = True

    @property
    def is_output(self) -> bool:
        """Whether the parameter names a file the job writes, or a folder of them."""
        return self.kind in _OUTPUT_KINDS


@dataclass(frozen=True)
class Result:
    """One thing a finished job hands back beside its files: a number or a text in ``Finished.outputs``."""

    name: str
    label: str
    kind: str = NUMBER


def parameter(kind: str, label: str, help: str, default: Any = dataclasses.MISSING, **more: Any) -> Any:
    """Return a field of a job. Without a default, a value must be given; ``more`` goes to ``Parameter``."""
    return dataclasses.field(default=default, metadata={"parameter": Parameter(kind, label, help, **more)})


_STANDS_FOR_MANY = (
    " A name may stand for many rasters: a folder, a pattern such as tiles/**/*.tif, a text file with a path per line, or a "
    "STAC item, item collection or catalog on disk. Addresses such as /vsis3/bucket/a.tif are read where they are."
)
_STANDS_FOR_ONE = " A file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster."


def _seed() -> Any:
    return parameter(
        INTEGER,
        "Seed",
        "The same seed on the same machine gives the same result.",
        0,
        minimum=0,
        maximum=2**31 - 1,
        advanced=True,
    )


def _device() -> Any:
    return parameter(
        TEXT,
        "Device",
        "auto takes a GPU where there is a working one, unless the options or FALSE_DEVICE name a device, and says what it "
        "took. cuda, cuda:1, mps and cpu insist.",
        "auto",
        advanced=True,
    )


def _preset() -> Any:
    return parameter(
        CHOICE,
        "Preset",
        "quick: minutes on a laptop without a GPU. standard: one GPU. paper: the published settings, many GPU hours. "
        "auto: standard on a GPU, quick without one.",
        "auto",
        choices=PRESETS,
    )


def _from_preset(kind: str, label: str, help: str, **more: Any) -> Any:
    return parameter(kind, label, help + " Empty: from the preset.", None, advanced=True, **more)


@dataclass(frozen=True)
class Pretrain:
    """Learn an encoder from rasters without labels.

    FALSE pretraining: contrastive learning that finds its own false negatives (FNSD) and counts them as positives with a
    confidence weight (FNCC). The result is an encoder file, the input of fine-tuning. No labels are needed. Use the raster
    you want to map, and more of the same kind if you have them.
    """

    rasters: Tuple[str, ...] = parameter(
        RASTERS,
        "Rasters",
        "One or more rasters of the same sensor: same bands in the same order." + _STANDS_FOR_MANY,
    )
    encoder: str = parameter(NEW_MODEL, "Encoder", "The encoder file to write.")
    bands: Tuple[int, ...] = parameter(
        BANDS,
        "Bands",
        "Bands to learn from, counted from 1. Empty: all bands but alpha. Fine-tuning and classifying use the same ones.",
        (),
        of="rasters",
    )
    extent: Optional[str] = parameter(
        EXTENT,
        "Extent",
        "Learn only from this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the "
        "raster's own CRS. Empty: everything.",
        None,
        of="rasters",
    )
    preset: str = _preset()
    method: str = parameter(
        CHOICE,
        "Method",
        "false: FALSE, the default. simclr, barlow_twins and pcl: what it is compared with. On the one scene that was "
        "measured simclr did as well, by 0.01 better with all labels. glcnet, grass, gfcnet and rissnet: others by the same "
        "group. glcnet compares small windows and pretrains the decoder too; grass looks at the part of a patch that "
        "matters most; gfcnet does not push apart what is near and alike; rissnet pulls it together. random: no training at "
        "all, an encoder as it comes, to see what pretraining adds.",
        "false",
        choices=tuple(METHODS),
        advanced=True,
    )
    weights: Optional[str] = parameter(
        FILE_OR_NAME,
        "Weights to start from",
        "An encoder file of the same preset and number of bands; a file with timm weights of the preset's backbone "
        "(.safetensors, .pth, .pt, .bin), of any number of bands; or a name of timm weights, such as imagenet or "
        "resnet50.a1_in1k, which are downloaded. With the method random they become an encoder as they are. Empty: random "
        "weights.",
        None,
        advanced=True,
    )
    seed: int = _seed()
    device: str = _device()
    pixel_size: Optional[float] = parameter(
        NUMBER,
        "Working pixel size",
        "The raster is averaged to about this pixel size before anything else. Larger is "
        "faster and sees more surroundings; details smaller than a pixel are lost. Empty: the quick preset coarsens large "
        "rasters up to 4 times, but not beyond 2 m; the others keep the raster's own.",
        None,
        unit="CRS units",
        minimum=0.0,
        advanced=True,
    )
    steps: Optional[int] = _from_preset(INTEGER, "Training steps", "Number of training steps.", minimum=1, maximum=10**7)
    batch_size: Optional[int] = _from_preset(
        INTEGER, "Batch size", "Patches per step; each gives two views.", minimum=2, maximum=65536
    )
    temperature: Optional[float] = _from_preset(
        NUMBER,
        "Temperature",
        "Temperature of the contrastive loss (tau). Lower looks harder at the nearest negatives.",
        minimum=0.01,
        maximum=10.0,
    )
    threshold: Optional[float] = _from_preset(
        NUMBER,
        "Similarity threshold",
        "A patch whose two views are more alike than this is a benchmark anchor (T, Eq. 1) and looks for a false negative.",
        minimum=-1.0,
        maximum=1.0,
    )
    confidence: Optional[Union[float, str]] = _from_preset(
        NUMBER_OR_WORD,
        "Confidence weight",
        "How far a false negative found is trusted (alpha, Eqs. 4-6). 0: not at all, plain SimCLR. 1: fully. adaptive: each "
        "by how much all views of the two patches agree.",
        minimum=0.0,
        maximum=1.0,
        choices=("adaptive",),
    )
    neighbours: Optional[int] = _from_preset(
        INTEGER,
        "False negatives per anchor",
        "Number of possible false negatives a benchmark anchor takes.",
        minimum=1,
        maximum=64,
    )
    false_negatives: Optional[bool] = _from_preset(
        FLAG,
        "False negatives in other methods",
        "With glcnet, grass, gfcnet or rissnet: find false negatives and count them as positives there too (FNSD and FNCC), "
        "with the similarity threshold and the confidence weight of FALSE. false always does so.",
    )
    radius: Optional[float] = _from_preset(
        NUMBER,
        "Neighbourhood",
        "With gfcnet or rissnet: how far from a place its neighbourhood reaches on the ground.",
        unit="widths of a patch",
        minimum=0.0,
        maximum=1000.0,
    )
    window: Optional[int] = _from_preset(
        INTEGER,
        "Side of a window",
        "With glcnet: side of the windows that are compared, at most half a patch.",
        unit="pixels",
        minimum=4,
        maximum=1024,
    )
    truth: Optional[str] = parameter(
        RASTER,
        "Truth",
        "Optional raster with known classes, only to draw how often the false negatives found are of the same class. It "
        "does not take part in the learning.",
        None,
        advanced=True,
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with curves, settings and pictures of what was learned.", None
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("loss", "Final loss"), Result("steps", "Steps trained"))


@dataclass(frozen=True)
class Finetune:
    """Train a land-cover model from an encoder and a few labels.

    Digitise about 1 % of the raster as polygons, lines or points with a class field. Part of the labels, in whole blocks
    of space, is kept back to score the model; after that it learns from them too. The result is one model file with
    everything that classifying needs.
    """

    raster: str = parameter(RASTER, "Raster", "The raster the labels were digitised on." + _STANDS_FOR_ONE)
    labels: str = parameter(
        VECTOR,
        "Labels",
        "Polygons, lines or points with a class field. About 1 % of the area is a good start. They are "
        "reprojected to the raster where needed.",
    )
    field: str = parameter(
        FIELD,
        "Class field",
        "Whole numbers from 1 to 254 keep their codes on the map. Text gets codes 1, 2, 3... in sorted "
        "order. Empty values are left out.",
        of="labels",
    )
    model: str = parameter(NEW_MODEL, "Model", "The model file to write.")
    encoder: Optional[str] = parameter(
        MODEL,
        "Encoder",
        "Encoder file from pretraining. Empty: an untrained encoder, trained on the labels alone.",
        None,
        of="encoder",
    )
    bands: Tuple[int, ...] = parameter(
        BANDS,
        "Bands",
        "Bands to use, counted from 1. Empty: those of the encoder, or all but alpha.",
        (),
        of="raster",
        advanced=True,
    )
    preset: str = _preset()
    seed: int = _seed()
    device: str = _device()
    steps: Optional[int] = _from_preset(INTEGER, "Training steps", "Number of training steps.", minimum=1, maximum=10**7)
    freeze: Optional[bool] = _from_preset(
        FLAG,
        "Freeze the encoder",
        "Train the decoder only, as in the paper. Otherwise the encoder is trained through after a first phase.",
    )
    validation: float = parameter(
        NUMBER,
        "Share of labels kept back",
        "Share of the labels that score the model before they train it too. 0: no score.",
        0.2,
        minimum=0.0,
        maximum=0.5,
        advanced=True,
    )
    legend: Optional[str] = parameter(
        FILE,
        "Legend",
        "JSON file with a list of {value, name, color}: what the classes are called and how they look. In "
        "QGIS it is taken from the label layer's style.",
        None,
        dialog=False,
    )
    report: Optional[str] = parameter(NEW_REPORT, "Report", "HTML report with scores, curves and settings.", None)

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("oa", "Overall accuracy"),
        Result("miou", "Mean intersection over union"),
        Result("macc", "Mean class accuracy"),
        Result("kappa", "Cohen's kappa"),
    )


@dataclass(frozen=True)
class Classify:
    """Make a land-cover map of a raster with a model.

    The raster is classified tile by tile with overlap, and the overlaps are blended, so there are no seams. Nodata stays
    nodata. The map carries class names and colours. The raster needs the bands the model was made for.
    """

    raster: str = parameter(RASTER, "Raster", "The raster to classify." + _STANDS_FOR_ONE)
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(
        NEW_RASTER,
        "Classified raster",
        "The map to write: one Byte band with class codes. A name that ends in .vrt makes tiles: for a very large map.",
    )
    extent: Optional[str] = parameter(
        EXTENT,
        "Extent",
        "Classify only this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the "
        "raster's own CRS. Empty: everything.",
        None,
        of="raster",
    )
    device: str = _device()
    confidence: Optional[str] = parameter(
        NEW_RASTER,
        "Confidence",
        "Optional second raster: the probability of the chosen class in percent, 255 for nodata.",
        None,
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with the map beside the raster, the area of each class, and the model.", None
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("pixels", "Pixels classified"),)


@dataclass(frozen=True)
class ClassifyMany:
    """Make a land-cover map of each of many rasters with one model.

    The maps go into a folder of their own; that of field.tif is called field_classified.tif, or north_field_classified.tif
    where rasters of that name lie in the folder north and in another one. Each is made as Classify a raster makes it. A
    raster that does not fit the model is left out with a warning. Maps that are complete stay when the run is cancelled.
    """

    rasters: Tuple[str, ...] = parameter(
        RASTERS, "Rasters", "The rasters to classify. They need the bands the model was made for." + _STANDS_FOR_MANY
    )
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(NEW_FOLDER, "Folder for the maps", "Is made where it does not exist.")
    device: str = _device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("maps", "Maps made"), Result("left_out", "Rasters left out"))


@dataclass(frozen=True)
class SamplePoints:
    """Draw the points at which to look up what is really there, to assess a map.

    A stratified random sample: in each class of the map, every pixel has the same chance. How many points there are follows
    from the standard error wanted; a rare class gets a minimum, the others share the rest in proportion to their area. Fill
    in the field class of each point on screen, by name or by code, then hand the layer to Assess a map. The points do not
    say what the map shows, and come in random order, so that whoever fills them in is not led by the map.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    output: str = parameter(
        NEW_VECTOR,
        "Sample points",
        "The points to write, as GeoPackage or another format that goes by its extension. Fields: id, and class, which is "
        "empty; the form of QGIS offers the classes of the map.",
    )
    standard_error: float = parameter(
        NUMBER,
        "Standard error wanted",
        "Of the overall accuracy: half of it takes four times as many points. The 95 % interval reaches about twice as far "
        "to either side.",
        0.02,
        minimum=0.001,
        maximum=0.2,
    )
    users_accuracy: float = parameter(
        NUMBER,
        "User's accuracy expected",
        "Share of the pixels of each mapped class that are probably right. 0.5 is the careful guess: it takes the most "
        "points.",
        0.8,
        minimum=0.5,
        maximum=0.99,
    )
    minimum: int = parameter(
        INTEGER,
        "Fewest points per class",
        "A class too rare for its share of the points gets this many. 50 to 100 are usual. A class with fewer pixels gives "
        "all it has.",
        50,
        minimum=2,
        maximum=100_000,
    )
    seed: int = _seed()
    key: Optional[str] = parameter(
        NEW_TABLE,
        "Key",
        "Optional table with the mapped class of each point. Keep it out of sight of whoever fills in the classes. Assess a "
        "map does not need it.",
        None,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("points", "Points drawn"),
        Result("expected_error", "Expected standard error of the overall accuracy"),
    )


@dataclass(frozen=True)
class Assess:
    """Find out how good a map is, from reference labels or a raster of the truth.

    Says how often map and reference agree, and which class is taken for which. From points that were drawn at random within
    the classes of the map it also estimates the accuracy of the whole map, and the area of each class, with 95 % confidence
    intervals (Olofsson et al. 2014). Sample points to assess a map draws such points.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    reference: Optional[str] = parameter(
        VECTOR,
        "Reference labels",
        "Points, lines or polygons with a class field. They are reprojected to the map where needed. Points are compared "
        "one by one, lines and polygons pixel by pixel. Give these or a truth raster.",
        None,
    )
    field: Optional[str] = parameter(
        FIELD,
        "Class field",
        "Names of the map's classes, in capitals or not, or their codes. Empty values are left out and counted.",
        None,
        of="reference",
    )
    truth: Optional[str] = parameter(
        RASTER,
        "Truth raster",
        "Raster with the codes of the true classes, on any grid and in any CRS. It is looked up at the centre of each pixel "
        "of the map. Give this or reference labels.",
        None,
    )
    report: Optional[str] = parameter(NEW_REPORT, "Report", "HTML report with scores, confusion matrix and areas.", None)
    table: Optional[str] = parameter(
        NEW_TABLE, "Table", "CSV table with the confusion matrix and the scores and areas per class.", None
    )

    EXACTLY_ONE: ClassVar[Tuple[str, ...]] = ("reference", "truth")
    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("oa", "Overall accuracy"),
        Result("miou", "Mean intersection over union"),
        Result("macc", "Mean class accuracy"),
        Result("kappa", "Cohen's kappa"),
        Result("f1", "Mean F1"),
        Result("adjusted_oa", "Overall accuracy of the whole map, area-adjusted"),
        Result("adjusted_oa_error", "Half width of its 95 % confidence interval"),
        Result("compared", "Points or pixels compared"),
    )


@dataclass(frozen=True)
class SuggestLabels:
    """Suggest where to digitise next.

    Looks for the few small squares that would teach the model most: where it is not sure of the class, and which look unlike
    each other and unlike what is labelled. Digitise all you can see in them, add it to your labels, and fine-tune again.
    Squares with nodata or with labels are left out.
    """

    raster: str = parameter(RASTER, "Raster", "The raster to digitise on." + _STANDS_FOR_ONE)
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(
        NEW_VECTOR, "Suggested places", "The layer to write: squares with rank, score and reason. Rank 1 comes first."
    )
    labels: Optional[str] = parameter(
        VECTOR,
        "Labels so far",
        "What is digitised already. It is not suggested again, nor what looks like it. Empty: the squares only differ from "
        "each other.",
        None,
    )
    count: int = parameter(INTEGER, "Number of places", "How many squares to suggest.", 10, minimum=1, maximum=1000)
    size: Optional[float] = parameter(
        NUMBER,
        "Side of a square",
        "Rounded to 4 pixels of the model. Empty: half a patch that the model was trained on.",
        None,
        unit="CRS units",
        minimum=0.0,
        advanced=True,
    )
    extent: Optional[str] = parameter(
        EXTENT,
        "Extent",
        "Look only in this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: "
        "everywhere.",
        None,
        of="raster",
    )
    seed: int = _seed()
    device: str = _device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("suggested", "Places suggested"),)


@dataclass(frozen=True)
class ExportOnnx:
    """Export a model for Deepness.

    Deepness is a QGIS plugin that runs models in the ONNX format. The file holds the network, what it does to pixels first,
    class names and pixel size, so that Deepness opens it with the right settings. Deepness knows no nodata and blends no
    tiles: Classify makes the better map. It takes the package onnx in the compute environment.
    """

    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(NEW_FILE, "ONNX model", "The ONNX file to write.", of="onnx")
    tile: int = parameter(
        INTEGER,
        "Tile size",
        "Side of the tiles that Deepness cuts the raster into: a multiple of 32. Larger ones show the model more around "
        "each pixel and take more memory.",
        512,
        unit="pixels",
        minimum=64,
        maximum=4096,
        advanced=True,
    )
    nodata: Optional[float] = parameter(
        NUMBER,
        "Nodata value",
        "Value that the model takes for missing, band by band, as it does where the raster says so itself. Deepness fills "
        "with 0 beyond the raster's edge. Empty: none.",
        None,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("classes", "Number of classes"),
        Result("resolution", "Pixel size in centimetres"),
    )


@dataclass(frozen=True)
class ModelInfo:
    """Say what a model or encoder file is.

    The report shows what it maps, what it needs, what it does to pixels first, how good it is and how it was made. Nothing
    is computed, and the file stays as it is.
    """

    model: str = parameter(MODEL, "Model", "A model or an encoder file.")
    report: str = parameter(NEW_REPORT, "Report", "HTML report on the file.")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("kind", "Kind", TEXT),
        Result("classes", "Number of classes"),
        Result("pixel_size", "Pixel size it works on, in CRS units"),
        Result("encoder", "Encoder", TEXT),
    )


@dataclass(frozen=True)
class Polygonise:
    """Turn a map into polygons, one for each patch of a class.

    Neighbours share their border line point by point: no gaps, no overlaps, also when the lines are smoothed or small
    patches are dissolved. Each polygon carries the code, the name and the colour of its class, and its area. Nodata
    becomes no polygon.
    """

    map: str = parameter(RASTER, "Map", "A raster with one band of class codes, such as classifying writes it.")
    output: str = parameter(
        NEW_VECTOR,
        "Polygons",
        "The polygons to write. The ending says the format: .gpkg, .geojson, .shp and others that OGR writes.",
    )
    minimum_area: float = parameter(
        NUMBER,
        "Minimum area",
        "Patches smaller than this become part of the neighbour they share the longest border with (minimum mapping unit). "
        "In square map units; in m² where the map is in degrees. 0: all patches stay.",
        0.0,
        minimum=0.0,
    )
    smoothing: float = parameter(
        NUMBER,
        "Smoothing",
        "0: the polygons follow the edges of the pixels. Up to 1: borders run straight across the stairs of the pixels. No "
        "border moves by more than a pixel, and the edge of the raster stays as it is.",
        0.0,
        minimum=0.0,
        maximum=1.0,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("polygons", "Polygons"),
        Result("dissolved", "Patches dissolved"),
    )


@dataclass(frozen=True)
class Embed:
    """Show what the encoder sees: its features all over a raster, as colours or as numbers.

    What looks alike to the encoder gets a similar colour. Where land cover that differs has the same colour, a model made
    from this encoder will have a hard time. The features are coarser than the raster: a pixel of the result covers 4 x 4
    pixels of the size that the model works on. Features as numbers are an input for other classifiers.
    """

    raster: str = parameter(
        RASTER, "Raster", "The raster to look at. It needs the bands the model was made for." + _STANDS_FOR_ONE
    )
    model: str = parameter(MODEL, "Model", "An encoder file from pretraining, or a model file from fine-tuning.")
    output: str = parameter(
        NEW_RASTER,
        "Features",
        "The raster to write: a GeoTIFF with a band per component. Its pixels are four times as wide as those the model "
        "works on.",
    )
    components: int = parameter(
        INTEGER,
        "Components",
        "3: the first three principal components of the features as red, green and blue (Byte, nodata 0). Another number: "
        "as many components (Float32, nodata NaN). 0: all features as they are, which makes a large file.",
        3,
        minimum=0,
        maximum=1024,
    )
    extent: Optional[str] = parameter(
        EXTENT,
        "Extent",
        "Look only at this part, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the "
        "raster's own CRS. Empty: everything.",
        None,
        of="raster",
    )
    seed: int = _seed()
    device: str = _device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("bands", "Bands written"),
        Result("explained", "Share of variance explained"),
        Result("pixel_size", "Pixel size written, in CRS units"),
    )


@dataclass(frozen=True)
class Check:
    """Check the compute environment: versions, device, and a real computation on it."""

    device: str = _device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("version", "false_core version", TEXT),
        Result("python", "Python", TEXT),
        Result("torch", "PyTorch", TEXT),
        Result("device", "Device", TEXT),
        Result("device_name", "Device name", TEXT),
        Result("memory_gb", "Memory of the device in GB"),
        Result("gflops", "Speed of the test kernel in GFLOP/s"),
    )


Job = Union[
    Pretrain,
    Finetune,
    Classify,
    ClassifyMany,
    Polygonise,
    Embed,
    SamplePoints,
    Assess,
    SuggestLabels,
    ExportOnnx,
    ModelInfo,
    Check,
]
JOBS: Dict[str, Type[Any]] = {job.__name__.lower(): job for job in get_args(Job)}


def parameters(job: Union[Job, Type[Any]]) -> Dict[str, Parameter]:
    """Return the parameters of a job or job class by name, in the order of declaration."""
    return {f.name: f.metadata["parameter"] for f in dataclasses.fields(job)}


def outputs(job: Job) -> Dict[str, str]:
    """Return what ``job`` writes: parameter name to path, without the optional ones that were not asked for."""
    return {
        name: getattr(job, name) for name, parameter in parameters(job).items() if parameter.is_output and getattr(job, name)
    }


def to_json(job: Job) -> str:
    """Return ``job`` as one line of JSON."""
    return json.dumps({"job": type(job).__name__.lower(), **dataclasses.asdict(job)}, allow_nan=False)


def from_json(text: str) -> Job:
    """Return the job written in ``text``, validated.

    Raises:
        RequestError: It is not JSON, names no job of ours, or a parameter is unknown, missing or not admitted.
    """
    try:
        body = strict_json.loads(text)
    except ValueError as error:
        raise RequestError(f"The job is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RequestError("The job must be a JSON object.")
    return from_mapping(body)


def from_file(path: str) -> Job:
    """Return the job in the file ``path``, validated.

    Raises:
        RequestError: The file cannot be read, or holds no job; the reasons are those of ``from_json``.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise RequestError(f"The job {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"The job {path} is not a text in UTF-8.") from error
    return from_json(text)


def from_mapping(body: Mapping[str, Any]) -> Job:
    """Return the job described by ``body``: its name under ``"job"``, the rest its parameters, validated."""
    name = body.get("job")
    kind = JOBS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise RequestError(f"There is no job called {name!r}.", f"Jobs are {', '.join(JOBS)}.")
    declared = parameters(kind)
    given = {key: value for key, value in body.items() if key != "job"}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise RequestError(f"{name} has no parameter {', '.join(unknown)}.", f"It has {', '.join(declared)}.")
    missing = [f.name for f in dataclasses.fields(kind) if f.name not in given and f.default is dataclasses.MISSING]
    if missing:
        raise RequestError(f"{name} needs {', '.join(missing)}.")
    for key, value in given.items():
        if declared[key].kind in _MANY_KINDS and isinstance(value, (list, tuple)):
            given[key] = tuple(value)
    job: Job = kind(**given)
    validate(job)
    return job


def validate(job: Job) -> None:
    """Check every parameter of ``job`` against its declaration. Files are not looked at.

    Raises:
        RequestError: Names the parameter, the value and what is admitted.
    """
    for f in dataclasses.fields(job):
        parameter: Parameter = f.metadata["parameter"]
        value = getattr(job, f.name)
        if value is None and f.default is None:
            continue
        problem = _problem(parameter, value)
        if problem:
            raise RequestError(f"{f.name} {problem}; it is {value!r}.")
    if isinstance(job, (Pretrain, ClassifyMany)) and not job.rasters:
        raise RequestError("rasters is empty.", "Name at least one raster.")
    if isinstance(job, Pretrain) and job.false_negatives and job.method not in (*CALIBRATED, "false"):
        remedy = "The method false is simclr with false negatives." if job.method == "simclr" else "Leave it out."
        raise RequestError(f"The method {job.method} takes no false_negatives.", remedy)
    missing = missing_together(type(job), [f.name for f in dataclasses.fields(job) if getattr(job, f.name) is not None])
    if missing:
        raise RequestError(*missing)
    targets = list(outputs(job).values())
    if len(set(targets)) < len(targets):
        raise RequestError("Two outputs have the same path.", "Give each output a file of its own.")


def missing_together(job: Type[Any], given: Sequence[str]) -> Optional[Tuple[str, str]]:
    """Return what is wrong with which parameters were given, and what to do, or None where nothing is.

    Each may be left out by itself, but of some just one is needed, and a layer of labels needs its field.
    """
    choice = getattr(job, "EXACTLY_ONE", ())
    chosen = [name for name in choice if name in given]
    if choice and len(chosen) != 1:
        what = f"{' and '.join(chosen)} were both given." if chosen else f"Neither {' nor '.join(choice)} was given."
        return what, f"Give just one: {' or '.join(choice)}."
    for name, parameter in parameters(job).items():
        if parameter.kind == FIELD and parameter.of in given and name not in given:
            return f"{name} is missing.", f"Name the field of {parameter.of} that holds the class."
    return None


def _problem(parameter: Parameter, value: Any) -> str:
    """Return what is wrong with ``value``, as the end of a sentence that starts with the parameter's name, or nothing."""
    kind = parameter.kind
    if kind in _MANY_KINDS:
        wanted = int if kind == BANDS else str
        if not isinstance(value, tuple) or any(isinstance(v, bool) or not isinstance(v, wanted) for v in value):
            return "must be a list of " + ("whole numbers" if wanted is int else "paths")
        if kind == RASTERS and not all(map(_is_usable_text, value)):
            return "must not hold an empty path"
        if kind == BANDS and (any(v < 1 for v in value) or len(set(value)) < len(value)):
            return "must be different numbers from 1 upwards"
        return ""
    if kind == FLAG:
        return "" if isinstance(value, bool) else "must be true or false"
    if kind == NUMBER_OR_WORD and isinstance(value, str):
        return "" if value in parameter.choices else f"must be a number or {' or '.join(parameter.choices)}"
    if kind in (INTEGER, NUMBER, NUMBER_OR_WORD):
        wanted_numbers = (int,) if kind == INTEGER else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted_numbers) or not abs(value) <= sys.float_info.max:
            return "must be a whole number" if kind == INTEGER else "must be a number"
        if parameter.minimum is not None and value < parameter.minimum:
            return f"must be at least {parameter.minimum:.15g}"
        if parameter.maximum is not None and value > parameter.maximum:
            return f"must be at most {parameter.maximum:.15g}"
        return ""
    if not isinstance(value, str) or not _is_usable_text(value):
        return "must be a text that is not empty"
    if kind == CHOICE and value not in parameter.choices:
        return f"must be one of {', '.join(parameter.choices)}"
    if kind == EXTENT:
        parse_extent(value)
    return ""


def _is_usable_text(text: str) -> bool:
    """Return whether ``text`` says something and the system could take it as a path."""
    try:
        return bool(text.strip()) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def is_address(name: str) -> bool:
    """Return whether only GDAL can look up ``name``: an address, a path in an archive, the name of a subdataset, XML."""
    # A single letter before the colon is a drive.
    return re.match(r"/vsi|[<{]|[A-Za-z][\w+.-]+:", name) is not None


def stands_for_rasters(name: str) -> bool:
    """Return whether ``name`` looks as if it stood for rasters instead of being one.

    That is a folder, a pattern, a text file or a JSON file, also with ``|asset=NAME`` behind it. Among GDAL's own paths it
    is one that ends in a slash, or has a ``*`` before any question mark. What these hold is not looked at:
    ``false_core.raster.imagery`` does that.
    """
    if name.startswith("/vsi"):
        path = name.partition("?")[0]
        return path.endswith("/") or "*" in path
    if is_address(name):
        return False
    if name.partition("|")[0].lower().endswith((LIST_ENDING, *STAC_ENDINGS)) or os.path.isdir(name):
        return True
    return any(sign in name for sign in "*?[") and not os.path.exists(name)


@dataclass(frozen=True)
class Extent:
    """A rectangle in map units. ``crs`` is an authority code such as ``EPSG:32633``, or None for the raster's own."""

    xmin: float
    xmax: float
    ymin: float
    ymax: float
    crs: Optional[str] = None


def parse_extent(text: str) -> Extent:
    """Read an extent as QGIS writes it: ``xmin,xmax,ymin,ymax`` and optionally ``[EPSG:code]``.

    Raises:
        RequestError: It is written differently, or is empty or upside down.
    """
    match = re.fullmatch(r"\s*([^\[\]]+?)\s*(?:\[([^\[\]]*)\])?\s*", text)
    numbers: List[float] = []
    if match:
        try:
            numbers = [float(part) for part in match.group(1).split(",")]
        except ValueError:
            numbers = []
    if len(numbers) != 4 or not all(math.isfinite(n) for n in numbers):
        raise RequestError(f"The extent {text!r} cannot be read.", "Write it as xmin,xmax,ymin,ymax [EPSG:code].")
    xmin, xmax, ymin, ymax = numbers
    if not (xmin < xmax and ymin < ymax):
        raise RequestError(f"The extent {text!r} is empty.", "Write it as xmin,xmax,ymin,ymax [EPSG:code].")
    assert match is not None
    return Extent(xmin, xmax, ymin, ymax, (match.group(2) or "").strip() or None)
