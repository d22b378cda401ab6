"""Which bands are red, green and blue is told by wavelengths, then names, then colour interpretation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from small_world import write_raster

from false_core.raster.band_colours import BandColours
from false_core.raster.source import RasterSource

SHORT = {"r": "red", "g": "green", "b": "blue", "-": ""}


def raster(folder: Path, names: Sequence[str | None], meanings: str = "", bands: Sequence[int] = ()) -> str:
    """Write a raster with names of bands, and a colour interpretation, a letter for each."""
    path = write_raster(folder / "land.tif", np.ones((len(names), 4, 4), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.descriptions = tuple(names)
        if meanings:
            file.colorinterp = [ColorInterp[SHORT[letter] or "undefined"] for letter in meanings]
    return path


def found(source: RasterSource) -> str:
    return "".join(colour[:1] or "-" for colour in source.colours.colours)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["Blue", "Green", "Red", "NIR"], "bgr-"),
        (["rot", "grün", "blau", "nahes Infrarot"], "rgb-"),
        (["coastal_blue", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"], "-bgg-r--"),
        (["Near Infra-Red", "Red Edge 1", "Red", "B3 - Green"], "--rg"),
        (["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"], "-bgr--------"),
        (["B2", "B3", "B4", "B8"], "bgr-"),
        (["B8", "B4", "B3"], "-rg"),
        (["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"], "-bgr---"),
        (["SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"], "bgr---"),
        (["band_4", "band_3", "band_2"], "rgb"),
        (["B3", "B2", "B1"], "rgb"),
        (["B", "G", "R", "N"], "bgr-"),
        (["R", "other"], "--"),
        (["Band 1", "Band 2", "Band 3", "Band 4"], "----"),
        (["B1", "B2", "B3", "B4", "B5", "B6", "B7"], "-------"),
        (["blue-green", "coloured", "credit"], "---"),
        ([None, None, None], "---"),
    ],
)  # fmt: skip
def test_names_tell_colours(tmp_path: Path, names: list[str | None], wanted: str) -> None:
    source = RasterSource(raster(tmp_path, names))
    assert found(source) == wanted
    assert source.colours.told_by == ("as their names say" if wanted.strip("-") else "")


@pytest.mark.parametrize("meanings", ["rgb", "bgr", "rgb-", "-rg"])
def test_colour_interpretation_tells_them_where_names_do_not(tmp_path: Path, meanings: str) -> None:
    source = RasterSource(raster(tmp_path, [None] * len(meanings), meanings))
    assert found(source) == meanings
    assert source.colours.told_by == "as their colour interpretation says"


def test_names_are_believed_before_colours_to_draw_in(tmp_path: Path) -> None:
    assert found(RasterSource(raster(tmp_path, ["blue", "green", "red", "nir"], "rgb-"))) == "bgr-"


def test_of_chosen_bands_those_are_told_that_were_chosen(tmp_path: Path) -> None:
    source = RasterSource(raster(tmp_path, ["blue", "green", "red", "nir"]), bands=(4, 3, 2))
    assert source.colours == BandColours((4, 3, 2), ("", "red", "green"), "as their names say")


def test_wavelengths_are_believed_first(tmp_path: Path) -> None:
    path = raster(tmp_path, ["red", "green", "blue", "nir"], "rgb-")
    with rasterio.open(path, "r+") as file:
        for band, length in enumerate(("0.842", "0.665", "0.56", "0.49"), 1):
            file.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=length)
    source = RasterSource(path)
    assert (found(source), source.colours.told_by) == ("-rgb", "as their wavelengths say")


@pytest.mark.parametrize(
    ("unit", "lengths"),
    [
        ("Nanometers", (443, 490, 560, 665, 705)), ("Micrometers", (0.443, 0.49, 0.56, 0.665, 0.705)),
        ("um", (0.443, 0.482, 0.5615, 0.6546, 0.865)),
    ],
)  # fmt: skip
def test_a_header_of_envi_names_them_with_their_unit(tmp_path: Path, unit: str, lengths: tuple[float, ...]) -> None:
    path = str(tmp_path / "land.img")
    with rasterio.open(path, "w", driver="ENVI", width=4, height=4, count=5, dtype="uint8") as file:
        file.write(np.ones((5, 4, 4), np.uint8))
    with (tmp_path / "land.hdr").open("a") as header:
        header.write(f"wavelength units = {unit}\nwavelength = {{{', '.join(map(str, lengths))}}}\n")
    source = RasterSource(path)
    assert (found(source), source.colours.told_by) == ("-bgr-", "as their wavelengths say")


def test_wavelengths_in_names_count(tmp_path: Path) -> None:
    names = ["B2, central wavelength 490 nm", "B4, central wavelength 665 nm", "0.56 µm", "1610nm"]
    assert found(RasterSource(raster(tmp_path, names))) == "brg-"


@pytest.mark.parametrize(
    ("unit", "length"), [("", "665"), ("Index", "4"), ("nm", "none"), ("Unknown", "0.665"), ("None", "665")]
)
def test_a_wavelength_without_a_unit_or_a_number_tells_nothing(tmp_path: Path, unit: str, length: str) -> None:
    path = raster(tmp_path, [None, None])
    with rasterio.open(path, "r+") as file:
        file.update_tags(1, wavelength=length, wavelength_units=unit)
    assert not any(RasterSource(path).colours.colours)
