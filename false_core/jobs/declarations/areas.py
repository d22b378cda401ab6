"""The jobs on areas of a raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import (
    INTEGER,
    MODEL,
    NEW_MODEL,
    NEW_REPORT,
    NEW_VECTOR,
    NUMBER,
    RASTER,
    RASTERS,
    TEXT,
    VECTOR,
    parameter,
)
from false_core.jobs.names_for_user import name_for_user


@dataclass(frozen=True)
class ClassifyAreas(Job, done_by="false_core.areas.classify_areas:classify_areas"):
    """Give each area of a raster a class, from a few areas whose class is known.

    Areas are the cells of a grid, parcels, blocks or other polygons. What the encoder sees in an area is averaged to one
    list of numbers, and a classifier is fitted to those of the labelled areas in seconds. Areas may overlap, have several
    parts and be smaller than a pixel; those without a valid pixel get no class. An area with a label keeps its class.
    Memory grows with the number of areas, by about 1 KB for each.
    """

    raster: str = parameter(RASTER, "Raster", "The raster that the areas lie on." + usual.STANDS_FOR_ONE)
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
        "Makes the areas: squares of this side, from the upper left corner of the raster on." + usual.METRES_OF_GROUND,
        None,
        unit="m",
        minimum=1e-6,
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
    field: Optional[str] = usual.class_field(
        "The field of the labels that holds the class. Empty values are left out.", "labels", None
    )
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "A model of areas that an earlier run has written, in place of labels. It may come from another raster.",
        None,
        of="area classifier",
    )
    encoder: Optional[str] = usual.encoder_file()
    bands: Tuple[int, ...] = usual.bands_of_encoder(of="raster")
    extent: Optional[str] = usual.extent("Classify the areas of this part only", "all", of="raster")
    pixel_size: Optional[float] = usual.working_pixel_size(
        "The raster is averaged to about this pixel size first. Empty: that of the encoder file, or so that the areas are "
        "some hundred pixels wide."
    )
    weights: str = usual.general_encoder()
    seed: int = usual.seed()
    device: str = usual.device()
    legend: Optional[str] = usual.legend("the classes are called and how they look", style="the label layer's style")
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
        "One or more rasters to search: same bands in the same order. The examples lie on any of them."
        + usual.STANDS_FOR_MANY,
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
        "the polygons among the examples, but at least 8 pixels; without one, 64 pixels of the first raster."
        + usual.METRES_OF_GROUND,
        None,
        unit="m",
        minimum=1e-6,
    )
    encoder: Optional[str] = usual.encoder_file()
    bands: Tuple[int, ...] = usual.bands_of_encoder(of="rasters")
    extent: Optional[str] = usual.extent("Search only this part", "everywhere", of="rasters")
    weights: str = usual.general_encoder()
    device: str = usual.device()
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
class OutlinePoints(Job, done_by="false_core.session.outline_points:outline_points"):
    """Outline the objects at points: a field, a roof or a pond becomes a polygon from one point in it.

    Around each point grows what looks like it: its colours, and what an encoder sees there. It is what a click outlines
    in the dock, pixel for pixel. A polygon reaches 192 working pixels from its point at most. The fields of the points
    go along, so polygons of points with a class are labels to learn from. Look at them first: an outline may stop early,
    or run into what looks alike.
    """

    raster: str = parameter(RASTER, "Raster", "The raster that shows the objects." + usual.STANDS_FOR_ONE)
    points: str = parameter(VECTOR, "Points", "One point in each object, well inside it.", of="raster")
    output: str = parameter(
        NEW_VECTOR, "Outlines", "The polygons to write, with the fields of the points. They may lie on each other."
    )
    reach: float = parameter(
        NUMBER,
        "Reach",
        "How unlike the point a pixel may be that is still part of its object. 0: it has to be the same. 1: one and a half "
        "times as unlike as two random pixels of the raster are on average.",
        0.3,
        minimum=0.0,
        maximum=1.0,
    )
    encoder: Optional[str] = usual.encoder_file()
    model: Optional[str] = parameter(
        MODEL,
        "Model",
        "A model whose encoders look at the raster, in place of an encoder file. One of the head network will not do.",
        None,
        of="segmenter",
        advanced=True,
    )
    weights: str = usual.general_encoder()
    bands: Tuple[int, ...] = usual.bands_of_encoder(of="raster")
    device: str = usual.device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("outlines", "Outlines"),)
