"""Rasters that are used together: the same bands whatever their order, the same numbers whatever scale and offset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from small_world import Listener, write_raster

from false_core.errors import InputError
from false_core.raster.band_descriptions import BandDescription
from false_core.raster.same_bands import BandReference, Remarks, ordered_as
from false_core.raster.source import RasterSource, Window
from false_core.raster.working_grid import open_all

FOUR, RGB = ["blue", "green", "red", "nir"], ["red", "green", "blue"]


def raster(
    path: Path,
    names: Sequence[str] = (),
    wavelengths: Sequence[float] = (),
    scale: float = 1.0,
    offset: float = 0.0,
    dtype: str = "uint16",
    bands: int = 4,
    colours: Sequence[str] = (),
) -> str:
    """Write a raster of which band n holds 100 n."""
    bands = len(names) or len(wavelengths) or len(colours) or bands
    pixels = 100 * np.arange(1, bands + 1)[:, None, None] * np.ones((1, 4, 5))
    write_raster(path, pixels.astype(dtype))
    with rasterio.open(path, "r+") as file:
        if names:
            file.descriptions = tuple(names)
        for band, wavelength in enumerate(wavelengths, 1):
            file.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(wavelength))
        if colours:
            file.colorinterp = [ColorInterp[colour] for colour in colours]
        if (scale, offset) != (1.0, 0.0):
            file.scales, file.offsets = [scale] * bands, [offset] * bands
    return str(path)


def values(source: RasterSource) -> list[float]:
    """Return the one value of each band."""
    return [float(value) for value in source.read(Window(0, 0, 1, 1)).ravel()]


class TestOrder:
    @pytest.mark.parametrize(
        ("first", "other", "wanted"),
        [
            (FOUR, FOUR, (1, 2, 3, 4)),
            (FOUR, FOUR[::-1], (4, 3, 2, 1)),
            (FOUR, ["coastal", "Blue", "green_i", "GREEN", "yellow", "Red", "rededge", "NIR"], (2, 4, 6, 8)),
            (FOUR, ["Rot", "Nahes Infrarot", "Grün", "Blau"], (4, 3, 1, 2)),
            (["B02", "B03", "B04", "B8A"], ["B8A", "B4", "b3", "B2"], (4, 3, 2, 1)),
            (FOUR, ["R", "G", "B", "N"], (3, 2, 1, 4)),
            (["Band 1", "Band 2", "Band 3"], ["Band 3", "Band 2", "Band 1"], (3, 2, 1)),
        ],
        ids=["the same", "reversed", "of more bands", "German", "numbered", "letters", "counted"],
    )
    def test_names_tell(
        self, tmp_path: Path, listener: Listener, first: list[str], other: list[str], wanted: tuple[int, ...]
    ) -> None:
        paths = [raster(tmp_path / "a.tif", first), raster(tmp_path / "b.tif", other)]
        found = open_all(paths, (), listener.feedback)[1]
        assert found.bands == wanted
        assert values(found) == [100 * band for band in wanted]
        assert not listener.warnings
        assert ("b.tif: using bands" in listener.infos) == (wanted != tuple(range(1, len(wanted) + 1)))

    def test_wavelengths_tell(self, tmp_path: Path, listener: Listener) -> None:
        paths = [
            raster(tmp_path / "sentinel.tif", wavelengths=[0.4924, 0.5598, 0.6646, 0.8328]),
            raster(tmp_path / "landsat.tif", wavelengths=[0.443, 0.482, 0.5613, 0.6546, 0.8646, 1.609, 2.2]),
        ]
        assert open_all(paths, (), listener.feedback)[1].bands == (2, 3, 4, 5)
        assert "using bands 2 to 5 in this order, as their wavelengths say" in listener.infos

    def test_wavelengths_tell_what_has_no_name(self, tmp_path: Path, listener: Listener) -> None:
        paths = [raster(tmp_path / "a.tif", FOUR), raster(tmp_path / "b.tif", wavelengths=[0.84, 0.66, 0.56, 0.48, 1.6])]
        assert open_all(paths, (), listener.feedback)[1].bands == (4, 3, 2, 1)

    def test_two_bands_at_one_wavelength_stay_in_their_places(self, tmp_path: Path, listener: Listener) -> None:
        paths = [raster(tmp_path / name, wavelengths=[0.5, 0.9, 0.9, 1.2]) for name in ("a.tif", "b.tif")]
        assert open_all(paths, (), listener.feedback)[1].bands == (1, 2, 3, 4)
        assert not listener.warnings

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("first", "other", "said"),
        [
            ({"names": FOUR}, {"names": ["a", "b", "c", "d"]}, "the bands are called a, b, c, d, those of a.tif blue"),
            ({"names": FOUR}, {"names": ["blue", "green", "red", "red"]}, "the bands are called blue, green, red, red"),
            ({"wavelengths": [0.5, 0.6, 0.7, 0.8]}, {"wavelengths": [1.5, 1.6, 1.7, 1.8]}, "the bands lie at 1.5 µm"),
            (
                {"colours": RGB},
                {"colours": RGB[::-1]},
                "the bands are drawn in blue, green, red, those of a.tif in red",
            ),
            (
                {"names": FOUR, "wavelengths": [0.5, 0.6, 0.7, 0.8]},
                {"names": FOUR, "wavelengths": [0.8, 0.7, 0.6, 0.5]},
                "wavelengths and names find different ones",
            ),
        ],
        ids=["other names", "a name twice", "other wavelengths", "other colours", "contradictory"],
    )
    def test_where_nothing_tells_the_doubt_is_told(
        self, tmp_path: Path, listener: Listener, first: dict, other: dict, said: str
    ) -> None:
        paths = [raster(tmp_path / "a.tif", **first), raster(tmp_path / "b.tif", **other)]
        found = open_all(paths, (), listener.feedback)[1]
        assert found.bands == tuple(range(1, len(found.bands) + 1))
        assert said in listener.warnings
        assert "used in the order of the file" in listener.warnings

    @pytest.mark.parametrize(
        "other", [{}, {"names": ["Band 1", "Band 2", "Band 3", "Band 4"]}, {"names": ["B1", "B2", "B3", "B4"]}]
    )
    def test_a_file_that_says_nothing_is_taken_as_it_is(self, tmp_path: Path, listener: Listener, other: dict) -> None:
        paths = [raster(tmp_path / "a.tif", ["B2", "B3", "B4", "B8"]), raster(tmp_path / "b.tif", **other)]
        assert open_all(paths, (), listener.feedback)[1].bands == (1, 2, 3, 4)
        assert not listener.warnings

    @pytest.mark.parametrize(
        ("first", "other", "said"),
        [
            ({"colours": RGB}, {"bands": 13}, "nothing tells which of the 13 bands are those of a.tif, red, green, blue."),
            ({"names": FOUR}, {"bands": 5}, "nothing tells which of the 5 bands are those of a.tif, blue, green, red, nir."),
            ({"colours": RGB}, {"colours": [*RGB, "undefined"]}, ""),
            ({"bands": 3}, {"bands": 4}, ""),
        ],
        ids=["colours", "names", "the same colours", "nothing to tell"],
    )
    def test_the_first_of_more_bands_are_told_in_doubt(
        self, tmp_path: Path, listener: Listener, first: dict, other: dict, said: str
    ) -> None:
        reference = BandReference.of(RasterSource(raster(tmp_path / "a.tif", **first)))
        every, remarks = RasterSource(raster(tmp_path / "b.tif", **other)), Remarks()
        found = ordered_as(reference, every, reference.numbers, remarks)
        remarks.tell(listener.feedback)
        assert found and found.bands == reference.numbers
        assert bool(listener.warnings) == bool(said) and said in listener.warnings

    def test_bands_asked_for_by_number_stay(self, tmp_path: Path, listener: Listener) -> None:
        paths = [raster(tmp_path / "a.tif", FOUR), raster(tmp_path / "b.tif", FOUR[::-1])]
        assert open_all(paths, (1, 2, 3, 4), listener.feedback)[1].bands == (1, 2, 3, 4)
        assert (
            "b.tif: as their names say, the bands of a.tif are 4, 3, 2, 1 here. Those asked for are used."
            in listener.warnings
        )

    def test_weights_to_start_from_have_an_order_too(self, tmp_path: Path, listener: Listener) -> None:
        weights = BandReference.of(RasterSource(raster(tmp_path / "old.tif", FOUR, dtype="float32")))
        paths = [raster(tmp_path / "a.tif", FOUR[::-1]), raster(tmp_path / "b.tif", FOUR)]
        found = open_all(paths, (), listener.feedback, weights)
        assert [source.bands for source in found] == [(4, 3, 2, 1), (1, 2, 3, 4)]
        assert not listener.warnings, "their numbers are measured anew"
        assert open_all([raster(tmp_path / "c.tif", bands=7)], (), listener.feedback, weights)[0].bands == (
            1,
            2,
            3,
            4,
            5,
            6,
            7,
        )

    def test_another_number_of_bands_without_names_is_refused(self, tmp_path: Path) -> None:
        paths = [raster(tmp_path / "a.tif"), raster(tmp_path / "b.tif", bands=5)]
        with pytest.raises(InputError, match=r"a\.tif has 4 band\(s\), b\.tif has 5"):
            open_all(paths, ())

    def test_what_is_true_of_many_rasters_is_said_once(self, tmp_path: Path, listener: Listener) -> None:
        paths = [raster(tmp_path / "a.tif", FOUR)] + [raster(tmp_path / f"{n}.tif", ["a", "b", "c", "d"]) for n in range(9)]
        open_all(paths, (), listener.feedback)
        assert listener.warnings.count("the bands are called") == 1
        assert "0.tif, 1.tif, 2.tif, 3.tif, 4.tif, 4 more: the bands are called" in listener.warnings


class TestNumbers:
    @pytest.mark.parametrize(
        ("first", "other", "wanted"),
        [
            ({"scale": 1e-4}, {"scale": 1e-4, "offset": -0.1}, -900.0),
            ({"scale": 1e-4, "offset": -0.1}, {"scale": 1e-4}, 1100.0),
            ({"scale": 0.5, "dtype": "int16"}, {"scale": 0.25, "dtype": "uint16"}, 50.0),
            ({"dtype": "float32"}, {"scale": 0.01}, 1.0),
            ({"scale": 0.01}, {"dtype": "float32"}, 10_000.0),
        ],
        ids=["a later offset", "an earlier one", "other scales", "integers beside floats", "floats beside integers"],
    )
    def test_are_those_of_the_first_raster(
        self, tmp_path: Path, listener: Listener, first: dict, other: dict, wanted: float
    ) -> None:
        paths = [raster(tmp_path / "a.tif", bands=2, **first), raster(tmp_path / "b.tif", bands=2, **other)]
        found = open_all(paths, (), listener.feedback)
        assert values(found[0]) == [100.0, 200.0]
        assert values(found[1])[0] == pytest.approx(wanted, rel=1e-6)
        assert "Values are converted." in listener.infos + listener.warnings
        # Where a raster says none, that is a guess, and so a warning.
        assert bool(listener.warnings) == (len(first) * len(other) == 1 and "dtype" in {**first, **other})
        coarse = found[1].at_factor(2).with_bands((2, 1))
        assert values(coarse)[1] == pytest.approx(wanted, rel=1e-6)
        assert (coarse.descriptions[0].scale, coarse.dtype) == (found[0].descriptions[0].scale, found[0].dtype)

    def test_whole_numbers_that_say_nothing_stay_with_a_warning(self, tmp_path: Path, listener: Listener) -> None:
        paths = [raster(tmp_path / "a.tif"), raster(tmp_path / "b.tif", scale=1e-4, offset=-0.1)]
        assert values(open_all(paths, (), listener.feedback)[1]) == [100.0, 200.0, 300.0, 400.0]
        assert (
            "scale and offset are 0.0001 and -0.1, those of a.tif not given. Values are used as they are"
            in listener.warnings
        )

    def test_invalid_pixels_stay_invalid(self, tmp_path: Path) -> None:
        path = raster(tmp_path / "b.tif", scale=0.1, offset=5.0)
        with rasterio.open(path, "r+") as file:
            file.nodata = 200
        found = open_all([raster(tmp_path / "a.tif", scale=0.1), path], ())[1]
        assert np.isnan(values(found)).tolist() == [False, True, False, False]

    @pytest.mark.parametrize(("scale", "offset"), [(0.0, 0.0), (np.nan, 0.0), (1.0, np.inf), (1e300, 0.0)])
    def test_a_scale_that_cannot_be_is_none(self, tmp_path: Path, scale: float, offset: float) -> None:
        source = RasterSource(raster(tmp_path / "a.tif", scale=scale, offset=offset))
        assert {(band.scale, band.offset) for band in source.descriptions} == {(1.0, 0.0)}

    def test_a_header_of_envi_has_one_scale_for_all(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "a.img", np.ones((2, 4, 4), "uint16"), driver="ENVI", photometric=None, alpha=None)
        with (tmp_path / "a.hdr").open("a") as header:
            header.write("\nreflectance scale factor = 10000\nwavelength units = Nanometers\nwavelength = {450, 650}\n")
        found = RasterSource(path).descriptions
        assert [(band.scale, band.wavelength_um) for band in found] == [(1e-4, 0.45), (1e-4, 0.65)]


def test_a_description_survives_the_model_file() -> None:
    band = BandDescription("nir", 0.83, "", 1e-4, -0.1)
    assert BandDescription.from_dict(band.to_dict()) == band
    with pytest.raises(ValueError, match="numbers that can be used"):
        BandDescription.from_dict({**band.to_dict(), "scale": 0.0})


def test_names_of_bands_cannot_move_a_cursor_nor_fill_the_screen(tmp_path: Path, listener: Listener) -> None:
    paths = [raster(tmp_path / "a.tif", FOUR), raster(tmp_path / "b.tif", ["\x1b[2Ja", "b\n", "c" * 1000, "d"])]
    open_all(paths, (), listener.feedback)
    assert "\x1b" not in listener.warnings
    assert "c" * 40 + "..., d" in listener.warnings
    assert "c" * 41 not in listener.warnings
