"""The raster that a model is used on: with the model's bands, and at its resolution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from false_core.errors import OutputError
from false_core.feedback import Feedback
from false_core.models.model_file import ModelCard, wrong_bands
from false_core.raster.same_bands import Remarks, with_bands_of
from false_core.raster.source import RasterSource
from false_core.raster.statistics import number_ranges
from false_core.raster.working_grid import at_resolution_of_model


def open_for_model(raster: str, model: str, card: ModelCard, feedback: Feedback, bands: Sequence[int] = ()) -> RasterSource:
    """Open a raster with the bands, in the numbers and on the working grid that a model expects, and say what differs.

    Args:
        bands: The numbers of the bands, where they were asked for by number.

    Raises:
        InputError: The raster cannot be opened.
        ModelFileError: It has another number of bands than the model was made for.
    """
    every, remarks = RasterSource(raster, bands), Remarks()
    in_order = bands_in_order(card, every, named=bool(bands))
    remarks.warn_of_peculiarities(every)
    source = with_bands_of(card.reference, every, in_order, remarks, named=bool(bands))
    if source is None:
        raise wrong_bands(card, model, len(every.bands), every.name)
    if len(every.bands) != len(source.bands) and source.bands == in_order:
        feedback.info(f"Using bands {number_ranges(source.bands)} of {source.name}, as the model was made with.")
    remarks.tell(feedback)
    return at_resolution_of_model(source, card.pixel_size, card.ground_sample_distance, feedback)


def bands_in_order(card: ModelCard, every: RasterSource, named: bool) -> tuple[int, ...] | None:
    """Return the bands of a raster that a model takes if nothing is known of them, None where their number does not fit.

    Args:
        every: The raster with all of its bands, or those asked for by number.
        named: True where they were asked for by number.
    """
    # The same bands as on the raster the model was made on; a raster that holds just as many is taken to hold the same.
    if not named and max(card.band_numbers) <= len(every.bands):
        return card.band_numbers
    return every.bands if len(every.bands) == len(card.bands) else None


def check_geotiffs(*targets: str | None) -> None:
    """Raise OutputError where a raster is to be written in a format other than GeoTIFF."""
    for target in filter(None, targets):
        if Path(target).suffix.lower() not in (".tif", ".tiff"):
            raise OutputError(f"{target} is not a GeoTIFF.", "Choose a name that ends in .tif.")


def check_maps(*targets: str | None) -> None:
    """Raise OutputError where a map is to be neither one GeoTIFF nor a mosaic of them."""
    for target in filter(None, targets):
        if Path(target).suffix.lower() not in (".tif", ".tiff", ".vrt"):
            raise OutputError(
                f"{target} is not a GeoTIFF.", "Choose a name that ends in .tif, or in .vrt for tiles of a very large map."
            )
