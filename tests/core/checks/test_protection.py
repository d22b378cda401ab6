"""No input is written over, however it is named, in any output of any job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from small_world import label_boxes, on_map, textured_land, write_raster

from false_core.checks.protection import files_in_name, protect_inputs
from false_core.dispatch import run
from false_core.errors import InputError, OutputError
from false_core.jobs import (
    Assess,
    Classify,
    ClassifyMany,
    Embed,
    ExportOnnx,
    Finetune,
    Job,
    ModelInfo,
    Polygonise,
    Pretrain,
    SamplePoints,
    SuggestLabels,
    to_json,
)


def vrt(path: Path, part: str, relative: bool = False, tag: str = "SourceFilename") -> str:
    path.write_text(
        '<VRTDataset rasterXSize="170" rasterYSize="120"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<{tag} relativeToVRT="{int(relative)}">{part}</{tag}><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return str(path)


def deep(folder: Path, part: str) -> str:
    one = vrt(folder / "one.vrt", part)
    two = vrt(folder / "two.vrt", Path(one).name, relative=True)
    return vrt(folder / "three.vrt", f"vrt://{two}?bands=1")


def zipped(folder: Path, part: str) -> str:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.write(part, "inside.tif")
    shutil.copy(folder / "a.zip", part)
    return part


NAMES: dict[str, Callable[[Path, str], str]] = {
    "as it is": lambda folder, part: part,
    "by a roundabout way": lambda folder, part: f"{folder}/../{folder.name}/./{Path(part).name}",
    "as a hard link": lambda folder, part: (os.link(part, folder / "link.tif"), str(folder / "link.tif"))[1],
    "as a symbolic link": lambda folder, part: (os.symlink(part, folder / "link.tif"), str(folder / "link.tif"))[1],
    "in a linked folder": lambda folder, part: (
        os.symlink(Path(part).parent, folder / "linked"),
        str(folder / "linked" / Path(part).name),
    )[1],
    "as a VRT": lambda folder, part: vrt(folder / "a.vrt", part),
    "as a VRT with a bar": lambda folder, part: vrt(folder / "a|b.vrt", part),
    "as a VRT with options": lambda folder, part: vrt(folder / "a.vrt", part) + "|crs=EPSG:32633|nodata=0",
    "as a VRT with capitals": lambda folder, part: vrt(folder / "a.vrt", part, tag="sOuRcEfIlEnAmE"),
    "as a VRT with entities": lambda folder, part: vrt(folder / "a.vrt", part.replace("t", "&#116;")),
    "as a VRT with CDATA": lambda folder, part: vrt(folder / "a.vrt", f"<![CDATA[{part}]]>"),
    "as a VRT in VRTs": deep,
    "as a VRT within a VRT": lambda folder, part: vrt(
        folder / "a.vrt", Path(vrt(folder / "b", part)).read_text().replace("<", "&lt;").replace('"', "&quot;")
    ),
    "as a VRT in its name": lambda folder, part: Path(vrt(folder / "a.vrt", part)).read_text(),
    "by vrt://": lambda folder, part: f"vrt://{part}?bands=1",
    "by vrt:// and a VRT": lambda folder, part: f"vrt://{vrt(folder / 'a.vrt', part)}",
    "as a folder of a TIFF": lambda folder, part: f"GTIFF_DIR:1:{part}",
    "as an offset of a TIFF": lambda folder, part: f"GTIFF_DIR:off:8:{part}",
    "as a subdataset": lambda folder, part: f'NETCDF:"{part}":band',
    "as a subdataset of HDF5": lambda folder, part: f'HDF5:"{part}"://band',
    "as a subdataset of HDF5 without quotes": lambda folder, part: f"HDF5:{part}://group/band",
    "as a part of a file": lambda folder, part: f"/vsisubfile/0,{part}",
    "as a part of a part": lambda folder, part: f"/vsisubfile/0_9999,/vsisubfile/0,{part}",
    "in an archive": lambda folder, part: f"/vsizip/{zipped(folder, part)}/inside.tif",
    "in an archive with braces": lambda folder, part: f"/vsizip/{{{zipped(folder, part)}}}/inside.tif",
    "unpacked": lambda folder, part: f"/vsigzip/{part}",
    "as it is cached": lambda folder, part: f"/vsicached?chunk_size=1MB&file={part}",
    "as part of an archive of a VRT": lambda folder, part: vrt(folder / "a.vrt", f"/vsigzip/{part}"),
}


class TestARaster:
    @pytest.mark.parametrize("way", NAMES)
    def test_is_not_written_over_however_it_is_named(self, tmp_path: Path, way: str) -> None:
        part = write_raster(tmp_path / "part.tif", textured_land()[:1])
        raster = NAMES[way](tmp_path, part)
        before = Path(part).read_bytes()
        for job in (
            Classify(raster, "m.safetensors", part),
            Classify(raster, "m.safetensors", str(tmp_path / "new.tif"), confidence=part),
            Classify(raster, "m.safetensors", str(tmp_path / "new.tif"), report=part),
            Polygonise(raster, part),
        ):
            with pytest.raises(OutputError, match=r"part\.tif"):
                run(job)
        assert Path(part).read_bytes() == before

    @pytest.mark.parametrize("name", ["vrt://" * 2000 + "a.tif", "/vsizip/" * 2000 + "a.tif", "/vsizip/{" * 2000])
    def test_whose_name_holds_names_without_end_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "o.gpkg").touch()
        with pytest.raises(InputError, match="has more than 32 files within each other"):
            run(Polygonise(name, str(tmp_path / "o.gpkg")))

    @pytest.mark.parametrize("ending", [".aux.xml", ".ovr", ".msk", ".ovr.msk"])
    def test_nor_is_what_lies_beside_it(self, tmp_path: Path, ending: str) -> None:
        raster = write_raster(tmp_path / "land.tif", textured_land()[:1])
        beside = tmp_path / f"land.tif{ending}"
        beside.write_bytes(b"beside")
        for named, said in (
            (raster, f"report would be a part of an input: .*land.tif{ending}"),
            (vrt(tmp_path / "a.vrt", raster), f"land.tif{ending} is a part of the raster a.vrt"),
            (f"vrt://{raster}", f"land.tif{ending} is a part of the raster"),
        ):
            with pytest.raises(OutputError, match=said):
                run(Classify(named, "m.safetensors", str(tmp_path / "new.tif"), report=str(beside)))

    @pytest.mark.parametrize("ending", [".tif.aux.xml", ".tif.vat.dbf", ".tfw", ".tif.msk"])
    def test_nor_comes_anything_to_lie_beside_its_parts(self, tmp_path: Path, ending: str) -> None:
        raster = write_raster(tmp_path / "land.tif", textured_land()[:1])
        for named in (vrt(tmp_path / "a.vrt", raster), deep(tmp_path, raster), f"vrt://{raster}", f"GTIFF_DIR:1:{raster}"):
            with pytest.raises(OutputError, match=f"land{ending} is a part of the raster"):
                run(Classify(named, "m.safetensors", str(tmp_path / "new.tif"), report=str(tmp_path / f"land{ending}")))

    @pytest.mark.parametrize("mark", [".zgroup", ".zarray", "zarr.json", "a00000001.gdbtable", "hdr.adf"])
    def test_that_is_a_folder_gets_no_new_file(self, tmp_path: Path, mark: str) -> None:
        inside = tmp_path / "store" / "band"
        inside.mkdir(parents=True)
        (tmp_path / "store" / mark).touch()
        raster = write_raster(tmp_path / "land.tif", textured_land()[:1])
        for output in (tmp_path / "store" / "new.tif", inside / "new.tif"):
            with pytest.raises(OutputError, match="which is a raster or a geodatabase as a whole"):
                run(Classify(raster, "m.safetensors", str(output)))
        with pytest.raises(OutputError, match="which is a raster or a geodatabase as a whole"):
            run(ClassifyMany((raster,), "m.safetensors", str(inside)))

    def test_nor_are_the_parts_that_only_gdal_knows(self, tmp_path: Path) -> None:
        land = write_raster(tmp_path / "land.tif", textured_land()[:1])
        rasterio.shutil.copy(land, tmp_path / "scene", driver="ENVI")
        with pytest.raises(OutputError, match="scene.hdr"):
            run(
                Classify(
                    str(tmp_path / "scene"), "m.safetensors", str(tmp_path / "new.tif"), report=str(tmp_path / "scene.hdr")
                )
            )

    def test_nor_a_list_of_them_or_an_item(self, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "land.tif", textured_land()[:1])
        listed, item = tmp_path / "rasters.txt", tmp_path / "item.json"
        listed.write_text("land.tif\n")
        item.write_text(
            json.dumps({"type": "Feature", "stac_version": "1.0.0", "id": "a", "properties": {}, "geometry": None,
                        "links": [], "assets": {"data": {"href": "land.tif", "roles": ["data"]}}})
        )  # fmt: skip
        for name in (listed, item):
            content = name.read_bytes()
            with pytest.raises(OutputError, match="report would overwrite an input"):
                run(Pretrain((str(name),), str(tmp_path / "e.safetensors"), report=str(name), device="cpu"))
            assert name.read_bytes() == content
        with pytest.raises(OutputError, match="would overwrite an input"):
            run(Pretrain((str(listed),), str(tmp_path / "e.safetensors"), report=raster, device="cpu"))

    @pytest.mark.thorough
    def test_that_is_a_part_of_one_of_many_is_kept_by_a_folder_of_maps(self, tmp_path: Path, model: str) -> None:
        maps = tmp_path / "maps"
        maps.mkdir()
        part = write_raster(maps / "a_classified.tif", textured_land())
        before = Path(part).read_bytes()
        with pytest.raises(OutputError, match="a_classified.tif is a part of the raster a.vrt"):
            run(ClassifyMany((vrt(tmp_path / "a.vrt", part),), model, str(maps), device="cpu"))
        assert Path(part).read_bytes() == before

    @pytest.mark.thorough
    def test_of_a_hundred_thousand_parts_is_looked_through_in_a_moment(self, tmp_path: Path) -> None:
        target = write_raster(tmp_path / "part.tif", textured_land()[:1])
        named = "<SourceFilename relativeToVRT='1'>{}</SourceFilename>".format
        parts = "".join(named(f"tiles/{number}.tif") for number in range(100_000))
        mosaic = tmp_path / "a.vrt"
        mosaic.write_text(f"<VRTDataset>{parts}{named('part.tif')}</VRTDataset>")
        with pytest.raises(OutputError, match=r"part\.tif is a part"):
            protect_inputs(job := Polygonise(str(mosaic), target), job)


class TestLabels:
    @pytest.fixture
    def shapes(self, tmp_path: Path) -> Path:
        names, boxes = label_boxes()
        table = geopandas.GeoDataFrame({"cover": names}, geometry=[on_map(box) for box in boxes], crs="EPSG:32633")
        table.to_file(tmp_path / "labels.shp", engine="pyogrio")
        return tmp_path / "labels.shp"

    @pytest.mark.thorough
    @pytest.mark.parametrize("ending", ["dbf", "shx", "prj", "cpg", "shp"])
    @pytest.mark.parametrize("way", ["", "|layername=labels", "vrt", "zip"])
    def test_are_not_written_over_in_any_part(self, shapes: Path, land: str, ending: str, way: str) -> None:
        part = shapes.with_suffix(f".{ending}")
        before = part.read_bytes()
        if way == "vrt":
            labels = str(shapes.with_name("l.vrt"))
            Path(labels).write_text(
                '<OGRVRTDataSource><OGRVRTLayer name="labels"><SrcDataSource relativeToVRT="1">labels.shp</SrcDataSource>'
                "</OGRVRTLayer></OGRVRTDataSource>"
            )
        elif way == "zip":
            part = shapes.with_name("labels.zip")
            part.write_bytes(before)
            labels = f"/vsizip/{part}/labels.shp"
        else:
            labels = f"{shapes}{way}"
        for job in (
            Finetune(land, labels, "cover", str(shapes.with_name("m.safetensors")), report=str(part)),
            Assess(land, labels, "cover", report=str(shapes.with_name("r.html")), table=str(part)),
            SuggestLabels(land, "m.safetensors", str(part), labels),
        ):
            with pytest.raises(OutputError, match="an input|is a part of the (labels|reference)"):
                run(job)
        assert part.read_bytes() == before

    def test_in_a_folder_are_not_written_over(self, land: str, tmp_path: Path) -> None:
        folder = tmp_path / "labels"
        folder.mkdir()
        (folder / "a.dbf").write_bytes(b"table")
        with pytest.raises(OutputError, match="is a part of the labels labels"):
            run(Finetune(land, str(folder), "cover", str(tmp_path / "m.safetensors"), report=f"{folder}/a.dbf"))

    def test_with_the_name_of_a_part_of_the_output_are_kept(self, tmp_path: Path) -> None:
        raster = write_raster(tmp_path / "land.tif", np.ones((1, 20, 20), np.uint8))
        run(Polygonise(raster, str(tmp_path / "p.shp")))
        with pytest.raises(OutputError, match="output would overwrite an input: .*p.dbf"):
            protect_inputs(job := SuggestLabels(raster, "m", str(tmp_path / "p.shp"), str(tmp_path / "p.dbf")), job)


@pytest.mark.thorough
def test_by_a_second_mount_of_their_folder_are_not_written_over(land: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    part = Path(shutil.copy(land, tmp_path / "here" / "part.tif"))
    named = vrt(tmp_path / "a.vrt", str(part))
    mounted = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"']
    mounted += [str(part.parent), str(tmp_path / "there")]
    if shutil.which("unshare") is None or subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("A folder cannot be mounted a second time here: that takes root, and unshare.")
    before = part.read_bytes()
    for raster in (str(part), named):
        job = to_json(Polygonise(raster, str(tmp_path / "there" / "part.tif")))
        code = "import sys; from false_core import jobs, run; run(jobs.from_json(sys.argv[1]))"
        done = subprocess.run([*mounted, sys.executable, "-c", code, job], capture_output=True, text=True)
        assert "would overwrite an input" in done.stderr or "is a part of the raster" in done.stderr, done.stderr
    assert part.read_bytes() == before


@pytest.mark.thorough
def test_outputs_of_every_job_are_compared(land: str, model: str, encoder: str, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.tif")
    shutil.copy(land, kept)
    named, new = vrt(tmp_path / "a.vrt", kept), str(tmp_path / "new")
    jobs: list[Job] = [
        Pretrain((named,), kept),
        Pretrain((land,), new, truth=named, report=kept),
        Embed(named, encoder, kept),
        Assess(named, truth=land, report=kept),
        Assess(land, truth=named, report=new, table=kept),
        SamplePoints(named, new, key=kept),
        SamplePoints(named, kept),
    ]
    for job in jobs:
        with pytest.raises(OutputError, match=r"kept\.tif is a part of the raster a\.vrt"):
            run(job)
    link = tmp_path / "model.safetensors"
    os.link(shutil.copy(model, tmp_path / "m.safetensors"), link)
    for job in (
        ModelInfo(str(tmp_path / "m.safetensors"), str(link)),
        ExportOnnx(str(tmp_path / "m.safetensors"), str(link)),
    ):
        with pytest.raises(OutputError, match="would overwrite an input"):
            run(job)


@pytest.mark.parametrize(
    "name", ["a.tif", "/vsicurl/https://h/part.tif", "part.tif/x", "", "a:b", "<x", "{", "vrt://", "\0"]
)
def test_names_of_nothing_here_stand_for_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.tif").touch()
    assert not list(files_in_name(name, ""))
