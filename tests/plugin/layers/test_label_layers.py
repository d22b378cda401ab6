"""The labels that the user sees in QGIS are those that the compute process gets."""

from __future__ import annotations

import time

import pytest
from osgeo import ogr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsFeatureRequest,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QTime
from small_labels import add, memory_layer, saved, square
from small_raster import write_raster

from false_core import jobs
from qgis_false.algorithms.fields import shown_fields

BOW_TIE = "Polygon((0 0, 10 10, 10 0, 0 10, 0 0))"


@pytest.fixture
def written(algorithm, context, feedback, tmp_path):
    """Write the value of LABELS as the algorithm would and return (values, WKTs, CRS) as another program reads them."""
    from qgis_false.layers.label_layers import way_to_raster, write_labels

    def write(value: object, field: str = "class", raster: QgsRasterLayer | None = None):
        source = algorithm("finetune").parameterAsSource({"LABELS": value}, "LABELS", context)
        assert source is not None
        path = write_labels(source, field, tmp_path / "labels.gpkg", feedback, way_to_raster(source, raster, context))
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


class TestWhereTheyLie:
    """Labels are handed on in the CRS of the raster, brought there as QGIS does it on its canvas."""

    PLACE = (-93.0, 45.0)
    FEW_METRES = "+proj=helmert +x=-8 +y=160 +z=176"
    """What is between NAD27 and WGS 84 in one of the operations that QGIS knows."""

    @pytest.fixture
    def here(self, qgis_app):
        layer = memory_layer("Point", crs="EPSG:4326")
        add(layer, "Point({} {})".format(*self.PLACE), "road")
        return layer

    @pytest.fixture
    def in_nad27(self, qgis_app, tmp_path):
        return QgsRasterLayer(str(write_raster(tmp_path / "raster.tif", epsg=26715)), "raster")

    @staticmethod
    def point(geometry: str) -> tuple[float, float]:
        made = ogr.CreateGeometryFromWkt(geometry)
        return made.GetX(), made.GetY()

    def as_on_the_canvas(self, context) -> tuple[float, float]:
        there = QgsCoordinateTransform(
            QgsCoordinateReferenceSystem("EPSG:4326"), QgsCoordinateReferenceSystem("EPSG:26715"), context.project()
        ).transform(QgsPointXY(*self.PLACE))
        return there.x(), there.y()

    def test_they_are_where_qgis_shows_them(self, written, here, in_nad27, context):
        _, (geometry,), crs = written(here, raster=in_nad27)
        assert crs == "26715"
        assert self.point(geometry) == pytest.approx(self.as_on_the_canvas(context), abs=1e-6)

    def test_by_the_operation_that_the_project_chose(self, written, here, in_nad27, context):
        as_ever = self.as_on_the_canvas(context)
        chosen = (
            "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=push +v_3 "
            f"+step +proj=cart +ellps=WGS84 +step +inv {self.FEW_METRES} +step +inv +proj=cart +ellps=clrk66 "
            "+step +proj=pop +v_3 +step +proj=utm +zone=15 +ellps=clrk66"
        )
        ends = QgsCoordinateReferenceSystem("EPSG:4326"), QgsCoordinateReferenceSystem("EPSG:26715")
        choice = context.project().transformContext()
        assert choice.addCoordinateOperation(*ends, chosen)
        context.project().setTransformContext(choice)
        context.setProject(context.project())
        shown = self.as_on_the_canvas(context)
        assert abs(shown[0] - as_ever[0]) + abs(shown[1] - as_ever[1]) > 1
        assert self.point(written(here, raster=in_nad27)[1][0]) == pytest.approx(shown, abs=1e-6)

    def test_a_raster_whose_crs_was_set_in_qgis_counts_by_that(self, written, here, tmp_path):
        raster = QgsRasterLayer(str(write_raster(tmp_path / "raster.tif", epsg=None)), "raster")
        raster.setCrs(QgsCoordinateReferenceSystem("EPSG:32615"))
        assert written(here, raster=raster)[2] == "32615"

    def test_without_a_crs_of_the_raster_or_of_their_own_they_stay(self, written, here, tmp_path, in_nad27):
        raster = QgsRasterLayer(str(write_raster(tmp_path / "nowhere.tif", epsg=None)), "raster")
        raster.setCrs(QgsCoordinateReferenceSystem())
        assert self.point(written(here, raster=raster)[1][0]) == self.PLACE
        here.setCrs(QgsCoordinateReferenceSystem())
        (tmp_path / "labels.gpkg").unlink()
        assert written(here, raster=in_nad27)[2] is None

    def test_what_cannot_be_brought_there_is_left_out_and_said(self, written, here, in_nad27, feedback):
        add(here, "Point(95 1e9)", "roof")
        assert written(here, raster=in_nad27)[0] == ["road"]
        assert feedback.warnings == ["1 label lies where the CRS of the raster does not reach. It is left out."]

    @pytest.mark.parametrize("job", ["finetune", "assess", "suggestlabels"])
    def test_so_it_is_in_every_algorithm_with_labels(self, algorithm, here, in_nad27, context, feedback, tmp_path, job):
        from qgis_false.algorithms.kinds import IN_DIALOG, Request

        asked = algorithm(job)
        (labels,) = [one for one in shown_fields(asked.JOB).values() if one.parameter.kind == jobs.VECTOR]
        given = {"RASTER": in_nad27, "MAP": in_nad27, labels.processing_name: here, "FIELD": "class"}
        path = IN_DIALOG[jobs.VECTOR].read(Request(asked, given, context, feedback, tmp_path), labels)
        assert ogr.Open(path).GetLayer(0).GetSpatialRef().GetAuthorityCode(None) == "26715"

    def test_beside_a_folder_of_rasters_they_stay_in_their_own_crs(self, algorithm, here, context, feedback, tmp_path):
        from qgis_false.algorithms.kinds import IN_DIALOG, Request

        asked = algorithm("finetune")
        given = {"RASTER": str(tmp_path), "LABELS": here, "FIELD": "class"}
        path = IN_DIALOG[jobs.VECTOR].read(
            Request(asked, given, context, feedback, tmp_path), shown_fields(asked.JOB)["LABELS"]
        )
        assert ogr.Open(path).GetLayer(0).GetSpatialRef().GetAuthorityCode(None) == "4326"


class TestALayerThatKeepsItsFields:
    """Areas get a class, and keep all else that they have."""

    @pytest.fixture
    def read(self, algorithm, context, feedback, tmp_path):
        """Read AREAS as the algorithm would, and return the layer that another program finds."""
        from qgis_false.algorithms.kinds import IN_DIALOG, Request

        def read(layer: QgsVectorLayer, raster: QgsRasterLayer) -> ogr.DataSource:
            asked = algorithm("classifyareas")
            request = Request(asked, {"RASTER": raster, "AREAS": layer}, context, feedback, tmp_path)
            return ogr.Open(IN_DIALOG[jobs.VECTOR].read(request, shown_fields(asked.JOB)["AREAS"]))

        return read

    def test_has_every_field_and_every_feature_in_its_own_crs(self, read, qgis_app, tmp_path, feedback):
        texts = "owner:string", "OWNER:string"
        fields = "parcel:integer", *texts, "geom:double", "fid:integer", "seen:time", "names:string[]"
        layer = QgsVectorLayer(f"Polygon?crs=EPSG:4326&{'&'.join(f'field={one}' for one in fields)}", "areas", "memory")
        add(layer, "Polygon((15 50, 15.1 50, 15.1 50.1, 15 50))", 7, "Ann", "Bob", 0.5, 9, QTime(1, 2, 3), ["a", "b"])
        add(layer, "Polygon((95 1e9, 96 1e9, 96 2e9, 95 1e9))", 8)
        raster = QgsRasterLayer(str(write_raster(tmp_path / "r.tif", epsg=26715)), "r")
        source = read(layer, raster)  # Of which the layer is only as long as it.
        written = source.GetLayer(0)
        rows = [feature.items() for feature in written]
        assert [row["parcel"] for row in rows] == [7, 8]
        assert [rows[0][name] for name in ("owner", "OWNER_2", "geom", "fid")] == ["Ann", "Bob", 0.5, 9]
        assert rows[0]["seen"].startswith("01:02:03")
        assert rows[0]["names"] == "a, b"
        assert set(rows[1].values()) == {8, None}
        assert written.GetSpatialRef().GetAuthorityCode(None) == "4326"
        assert feedback.warnings == []

    def test_is_the_selection_alone_where_that_is_asked_for(self, read, labels, tmp_path):
        QgsProject.instance().addMapLayer(labels)
        labels.selectByExpression("\"class\" = 'tree'")
        raster = QgsRasterLayer(str(write_raster(tmp_path / "r.tif")), "r")
        source = read(QgsProcessingFeatureSourceDefinition(labels.id(), True), raster)
        assert [feature["class"] for feature in source.GetLayer(0)] == ["tree"]
