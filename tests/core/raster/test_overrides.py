"""What is given for a raster behind its path counts in place of what its file says, in every job."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import geopandas
import numpy as np
import pytest
import rasterio
from small_world import CRS, Listener, label_boxes, on_map, textured_land, write_labels, write_raster

from false_core.dispatch import run
from false_core.errors import InputError, OutputError
from false_core.jobs import Assess, ClassifyMany, Finetune, Polygonise, RasterName, raster_name
from false_core.raster.imagery import find_rasters
from false_core.raster.source import RasterSource, Window


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("land.tif", ("land.tif", "", "")),
        ("land.tif|crs=EPSG:32633", ("land.tif", "EPSG:32633", "")),
        ("/a|b/land.tif|nodata=0,2..3", ("/a|b/land.tif", "", "0,2..3")),
        ("/vsizip//x.zip/land.tif|crs=EPSG:1|nodata=-inf..0", ("/vsizip//x.zip/land.tif", "EPSG:1", "-inf..0")),
        ("items.json|asset=visual", ("items.json|asset=visual", "", "")),
        ("c.gpkg|layername=crs=", ("c.gpkg|layername=crs=", "", "")),
    ],
)
def test_a_name_is_taken_apart_and_put_together(name: str, parts: tuple[str, ...]) -> None:
    assert raster_name(name) == parts
    assert str(RasterName(*parts)) == name


@pytest.mark.parametrize("name", ["land.tif|nodata=0|crs=EPSG:32633", "land.tif|CRS=EPSG:32633|NoData=0"])
def test_its_parts_may_stand_in_any_order(name: str) -> None:
    assert raster_name(name) == ("land.tif", "EPSG:32633", "0")


@pytest.mark.parametrize("behind", ["|option:OVERVIEW_LEVEL=1", "|nodata=0|nodata=1", "|layername=x"])
def test_anything_else_behind_a_name_is_refused(tmp_path: Path, behind: str) -> None:
    path = write_raster(tmp_path / "land.tif", np.ones((1, 4, 4), "uint8"))
    with pytest.raises(InputError, match=r"may stand \|crs= and \|nodata=, each once, and nothing else"):
        RasterSource(path + behind)


def test_a_file_that_is_called_like_that_is_meant_itself(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "land.tif|crs=EPSG:1", np.ones((1, 4, 4), "uint8"))
    assert RasterSource(path).crs == rasterio.CRS.from_string(CRS)


class TestTheRaster:
    @pytest.mark.parametrize("crs", ["EPSG:32634", quote(rasterio.CRS.from_epsg(32634).to_wkt(), safe="")])
    @pytest.mark.parametrize("own", [None, CRS])
    def test_has_the_crs(self, tmp_path: Path, crs: str, own: str | None) -> None:
        path = write_raster(tmp_path / "land.tif", np.ones((2, 4, 4), "uint8"), crs=own)
        source = RasterSource(f"{path}|crs={crs}")
        assert source.crs == source.with_bands((2,)).crs == rasterio.CRS.from_epsg(32634)
        assert (source.path, source.name) == (path, "land.tif")

    def test_has_the_nodata_values_beside_its_own(self, tmp_path: Path) -> None:
        pixels = np.arange(12, dtype="uint8").reshape(1, 3, 4)
        path = write_raster(tmp_path / "land.tif", pixels, nodata=0)
        read = RasterSource(f"{path}|nodata=2,5..7.5,-inf..-1").read(Window(0, 0, 4, 3))
        assert pixels[np.isnan(read)].tolist() == [0, 2, 5, 6, 7]

    @pytest.mark.parametrize(
        "said", ["nodata=many", "nodata=nan", "nodata=1..x", "nodata=1,,2", "nodata=5..1", "nodata=inf..-inf"]
    )
    def test_with_nodata_values_that_are_no_numbers_is_refused(self, tmp_path: Path, said: str) -> None:
        path = write_raster(tmp_path / "land.tif", np.ones((1, 4, 4), "uint8"))
        with pytest.raises(InputError, match=r"nodata values that are given for .*land.tif cannot be read"):
            RasterSource(f"{path}|{said}")

    def test_with_a_crs_that_is_none_is_refused(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "land.tif", np.ones((1, 4, 4), "uint8"))
        with pytest.raises(InputError, match=r"The CRS that is given for .*land.tif cannot be read: nonsense"):
            RasterSource(f"{path}|crs=nonsense")

    @pytest.mark.parametrize("crs", ["http://127.0.0.1:9/crs", "/vsicurl/http://127.0.0.1:9/crs", "https%3A%2F%2Fh%2Fx"])
    def test_with_a_crs_at_an_address_is_refused(self, tmp_path: Path, crs: str, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_raster(tmp_path / "land.tif", np.ones((1, 4, 4), "uint8"))
        monkeypatch.setattr("false_core.raster.overrides.CRS", None)  # Nobody is asked what it is.
        with pytest.raises(InputError, match=r"The CRS that is given for .*land.tif cannot be read"):
            RasterSource(f"{path}|crs={crs}")

    def test_has_a_crs_by_its_name_at_the_ogc(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "land.tif", np.ones((1, 4, 4), "uint8"))
        source = RasterSource(f"{path}|crs=http://www.opengis.net/def/crs/EPSG/0/32634")
        assert source.crs == rasterio.CRS.from_epsg(32634)

    def test_may_stand_in_a_list(self, tmp_path: Path) -> None:
        write_raster(tmp_path / "land.tif", np.ones((1, 4, 4), "uint8"))
        (tmp_path / "list.txt").write_text("land.tif|crs=EPSG:32634\n")
        assert find_rasters([str(tmp_path / "list.txt")]) == [str(tmp_path / "land.tif|crs=EPSG:32634")]


@pytest.mark.thorough
def test_jobs_go_by_it(tmp_path: Path, listener: Listener) -> None:
    """Labels in the CRS that is said; a model, a map, its polygons and its assessment in it."""
    path = write_raster(tmp_path / "land.tif", textured_land(), crs="EPSG:32634")
    names, boxes = label_boxes()
    labels = write_labels(tmp_path / "l.gpkg", names, [on_map(box) for box in boxes])
    said = f"{path}|crs={CRS}|nodata=0.0"
    model, maps = str(tmp_path / "m.safetensors"), tmp_path / "maps"
    run(Finetune(said, labels, "cover", model, head="linear", device="cpu"), listener)
    run(ClassifyMany((said,), model, str(maps), device="cpu"), listener)
    made = maps / "land_classified.tif"
    with rasterio.open(made) as file:
        assert file.crs == rasterio.CRS.from_string(CRS)
        assert (file.read(1)[0] == 0).all(), "nodata said"
    run(Polygonise(f"{made}|nodata=1", str(tmp_path / "p.gpkg")), listener)
    assert set(geopandas.read_file(tmp_path / "p.gpkg").code) == {2, 3}
    results = run(Assess(f"{made}|nodata=1", truth=f"{made}|crs={CRS}|nodata=2", table=str(tmp_path / "t.csv")), listener)
    assert results["oa"] == 1.0
    with pytest.raises(OutputError, match="would overwrite an input"):
        run(Polygonise(f"{made}|nodata=1", str(made)), listener)
