"""The jobs of this library. Each job is one frozen dataclass, and each parameter is declared once, here.

The Processing dialogs, the command line, the JSON that crosses the process border, the Python API and the help pages are
all made from these declarations. A job also says which function does it: ``done_by``, as ``"module:function"``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Optional, Tuple, Union

from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import (
    BANDS,
    CHOICE,
    EXTENT,
    FIELD,
    FILE,
    FILE_OR_NAME,
    FLAG,
    INTEGER,
    MODEL,
    NEW_FILE,
    NEW_FOLDER,
    NEW_MODEL,
    NEW_RASTER,
    NEW_REPORT,
    NEW_TABLE,
    NEW_VECTOR,
    NUMBER,
    NUMBER_OR_WORD,
    RASTER,
    RASTERS,
    TEXT,
    VECTOR,
    Kind,
    parameter,
)
from false_core.jobs.names_for_user import name_for_user
from false_core.settings import PREFERRED_PRECISIONS

UNTRAINED = "random"
METHODS = {
    "false": "FALSE", "simclr": "SimCLR", "barlow_twins": "Barlow Twins", "pcl": "PCL", "rissnet": "RiSSNet",
    "gfcnet": "GFCNet", "glcnet": "GLCNet", "grass": "GraSS", "moco": "MoCo v2", "sticl": "STICL", "last": "LaST",
    "inpainting": "Inpainting", "jigsaw": "Jigsaw", "colourisation": "Colourisation", "autoencoder": "Autoencoder",
    "pca": "PCA", UNTRAINED: "untrained encoder",
}  # fmt: skip
"""Methods of pretraining, and what they are called in tables."""
CALIBRATED = ("rissnet", "gfcnet", "glcnet", "grass")
"""Methods that can take FNSD and FNCC, which FALSE always does, for their contrastive loss."""
PUBLISHED, ELSEWHERE = "published", "elsewhere"
SEARCHES = (PUBLISHED, ELSEWHERE)
"""Ways to look for false negatives."""
PRESETS = ("auto", "quick", "standard", "paper")
NOTHING_KEPT = "nothing"
KEPT = (NOTHING_KEPT, "norms", "stride2", "stride4", "stride8", "stride16")
"""Parts of an encoder that stay as they are in pretraining."""
BY_CHANCE, BY_FEATURES, BY_GRADIENTS = "chance", "features", "gradients"
"""Ways to choose places among those found."""
AUTO_PRECISION, FLOAT32, INT8 = PRECISIONS = (*PREFERRED_PRECISIONS, "int8")
"""Numbers that networks compute with: those that the device was built for, or float32 on any device."""
HEADS = ("auto", "linear", "texture", "network")
GENERAL_WEIGHTS, NO_WEIGHTS = "general", "none"
LABELLED_BEFORE, LABELLED_AFTER, LABELLED_BOTH = "before", "after", "both"
"""Dates at which labels hold."""

_STANDS_FOR_MANY = (
    " A name may stand for many rasters: a folder, a pattern such as tiles/**/*.tif, a text file with a path per line, or a "
    "STAC item, item collection or catalog on disk. Addresses such as /vsis3/bucket/a.tif are read where they are."
)
_STANDS_FOR_ONE = " It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster."


def _seed() -> Any:
    return parameter(
        INTEGER,
        "Seed",
        "The same seed on the same CPU gives the same result. On a GPU it may differ a little each time.",
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
        "took. With cuda, cuda:1, mps or cpu the job fails where that device does not work.",
        "auto",
        advanced=True,
    )


def _precision() -> Any:
    return parameter(
        CHOICE,
        "Precision",
        "The numbers that the network computes with. auto: short ones where a GPU was built for them, or a CPU and the head "
        "is network, unless FALSE_PRECISION says float32. They are faster, and few pixels get another class. float32: long "
        "ones, with which all computers make the same map but for rounding. int8: a fast map on a CPU. The network of the "
        "model takes about a third of the time, and 1 to 3 % of the pixels get another class. The report compares "
        "the two on labels that the model learned from, which is not the accuracy of the map.",
        AUTO_PRECISION,
        choices=PRECISIONS,
        advanced=True,
    )


def _extent(what: str, without: str, of: str) -> Any:
    help = f"{what}, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: {without}."
    return parameter(EXTENT, "Extent", help, None, of=of)


def _legend(what: str, style: str) -> Any:
    help = f"JSON file with a list of {{value, name, color}}: what {what}. In QGIS it is taken from {style}."
    return parameter(FILE, "Legend", help, None, dialog=False)


def _working_pixel_size(help: str) -> Any:
    return parameter(NUMBER, "Working pixel size", help, None, unit="CRS units", minimum=0.0, advanced=True)


def _class_field(help: str, of: str, *default: None) -> Any:
    by_style = " In QGIS it may be left out: then it is the field that the layer is styled by."
    return parameter(FIELD, "Class field", help + by_style, *default, of=of)


def _encoder_file() -> Any:
    return parameter(
        MODEL,
        "Encoder",
        "Encoder file from pretraining. Empty: the general encoder alone. With one, both are used.",
        None,
        of="encoder",
    )


def _general_encoder(more: str = "") -> Any:
    return parameter(
        CHOICE,
        "General encoder",
        "general: an encoder that others trained on photographs, which comes with the library. none: the encoder file "
        f"alone.{more}",
        GENERAL_WEIGHTS,
        choices=(GENERAL_WEIGHTS, NO_WEIGHTS),
        advanced=True,
    )


def _bands_of_encoder(of: str) -> Any:
    help = "Bands to use, counted from 1. Empty: those of the encoder, or all but alpha."
    return parameter(BANDS, "Bands", help, (), of=of, advanced=True)


def _preset() -> Any:
    return parameter(
        CHOICE,
        "Preset",
        "quick: minutes on a laptop without a GPU. standard: one GPU. paper: the published settings, many GPU hours. "
        "auto: standard on a GPU that pretrains with it in half an hour, as a test of two seconds finds; otherwise quick.",
        "auto",
        choices=PRESETS,
    )


def _backbone(empty: str) -> Any:
    help = "The network that becomes the encoder, by its name in timm, for example resnet18 or convnext_tiny."
    return parameter(TEXT, "Backbone", f"{help} Empty: {empty}.", None, advanced=True)


def _from_preset(kind: Kind, label: str, help: str, **more: Any) -> Any:
    return parameter(kind, label, help + " Empty: from the preset.", None, advanced=True, **more)


@dataclass(frozen=True)
class Pretrain(Job, done_by="false_core.training.stages:pretrain", shared=True):
    """Learn an encoder from rasters without labels.

    FALSE is contrastive learning that finds its own false negatives (FNSD) and counts them as positives with a
    confidence weight (FNCC). The result is an encoder file, the input of fine-tuning. No labels are needed. Use the raster
    you want to map, and more of the same kind if you have them.

    You may begin without it, as fine-tuning has a general encoder of its own. On an aerial image in red, green and blue,
    pretraining made maps better by 0.01 to 0.02 mIoU where there were few labels. With labels on 1 % of the image, and on
    another place, it brought nothing. To know for your image, fine-tune with and without the encoder file and compare the
    scores of the two reports.
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
    extent: Optional[str] = _extent("Learn only from this part", "everything", of="rasters")
    places: Optional[str] = parameter(
        VECTOR,
        "Places",
        "Learn only around these places, as Choose places to learn from collects them. Empty: everywhere.",
        None,
        of="rasters",
        advanced=True,
    )
    preset: str = _preset()
    method: str = parameter(
        CHOICE,
        "Method",
        "false is FALSE, the default. simclr, barlow_twins and pcl are what it is compared with. On the one scene that "
        "was measured maps from false were 0.002 to 0.011 mIoU better than those from simclr. glcnet, grass, gfcnet and "
        "rissnet are others by the same group. glcnet compares small windows and pretrains the decoder too; grass looks "
        "at the part of a patch that matters most; gfcnet does not push apart what is near and alike; rissnet pulls it "
        "together. moco takes negatives from earlier batches, for small batches. sticl does so too, and shows some patches "
        "in the colours of other places or dates, so that the encoder learns to see through light and season. "
        "last asks a student to say of any crop what its teacher says of the whole view, without negatives. "
        "last follows the abstract of its paper alone (Wang et al. 2022, doi 10.1109/LGRS.2022.3185088), and DINO; sticl "
        "the abstract and the published code (Huang et al. 2022, doi 10.1109/LGRS.2022.3173419). "
        "inpainting, colourisation and jigsaw hide something of a view and ask for it: from random weights and after 240 "
        "steps the encoder of colourisation classified 0.01 more of the areas correctly than one that was not trained; "
        "those of inpainting, jigsaw and last were not surely better. autoencoder is a control, and so is "
        "pca, which computes the filters of a network of its own and needs no weights. "
        "random does not train the encoder at all, which shows what pretraining adds.",
        "false",
        choices=tuple(METHODS),
        advanced=True,
    )
    weights: Optional[str] = parameter(
        FILE_OR_NAME,
        "Weights to start from",
        "general: an encoder that others trained on photographs. For the preset quick it comes with the library; for the "
        "others it is downloaded. none: random weights. An encoder file of the same backbone and number of bands; a file "
        "with timm weights of the backbone (.safetensors, .pth, .pt, .bin), of any number of bands; or a name of timm "
        "weights, such as imagenet or resnet50.a1_in1k, which are downloaded. With the method random they become an encoder "
        "as they are. Empty: general, but none with the preset paper.",
        None,
        advanced=True,
    )
    keep: str = parameter(
        CHOICE,
        "Keep",
        "What of the weights to start from stays as it is. nothing: all of them learn. norms: the layers that normalise "
        "stay. stride2, stride4, stride8 and stride16: all layers stay that the features at this stride, in pixels, and at "
        "finer ones depend on. That protects what a general encoder knows, and takes less time.",
        NOTHING_KEPT,
        choices=KEPT,
        advanced=True,
    )
    stages: Optional[str] = parameter(
        FILE,
        "Stages",
        "A TOML file of several pretrainings that follow one another, each from the encoder of the one before, such as from "
        "general to special. A stage begins with a line [[stages]]. Below it may stand a title, and rasters, places, "
        "extent, method, keep, steps, batch_size, learning_rate and further parameters of this algorithm, with the values "
        "of the stage. What is not there is as it is here. Paths start at the folder of the file. Empty: one stage.",
        None,
        of="toml",
        advanced=True,
    )
    backbone: Optional[str] = _backbone("from the preset")
    seed: int = _seed()
    device: str = _device()
    pixel_size: Optional[float] = _working_pixel_size(
        "The raster is averaged to about this pixel size before anything else. Larger is "
        "faster and sees more surroundings; details smaller than a pixel are lost. Empty: the quick preset coarsens large "
        "rasters up to 4 times, but not beyond 2 m; the others keep the raster's own."
    )
    steps: Optional[int] = _from_preset(INTEGER, "Training steps", "Number of training steps.", minimum=1, maximum=10**7)
    batch_size: Optional[int] = _from_preset(
        INTEGER, "Batch size", "Patches per step; each gives two views.", minimum=2, maximum=65536
    )
    learning_rate: Optional[float] = _from_preset(
        NUMBER,
        "Learning rate",
        "The highest one; it rises in the first tenth of the steps and then falls. To go on from an encoder that is not to "
        "forget, take a tenth of the usual one.",
        minimum=1e-8,
        maximum=100.0,
    )
    temperature: Optional[float] = _from_preset(
        NUMBER,
        "Temperature",
        "Temperature of the contrastive loss (tau). Lower looks harder at the nearest negatives.",
        minimum=0.01,
        maximum=10.0,
    )
    search: Optional[str] = _from_preset(
        CHOICE,
        "Search for false negatives",
        "Where and how many false negatives are looked for. published: as in the paper, one for each benchmark anchor, "
        "which mostly lies beside it. elsewhere: the 5 % of the places that look most like the anchor and are not of its "
        "own ground, for the surest quarter of the anchors.",
        choices=SEARCHES,
    )
    threshold: Optional[float] = _from_preset(
        NUMBER,
        "Similarity threshold",
        "A patch whose two views are more alike than this is a benchmark anchor (T, Eq. 1) and looks for false negatives. "
        "With the search elsewhere, a share of the anchors is chosen instead where no threshold is given.",
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
        "How many other patches are taken for the same land cover as a patch that is compared (an anchor).",
        minimum=1,
        maximum=64,
    )
    false_negatives: Optional[bool] = _from_preset(
        FLAG,
        "False negatives in other methods",
        "A false negative is a patch that is pushed away from another one although both show the same land cover. With "
        "glcnet, grass, gfcnet or rissnet: find false negatives and count them as positives there too (FNSD and FNCC), "
        "with the similarity threshold and the confidence weight of FALSE. false always does so.",
    )
    radius: Optional[float] = _from_preset(
        NUMBER,
        "Neighbourhood",
        "With gfcnet or rissnet: how far around a place the ground counts as its neighbourhood. What lies in it and looks "
        "alike is taken for the same land cover.",
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
    queue: Optional[int] = _from_preset(
        INTEGER,
        "Length of the queue",
        "With moco, sticl or pcl: how many places of earlier batches are negatives. At least as many as a batch has.",
        minimum=2,
        maximum=10**6,
    )
    style: Optional[Tuple[str, ...]] = parameter(
        RASTERS,
        "Rasters of other colours",
        "Rasters of other dates, seasons or sensors with the same bands, of any place. With every method, one view of "
        "some patches is shown in their colours, by optimal transport, and is still to be recognised. Empty: with sticl, or "
        "where a share is given, the colours are those of other places of the rasters learned from.",
        None,
        advanced=True,
    )
    transfer: Optional[float] = parameter(
        NUMBER,
        "Share of patches in other colours",
        "With every method. Empty: 0.1 with sticl or with rasters of other colours, otherwise 0.",
        None,
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    truth: Optional[str] = parameter(
        RASTER,
        "Raster of the true classes",
        "Optional, and only for those who study the method: a raster that says what is really where. The report then shows "
        "how often the false negatives that were found are of the same class. It does not take part in the learning.",
        None,
        advanced=True,
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with curves, settings and pictures of what was learned.", None
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("loss", "Final loss"), Result("steps", "Steps trained"))

    def contradiction(self) -> Optional[Tuple[str, str]]:
        """Say so where a method is asked for what it has no place for."""
        if self.method == "pca" and self.weights not in (None, "none"):
            return (
                f"The method {self.method} takes no {name_for_user(self, 'weights')}.",
                "It computes all of them. Leave it out.",
            )
        if not self.false_negatives or self.method in (*CALIBRATED, "false"):
            return None
        remedy = "The method false is simclr with false negatives." if self.method == "simclr" else "Leave it out."
        return f"The method {self.method} takes no {name_for_user(self, 'false_negatives')}.", remedy


@dataclass(frozen=True)
class CollectPlaces(Job, done_by="false_core.collection.collect_places:collect_places"):
    """Choose the places of many rasters that pretraining learns from.

    An archive holds far more fields than harbours, and most of its patches look like others. This collects squares that
    are varied, apart from each other and in balance over the classes of map data, such as land-cover polygons or an extract
    of OpenStreetMap as a GeoPackage. Map data only says where to look: none of it becomes a label. Without map data the
    squares are varied by what an encoder sees. Pretraining takes the layer as its places.

    Maps show more in towns than elsewhere, and they can be old or wrong. Look at the counts of the classes and at some of
    the squares before you pretrain for hours.
    """

    rasters: Tuple[str, ...] = parameter(
        RASTERS,
        "Rasters",
        "One or more rasters of the same sensor: same bands in the same order." + _STANDS_FOR_MANY,
    )
    output: str = parameter(
        NEW_VECTOR, "Places", "The layer to write: squares with their number, the class of the map data and the raster."
    )
    guide: Optional[str] = parameter(
        VECTOR,
        "Map data",
        "Points, lines or polygons with a class field that say what is where. On the command line raw OpenStreetMap "
        "files, .osm and .pbf, are refused: save their layer as a GeoPackage, or set FALSE_DRIVERS=OSM. Empty: the squares "
        "are chosen by what an encoder sees.",
        None,
        of="rasters",
    )
    field: Optional[str] = parameter(
        FIELD,
        "Class field of the map data",
        "The field that holds the classes. Empty values are left out.",
        None,
        of="guide",
    )
    count: int = parameter(
        INTEGER, "Number of places", "How many squares to collect, with those so far.", 1000, minimum=1, maximum=10**6
    )
    size: Optional[float] = parameter(
        NUMBER,
        "Side of a place",
        "Views for pretraining are cut out around a place. Empty: 128 pixels of the first raster.",
        None,
        unit="m",
        minimum=0.01,
    )
    distance: Optional[float] = parameter(
        NUMBER,
        "Least distance",
        "Between the middles of two places. It is halved, twice at most, for a class that has no room. Empty: the side of a "
        "place.",
        None,
        unit="m",
        minimum=0.0,
        advanced=True,
    )
    balance: float = parameter(
        NUMBER,
        "Shares of classes",
        "0: as many places of each class as of any other. 1: in the shares in which they are found. Between, rare classes "
        "get more than their share. Without map data, groups of places that look alike stand for classes.",
        0.0,
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    choice: str = parameter(
        CHOICE,
        "Choice",
        "chance: places of a class are drawn at random, all over the rasters. features: each is as unlike those before it "
        "as can be, to an encoder. gradients: those are taken that stand for most others by what they would teach the "
        "encoder. auto: chance with map data, features without.",
        "auto",
        choices=("auto", BY_CHANCE, BY_FEATURES, BY_GRADIENTS),
        advanced=True,
    )
    encoder: Optional[str] = parameter(
        MODEL,
        "Encoder",
        "The encoder file that looks at places, for features and gradients. Empty: the general encoder.",
        None,
        of="encoder",
        advanced=True,
    )
    existing: Optional[str] = parameter(
        VECTOR,
        "Places so far",
        "They are kept and count towards the number, the shares and the distance.",
        None,
        of="rasters",
        advanced=True,
    )
    bands: Tuple[int, ...] = parameter(
        BANDS, "Bands", "Bands to look at, counted from 1. Empty: all bands but alpha.", (), of="rasters", advanced=True
    )
    extent: Optional[str] = _extent("Choose places only in this part", "everywhere", of="rasters")
    seed: int = _seed()
    device: str = _device()
    report: Optional[str] = parameter(
        NEW_REPORT,
        "Report",
        "HTML report with the places on the rasters, pictures of some, and how many of each class and raster were wanted "
        "and collected.",
        None,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("places", "Places collected"), Result("classes", "Classes among them"))


@dataclass(frozen=True)
class Finetune(Job, done_by="false_core.training.finetune:finetune", shared=True):
    """Train a land-cover model from an encoder and a few labels.

    Digitise about 1 % of the raster as polygons, lines or points with a class field. Part of the labels, in whole blocks
    of space, is held out to score the model; after that it learns from them too. The result is one model file with
    everything that classifying needs.
    """

    raster: str = parameter(RASTER, "Raster", "The raster the labels were digitised on." + _STANDS_FOR_ONE)
    labels: str = parameter(
        VECTOR,
        "Labels",
        "Polygons, lines or points with a class field. About 1 % of the area is a good start. They are "
        "reprojected to the raster where needed.",
        of="raster",
    )
    field: str = _class_field(
        "Whole numbers from 0 to 254 keep their codes on the map, also where they are kept as text. Anything else gets "
        "codes 1, 2, 3... in sorted order. Empty values are left out.",
        of="labels",
    )
    model: str = parameter(
        NEW_MODEL, "Model", "The model file to write. It keeps crops of the raster around labels, for maps in int8."
    )
    encoder: Optional[str] = _encoder_file()
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
    bands: Tuple[int, ...] = _bands_of_encoder(of="raster")
    preset: str = _preset()
    backbone: Optional[str] = _backbone("the general encoder, and with the head network that of the preset")
    seed: int = _seed()
    device: str = _device()
    steps: Optional[int] = _from_preset(
        INTEGER, "Training steps", "Number of training steps of the head network.", minimum=1, maximum=10**7
    )
    freeze: Optional[bool] = _from_preset(
        FLAG,
        "Freeze the encoder",
        "With the head network: train the decoder only, as in the paper. Otherwise the encoder is trained through after a "
        "first phase. Other heads never change it.",
    )
    weights: str = _general_encoder(
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
    legend: Optional[str] = _legend("the classes are called and how they look", style="the label layer's style")
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


@dataclass(frozen=True)
class Classify(Job, done_by="false_core.mapping.classify.classify:classify", shared=True):
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
    extent: Optional[str] = _extent("Classify only this part", "everything", of="raster")
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
    precision: str = _precision()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("pixels", "Pixels classified"),)


@dataclass(frozen=True)
class ClassifyMany(Job, done_by="false_core.mapping.classify.classify_many:classify_many", shared=True):
    """Make a land-cover map of each of many rasters with one model.

    The maps go into a folder of their own; that of field.tif is called field_classified.tif, or north_field_classified.tif
    where rasters of that name lie in the folder north and in another one. Each is made as Classify a raster makes it. A
    raster that does not fit the model is left out with a warning. Maps that are complete stay when the run is cancelled.
    """

    rasters: Tuple[str, ...] = parameter(
        RASTERS, "Rasters", "The rasters to classify. They need the bands the model was made for." + _STANDS_FOR_MANY
    )
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(NEW_FOLDER, "Folder for the maps", "The folder is made where it does not exist.")
    device: str = _device()
    precision: str = _precision()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("maps", "Maps made"), Result("left_out", "Rasters left out"))


@dataclass(frozen=True)
class ClassifyAreas(Job, done_by="false_core.areas.classify_areas:classify_areas"):
    """Give each area of a raster a class, from a few areas whose class is known.

    Areas are the cells of a grid, parcels, blocks or other polygons. What the encoder sees in an area is averaged to one
    list of numbers, and a classifier is fitted to those of the labelled areas in seconds. Areas may overlap, have several
    parts and be smaller than a pixel; those without a valid pixel get no class. An area with a label keeps its class.
    Memory grows with the number of areas, by about 1 KB for each.
    """

    raster: str = parameter(RASTER, "Raster", "The raster that the areas lie on." + _STANDS_FOR_ONE)
    output: str = parameter(
        NEW_VECTOR,
        "Classified areas",
        "The layer to write: the areas with their own fields, and class, confidence in percent, and second, the next "
        "likeliest class. The ending says the format.",
    )
    areas: Optional[str] = parameter(
        VECTOR,
        "Areas",
        "Polygons, each of which gets a class. Their fields are kept. Give these or the side of a cell.",
        None,
        of="raster",
        keeps_fields=True,
    )
    cell: Optional[float] = parameter(
        NUMBER,
        "Side of a cell",
        "Makes the areas: squares of this side, from the upper left corner of the raster on.",
        None,
        unit="CRS units",
        minimum=1e-9,
    )
    labels: Optional[str] = parameter(
        VECTOR,
        "Labels",
        "Polygons or points with a class field; it may be the layer of the areas itself, empty where the class is not "
        "known. A point labels the area that holds it, a polygon the areas that it mostly covers. A polygon that covers no "
        "area is an example of its own. Five of each class are a good start. Give these or a model.",
        None,
        of="raster",
    )
    field: Optional[str] = _class_field(
        "The field of the labels that holds the class. Empty values are left out.", "labels", None
    )
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "A model of areas that an earlier run has written, in place of labels. It may come from another raster.",
        None,
        of="area classifier",
    )
    encoder: Optional[str] = _encoder_file()
    bands: Tuple[int, ...] = _bands_of_encoder(of="raster")
    extent: Optional[str] = _extent("Classify the areas of this part only", "all", of="raster")
    pixel_size: Optional[float] = _working_pixel_size(
        "The raster is averaged to about this pixel size first. Empty: that of the encoder file, or so that the areas are "
        "some hundred pixels wide."
    )
    weights: str = _general_encoder()
    seed: int = _seed()
    device: str = _device()
    legend: Optional[str] = _legend("the classes are called and how they look", style="the label layer's style")
    new_model: Optional[str] = parameter(
        NEW_MODEL, "Model of areas", "Optional: the file to keep the classifier in, for other rasters.", None
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with scores, the confusion of classes, and the areas of each class.", None
    )

    EXACTLY_ONE: ClassVar[Tuple[Tuple[str, ...], ...]] = (("areas", "cell"), ("labels", "model"))
    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("classified", "Areas classified"),
        Result("without", "Areas without a class"),
        Result("accuracy", "Overall accuracy and its limits, or: unknown", TEXT),
        Result("oa", "Overall accuracy"),
        Result("oa_low", "Lower limit of the overall accuracy (95 %)"),
        Result("oa_high", "Upper limit of the overall accuracy (95 %)"),
    )

    def contradiction(self) -> Optional[Tuple[str, str]]:
        """Say so where a model is to be used and another one to be made."""
        if self.model is None:
            return None
        for name in ("encoder", "new_model"):
            if getattr(self, name) is not None:
                return (
                    f"{name_for_user(self, 'model')} and {name_for_user(self, name)} were both given.",
                    "A model brings its own encoder and stays as it is.",
                )
        return None


@dataclass(frozen=True)
class FindSimilar(Job, done_by="false_core.areas.find_similar:find_similar"):
    """Find the places of one or many rasters that look most like a few examples.

    Click on an airplane, an orchard or a landslide, and get others. The rasters are cut into square cells. What the encoder
    sees in a cell is compared with what it sees in the examples, and the cells that are most alike are written in the order
    of their likeness. Copy those that are wrong to a layer of their own and run it again with it as "not this": the order
    improves. What was seen of a raster is kept in the cache folder, so another search of it, of a part of it, or of more
    rasters with it sees nothing anew of that raster. Its pixels are normalised by themselves, whatever other rasters there
    are.
    """

    rasters: Tuple[str, ...] = parameter(
        RASTERS,
        "Rasters",
        "One or more rasters to search: same bands in the same order. The examples lie on any of them." + _STANDS_FOR_MANY,
    )
    examples: str = parameter(
        VECTOR,
        "Examples",
        "Polygons or points, each a place of the kind that is looked for. A point stands for a cell around it. One is "
        "enough; five are better.",
        of="rasters",
    )
    output: str = parameter(
        NEW_VECTOR,
        "Places that look alike",
        "The layer to write: cells with rank, score and raster. Rank 1 is the most alike. Places of the examples "
        "themselves are left out.",
    )
    unlike: Optional[str] = parameter(
        VECTOR,
        "Not this",
        "Optional: polygons or points of places that look alike but are something else, such as wrong results of an "
        "earlier search.",
        None,
        of="rasters",
    )
    count: int = parameter(INTEGER, "Number of places", "How many places to find.", 100, minimum=1, maximum=100_000)
    cell: Optional[float] = parameter(
        NUMBER,
        "Side of a cell",
        "The cells that are compared are squares of this side, from the upper left corner of each raster on. Empty: that of "
        "the polygons among the examples, but at least 8 pixels; without one, 64 pixels of the first raster.",
        None,
        unit="m",
        minimum=1e-6,
    )
    encoder: Optional[str] = _encoder_file()
    bands: Tuple[int, ...] = _bands_of_encoder(of="rasters")
    extent: Optional[str] = _extent("Search only this part", "everywhere", of="rasters")
    weights: str = _general_encoder()
    device: str = _device()
    report: Optional[str] = parameter(
        NEW_REPORT,
        "Report",
        "HTML report with pictures of the examples and of the best places, their ranks and scores, and how both lie among "
        "all cells.",
        None,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("places", "Places found"),
        Result("cells", "Cells compared"),
        Result("side", "Side of a cell in metres"),
    )


@dataclass(frozen=True)
class Polygonise(Job, done_by="false_core.mapping.polygonise:polygonise"):
    """Turn a map into polygons, one for each region.

    A region is made of connected pixels of one class. Neighbours share their border line point by point: there are no gaps
    and no overlaps, also where lines are smoothed or small regions are dissolved. Each polygon carries the code, the name
    and the colour of its class, and its area. Nodata becomes no polygon.
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
        "A region smaller than this becomes part of the neighbour with which it shares the longest border (minimum mapping "
        "unit). The area is in square map units, or in m² of ground where the map is in degrees or not true to scale, as in "
        "Web Mercator. 0: all regions stay.",
        0.0,
        unit="square CRS units",
        minimum=0.0,
    )
    smoothing: float = parameter(
        NUMBER,
        "Smoothing",
        "0: the polygons follow the edges of the pixels. Up to 1: borders run straight across the stairs of the pixels. No "
        "border moves by more than a pixel, and the edge of the raster stays as it is. Around nodata polygons lose some "
        "area: on a map full of islands of nodata of a pixel or two they covered 4.2 % less than the map.",
        0.0,
        minimum=0.0,
        maximum=1.0,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("polygons", "Polygons"),
        Result("dissolved", "Regions dissolved"),
    )


@dataclass(frozen=True)
class Embed(Job, done_by="false_core.mapping.embed:embed"):
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
    extent: Optional[str] = _extent("Look only at this part", "everything", of="raster")
    seed: int = _seed()
    device: str = _device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("bands", "Bands written"),
        Result("explained", "Share of variance explained"),
        Result("pixel_size", "Pixel size written, in CRS units"),
    )


@dataclass(frozen=True)
class SamplePoints(Job, done_by="false_core.accuracy.sample_points:sample_points"):
    """Draw the points at which to look up what is really there, to assess a map.

    A stratified random sample: in each class of the map, every pixel has the same chance. How many points there are follows
    from the standard error wanted; a rare class gets a minimum, the others share the rest in proportion to their area. Fill
    in the field class of each point on screen, by name or by code, then hand the layer to Assess a map. The points do not
    say what the map shows, and come in random order, so that the person who fills them in is not led by the map.
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
        "This is the standard error of the overall accuracy. Half of it takes four times as many points. The 95 % interval "
        "reaches about twice as far to either side.",
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
        "Table of the mapped classes",
        "Optional: what the map shows at each point, the answers so to say. Do not show it to the person who fills in "
        "the classes. Assess a map does not need it.",
        None,
        advanced=True,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("points", "Points drawn"),
        Result("expected_error", "Expected standard error of the overall accuracy"),
    )


@dataclass(frozen=True)
class Assess(Job, done_by="false_core.accuracy.assess:assess"):
    """Find out how good a map is, from reference labels or a raster of the truth.

    It says how often map and reference agree, and which class is taken for which. From points that were drawn at random
    within the classes of the map it also estimates the accuracy of the whole map, and the area of each class, with 95 %
    confidence intervals (Olofsson et al. 2014). Sample points to assess a map draws such points.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    reference: Optional[str] = parameter(
        VECTOR,
        "Reference labels",
        "Points, lines or polygons with a class field. They are reprojected to the map where needed. Points are compared "
        "one by one, lines and polygons pixel by pixel. Give these or a truth raster.",
        None,
        of="map",
    )
    field: Optional[str] = _class_field(
        "Names of the map's classes, in capitals or not, or their codes. Empty values are left out and counted.",
        "reference",
        None,
    )
    truth: Optional[str] = parameter(
        RASTER,
        "Truth raster",
        "Raster of the true classes, on any grid and in any CRS. Its numbers are names of the map's classes, such as 112, "
        "or their codes. It is looked up at the centre of each pixel of the map. Give this or reference labels.",
        None,
    )
    legend: Optional[str] = _legend("the values of the class field are called", style="the style of the reference labels")
    report: Optional[str] = parameter(NEW_REPORT, "Report", "HTML report with scores, confusion matrix and areas.", None)
    table: Optional[str] = parameter(
        NEW_TABLE, "Table", "CSV table with the confusion matrix and the scores and areas per class.", None
    )

    EXACTLY_ONE: ClassVar[Tuple[Tuple[str, ...], ...]] = (("reference", "truth"),)
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
class CompareMaps(Job, done_by="false_core.mapping.compare_maps:compare_maps"):
    """Find out how two maps of a place differ: which share of the pixels changed, from which class to which, and where.

    A class is the same on both where it has the same name, in capitals or not, whatever its codes; maps without names are
    compared by their codes, as in Assess a map. The two may lie on different grids and in different CRSs: the map before is
    looked up at the centre of each pixel of the map after. Pixels that only one of them has are left out.

    What differs is not all change on the ground: each map has errors of its own.
    """

    before: str = parameter(RASTER, "Map before", "Raster of class codes, as Classify a raster writes it.")
    after: str = parameter(
        RASTER, "Map after", "Raster of class codes of the same place: a later one, or one by another model."
    )
    output: Optional[str] = parameter(
        NEW_RASTER,
        "Where they differ",
        "A map of what changed: where the two differ it shows the class of the map after, elsewhere that nothing changed.",
        None,
    )
    table: Optional[str] = parameter(
        NEW_TABLE, "Table", "CSV table with a row for each pair of classes: pixels, share of the whole, and area.", None
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with pictures, and what became of each class.", None
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("changed", "Share of the pixels that changed"),
        Result("compared", "Pixels compared"),
    )


@dataclass(frozen=True)
class Change(Job, done_by="false_core.change.find_change:find_change"):
    """Find out where a place changed between two dates, and from what to what.

    It needs no labels. From the place itself it learns how each kind of ground looks at one date that looked a certain way
    at the other. Season, light and another sensor change all ground of a kind alike, and are no change; a place that does
    not go the way of its kind is. So most of the place must be unchanged. With a few labels, or a model, it also says from
    which class to which, and what changed its look but surely not its class is no change.

    The two rasters may lie on different grids and in different CRSs. The result lies on the grid of the raster before, where
    both have data. What is nodata at one of the dates, such as clouds, stays unknown.
    """

    before: str = parameter(RASTER, "Raster before", "The raster of the earlier date." + _STANDS_FOR_ONE)
    after: str = parameter(
        RASTER,
        "Raster after",
        "The raster of the later date, with the same bands. It is read on the grid of the one before.",
    )
    output: str = parameter(
        NEW_RASTER,
        "Change map",
        "The map to write: one Byte band with a code for no change and one for change, or for each pair of classes.",
    )
    labels: Optional[str] = parameter(
        VECTOR,
        "Labels",
        "Optional: polygons, lines or points with a class field, so that the map says from what to what the ground changed. "
        "Some 20 are a start. They hold at one date; where the ground has not changed, they hold at the other one too.",
        None,
        of="before",
    )
    field: Optional[str] = _class_field(
        "The field of the labels that holds the class. Empty values are left out.", "labels", None
    )
    labelled: str = parameter(
        CHOICE,
        "Labels hold",
        "before: at the earlier date. after: at the later date. both: at both dates, as they lie where nothing changed.",
        LABELLED_BEFORE,
        choices=(LABELLED_BEFORE, LABELLED_AFTER, LABELLED_BOTH),
    )
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "Model file from fine-tuning, in place of labels, for the same bands and about the same pixel size. It classifies "
        "both dates.",
        None,
        of="segmenter",
        advanced=True,
    )
    minimum_area: Optional[float] = parameter(
        NUMBER,
        "Minimum area",
        "A change smaller than this is left out, and so is an unchanged gap within one. The area is in square map units, or "
        "in m² of ground where the map is in degrees or not true to scale, as in Web Mercator. Empty: that of 256 pixels.",
        None,
        unit="square CRS units",
        minimum=0.0,
    )
    threshold: float = parameter(
        NUMBER,
        "Threshold",
        "The probability of change from which on a place is shown as changed. How much has changed is measured first, so "
        "0.5 suits most places. Less finds more changes and more false ones.",
        0.5,
        minimum=0.01,
        maximum=0.99,
    )
    shift: float = parameter(
        NUMBER,
        "Shift",
        "How far the two rasters may be shifted against each other, in working pixels. A place counts as unchanged if it "
        "fits the other date anywhere within this distance.",
        2.0,
        minimum=0.0,
        maximum=4.0,
        advanced=True,
    )
    encoder: Optional[str] = _encoder_file()
    bands: Tuple[int, ...] = _bands_of_encoder(of="before")
    extent: Optional[str] = _extent("Look only at this part", "everything", of="before")
    pixel_size: Optional[float] = _working_pixel_size(
        "Both rasters are averaged to about this pixel size first. Empty: that of the encoder file, or that of the raster "
        "before."
    )
    weights: str = _general_encoder()
    seed: int = _seed()
    device: str = _device()
    legend: Optional[str] = _legend("the classes are called and how they look", style="the label layer's style")
    confidence: Optional[str] = parameter(
        NEW_RASTER,
        "Probability of change",
        "Optional second raster: the probability that a place changed, in percent, 255 for nodata.",
        None,
    )
    polygons: Optional[str] = parameter(
        NEW_VECTOR,
        "Changes as polygons",
        "Optional layer: a polygon for each change, with the classes before and after where they are known, its area, and "
        "how sure it is in percent.",
        None,
    )
    report: Optional[str] = parameter(
        NEW_REPORT,
        "Report",
        "HTML report with both dates and the changes in pictures, and how much changed from what to what, and how "
        "probable that is.",
        None,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("changed", "Share of the pixels that changed"),
        Result("changed_low", "Share with a probability of change of 90 % and more"),
        Result("changed_high", "Share with a probability of change of 10 % and more"),
        Result("compared", "Pixels compared"),
    )

    def contradiction(self) -> Optional[Tuple[str, str]]:
        """Say so where both labels and a model are to tell the classes."""
        if self.labels is None or self.model is None:
            return None
        return (
            f"{name_for_user(self, 'labels')} and {name_for_user(self, 'model')} were both given.",
            "Either labels or a model tell which classes there are.",
        )


@dataclass(frozen=True)
class EditMap(Job, done_by="false_core.mapping.edit_map:edit_map"):
    """Correct a finished map: paint over parts of it, and merge or rename its classes.

    Polygons with a class field overwrite what the map shows below them, where the map has data. A small polygon within a
    larger one counts. A class that the map does not have yet becomes a new one. All else stays as it is, with its codes,
    names and colours. The result is a new map; the old one is not changed.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    output: str = parameter(NEW_RASTER, "Corrected map", "The new map, a GeoTIFF.")
    patches: Optional[str] = parameter(
        VECTOR,
        "Polygons to paint",
        "Polygons, lines or points with a class field. They are reprojected to the map where needed.",
        None,
        of="map",
    )
    field: Optional[str] = _class_field("Names of classes, in capitals or not, or codes of the map.", "patches", None)
    names: Optional[str] = parameter(
        TEXT,
        "Merge and rename",
        "Old names and new ones, such as: scrub = forest; road = street. A class that gets the name of another one becomes "
        "one with it. The names of polygons may be old ones or new ones.",
        None,
    )
    legend: Optional[str] = _legend("the values of the class field are called", style="the style of the polygons")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("repainted", "Pixels that have another class now"),
        Result("classes", "Classes of the new map"),
    )


@dataclass(frozen=True)
class HandIn(Job, done_by="false_core.mapping.hand_in:hand_in"):
    """Put all that belongs to a map into one folder, to hand it in.

    The folder gets the map with its style, its polygons, the area of each class, a report that says in plain words how the
    map was made and how good it is, and the jobs that make it again. In QGIS it also gets a page to print, with the map, its
    legend, scale bar, north arrow, date and CRS.

    With the points of Sample points to assess a map, their classes filled in, accuracy and areas come with their intervals.
    """

    map: str = parameter(RASTER, "Map", "Raster of class codes, as Classify a raster writes it.")
    output: str = parameter(
        NEW_FOLDER, "Folder", "The folder is made where it does not exist. Files of an earlier run are replaced."
    )
    reference: Optional[str] = parameter(
        VECTOR,
        "Reference labels",
        "Points at which it was looked up what is really there. Without them the report says that the accuracy of the "
        "map is not known.",
        None,
        of="map",
    )
    field: Optional[str] = parameter(
        FIELD, "Class field", "Names of the map's classes, in capitals or not, or their codes.", None, of="reference"
    )
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "The model that made the map. The report says from it how the map was made.",
        None,
        of="segmenter",
    )
    raster: Optional[str] = parameter(
        RASTER, "Raster", "The raster that the map was made of. It is named in the report and in the job.", None
    )
    minimum_area: float = parameter(
        NUMBER,
        "Minimum area",
        "A region smaller than this becomes part of its neighbour among the polygons, as in Map to polygons. The map stays.",
        0.0,
        unit="square CRS units",
        minimum=0.0,
    )
    title: Optional[str] = parameter(
        TEXT, "Title", "The title of the report and of the page. Empty: the name of the map.", None
    )
    legend: Optional[str] = _legend("the values of the class field are called", style="the style of the reference labels")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("accuracy", "Overall accuracy and its limits, or: unknown", TEXT),
        Result("polygons", "Polygons"),
    )


@dataclass(frozen=True)
class SuggestLabels(Job, done_by="false_core.mapping.suggest_labels:suggest_labels"):
    """Suggest where to digitise next.

    It looks for the few small squares that would teach the model most: where it is not sure of the class, and which look
    unlike each other and unlike what is labelled. Digitise all you can see in them, add it to your labels, and fine-tune
    again. Squares with nodata or with labels are left out.
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
        of="raster",
    )
    count: int = parameter(INTEGER, "Number of places", "How many squares to suggest.", 10, minimum=1, maximum=1000)
    size: Optional[float] = parameter(
        NUMBER,
        "Side of a square",
        "The side is rounded to 4 working pixels. Empty: half the side of the patches that the model was trained on.",
        None,
        unit="CRS units",
        minimum=0.0,
        advanced=True,
    )
    extent: Optional[str] = _extent("Look only in this part", "everywhere", of="raster")
    seed: int = _seed()
    device: str = _device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("suggested", "Places suggested"),)


@dataclass(frozen=True)
class ExportOnnx(Job, done_by="false_core.models.onnx_file:export_onnx"):
    """Export a model for Deepness.

    Deepness is a QGIS plugin that runs models in the ONNX format. The file holds the network, what it does to pixels first,
    class names and pixel size, so that Deepness opens it with the right settings. Deepness knows no nodata and blends no
    tiles: Classify a raster makes the better map.
    """

    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(NEW_FILE, "ONNX model", "The ONNX file to write.", of="onnx")
    tile: int = parameter(
        INTEGER,
        "Tile size",
        "Side of the tiles that Deepness cuts the raster into: a multiple of 32, for some models of 64 or 128. Larger ones "
        "show the model more around each pixel and take more memory.",
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
class ModelInfo(Job, done_by="false_core.models.model_info:model_info"):
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
class ExampleData(Job, done_by="false_core.synthetic.example_data:example_data"):
    """Make a scene to try everything on: an aerial image, and labels on 1 % of it.

    The scene is generated on this computer, and nothing is downloaded. It shows fields, meadows, roads, roofs, trees and
    water from above, in red, green, blue and near infrared. With it the first map takes about five minutes: fine-tune a
    model with its labels, then classify the raster.
    """

    raster: str = parameter(NEW_RASTER, "Raster", "The image to write, a GeoTIFF.")
    labels: str = parameter(
        NEW_VECTOR,
        "Labels",
        "The label polygons to write, as GeoPackage or another format that goes by its extension. Their class field is "
        "land_cover.",
    )
    truth: Optional[str] = parameter(
        NEW_RASTER,
        "Raster of the true classes",
        "Optional raster with the class of every pixel, to assess a map with.",
        None,
    )
    size: int = parameter(
        INTEGER,
        "Side of the scene",
        "Larger scenes take longer.",
        1024,
        unit="pixels",
        minimum=256,
        maximum=8192,
        advanced=True,
    )
    seed: int = parameter(
        INTEGER, "Seed", "Another seed makes another scene.", 0, minimum=0, maximum=2**31 - 1, advanced=True
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("polygons", "Label polygons"),)


@dataclass(frozen=True)
class Estimate(Job, done_by="false_core.estimate:estimate"):
    """Estimate how long a job will take, and how much memory and disk.

    The job is one of pretraining, fine-tuning or classifying, in a file that Export the job writes. Nothing of it is done
    but a test of two seconds, of which the result is remembered. The button Estimate in the dialogs does the same without a
    file. Times are right within a factor of two, where other programs leave the computer alone.
    """

    file: str = parameter(FILE, "Job", "The JSON file of the job.", of="json")

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("seconds", "Seconds"),
        Result("memory_gb", "Memory in GB"),
        Result("disk_gb", "Disk in GB"),
    )


@dataclass(frozen=True)
class Check(Job, done_by="false_core.computing.device:check"):
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
