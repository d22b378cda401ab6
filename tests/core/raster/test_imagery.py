"""A job names its imagery as people keep it: rasters, folders, patterns, text files. All is found, in one order."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_world import Listener, textured_land, write_raster
from web_folder import WebFolder, served

from false_core import jobs
from false_core.dispatch import run
from false_core.errors import InputError, OutputError
from false_core.jobs import Classify, ClassifyMany, Finetune, Pretrain
from false_core.labels.label_file import read_table
from false_core.models.model_file import read_card
from false_core.raster.imagery import find_rasters, with_rasters_found


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with what lies in such folders. Here only names count, so nothing is in the files."""
    folder = tmp_path / "archive"
    for name in (
        "b_10.tif", "b_2.tif", "a.TIF", "mosaic.vrt", "old.img", "scene.jp2", "c.tiff", "photo.png", "b_2.tif.aux.xml",
        "b_2.tfw", "readme.md", ".hidden.tif", "2024/n/a.tif", "2024/s/a.tif", "2023/a.tif",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(found: list[str], folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in found]


class TestAFolder:
    def test_stands_for_the_rasters_in_it_by_name(self, archive: Path) -> None:
        wanted = ["a.TIF", "b_10.tif", "b_2.tif", "c.tiff", "mosaic.vrt", "old.img", "scene.jp2"]
        assert names(find_rasters([str(archive)]), archive) == wanted
        assert names(find_rasters([f"{archive}{os.sep}"]), archive) == wanted

    def test_without_rasters_is_an_error_that_says_how_to_name_those_in_its_folders(self, archive: Path) -> None:
        with pytest.raises(InputError, match=r"no raster in the folder .*2024.*write a pattern") as caught:
            find_rasters([str(archive / "2024")])
        assert os.path.join("2024", "**", "*.tif") in str(caught.value)

    def test_that_is_a_raster_of_a_format_of_folders_is_that_raster(self, tmp_path: Path) -> None:
        pytest.importorskip("rasterio")
        import rasterio

        target = str(tmp_path / "cube.zarr")
        try:
            with rasterio.open(target, "w", driver="Zarr", width=8, height=8, count=1, dtype="uint8") as file:
                file.write(np.ones((1, 8, 8), "uint8"))
        except rasterio.errors.RasterioError:
            pytest.skip("This GDAL writes no Zarr.")
        assert find_rasters([target]) == [target]

    def test_that_may_not_be_read_is_an_error(self, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(folder: str) -> None:
            # Permissions do not bind whoever runs tests as root, and Windows has others.
            raise PermissionError(13, "Permission denied", folder)

        monkeypatch.setattr("os.scandir", denied)
        with pytest.raises(InputError, match="The folder .* cannot be read: Permission denied"):
            find_rasters([str(archive)])


class TestAPattern:
    def test_stands_for_what_it_matches_sorted_by_path(self, archive: Path) -> None:
        assert names(find_rasters([f"{archive}/b_*.tif"]), archive) == ["b_10.tif", "b_2.tif"]
        assert names(find_rasters([f"{archive}/b_?.tif"]), archive) == ["b_2.tif"]
        assert names(find_rasters([f"{archive}/[ab]_2.tif"]), archive) == ["b_2.tif"]

    def test_reaches_into_folders(self, archive: Path) -> None:
        everywhere = ["2023/a.tif", "2024/n/a.tif", "2024/s/a.tif", "b_10.tif", "b_2.tif"]
        assert names(find_rasters([f"{archive}/**/*.tif"]), archive) == everywhere
        assert names(find_rasters([f"{archive}/2024/*"]), archive) == ["2024/n/a.tif", "2024/s/a.tif"]

    def test_that_says_how_names_end_is_taken_at_its_word(self, archive: Path) -> None:
        assert names(find_rasters([f"{archive}/*.png"]), archive) == ["photo.png"]
        assert "photo.png" not in names(find_rasters([f"{archive}/*"]), archive)
        assert names(find_rasters([f"{archive}/b_2*"]), archive) == ["b_2.tif"], "not what lies beside it"

    def test_that_matches_nothing_is_an_error(self, archive: Path) -> None:
        with pytest.raises(InputError, match=r"No raster matches .*/none_\*\.tif"):
            find_rasters([str(archive / "a.TIF"), f"{archive}/none_*.tif"])

    def test_that_is_the_name_of_a_raster_is_that_raster(self, tmp_path: Path) -> None:
        for name in ("north [2024].tif", "north 4.tif"):
            (tmp_path / name).touch()
        assert find_rasters([str(tmp_path / "north [2024].tif")]) == [str(tmp_path / "north [2024].tif")]


class TestATextFile:
    def write(self, folder: Path, text: str, encoding: str = "utf-8") -> str:
        path = folder / "rasters.txt"
        path.write_bytes(text.encode(encoding))
        return str(path)

    def test_names_a_raster_per_line_in_its_own_order(self, archive: Path) -> None:
        listed = f'# of today\n\n b_2.tif \r\n2024/n/a.tif\n"a.TIF"\n{archive / "c.tiff"}\n/vsis3/bucket/x.tif\n'
        found = find_rasters([self.write(archive, listed)])
        assert found[-1] == "/vsis3/bucket/x.tif"
        assert names(found[:-1], archive) == ["b_2.tif", "2024/n/a.tif", "a.TIF", "c.tiff"]

    def test_of_a_windows_editor_is_read_too(self, archive: Path) -> None:
        assert names(find_rasters([self.write(archive, "a.TIF\r\nb_2.tif", "utf-8-sig")]), archive) == ["a.TIF", "b_2.tif"]

    def test_may_name_folders_and_patterns(self, archive: Path) -> None:
        listed = "2024/s\nb_*.tif\n"
        assert names(find_rasters([self.write(archive, listed)]), archive) == ["2024/s/a.tif", "b_10.tif", "b_2.tif"]

    def test_that_names_a_missing_raster_is_an_error_with_the_line(self, archive: Path) -> None:
        with pytest.raises(InputError, match=r"rasters\.txt, line 3: there is no raster .*gone\.tif"):
            find_rasters([self.write(archive, "a.TIF\n#\ngone.tif\n")])

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "names no raster"),
            (b"# nothing\n\n", "names no raster"),
            (b"\xff\xfe\x00a", "no text in UTF-8"),
            (b"a.tif\0b.tif", "no text file"),
            (b"rasters.txt\n", "is a text file again"),
        ],
    )
    def test_that_is_no_list_is_an_error(self, tmp_path: Path, content: bytes, what: str) -> None:
        (tmp_path / "rasters.txt").write_bytes(content)
        with pytest.raises(InputError, match=what):
            find_rasters([str(tmp_path / "rasters.txt")])

    def test_that_is_not_there_or_much_too_large_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InputError, match="cannot be read: No such file"):
            find_rasters([str(tmp_path / "none.txt")])
        monkeypatch.setattr("false_core.raster.imagery.LARGEST_LIST", 10)
        with pytest.raises(InputError, match="too large for a list"):
            find_rasters([self.write(tmp_path, "a" * 11)])

    def test_that_gdal_reads_as_a_raster_is_a_raster(self, tmp_path: Path) -> None:
        grid = tmp_path / "heights.txt"
        grid.write_text("ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n3 4\n")
        assert find_rasters([str(grid)]) == [str(grid)]


class TestTheOrder:
    def test_is_that_of_the_names_and_no_raster_comes_twice(self, archive: Path) -> None:
        found = find_rasters(
            [str(archive / "c.tiff"), f"{archive}/b_*.tif", str(archive), str(archive / "2023" / ".." / "a.TIF")]
        )
        assert names(found, archive) == ["c.tiff", "b_10.tif", "b_2.tif", "a.TIF", "mosaic.vrt", "old.img", "scene.jp2"]

    def test_does_not_depend_on_how_the_disk_lists_a_folder(self, archive: Path, tmp_path: Path) -> None:
        other = tmp_path / "copied"
        other.mkdir()
        for path in sorted(archive.glob("*.*"), reverse=True):
            if path.is_file():
                shutil.copy(path, other)
        assert names(find_rasters([str(other)]), other) == names(find_rasters([str(archive)]), archive)

    @pytest.mark.skipif(os.name == "nt", reason="needs links")
    def test_a_link_is_the_raster_it_leads_to(self, archive: Path) -> None:
        (archive / "again.tif").symlink_to(archive / "b_2.tif")
        found = names(find_rasters([f"{archive}/*.tif"]), archive)
        assert found == ["again.tif", "b_10.tif"]

    @pytest.mark.parametrize(
        "name",
        [
            "image.tif",
            "/vsicurl/https://host/a.tif?size=*&x=[1]",
            "https://host/items?limit=9",
            "/vsizip//data/a.zip/a[1].tif",
            'NETCDF:"a*.nc":temperature',
            "C:\\data\\a.tif",
            "<VRTDataset><?what?></VRTDataset>",
        ],
    )
    def test_what_only_gdal_can_look_up_is_passed_on(self, name: str) -> None:
        assert find_rasters([name]) == [name]


@pytest.fixture(scope="class")
def web(tmp_path_factory: pytest.TempPathFactory, land: str) -> Iterator[WebFolder]:
    folder = tmp_path_factory.mktemp("server")
    for name in ("b.tif", "a.TIF", "a.tif.aux.xml", "notes.txt", "2024/c.tif", "2024/may/d.tif", "2024/may/e.img"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(land, folder / name)
    with served(folder) as there:
        yield there


class TestOnAServer:
    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("", ["a.TIF", "b.tif"]),
            ("2024/", ["2024/c.tif"]),
            ("*.tif", ["b.tif"]),
            ("*", ["2024/c.tif", "a.TIF", "b.tif"]),
            ("20*", ["2024/c.tif"]),
            ("**/*.tif", ["2024/c.tif", "2024/may/d.tif", "b.tif"]),
            ("*/*.tif", ["2024/c.tif"]),
            ("2024/**", ["2024/c.tif", "2024/may/d.tif", "2024/may/e.img"]),
            ("2024/m*y/*", ["2024/may/d.tif", "2024/may/e.img"]),
            ("not*.txt", ["notes.txt"]),
        ],
    )
    def test_folders_and_patterns_stand_for_what_is_there(self, web: WebFolder, name: str, found: list[str]) -> None:
        assert find_rasters([web.path(name)]) == [web.path(one) for one in found]

    def test_labels_on_the_disk_close_the_network_only_while_they_are_read(self, web: WebFolder, labels: str) -> None:
        read_table(labels, "cover", Listener().feedback)
        assert find_rasters([web.path("2024/")]) == [web.path("2024/c.tif")]

    def test_a_text_file_may_name_them(self, web: WebFolder, tmp_path: Path) -> None:
        (tmp_path / "all.txt").write_text(f"{web.path('2024/')}\n")
        assert find_rasters([str(tmp_path / "all.txt")]) == [web.path("2024/c.tif")]

    @pytest.mark.parametrize("name", ["2023/", "*.jp2", "2024/**/*.TIF"])
    def test_where_there_is_none_the_error_says_what_may_be_the_reason(self, web: WebFolder, name: str) -> None:
        with pytest.raises(InputError, match=r"No raster is found at .*Not every server lists its files"):
            find_rasters([web.path(name)])

    def test_an_archive_is_looked_into_as_well(self, land: str, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in ("x/b.tif", "x/a.tif", "x/y/c.tif"):
                archive.write(land, name)
        there = f"/vsizip/{tmp_path}/a.zip/x/"
        assert find_rasters([there]) == [f"{there}a.tif", f"{there}b.tif"]
        assert find_rasters([f"{there}**/*.tif"]) == [f"{there}a.tif", f"{there}b.tif", f"{there}y/c.tif"]

    @pytest.mark.thorough
    def test_a_job_learns_from_a_folder_there(self, web: WebFolder, tmp_path: Path) -> None:
        encoder = str(tmp_path / "e.safetensors")
        done = run(Pretrain((web.path(""),), encoder, preset="quick", steps=2, batch_size=4, device="cpu"))
        assert Path(done["encoder"]).is_file()


class TestAJob:
    def test_gets_rasters_for_names_and_says_how_many(self, archive: Path, listener: Listener) -> None:
        job = Pretrain(rasters=(str(archive), "/vsis3/b/x.tif"), encoder="e.safetensors")
        found = with_rasters_found(job, listener.feedback)
        assert isinstance(found, Pretrain)
        assert len(found.rasters) == 8
        assert f"8 raster(s) are meant by {archive}, /vsis3/b/x.tif" in listener.infos
        plain = Pretrain(rasters=("a.tif", "b.tif"), encoder="e.safetensors")
        assert with_rasters_found(plain, listener.feedback) == plain
        assert len(listener.events) == 1, "nothing is said where nothing was looked up"

    def test_of_one_raster_takes_a_name_that_stands_for_one(self, archive: Path, listener: Listener) -> None:
        found = with_rasters_found(Classify(f"{archive}/old*", "m.safetensors", "map.tif"), listener.feedback)
        assert isinstance(found, Classify)
        assert found.raster == str(archive / "old.img")
        with pytest.raises(InputError, match=r"stands for 7 rasters, and raster is one.*gdalbuildvrt"):
            with_rasters_found(Classify(str(archive), "m.safetensors", "map.tif"), listener.feedback)

    @pytest.mark.thorough
    def test_pretrains_on_a_folder_and_fine_tunes_on_a_pattern(
        self, land: str, labels: str, tmp_path: Path, listener: Listener
    ) -> None:
        (tmp_path / "tiles").mkdir()
        shutil.copy(land, tmp_path / "tiles" / "1.tif")
        write_raster(tmp_path / "tiles" / "2.tif", textured_land(90, 80), nodata=0)
        short = {"preset": "quick", "device": "cpu", "steps": 1}
        encoder, model = str(tmp_path / "e.safetensors"), str(tmp_path / "m.safetensors")
        run(Pretrain(rasters=(str(tmp_path / "tiles"),), encoder=encoder, batch_size=4, **short), listener)  # type: ignore[arg-type]
        assert read_card(encoder).provenance["rasters"] == ["1.tif", "2.tif"]
        run(
            Finetune(raster=f"{tmp_path}/tiles/1*", labels=labels, field="cover", encoder=encoder, model=model,
                     head="linear", **short)  # type: ignore[arg-type]
        )  # fmt: skip
        assert read_card(model).provenance["raster"] == "1.tif"

    def test_does_not_write_over_a_raster_that_a_folder_holds(self, land: str, model: str, tmp_path: Path) -> None:
        (tmp_path / "tiles").mkdir()
        copy = shutil.copy(land, tmp_path / "tiles" / "1.tif")
        with pytest.raises(OutputError, match="would overwrite an input"):
            run(Classify(f"{tmp_path}/tiles/*", model, str(copy), device="cpu"))
        with pytest.raises(OutputError, match="mix with the rasters"):
            run(ClassifyMany((str(tmp_path / "tiles"),), model, str(tmp_path / "tiles"), device="cpu"))

    @pytest.mark.thorough
    def test_maps_what_a_text_file_names(self, land: str, model: str, tmp_path: Path) -> None:
        (tmp_path / "sheets").mkdir()
        for name in ("north", "south"):
            shutil.copy(land, tmp_path / "sheets" / f"{name}.tif")
        (tmp_path / "all.txt").write_text("sheets/south.tif\nsheets/north.tif\n")
        done = run(ClassifyMany((str(tmp_path / "all.txt"),), model, str(tmp_path / "maps"), device="cpu"))
        assert done["maps"] == 2
        assert sorted(p.name for p in (tmp_path / "maps").glob("*.tif")) == ["north_classified.tif", "south_classified.tif"]


@pytest.mark.parametrize(
    "name", ["a.txt", "a.JSON", "a.geojson", "a.json|asset=x", "a/*.tif", ".", "/vsis3/b/", "/vsizip/a.zip/**/*.tif"]
)
def test_names_that_stand_for_rasters_are_known_by_their_looks(name: str) -> None:
    assert jobs.stands_for_rasters(name)


@pytest.mark.parametrize("name", ["a.tif", "a.vrt", "C:\\a.tif", "/vsicurl/https://h/a.json", "s3://b/a.txt", "a|b.tif"])
def test_other_names_do_not(name: str) -> None:
    assert not jobs.stands_for_rasters(name)
