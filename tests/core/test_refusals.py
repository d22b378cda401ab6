"""Errors that no other test provokes: each says what happened, as a sentence."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import re
import sqlite3
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from small_jobs import SmallJobs
from small_world import GRID, Listener, on_map, pixel_box, write_labels, write_raster

from false_core import cli
from false_core.computing.distributed import Share, World
from false_core.dispatch import _do, run
from false_core.errors import InputError, ModelFileError, OutputError, RequestError
from false_core.experiments.colour_truth import colour_table, write_codes, write_tiled
from false_core.experiments.config import DEEPGLOBE, POTSDAM, RasterPair
from false_core.experiments.dataset import _check_size, _classes_in, dataset_fingerprint
from false_core.experiments.folders import find_dataset_files
from false_core.jobs import Assess, Classify, ExportOnnx, Finetune, ModelInfo, Polygonise, SamplePoints
from false_core.labels.label_file import read_table
from false_core.models.segmenter import build_segmenter
from false_core.raster.aligned import AlignedCodes
from false_core.raster.band_choice import choose_bands
from false_core.raster.carried_classes import read_carried_classes
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.map_file import RasterFile
from false_core.raster.source import RasterSource, Window
from false_core.reports.page import write_report
from false_core.vector.layer_file import write_vector
from false_core.vector.layer_style import keep_style

RED, BLUE = LandCoverClass(1, "red", "#ff0000"), LandCoverClass(2, "blue", "#0000ff")


@pytest.fixture
def the_map(tmp_path: Path) -> str:
    """A map of two classes."""
    codes = np.ones((1, 60, 80), "uint8")
    codes[:, :, 40:] = 2
    return write_raster(tmp_path / "map.tif", codes)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes. Not longer than needed: what a test prints may go to a file too."""
    resource = pytest.importorskip("resource", reason="there is no such limit on Windows")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


class TestAFullDisk:
    def test_while_a_report_is_written(self, tmp_path: Path) -> None:
        with (
            full_disk(100),
            pytest.raises(OutputError, match=r"r\.html cannot be written: File too large\. Is the disk full"),
        ):
            write_report(str(tmp_path / "r.html"), "x" * 1000)

    def test_while_a_table_is_written(self, the_map: str, tmp_path: Path) -> None:
        with full_disk(100), pytest.raises(OutputError, match=r"t\.csv cannot be written: File too large"):
            run(Assess(the_map, truth=the_map, table=str(tmp_path / "t.csv")))

    def test_while_the_key_of_sample_points_is_written(
        self, the_map: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The points themselves are written first, and take more room.
        monkeypatch.setattr("false_core.accuracy.sample_points.write_vector", lambda *_, **__: None)
        with full_disk(100), pytest.raises(OutputError, match=r"key\.csv cannot be written: File too large"):
            run(SamplePoints(the_map, str(tmp_path / "p.gpkg"), key=str(tmp_path / "key.csv")))

    def test_while_polygons_are_written(self, the_map: str, tmp_path: Path) -> None:
        with full_disk(1000), pytest.raises(OutputError, match=r"p\.gpkg cannot be written"):
            run(Polygonise(the_map, str(tmp_path / "p.gpkg")))

    @pytest.mark.thorough
    def test_while_an_onnx_file_is_written(self, model: str, tmp_path: Path) -> None:
        pytest.importorskip("onnx")
        with full_disk(1000), pytest.raises(OutputError, match=r"m\.onnx cannot be written: File too large"):
            run(ExportOnnx(model, str(tmp_path / "m.onnx"), tile=64))

    def test_while_a_style_is_put_into_a_geopackage(self, tmp_path: Path) -> None:
        package = tmp_path / "p.gpkg"
        package.write_bytes(b"no database")
        with pytest.raises(OutputError, match=r"p\.gpkg cannot be written"):
            keep_style(b"<qgis/>", package, str(package), "map.tif")

    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("step", "name", "said"),
        [
            pytest.param("mkdir", r"\.strips$", "out cannot be written to: No space left", id="its folder"),
            pytest.param("mkdir", "^unfinished-", r"\.strips cannot be written to: No space left", id="a strip of it"),
            pytest.param(
                "write_text", r"^contents\.json$", r"A strip of the map cannot be written: .*No space.*Is the disk full\?",
                id="what a strip consists of",
            ),
        ],
    )  # fmt: skip
    def test_while_the_strips_of_a_map_are_stored(
        self, land: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, name: str, said: str
    ) -> None:
        """Of which no limit tells: a folder takes no room of its own, and what a strip consists of is a line."""
        usual = getattr(Path, step)

        def without_room(path: Path, *given: Any, **more: Any) -> Any:
            if re.search(name, path.name):
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return usual(path, *given, **more)

        (tmp_path / "out").mkdir()
        monkeypatch.setattr(Path, step, without_room)
        with pytest.raises(OutputError, match=said):
            run(Classify(land, model, str(tmp_path / "out" / "map.tif"), device="cpu"))
        assert not list((tmp_path / "out").iterdir())

    @pytest.mark.parametrize("moment", ["at first", "in the middle", "at last"])
    def test_while_a_raster_is_written(self, tmp_path: Path, moment: str) -> None:
        source = RasterSource(write_raster(tmp_path / "noise.tif", np.ones((1, 2000, 2000), "uint8")))
        noise = np.random.default_rng(0).integers(0, 255, (2000, 2000)).astype("uint8")
        where = tmp_path / ("nowhere" if moment == "at first" else ".") / "out.tif"
        limit = {"at first": 10**9, "in the middle": 300_000, "at last": 100}[moment]
        with (
            ExitStack() as until,
            pytest.raises(OutputError, match=r"out\.tif (cannot be written|is cut off|cannot be read again)"),
        ):
            self.write(where, source, noise[:512, :512] if moment == "at last" else noise, until, limit)

    def test_while_a_block_of_a_raster_is_written_in_two_halves(self, tmp_path: Path) -> None:
        """What of the first half did not find room cannot be read again for the second one."""
        noise = np.random.default_rng(0).integers(0, 255, (2000, 2000)).astype("uint8")
        source = RasterSource(write_raster(tmp_path / "noise.tif", noise[None]))
        with rasterio.Env(GDAL_CACHEMAX=1), ExitStack() as until, pytest.raises(OutputError, match="Is the disk full"):
            self.write_halves(tmp_path / "out.tif", source, noise, until)

    def write_halves(self, where: Path, source: RasterSource, pixels: np.ndarray, until: ExitStack) -> None:
        with RasterFile(where, source, Window(0, 0, 2000, 2000), 0) as out:
            until.enter_context(full_disk(100))
            for row in (*range(0, 2000, 512), *range(256, 2000, 512)):
                out.write(0, row, pixels[row : row + 256])

    def write(self, where: Path, source: RasterSource, pixels: np.ndarray, until: ExitStack, limit: int) -> None:
        with RasterFile(where, source, Window(0, 0, 2000, 2000), 0) as out:
            until.enter_context(full_disk(limit))
            out.write(0, 0, pixels)


class TestMaps:
    @pytest.mark.thorough
    def test_labels_of_too_many_classes_to_compare(self, tmp_path: Path, the_map: str) -> None:
        boxes = [on_map(pixel_box(k % 70, k // 70, 1, 1)) for k in range(300)]
        labels = write_labels(tmp_path / "l.gpkg", [f"c{k}" for k in range(300)], boxes)
        with pytest.raises(InputError, match="The class field has 300 different values; a map can hold 254"):
            run(Assess(the_map, labels, "cover", report=str(tmp_path / "r.html")))

    def test_a_truth_of_too_many_classes(self, tmp_path: Path, the_map: str) -> None:
        truth = write_raster(tmp_path / "t.tif", np.arange(4800, dtype="uint16").reshape(1, 60, 80))
        with pytest.raises(InputError, match="holds more than 254 different values: it is no map of classes"):
            run(Assess(the_map, truth=truth, report=str(tmp_path / "r.html")))

    @pytest.mark.parametrize("ending", [".zip", ".tar", ".tif.gz"])
    def test_an_archive_in_place_of_a_raster_or_of_labels(self, tmp_path: Path, ending: str, listener: Listener) -> None:
        (tmp_path / "a.tif").write_bytes(b"x" * 600)
        path = tmp_path / f"a{ending}"
        if ending == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(tmp_path / "a.tif")
        elif ending == ".tar":
            with tarfile.open(path, "w") as archive_of_tapes:
                archive_of_tapes.add(tmp_path / "a.tif")
        else:
            path.write_bytes(gzip.compress(b"x" * 600))
        with pytest.raises(InputError, match="It is an archive. Unpack it, or write /vsizip/"):
            RasterSource(str(path))
        with pytest.raises(InputError, match="It is an archive. Unpack it, or write /vsizip/"):
            read_table(str(path), None, listener.feedback)

    def test_a_pixel_function_that_nobody_knows(self, tmp_path: Path) -> None:
        part = write_raster(tmp_path / "a.tif", np.ones((1, 8, 8), "uint8"))
        source = f"<SimpleSource><SourceFilename>{part}</SourceFilename>"
        band = 'VRTRasterBand dataType="Byte" band="1" subClass="VRTDerivedRasterBand"'
        (tmp_path / "a.vrt").write_text(
            f'<VRTDataset rasterXSize="8" rasterYSize="8"><{band}><PixelFunctionType>mine</PixelFunctionType>{source}'
            "</SimpleSource></VRTRasterBand></VRTDataset>"
        )
        with pytest.raises(InputError, match="Translate it to GeoTIFF with a GDAL that knows this pixel function"):
            RasterSource(str(tmp_path / "a.vrt")).read(Window(0, 0, 8, 8))

    def test_codes_that_are_to_be_scaled(self, tmp_path: Path, the_map: str, listener: Listener) -> None:
        path = write_raster(tmp_path / "t.tif", np.full((1, 60, 80), 10, "uint8"))
        with rasterio.open(path, "r+") as file:
            file.scales = (0.1,)
        with pytest.raises(InputError, match="numbers are to be scaled, by 0.1 and 0"):
            AlignedCodes(path, RasterSource(the_map), listener.feedback)
        with pytest.raises(InputError, match="numbers are to be scaled, by 0.1 and 0"):
            run(Polygonise(path, str(tmp_path / "p.gpkg")))

    def test_a_truth_that_has_points_without_a_crs(self, tmp_path: Path, the_map: str, listener: Listener) -> None:
        path = write_raster(tmp_path / "t.tif", np.ones((1, 60, 80), "uint8"), crs=None, transform=None)
        points = [GroundControlPoint(r, c, 500_000 + c, 5_600_000 - r) for r, c in ((0, 0), (0, 80), (60, 0))]
        with rasterio.open(path, "r+") as file:
            file.gcps = (points, CRS.from_epsg(32633))
        vrt = tmp_path / "t.vrt"
        rasterio.shutil.copy(path, vrt, driver="VRT")
        vrt.write_text(re.sub('GCPList Projection="[^"]*"', "GCPList", vrt.read_text()))
        path = str(vrt)
        with pytest.raises(InputError, match="has ground control points without a CRS, and no grid"):
            AlignedCodes(path, RasterSource(the_map), listener.feedback)

    def test_a_truth_in_a_crs_that_has_nothing_to_do_with_the_map(
        self, tmp_path: Path, the_map: str, listener: Listener
    ) -> None:
        local = CRS.from_user_input('LOCAL_CS["site",UNIT["metre",1]]')
        path = write_raster(tmp_path / "t.tif", np.ones((1, 60, 80), "uint8"), crs=local)
        with pytest.raises(InputError, match="cannot be brought to the grid of map.tif"):
            AlignedCodes(path, RasterSource(the_map), listener.feedback)

    def test_a_truth_that_is_cut_off(self, tmp_path: Path, the_map: str, listener: Listener) -> None:
        noise = np.random.default_rng(0).integers(1, 9, (1, 60, 80)).astype("uint8")
        path = Path(write_raster(tmp_path / "t.tif", noise, blockysize=4, compress="deflate"))
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3])
        with (
            pytest.raises(InputError, match="cut off|cannot be"),
            AlignedCodes(str(path), RasterSource(the_map), listener.feedback) as truth,
        ):
            truth.read(Window(0, 0, 80, 60))

    def test_a_raster_whose_classes_are_asked_for_and_that_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="gone.tif cannot be read"):
            read_carried_classes(str(tmp_path / "gone.tif"))

    def test_a_file_that_holds_rasters_but_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "several.gpkg"
        for name in ("one", "two"):
            with rasterio.open(
                path, "w", driver="GPKG", width=8, height=8, count=1, dtype="uint8", crs="EPSG:3857", transform=GRID,
                RASTER_TABLE=name, APPEND_SUBDATASET="YES" if name == "two" else "NO",
            ) as file:  # fmt: skip
                file.write(np.ones((1, 8, 8), "uint8"))
        with pytest.raises(InputError, match="holds 2 rasters: GPKG:.*Name one of them"):
            RasterSource(str(path))

    def test_a_raster_without_bands(self) -> None:
        # Some formats of the sciences may hold tables alone.
        empty = SimpleNamespace(count=0, subdatasets=[])
        with pytest.raises(InputError, match=r"empty.h5 holds no raster band\. Choose another raster\."):
            choose_bands(empty, "empty.h5", ())

    def test_a_table_format_that_keeps_no_geometries(self, tmp_path: Path) -> None:
        table = geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(0, 0)], crs="EPSG:32633")
        with pytest.raises(OutputError, match=r"keeps no geometries"):
            write_vector(str(tmp_path / "t.xlsx"), table)

    def test_a_format_that_does_not_take_such_geometries(self, tmp_path: Path) -> None:
        both = [shapely.Point(0, 0), shapely.box(0, 0, 1, 1)]
        table = geopandas.GeoDataFrame({"a": [1, 2]}, geometry=both, crs="EPSG:32633")
        with pytest.raises(OutputError, match=r"t\.shp cannot be written as ESRI Shapefile"):
            write_vector(str(tmp_path / "t.shp"), table)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            pytest.param("t.csv", None, id="a table of places that are not known"),
            pytest.param("t.mbtiles", shapely.box(0, 0, 1, 1), id="map tiles, of a place too small for one"),
        ],
    )
    def test_a_file_in_which_no_geometry_is_found_again(self, tmp_path: Path, name: str, shape: Any) -> None:
        table = geopandas.GeoDataFrame({"a": [1]}, geometry=[shape], crs="EPSG:32633")
        with pytest.raises(OutputError, match="keeps no geometries. Choose a name that ends in .gpkg"):
            write_vector(str(tmp_path / name), table)
        assert not list(tmp_path.iterdir())

    def test_a_map_of_a_format_that_is_none_for_maps(self, land: str, model: str, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"map\.png is not a GeoTIFF\. Choose a name that ends in \.tif, or in \.vrt"):
            run(Classify(land, model, str(tmp_path / "map.png"), device="cpu"))

    @pytest.mark.thorough
    def test_a_map_of_nothing_but_nodata(self, model: str, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        raster = write_raster(tmp_path / "r.tif", np.zeros((4, 60, 80), "uint16"), nodata=0)
        with pytest.raises(InputError, match=r"There is no valid pixel in r\.tif within the extent"):
            run(Classify(raster, model, str(tmp_path / "out" / "map.tif"), device="cpu"))
        assert not list((tmp_path / "out").iterdir())


class TestTraining:
    def test_on_labels_that_are_a_query_with_too_many_answers(
        self, land: str, labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "l.gpkg"
        package.write_bytes(Path(labels).read_bytes())
        with closing(sqlite3.connect(package)) as database:
            database.execute("CREATE VIEW everything AS SELECT * FROM labels")
            for table, column in (("gpkg_contents", "identifier"), ("gpkg_geometry_columns", "")):
                names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                values = ["'everything'" if name in ("table_name", column) else f'"{name}"' for name in names]
                database.execute(f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table} WHERE table_name = 'labels'")
            database.commit()
        monkeypatch.setattr("false_core.labels.label_file.MOST_FEATURES", 11)
        job = Finetune(land, f"{package}|layername=everything", "cover", str(tmp_path / "m.safetensors"), device="cpu")
        with pytest.raises(
            InputError, match=r"The layer everything of .*l\.gpkg is a query that gives more than 11 features"
        ):
            run(job)

    @pytest.mark.thorough
    @pytest.mark.parametrize("kind", ["pretraining", "fine-tuning"])
    def test_by_more_processes_than_there_is_work_for(
        self, small_jobs: SmallJobs, tmp_path: Path, listener: Listener, kind: str
    ) -> None:
        job = small_jobs.make("pretrain" if kind == "pretraining" else "finetune", tmp_path)
        things = "2 patches" if kind == "pretraining" else "4 crops"
        with pytest.raises(RequestError, match=f"A batch of {things} cannot be shared by 5 processes. Start fewer of them"):
            _do(job, listener.feedback, World(Share(0, 5)))

    def test_by_several_processes_that_torchrun_has_not_started(
        self, small_jobs: SmallJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("MASTER_ADDR", raising=False)
        with pytest.raises(RequestError, match="'MASTER_ADDR' is not set. Start the processes with torchrun."):
            run(small_jobs.make("pretrain", tmp_path))

    def test_by_several_processes_with_a_pytorch_that_was_built_without_them(
        self, small_jobs: SmallJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("torch.distributed.is_available", lambda: False)
        with pytest.raises(RequestError, match="This PyTorch cannot work with several processes. Run the job without"):
            run(small_jobs.make("pretrain", tmp_path))

    def test_of_a_backbone_without_the_levels_a_decoder_needs(self) -> None:
        with pytest.raises(ModelFileError, match="cannot be built|no encoder called"):
            build_segmenter("vit_tiny_patch16_224", "deeplabv3plus", 3, 2)


class TestExperiments:
    def spec(self, **given: Any) -> Any:
        return SimpleNamespace(**{"name": "d", "labels": "", "classes": ClassTable(()), "images": "", "truths": "", **given})

    def test_a_run_that_failed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
        (tmp_path / "e.toml").write_text("")
        summary = SimpleNamespace(page="p.html", table="t.csv", run=1, cells=2, failed={"a": "b"})
        monkeypatch.setattr("false_core.experiments.config.read_experiment", lambda _: SimpleNamespace(name="e"))
        monkeypatch.setattr("false_core.experiments.runner.run_experiment", lambda *_: summary)
        monkeypatch.setattr("sys.argv", ["false-core", "experiment", str(tmp_path / "e.toml")])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        assert "1 of 2 runs failed." in capsys.readouterr().err

    def test_two_classes_of_one_colour(self) -> None:
        with pytest.raises(RequestError, match="Two classes have the colour #ff0000"):
            colour_table(ClassTable((RED, dataclasses.replace(BLUE, color="#ff0000"))))

    def test_a_truth_without_colours(self, tmp_path: Path) -> None:
        grey = write_raster(tmp_path / "grey.tif", np.ones((1, 8, 8), "uint8"))
        with pytest.raises(InputError, match="has 1 band.*a colour-coded truth has 3"):
            write_codes(Path(grey), tmp_path / "codes.tif", ClassTable((RED, BLUE)))

    def test_images_that_cannot_be_read(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.tif"
        broken.write_text("no image")
        with pytest.raises(OutputError, match="cannot be turned into"):
            write_codes(broken, tmp_path / "codes.tif", ClassTable((RED, BLUE)))
        with pytest.raises(OutputError, match="cannot be turned into"):
            write_tiled(broken, tmp_path / "tiled.tif")
        with pytest.raises(InputError, match="broken.tif cannot be opened"):
            _check_size(RasterPair("a", broken, broken))

    def test_two_rasters_of_one_name(self, tmp_path: Path) -> None:
        from false_core.experiments.config import read_experiment

        files = 'raster = "r.tif"\ntruth = "t.tif"\n'
        body = f'[[datasets]]\nname = "a"\nkind = "pair"\n{files}[[datasets.transfer]]\nname = "a"\n{files}'
        (tmp_path / "e.toml").write_text(f'name = "e"\nprotocol = "scene"\noutput = "out"\n{body}')
        with pytest.raises(RequestError, match="has two rasters with the same name"):
            read_experiment(str(tmp_path / "e.toml"))

    def test_labels_that_are_gone(self, tmp_path: Path) -> None:
        pair = RasterPair("a", Path(write_raster(tmp_path / "r.tif", np.ones((1, 8, 8), "uint8"))), tmp_path / "r.tif")
        spec = self.spec(kind="pair", pair=pair, transfer=(), labels=str(tmp_path / "gone.gpkg"))
        with pytest.raises(InputError, match="d: the labels .*gone.gpkg cannot be read"):
            dataset_fingerprint(spec)

    def test_a_truth_of_one_class(self, tmp_path: Path) -> None:
        truth = write_raster(tmp_path / "t.tif", np.ones((1, 8, 8), "uint8"))
        with pytest.raises(InputError, match="fewer than two class codes"):
            _classes_in((SimpleNamespace(truth=truth),))  # type: ignore[arg-type]

    def test_folders_without_what_should_be_in_them(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="d: the folder .*nowhere does not exist"):
            find_dataset_files(self.spec(kind=POTSDAM, folder=tmp_path / "nowhere"))
        with pytest.raises(InputError, match="There is no NUMBER_sat.jpg"):
            find_dataset_files(self.spec(kind=DEEPGLOBE, folder=tmp_path))
        for name in ("images", "truths"):
            (tmp_path / name).mkdir()
        with pytest.raises(InputError, match="There is no top_potsdam_X_Y_RGB.tif"):
            find_dataset_files(self.spec(kind=POTSDAM, folder=tmp_path, images="images", truths="truths"))

    def test_images_of_different_bands(self, tmp_path: Path) -> None:
        from false_core.experiments.labelling import Patch, _outlines, _write_patches

        images = [
            SimpleNamespace(name=str(bands), image=write_raster(tmp_path / f"{bands}.tif", np.ones((bands, 8, 8), "uint8")))
            for bands in (1, 2)
        ]
        patches = [Patch(image, 0, 0, 8, 8) for image in (0, 1)]
        with pytest.raises(InputError, match=r"2 has 2 band\(s\), .*1\.tif has 1"):
            _write_patches(tmp_path / "all.tif", images, patches, 8)  # type: ignore[arg-type]
        unknown = write_raster(tmp_path / "unknown.tif", np.full((1, 8, 8), 9, "uint8"))
        dataset: Any = SimpleNamespace(
            classes=ClassTable((RED, BLUE)), train=[SimpleNamespace(truth=unknown)], spec=SimpleNamespace(name="d")
        )
        with pytest.raises(InputError, match="d: the labelled patches hold no pixel of a known class"):
            _outlines(dataset, patches[:1], 8)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_model_that_may_not_be_read(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    usual = builtins.open

    def denied(path: Any, *given: Any, **more: Any) -> Any:
        # Permissions do not bind whoever runs tests as root.
        if str(path) == model:
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path, *given, **more)

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(ModelFileError, match="cannot be read: Permission denied"):
        run(ModelInfo(model, str(tmp_path / "r.html")))
