"""The jobs that make encoders, and collect the places to learn them from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple, Union

from false_core.jobs.declarations import usual
from false_core.jobs.declarations.choices import (
    ADAPTIVE,
    BY_CHANCE,
    BY_FEATURES,
    BY_GRADIENTS,
    CALIBRATED,
    KEPT,
    METHODS,
    NOTHING_KEPT,
    SEARCHES,
)
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import (
    BANDS,
    CHOICE,
    FIELD,
    FILE,
    FILE_OR_NAME,
    FLAG,
    INTEGER,
    MODEL,
    NEW_MODEL,
    NEW_REPORT,
    NEW_VECTOR,
    NUMBER,
    NUMBER_OR_WORD,
    RASTER,
    RASTERS,
    VECTOR,
    parameter,
)
from false_core.jobs.names_for_user import name_for_user


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
        "One or more rasters of the same sensor: same bands in the same order." + usual.STANDS_FOR_MANY,
    )
    encoder: str = parameter(NEW_MODEL, "Encoder", "The encoder file to write.")
    bands: Tuple[int, ...] = parameter(
        BANDS,
        "Bands",
        "Bands to learn from, counted from 1. Empty: all bands but alpha. Fine-tuning and classifying use the same ones.",
        (),
        of="rasters",
    )
    extent: Optional[str] = usual.extent("Learn only from this part", "everything", of="rasters")
    places: Optional[str] = parameter(
        VECTOR,
        "Places",
        "Learn only around these places, as Choose places to learn from collects them. Empty: everywhere.",
        None,
        of="rasters",
        advanced=True,
    )
    preset: str = usual.preset()
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
        "others it is downloaded, and where that fails that of quick is trained, unless a backbone is named. none: random "
        "weights. An encoder file of the same backbone and number of bands; a file with timm weights of the backbone "
        "(.safetensors, .pth, .pt, .bin), of any number of bands; or a name of timm weights, such as imagenet or "
        "resnet50.a1_in1k, which are downloaded. With the method random they become an encoder as they are. Empty: general, "
        "but none with the preset paper.",
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
    backbone: Optional[str] = usual.backbone("from the preset")
    seed: int = usual.seed()
    device: str = usual.device()
    pixel_size: Optional[float] = usual.working_pixel_size(
        "The raster is averaged to about this pixel size before anything else. Larger is "
        "faster and sees more surroundings; details smaller than a pixel are lost. Empty: the quick preset coarsens large "
        "rasters up to 4 times, but not beyond 2 m; the others keep the raster's own."
    )
    steps: Optional[int] = usual.from_preset(
        INTEGER, "Training steps", "Number of training steps.", minimum=1, maximum=10**7
    )
    batch_size: Optional[int] = usual.from_preset(
        INTEGER, "Batch size", "Patches per step; each gives two views.", minimum=2, maximum=65536
    )
    learning_rate: Optional[float] = usual.from_preset(
        NUMBER,
        "Learning rate",
        "The highest one; it rises in the first tenth of the steps and then falls. To go on from an encoder that is not to "
        "forget, take a tenth of the usual one.",
        minimum=1e-8,
        maximum=100.0,
    )
    temperature: Optional[float] = usual.from_preset(
        NUMBER,
        "Temperature",
        "Temperature of the contrastive loss (tau). Lower looks harder at the nearest negatives.",
        minimum=0.01,
        maximum=10.0,
    )
    search: Optional[str] = usual.from_preset(
        CHOICE,
        "Search for false negatives",
        "Where and how many false negatives are looked for. published: as in the paper, one for each benchmark anchor, "
        "which mostly lies beside it. elsewhere: the 5 % of the places that look most like the anchor and are not of its "
        "own ground, for the surest quarter of the anchors.",
        choices=SEARCHES,
    )
    threshold: Optional[float] = usual.from_preset(
        NUMBER,
        "Similarity threshold",
        "A patch whose two views are more alike than this is a benchmark anchor (T, Eq. 1) and looks for false negatives. "
        "With the search elsewhere, a share of the anchors is chosen instead where no threshold is given.",
        minimum=-1.0,
        maximum=1.0,
    )
    confidence: Optional[Union[float, str]] = usual.from_preset(
        NUMBER_OR_WORD,
        "Confidence weight",
        "How far a false negative found is trusted (alpha, Eqs. 4-6). 0: not at all, plain SimCLR. 1: fully. adaptive: each "
        "by how much all views of the two patches agree.",
        minimum=0.0,
        maximum=1.0,
        choices=(ADAPTIVE,),
    )
    neighbours: Optional[int] = usual.from_preset(
        INTEGER,
        "False negatives per anchor",
        "How many other patches are taken for the same land cover as a patch that is compared (an anchor).",
        minimum=1,
        maximum=64,
    )
    false_negatives: Optional[bool] = usual.from_preset(
        FLAG,
        "False negatives in other methods",
        "A false negative is a patch that is pushed away from another one although both show the same land cover. With "
        "glcnet, grass, gfcnet or rissnet: find false negatives and count them as positives there too (FNSD and FNCC), "
        "with the similarity threshold and the confidence weight of FALSE. false always does so.",
    )
    radius: Optional[float] = usual.from_preset(
        NUMBER,
        "Neighbourhood",
        "With gfcnet or rissnet: how far around a place the ground counts as its neighbourhood. What lies in it and looks "
        "alike is taken for the same land cover.",
        unit="widths of a patch",
        minimum=0.0,
        maximum=1000.0,
    )
    window: Optional[int] = usual.from_preset(
        INTEGER,
        "Side of a window",
        "With glcnet: side of the windows that are compared, at most half a patch.",
        unit="pixels",
        minimum=4,
        maximum=1024,
    )
    queue: Optional[int] = usual.from_preset(
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
        "One or more rasters of the same sensor: same bands in the same order." + usual.STANDS_FOR_MANY,
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
        "Views for pretraining are cut out around a place. Empty: 128 pixels of the first raster." + usual.METRES_OF_GROUND,
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
    extent: Optional[str] = usual.extent("Choose places only in this part", "everywhere", of="rasters")
    seed: int = usual.seed()
    device: str = usual.device()
    report: Optional[str] = parameter(
        NEW_REPORT,
        "Report",
        "HTML report with the places on the rasters, pictures of some, and how many of each class and raster were wanted "
        "and collected.",
        None,
    )

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("places", "Places collected"), Result("classes", "Classes among them"))
