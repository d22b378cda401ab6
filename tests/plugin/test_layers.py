"""What the user sees in QGIS is what the compute process gets, and what comes back looks like it should."""

from __future__ import annotations

import gc
import json
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from osgeo import gdal, ogr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsGeometry,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsProperty,
    QgsRasterLayer,
    QgsRectangle,
    QgsRenderContext,
    QgsRendererCategory,
    QgsVectorFileWriter,
    QgsVectorLayer,
)
from small_raster import write_raster

from false_core.jobs import Classify, Pretrain
from qgis_false.layers import as_it_is

BOW_TIE = "Polygon((0 0, 10 10, 10 0, 0 10, 0 0))"


def memory_layer(kind: str = "Polygon", field: str = "class:string", crs: str = "EPSG:32633") -> QgsVectorLayer:
    layer = QgsVectorLayer(f"{kind}?crs={crs}&field={field}&field=other:integer", "labels", "memory")
    assert layer.isValid()
    return layer


def add(layer: QgsVectorLayer, wkt: str, value: object) -> None:
    feature = QgsFeature(layer.fields())
    feature.setGeometry(QgsGeometry.fromWkt(wkt))
    feature.setAttribute(0, value)
    assert (layer.isEditable() and layer.addFeature(feature)) or layer.dataProvider().addFeatures([feature])[0]


def square(x: float) -> str:
    return f"Polygon(({x} 0, {x + 5} 0, {x + 5} 5, {x} 5, {x} 0))"


@pytest.fixture
def labels(qgis_app):
    layer = memory_layer()
    for x, value in ((0, "road"), (10, "roof"), (20, "tree"), (30, None)):
        add(layer, square(x), value)
    return layer


@pytest.fixture
def written(algorithm, context, feedback, tmp_path):
    """Write the value of LABELS as the algorithm would and return (values, WKTs, CRS) as another program reads them."""
    from qgis_false.layers import write_labels

    def write(value: object, field: str = "class"):
        source = algorithm("finetune").parameterAsSource({"LABELS": value}, "LABELS", context)
        assert source is not None
        path = write_labels(source, field, tmp_path, feedback)
        dataset = ogr.Open(path)
        assert dataset.GetLayerCount() == 1
        layer = dataset.GetLayer(0)
        rows = [(feature.GetField(field), feature.GetGeometryRef().ExportToWkt()) for feature in layer]
        crs = layer.GetSpatialRef()
        return [row[0] for row in rows], [row[1] for row in rows], crs.GetAuthorityCode(None) if crs else None

    return write


class TestLabels:
    def test_memory_layer(self, written, labels):
        values, geometries, crs = written(labels)
        assert values == ["road", "roof", "tree", None]
        assert geometries[0].startswith("POLYGON ((0 0")
        assert crs == "32633"

    def test_only_the_class_field_travels(self, written, labels, tmp_path):
        written(labels)
        dataset = ogr.Open(str(tmp_path / "labels.gpkg"))
        definition = dataset.GetLayer(0).GetLayerDefn()
        assert [definition.GetFieldDefn(n).GetName() for n in range(definition.GetFieldCount())] == ["class"]

    def test_half_of_them_are_not_passed_on_after_a_cancel(self, written, labels, feedback):
        feedback.cancel()
        with pytest.raises(QgsProcessingException, match="Cancelled"):
            written(labels)

    def test_filtered_layer(self, written, labels, tmp_path):
        layer = saved(labels, tmp_path / "source.gpkg")
        assert layer.setSubsetString("\"class\" <> 'roof'")
        assert written(layer)[0] == ["road", "tree"]

    def test_selected_features_only(self, written, labels):
        QgsProject.instance().addMapLayer(labels)
        labels.selectByExpression("\"class\" = 'tree'")
        assert written(QgsProcessingFeatureSourceDefinition(labels.id(), True))[0] == ["tree"]

    def test_edits_that_are_not_saved_yet(self, written, labels, tmp_path):
        layer = saved(labels, tmp_path / "source.gpkg")
        layer.startEditing()
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromWkt(square(50)))
        feature.setAttribute("class", "water")
        assert layer.addFeature(feature)
        assert sorted(filter(None, written(layer)[0])) == ["road", "roof", "tree", "water"]
        layer.rollBack()

    def test_one_layer_of_many_in_a_file(self, written, labels, tmp_path):
        path = tmp_path / "source.gpkg"
        saved(labels, path, "first")
        second = memory_layer()
        add(second, square(0), "from the second")
        saved(second, path, "second")
        assert written(f"{path}|layername=second")[0] == ["from the second"]

    def test_broken_geometries_are_left_to_the_library(self, written, labels, context):
        add(labels, BOW_TIE, "bow tie")
        context.setInvalidGeometryCheck(QgsFeatureRequest.GeometryAbortOnInvalid)
        values, geometries, _ = written(labels)
        assert "bow tie" in values
        assert "POLYGON ((0 0,10 10,10 0,0 10,0 0))" in geometries

    @pytest.mark.parametrize(
        ("kind", "wkt"),
        [("Point", "Point(1 2)"), ("LineString", "LineString(0 0, 5 5)"), ("MultiPoint", "MultiPoint((1 2),(3 4))")],
    )
    def test_points_and_lines(self, written, qgis_app, kind, wkt):
        layer = memory_layer(kind)
        add(layer, wkt, "road")
        assert written(layer)[0] == ["road"]

    def test_curves_become_straight(self, written, qgis_app):
        layer = memory_layer("CurvePolygon")
        add(layer, "CurvePolygon(CircularString(0 0, 5 5, 10 0, 5 -5, 0 0))", "pond")
        _, geometries, _ = written(layer)
        assert geometries[0].startswith("POLYGON")
        assert ogr.CreateGeometryFromWkt(geometries[0]).GetArea() == pytest.approx(78.5, rel=0.01)

    def test_numbers_stay_numbers(self, written, qgis_app):
        layer = memory_layer(field="class:integer")
        add(layer, square(0), 7)
        assert written(layer)[0] == [7]

    def test_the_layer_keeps_its_own_crs(self, written, qgis_app):
        layer = memory_layer(crs="EPSG:4326")
        add(layer, "Polygon((15 50, 15.1 50, 15.1 50.1, 15 50))", "road")
        assert written(layer)[2] == "4326"

    def test_the_same_labels_give_the_same_bytes(self, written, labels, tmp_path):
        """An interrupted training is found again by the contents of its inputs."""
        first = written(labels) and (tmp_path / "labels.gpkg").read_bytes()
        (tmp_path / "labels.gpkg").unlink()
        time.sleep(0.01)  # The format dates its layers to the millisecond.
        assert written(labels) and (tmp_path / "labels.gpkg").read_bytes() == first

    def test_a_field_in_other_capitals_is_written_as_it_was_entered(self, written, labels):
        assert written(labels, "CLASS")[0] == ["road", "roof", "tree", None]

    def test_a_class_field_called_fid(self, written, qgis_app):
        layer = memory_layer(field="fid:string")
        add(layer, square(0), "road")
        assert written(layer, "fid")[0] == ["road"]

    def test_a_field_that_is_not_there_names_those_that_are(self, written, labels):
        with pytest.raises(QgsProcessingException, match=r"no field klass\. Its fields are: class, other"):
            written(labels, "klass")


def saved(layer: QgsVectorLayer, path: Path, name: str = "labels") -> QgsVectorLayer:
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = name
    if path.exists():
        options.actionOnExistingFile = QgsVectorFileWriter.CreateOrOverwriteLayer
    error = QgsVectorFileWriter.writeAsVectorFormatV3(layer, str(path), QgsProject.instance().transformContext(), options)
    assert error[0] == QgsVectorFileWriter.NoError, error
    return QgsVectorLayer(f"{path}|layername={name}", name, "ogr")


class TestLegend:
    @staticmethod
    def style(layer: QgsVectorLayer, categories: list[tuple[object, str, str]], field: str = "class") -> None:
        made = [
            QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": color}), label)
            for value, color, label in categories
        ]
        layer.setRenderer(QgsCategorizedSymbolRenderer(field, made))

    @pytest.fixture
    def legend(self, provider):
        from qgis_false.layers import legend_of

        return lambda layer, field="class": [(e.value, e.name, e.color) for e in legend_of(layer, field)]

    def test_names_and_colours_of_the_categories(self, legend, labels):
        self.style(labels, [("road", "#808080", "Paved road"), ("roof", "#ff0000", "")])
        assert legend(labels) == [("road", "Paved road", "#808080"), ("roof", "roof", "#ff0000")]

    def test_all_other_values_is_no_class(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road"), ("", "#000000", "other"), (None, "#000000", "null")])
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_a_quoted_field_is_the_same_field(self, legend, labels):
        self.style(labels, [("road", "#808080", "Road")], field='"class"')
        assert legend(labels) == [("road", "Road", "#808080")]

    def test_a_category_of_several_values(self, legend, labels):
        self.style(labels, [(["road", "roof"], "#808080", "Sealed")])
        assert legend(labels) == [("road", "Sealed", "#808080"), ("roof", "Sealed", "#808080")]

    def test_another_field_or_another_style_gives_none(self, legend, labels):
        assert legend(labels) == []
        self.style(labels, [(1, "#808080", "One")], field="other")
        assert legend(labels) == []

    def test_it_is_written_as_the_job_wants_it(self, provider, tmp_path):
        from qgis_false.layers import LegendEntry, write_legend

        path = write_legend([LegendEntry("Straße", "Straße, öffentlich", "#808080")], tmp_path)
        assert json.loads(Path(path).read_text("utf-8")) == [
            {"value": "Straße", "name": "Straße, öffentlich", "color": "#808080"}
        ]

    @pytest.mark.parametrize("how", ["layer", "id", "selected only", "property"])
    def test_the_style_is_found_however_the_layer_is_named(self, provider, labels, context, how):
        from qgis_false.layers import layer_of

        QgsProject.instance().addMapLayer(labels)
        value = {
            "layer": labels, "id": labels.id(), "selected only": QgsProcessingFeatureSourceDefinition(labels.id(), True),
            "property": QgsProperty.fromValue(labels.id()),
        }[how]  # fmt: skip
        assert layer_of(value, context) == labels


class TestRasters:
    @pytest.fixture
    def path_of(self, provider):
        from qgis_false.layers import raster_path

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
        from qgis_false.layers import raster_path

        layer = QgsRasterLayer("type=xyz&url=https://example.org/{z}/{x}/{y}.png&zmax=1&zmin=0", "web map", "wms")
        with pytest.raises(QgsProcessingException, match="web map comes from wms.*Save it as GeoTIFF"):
            raster_path(layer)


class TestTheFolderOfARaster:
    """QGIS computes statistics of every raster that it opens, and GDAL keeps them beside it. Not when we open it."""

    @pytest.fixture
    def opened(self, algorithm, feedback):
        """Return a function that takes rasters through the check and the run of an algorithm, and forgets them again."""

        def open_them(name, job, **values):
            from qgis_false.algorithms.kinds import job_fields
            from qgis_false.algorithms.values import Request

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


class TestExtent:
    @pytest.fixture
    def text(self, algorithm, context, feedback, tmp_path):
        from qgis_false.algorithms.kinds import job_fields
        from qgis_false.algorithms.values import Request

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
        from qgis_false.layers import extent_text

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
        from qgis_false.layers import class_style

        class_style().postProcessLayer(classified, context, feedback)
        renderer = classified.renderer()
        assert isinstance(renderer, QgsPalettedRasterRenderer)
        assert [(c.value, c.label, c.color.name()) for c in renderer.classes()] == [
            (3, "Wald", "#1b7837"), (20, "See", "#2b7bba")]  # fmt: skip

    def test_a_raster_without_classes_keeps_its_style(self, provider, raster, context, feedback):
        from qgis_false.layers import class_style

        before = raster.renderer().type()
        class_style().postProcessLayer(raster, context, feedback)
        assert raster.renderer().type() == before

    def test_polygons_without_classes_keep_their_style(self, provider, labels, context, feedback):
        from qgis_false.layers import class_style

        class_style().postProcessLayer(labels, context, feedback)
        assert labels.renderer().type() == "singleSymbol"


@pytest.fixture
def land_cover(qgis_app, tmp_path) -> Path:
    """A map of two classes."""
    path = tmp_path / "map.tif"
    write_raster(path, bands=1)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.GetRasterBand(1).WriteRaster(0, 0, 20, 30, bytes([3]) * 600)
    classes = [{"code": 3, "name": "Wald", "color": "#1b7837"}, {"code": 20, "name": "Gewässer", "color": "#2b7bba"}]
    dataset.SetMetadataItem("FALSE_CLASSES", json.dumps(classes))
    dataset = None
    return path


def made_by_the_library(python: str, job: str, land_cover: Path, made: Path) -> None:
    """Run a job that takes a map."""
    command = [python, "-m", "false_core", job, "--map", land_cover, "--output", made]
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(params=["gpkg", "geojson", "shp"])
def ending(request) -> str:
    """Of a vector file."""
    return request.param


class TestSamplePoints:
    """Made by the library itself."""

    @pytest.fixture
    def points(self, compute_python, land_cover, tmp_path, ending) -> str:
        made_by_the_library(compute_python, "samplepoints", land_cover, tmp_path / f"points.{ending}")
        return str(tmp_path / f"points.{ending}")

    @pytest.mark.thorough
    def test_offer_the_classes_to_who_fills_them_in_and_show_what_is_left_to_do(self, points):
        self.check(QgsVectorLayer(points, "points", "ogr"))

    @pytest.mark.thorough
    def test_do_so_too_when_processing_loads_them(self, points, context, feedback):
        from qgis_false.layers import class_style

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
    def test_is_drawn_with_its_classes(self, compute_python, land_cover, tmp_path, ending):
        made = tmp_path / f"polygons.{ending}"
        made_by_the_library(compute_python, "polygonise", land_cover, made)
        # Not in a fixture: as that of the last test it would outlive QGIS.
        opened = QgsVectorLayer(str(made), "polygons", "ogr")
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
