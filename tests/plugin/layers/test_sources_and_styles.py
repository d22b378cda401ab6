"""What the user sees in QGIS is what the compute process gets, and what comes back looks like it should."""

from __future__ import annotations

import gc
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProject,
    QgsRasterLayer,
    QgsRasterRange,
    QgsRectangle,
    QgsRenderContext,
    QgsVectorLayer,
)
from small_raster import write_raster

from false_core import jobs
from false_core.jobs import Classify, Polygonise, Pretrain
from qgis_false.layers.sources import as_it_is, gdal_option


class TestRasters:
    @pytest.fixture
    def path_of(self, provider):
        from qgis_false.layers.sources import raster_path

        def path(source: str, kind: str = "gdal") -> str:
            layer = QgsRasterLayer(source, "raster", kind)
            assert layer.isValid(), source
            return raster_path(layer)

        return path

    def test_a_file(self, path_of, tmp_path):
        file = write_raster(tmp_path / "a b.tif")
        assert path_of(str(file)) == str(file)

    def test_a_relative_path_becomes_absolute(self, path_of, tmp_path, monkeypatch):
        file = write_raster(tmp_path / "a.tif")
        monkeypatch.chdir(tmp_path)
        assert path_of("a.tif") == str(file)

    def test_a_raster_of_a_geopackage_with_several(self, path_of, tmp_path):
        package = str(tmp_path / "two.gpkg")
        for name, bands in (("one", 3), ("two", 4)):
            source = gdal.Open(str(write_raster(tmp_path / f"{name}.tif", bands)))
            gdal.Translate(package, source, format="GPKG", creationOptions=[f"RASTER_TABLE={name}", "APPEND_SUBDATASET=YES"])
        path = path_of(f"GPKG:{package}:two")
        assert gdal.Open(path).RasterCount == 4

    def test_a_file_in_an_archive(self, path_of, tmp_path):
        file = write_raster(tmp_path / "a.tif")
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(file, "folder/a.tif")
        path = path_of(f"/vsizip/{tmp_path}/a.zip/folder/a.tif")
        assert gdal.Open(path).RasterCount == 3

    def test_open_options_of_qgis_are_not_part_of_the_path(self, path_of, tmp_path):
        file = write_raster(tmp_path / "a.tif")
        assert path_of(f"{file}|option:NUM_THREADS=1") == str(file)

    def test_a_layer_that_is_no_file_says_to_save_it(self, provider, tmp_path):
        from qgis_false.layers.sources import raster_path

        layer = QgsRasterLayer("type=xyz&url=https://example.org/{z}/{x}/{y}.png&zmax=1&zmin=0", "web map", "wms")
        with pytest.raises(QgsProcessingException, match="web map comes from wms.*Save it as GeoTIFF"):
            raster_path(layer)


class TestWhatIsSetInQgis:
    """The CRS and the additional nodata values of a layer go with the path, as the file does not hold them."""

    def test_nothing_is_added_where_nothing_is_set(self, raster, feedback):
        from qgis_false.layers.sources import name_in_job, raster_path

        assert name_in_job(raster, feedback) == raster_path(raster)

    @pytest.mark.parametrize("epsg", [None, 32634], ids=["no CRS in the file", "a wrong one"])
    def test_its_crs(self, provider, feedback, tmp_path, epsg):
        from qgis_false.layers.sources import name_in_job

        layer = QgsRasterLayer(str(write_raster(tmp_path / "a.tif", epsg=epsg)), "a")
        layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32633"))
        assert name_in_job(layer, feedback) == f"{tmp_path / 'a.tif'}|crs=EPSG:32633"

    def test_a_crs_without_a_code_that_others_know(self, raster, feedback):
        from urllib.parse import unquote

        from qgis_false.layers.sources import name_in_job

        crs = QgsCoordinateReferenceSystem()
        crs.createFromProj("+proj=tmerc +lat_0=1 +lon_0=15.5 +k=0.9 +datum=WGS84")
        raster.setCrs(crs)
        name = jobs.raster_name(name_in_job(raster, feedback))
        assert "[" not in name.crs, "or it would look like a pattern"
        assert QgsCoordinateReferenceSystem.fromWkt(unquote(name.crs)) == crs

    def test_its_additional_nodata_values(self, raster, feedback):
        from qgis_false.layers.sources import name_in_job

        for band in range(1, raster.bandCount() + 1):
            raster.dataProvider().setUserNoDataValue(band, [QgsRasterRange(0, 0), QgsRasterRange(250.5, 255)])
        name = jobs.raster_name(name_in_job(raster, feedback))
        assert name.nodata == "0.0,250.5..255.0"
        assert not feedback.warnings
        raster.dataProvider().setUserNoDataValue(1, [])
        assert jobs.raster_name(name_in_job(raster, feedback)).nodata == ""
        assert "differ from band to band. They do not count." in feedback.warnings[0]

    def test_a_nodata_value_that_is_switched_off_is_warned_of(self, provider, feedback, tmp_path):
        from qgis_false.layers.sources import name_in_job

        path = str(write_raster(tmp_path / "a.tif", bands=1))
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.GetRasterBand(1).SetNoDataValue(0)
        dataset = None
        layer = QgsRasterLayer(path, "a")
        name_in_job(layer, feedback)
        assert not feedback.warnings
        layer.dataProvider().setUseSourceNoDataValue(1, False)
        assert name_in_job(layer, feedback) == path
        assert "is switched off in QGIS. It counts all the same." in feedback.warnings[0]

    def test_options_that_do_not_count_are_warned_of(self, provider, feedback, tmp_path):
        from qgis_false.layers.sources import name_in_job

        path = str(write_raster(tmp_path / "a.tif", bands=1))
        assert name_in_job(QgsRasterLayer(f"{path}|option:NUM_THREADS=2", "a"), feedback) == path
        assert not feedback.warnings
        assert name_in_job(QgsRasterLayer(f"{path}|option:GEOREF_SOURCES=NONE", "a"), feedback) == path
        assert feedback.warnings == ["QGIS opened a with options that do not count: GEOREF_SOURCES=NONE."]

    def test_a_job_says_it(self, algorithm, raster, feedback, context, tmp_path):
        from qgis_false.algorithms.kinds import Request, job_fields

        raster.setCrs(QgsCoordinateReferenceSystem("EPSG:32634"))
        QgsProject.instance().addMapLayer(raster)
        polygonise = algorithm("polygonise")
        values = {"MAP": raster, "OUTPUT": str(tmp_path / "p.gpkg")}
        fields = job_fields(Request(polygonise, values, context, feedback, tmp_path), Polygonise)
        assert fields["map"].endswith(".tif|crs=EPSG:32634")


class TestTheFolderOfARaster:
    """QGIS computes statistics of every raster that it opens, and GDAL keeps them beside it. Not when we open it."""

    @pytest.fixture
    def opened(self, algorithm, feedback):
        """Return a function that takes rasters through the check and the run of an algorithm, and forgets them again."""

        def open_them(name, job, **values):
            from qgis_false.algorithms.kinds import Request, job_fields

            context = QgsProcessingContext()
            alg = algorithm(name)
            assert alg.checkParameterValues(values, context)[0]
            fields = job_fields(Request(alg, values, context, feedback, Path()), job)
            del context
            gc.collect()
            return fields

        return open_them

    def test_is_as_it_was(self, opened, tmp_path):
        (tmp_path / "in").mkdir()
        raster = write_raster(tmp_path / "in" / "r.tif")
        model = tmp_path / "m.safetensors"
        model.touch()
        fields = opened(
            "classify", Classify, RASTER=str(raster), MODEL=str(model), OUTPUT=str(tmp_path / "map.tif"), DEVICE="cpu"
        )
        assert fields["raster"] == str(raster)
        fields = opened("pretrain", Pretrain, RASTERS=[str(raster)], ENCODER=str(tmp_path / "e.safetensors"), DEVICE="cpu")
        assert fields["rasters"] == [str(raster)]
        assert [path.name for path in raster.parent.iterdir()] == ["r.tif"]

    def test_what_a_file_beside_it_says_is_still_read(self, opened, tmp_path):
        raster = write_raster(tmp_path / "r.tif", epsg=None)
        Path(f"{raster}.aux.xml").write_text("<PAMDataset><SRS>EPSG:32633</SRS></PAMDataset>")
        with as_it_is(str(raster)):
            assert QgsRasterLayer(str(raster), "r").crs().authid() == "EPSG:32633"

    def test_afterwards_qgis_keeps_its_statistics_as_ever(self, qgis_app, tmp_path):
        raster = write_raster(tmp_path / "r.tif")
        with as_it_is(str(raster)):
            pass
        layer = QgsRasterLayer(str(raster), "r")
        del layer
        gc.collect()
        assert Path(f"{raster}.aux.xml").exists()

    @pytest.mark.parametrize("is_old", [False, True])
    def test_options_of_gdal_count_for_a_while_also_before_3_4(self, monkeypatch, is_old):
        if is_old:
            monkeypatch.delattr(gdal, "SetThreadLocalConfigOption")
        with gdal_option("FALSE_TEST", "1"):
            assert gdal.GetConfigOption("FALSE_TEST") == "1"
        assert gdal.GetConfigOption("FALSE_TEST") is None


class TestExtent:
    @pytest.fixture
    def text(self, algorithm, context, feedback, tmp_path):
        from qgis_false.algorithms.kinds import Request, job_fields

        def read(job: str, **values: object) -> str | None:
            made = algorithm(job)
            fields = job_fields(Request(made, values, context, feedback, tmp_path), made.JOB)
            return fields.get("extent")

        return read

    def test_plain_numbers_are_in_the_raster_s_crs(self, text, raster):
        assert text("classify", RASTER=raster, EXTENT="500000,500010,5599990,5600000") == (
            "500000.0,500010.0,5599990.0,5600000.0 [EPSG:32633]"
        )

    def test_another_crs_is_brought_to_the_first_raster_s(self, text, raster):
        from false_core.jobs import parse_extent

        extent = parse_extent(text("pretrain", RASTERS=[raster], EXTENT="15.0,15.1,50.5,50.6 [EPSG:4326]") or "")
        assert extent.crs == "EPSG:32633"
        assert extent.xmin == pytest.approx(500_000, abs=1)
        assert extent.ymin == pytest.approx(5_594_000, abs=1000)

    def test_a_raster_without_crs_gets_no_code(self, text, tmp_path):
        layer = QgsRasterLayer(str(write_raster(tmp_path / "plain.tif", epsg=None)), "plain")
        assert text("classify", RASTER=layer, EXTENT="0,10,0,10") == "0.0,10.0,0.0,10.0"

    def test_a_crs_that_only_qgis_knows_is_not_sent(self, text, raster):
        raster.setCrs(QgsCoordinateReferenceSystem("EPSG:25833"))
        assert text("classify", RASTER=raster, EXTENT="500000,500010,5599990,5600000") == (
            "500000.0,500010.0,5599990.0,5600000.0"
        )

    def test_nothing_is_everything(self, text, raster):
        assert text("classify", RASTER=raster) is None
        assert text("classify", RASTER=raster, EXTENT="") is None

    def test_what_is_no_extent_says_how_to_write_one(self, text, raster):
        with pytest.raises(QgsProcessingException, match="xmin,xmax,ymin,ymax"):
            text("classify", RASTER=raster, EXTENT="left,right")

    def test_numbers_keep_all_their_digits(self, provider, raster):
        from false_core.jobs import parse_extent
        from qgis_false.layers.sources import extent_text

        extent = parse_extent(extent_text(QgsRectangle(0.1 + 0.2, 0.0, 1 / 3 + 1, 1.0), raster))
        assert (extent.xmin, extent.xmax) == (0.1 + 0.2, 1 / 3 + 1)


class TestResultLayer:
    @pytest.fixture
    def classified(self, qgis_app, tmp_path) -> QgsRasterLayer:
        path = write_raster(tmp_path / "map.tif", bands=1)
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.SetMetadataItem(
            "FALSE_CLASSES",
            json.dumps([{"code": 3, "name": "Wald", "color": "#1b7837"}, {"code": 20, "name": "See", "color": "#2b7bba"}]),
        )
        dataset = None
        return QgsRasterLayer(str(path), "map")

    def test_it_is_drawn_with_its_classes_and_no_others(self, provider, classified, context, feedback):
        from qgis_false.layers.class_styles import class_style

        class_style().postProcessLayer(classified, context, feedback)
        renderer = classified.renderer()
        assert isinstance(renderer, QgsPalettedRasterRenderer)
        assert [(c.value, c.label, c.color.name()) for c in renderer.classes()] == [
            (3, "Wald", "#1b7837"), (20, "See", "#2b7bba")]  # fmt: skip

    def test_a_raster_without_classes_keeps_its_style(self, provider, raster, context, feedback):
        from qgis_false.layers.class_styles import class_style

        before = raster.renderer().type()
        class_style().postProcessLayer(raster, context, feedback)
        assert raster.renderer().type() == before

    @pytest.mark.parametrize("classes", ["[" * 1000, '{"code": 1}', '[{"code": "x"}]', "[1]", '[{"a": 1, "a": 2}]'])
    def test_what_a_stranger_wrote_in_place_of_classes_is_passed_over(self, qgis_app, tmp_path, classes):
        from qgis_false.layers.class_styles import classes_of

        path = write_raster(tmp_path / "map.tif", bands=1)
        dataset = gdal.Open(str(path), gdal.GA_Update)
        dataset.SetMetadataItem("FALSE_CLASSES", classes)
        dataset = None
        assert classes_of(str(path)) == []

    @pytest.mark.parametrize("codes", [["1 or env('HOME') is not null", "2"], range(300), ["", "1"]])
    def test_what_a_stranger_wrote_in_place_of_codes_is_passed_over(self, qgis_app, codes):
        from qgis_false.layers.class_styles import categories_of

        fields = f"field=code:{'string' if isinstance(codes, list) else 'integer'}&field=name:string&field=color:string"
        layer = QgsVectorLayer(f"Polygon?crs=EPSG:32633&{fields}", "polygons", "memory")
        features = []
        for code in codes:
            features.append(QgsFeature(layer.fields()))
            features[-1].setAttributes([code, "forest", "#1b7837"])
        assert layer.dataProvider().addFeatures(features)[0]
        assert categories_of(layer) == []

    @pytest.mark.parametrize("raises", [False, True], ids=["GDAL answers None", "GDAL raises"])
    def test_the_classes_of_another_format_than_ours_are_not_looked_for(self, qgis_app, tmp_path, raises):
        from qgis_false.layers.class_styles import classes_of

        path = tmp_path / "map.tif"
        gdal.Translate(str(path), str(write_raster(tmp_path / "land.tif", bands=1)), format="PNG",
            metadataOptions=['FALSE_CLASSES=[{"code": 3, "name": "Wald", "color": "#1b7837"}]'])  # fmt: skip
        assert gdal.Open(str(path)).GetDriver().ShortName == "PNG"
        before = gdal.GetUseExceptions()
        (gdal.UseExceptions if raises else gdal.DontUseExceptions)()
        try:
            assert classes_of(str(path)) == []
        finally:
            (gdal.UseExceptions if before else gdal.DontUseExceptions)()

    def test_polygons_without_classes_keep_their_style(self, provider, labels, context, feedback):
        from qgis_false.layers.class_styles import class_style

        class_style().postProcessLayer(labels, context, feedback)
        assert labels.renderer().type() == "singleSymbol"


MAKES = """\
import sys
from false_core.dispatch import run
from false_core.jobs import Polygonise, SamplePoints
folder = sys.argv[1]
for ending in ("gpkg", "geojson", "shp"):
    run(SamplePoints(f"{folder}/map.tif", f"{folder}/points.{ending}"))
    run(Polygonise(f"{folder}/map.tif", f"{folder}/polygons.{ending}"))
"""


@pytest.fixture(scope="module")
def made(qgis_app, compute_python, tmp_path_factory) -> Path:
    """A folder with a map of two classes, and sample points and polygons that the library makes of it."""
    folder = tmp_path_factory.mktemp("made")
    path = folder / "map.tif"
    write_raster(path, bands=1)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.GetRasterBand(1).WriteRaster(0, 0, 20, 30, bytes([3]) * 600)
    classes = [{"code": 3, "name": "Wald", "color": "#1b7837"}, {"code": 20, "name": "Gewässer", "color": "#2b7bba"}]
    dataset.SetMetadataItem("FALSE_CLASSES", json.dumps(classes))
    dataset = None
    subprocess.run([compute_python, "-c", MAKES, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(params=["gpkg", "geojson", "shp"])
def ending(request) -> str:
    """Of a vector file."""
    return request.param


class TestSamplePoints:
    """Made by the library itself."""

    @pytest.fixture
    def points(self, made, ending) -> str:
        return str(made / f"points.{ending}")

    @pytest.mark.thorough
    def test_offer_the_classes_to_who_fills_them_in_and_show_what_is_left_to_do(self, points):
        self.check(QgsVectorLayer(points, "points", "ogr"))

    @pytest.mark.thorough
    def test_do_so_too_when_processing_loads_them(self, points, context, feedback):
        from qgis_false.layers.class_styles import class_style

        options = QgsVectorLayer.LayerOptions()
        options.loadDefaultStyle = False
        layer = QgsVectorLayer(points, "points", "ogr", options)
        assert layer.renderer().type() == "singleSymbol"
        class_style().postProcessLayer(layer, context, feedback)
        self.check(layer)

    def check(self, layer: QgsVectorLayer) -> None:
        widget = layer.editorWidgetSetup(layer.fields().lookupField("class"))
        assert widget.type() == "ValueMap"
        assert widget.config()["map"] == [{"Wald": "Wald"}, {"Gewässer": "Gewässer"}]
        (point, *_) = layer.getFeatures()
        rings = []
        for value in (None, "Wald"):
            point["class"] = value
            # The renderer that is asked must live as long as what it gives.
            renderer, context = layer.renderer().clone(), QgsRenderContext()
            context.expressionContext().setFeature(point)
            renderer.startRender(context, layer.fields())
            ring = renderer.symbolForFeature(point, context).symbolLayer(0)
            rings.append((ring.strokeColor().name(), ring.fillColor().alpha()))
            request = QgsFeatureRequest().setFilterExpression(renderer.filter(layer.fields()))
            renderer.stopRender(context)
            assert len(list(layer.getFeatures(request))) == layer.featureCount(), "none is left out of the picture"
        assert len({colour for colour, _ in rings}) == 2
        assert {alpha for _, alpha in rings} == {0}, "the pixel shows through"


class TestAMapOfPolygons:
    """Made by the library itself, and opened by hand."""

    @pytest.mark.thorough
    def test_is_drawn_with_its_classes(self, made, ending):
        # Not in a fixture: as that of the last test it would outlive QGIS.
        opened = QgsVectorLayer(str(made / f"polygons.{ending}"), "polygons", "ogr")
        assert opened.isValid()
        renderer = opened.renderer().clone()
        assert isinstance(renderer, QgsCategorizedSymbolRenderer)
        assert [(c.value(), c.label(), c.symbol().color().name()) for c in renderer.categories()] == [
            ("3", "Wald", "#1b7837"), ("20", "Gewässer", "#2b7bba")]  # fmt: skip
        context = QgsRenderContext()
        renderer.startRender(context, opened.fields())
        for feature in opened.getFeatures():
            wanted = {3: "#1b7837", 20: "#2b7bba"}[feature["code"]]
            assert renderer.symbolForFeature(feature, context).color().name() == wanted
        renderer.stopRender(context)
