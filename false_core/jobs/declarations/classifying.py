"""The jobs that make maps and features of rasters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

from false_core.jobs.declarations import usual
from false_core.jobs.job import Job, Result
from false_core.jobs.kinds import INTEGER, MODEL, NEW_FOLDER, NEW_RASTER, NEW_REPORT, RASTER, RASTERS, parameter


@dataclass(frozen=True)
class Classify(Job, done_by="false_core.mapping.classify.classify:classify", shared=True):
    """Make a land-cover map of a raster with a model.

    The raster is classified tile by tile with overlap, and the overlaps are blended, so there are no seams. Nodata stays
    nodata. The map carries class names and colours. The raster needs the bands the model was made for.

    Small regions stay in the map. Map to polygons and Hand in a map have a minimum area (minimum mapping unit), below which
    a region becomes part of its neighbour; Sieve of QGIS does so with the pixels of the map.
    """

    raster: str = parameter(RASTER, "Raster", "The raster to classify." + usual.STANDS_FOR_ONE)
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(
        NEW_RASTER,
        "Classified raster",
        "The map to write: one Byte band with class codes. A name that ends in .vrt makes tiles: for a very large map.",
    )
    extent: Optional[str] = usual.extent("Classify only this part", "everything", of="raster")
    device: str = usual.device()
    confidence: Optional[str] = parameter(
        NEW_RASTER,
        "Confidence",
        "Optional second raster: the probability of the chosen class in percent, 255 for nodata.",
        None,
    )
    report: Optional[str] = parameter(
        NEW_REPORT, "Report", "HTML report with the map beside the raster, the area of each class, and the model.", None
    )
    precision: str = usual.precision()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("pixels", "Pixels classified"),)


@dataclass(frozen=True)
class ClassifyMany(Job, done_by="false_core.mapping.classify.classify_many:classify_many", shared=True):
    """Make a land-cover map of each of many rasters with one model.

    The maps go into a folder of their own; that of field.tif is called field_classified.tif, or north_field_classified.tif
    where rasters of that name lie in the folder north and in another one. Each is made as Classify a raster makes it. A
    raster that does not fit the model is left out with a warning. Maps that are complete stay when the run is cancelled.
    """

    rasters: Tuple[str, ...] = parameter(
        RASTERS, "Rasters", "The rasters to classify. They need the bands the model was made for." + usual.STANDS_FOR_MANY
    )
    model: str = parameter(MODEL, "Model", "Model file from fine-tuning.", of="segmenter")
    output: str = parameter(NEW_FOLDER, "Folder for the maps", "The folder is made where it does not exist.")
    device: str = usual.device()
    precision: str = usual.precision()

    RESULTS: ClassVar[Tuple[Result, ...]] = (Result("maps", "Maps made"), Result("left_out", "Rasters left out"))


@dataclass(frozen=True)
class Embed(Job, done_by="false_core.mapping.embed:embed"):
    """Show what the encoder sees: its features all over a raster, as colours or as numbers.

    What looks alike to the encoder gets a similar colour. Where land cover that differs has the same colour, a model made
    from this encoder will have a hard time. The features are coarser than the raster: a pixel of the result covers 4 x 4
    pixels of the size that the model works on. Features as numbers are an input for other classifiers.
    """

    raster: str = parameter(
        RASTER, "Raster", "The raster to look at. It needs the bands the model was made for." + usual.STANDS_FOR_ONE
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
    extent: Optional[str] = usual.extent("Look only at this part", "everything", of="raster")
    seed: int = usual.seed()
    device: str = usual.device()

    RESULTS: ClassVar[Tuple[Result, ...]] = (
        Result("bands", "Bands written"),
        Result("explained", "Share of variance explained"),
        Result("pixel_size", "Pixel size written, in CRS units"),
    )
