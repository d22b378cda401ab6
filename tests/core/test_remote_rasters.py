"""Rasters on a server are read in place. What was read lies on this disk for the next time, as long as they are the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from small_jobs import SmallJobs
from small_world import Listener, textured_land, write_raster
from web_folder import WebFolder, bucket_path, served

from false_core.dispatch import run
from false_core.errors import Cancelled, InputError
from false_core.events import Event, Progress
from false_core.jobs import Classify, Pretrain
from false_core.raster.file_state import raster_signature, state_of, states_of, unsigned, was_changed
from false_core.raster.source import RasterSource, Window
from false_core.untrusted.names import is_on_network, is_served

pytestmark = pytest.mark.thorough

BLOCKS = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}

READ = """
import sys
import numpy as np
from false_core.raster.source import RasterSource, Window
source = RasterSource(sys.argv[1])
pixels = source.read(Window(0, 0, source.width, source.height))
print(repr(float(np.nansum(pixels.astype(np.float64)))))
"""


def land_of(seed: int) -> np.ndarray:
    """Return pixels that do not compress, with a hole."""
    pixels = np.random.default_rng(seed).integers(1, 60_000, (3, 700, 900)).astype("uint16")
    pixels[:, 100:300, 200:500] = 0
    return pixels


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the disk cache, alone in its kind."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FALSE_DISK_FOLDER", str(folder))
    monkeypatch.delenv("FALSE_DISK_GB", raising=False)
    monkeypatch.delenv("FALSE_DISK_FOR", raising=False)
    return folder


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebFolder]:
    # GDAL remembers what it has read of an address; here each reading is to be one.
    for name, value in (("no_proxy", "127.0.0.1"), ("NO_PROXY", "127.0.0.1"), ("CPL_VSIL_CURL_NON_CACHED", "/vsicurl/")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")
    folder = tmp_path / "server"
    folder.mkdir()
    with served(folder) as made:
        yield made


@pytest.fixture
def image(web: WebFolder) -> np.ndarray:
    pixels = land_of(0)
    write_raster(web.folder / "image.tif", pixels, nodata=0, **BLOCKS)
    return pixels


def as_read(pixels: np.ndarray) -> np.ndarray:
    return np.where(pixels == 0, np.nan, pixels.astype(np.float32))


def read_in_another_process(path: str) -> float:
    answer = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class TestAFarRaster:
    def test_holds_what_it_would_hold_here(self, web: WebFolder, image: np.ndarray, cache: Path) -> None:
        wanted = as_read(image)
        for _ in ("from the server", "from the disk"):
            source = RasterSource(web.path("image.tif"))
            for window in (
                Window(0, 0, 900, 700), Window(500, 400, 60, 200), Window(510, 510, 4, 4), Window(-20, 690, 64, 64),
            ):  # fmt: skip
                read = source.read(window)
                inside = np.full((3, window.height, window.width), np.nan, np.float32)
                x, y = max(0, -window.column), max(0, -window.row)
                part = wanted[
                    :, max(0, window.row) : window.row + window.height, max(0, window.column) : window.column + window.width
                ]
                inside[:, y : y + part.shape[1], x : x + part.shape[2]] = part
                np.testing.assert_array_equal(read, inside)
        assert len(entries(cache)) == 4, "2 x 2 chunks of 512 pixels"

    @pytest.mark.parametrize("factor", [1, 3])
    @pytest.mark.parametrize(
        "how",
        [
            {"dtype": "float32"}, {"dtype": "uint8", "photometric": "rgb", "alpha": "yes"}, {"dtype": "int16", "mask": True},
        ],
    )  # fmt: skip
    def test_of_any_kind_gives_the_same_from_the_disk(self, web: WebFolder, cache: Path, factor: int, how: dict) -> None:
        how = dict(how)
        pixels = np.random.default_rng(1).integers(0, 200, (4, 530, 540)).astype(how.pop("dtype"))
        if pixels.dtype == "float32":
            pixels[1, 5:50, 7:90] = np.nan
        mask = np.where(pixels[0] > 100, 255, 0).astype("uint8") if how.pop("mask", False) else None
        path = write_raster(web.folder / "r.tif", pixels, mask, **how, **BLOCKS)
        wanted = RasterSource(path, factor=factor).read_with_validity(Window(0, 0, 540, 530))
        for _ in ("from the server", "from the disk"):
            read = RasterSource(web.path("r.tif"), factor=factor).read_with_validity(Window(0, 0, 540, 530))
            np.testing.assert_array_equal(read[0], wanted[0])
            np.testing.assert_array_equal(read[1], wanted[1])
        assert entries(cache)

    def test_travels_once_for_all_processes(self, web: WebFolder, image: np.ndarray, cache: Path) -> None:
        total = float(as_read(image)[np.isfinite(as_read(image))].astype(np.float64).sum())
        assert read_in_another_process(web.path("image.tif")) == pytest.approx(total)
        first = web.bytes_sent()
        assert first > 0.9 * (web.folder / "image.tif").stat().st_size
        assert read_in_another_process(web.path("image.tif")) == pytest.approx(total)
        assert web.bytes_sent() - first < 0.05 * first, "no more than what it takes to open it"

    @pytest.mark.parametrize("kind", ["/vsicurl/", "/vsis3/"])
    def test_that_is_replaced_while_a_process_lives_is_read_as_one_or_the_other(
        self, web: WebFolder, cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.delenv("CPL_VSIL_CURL_NON_CACHED")
        for blocks in ({}, {"compress": "deflate"}):
            name = f"{len(blocks)}.tif"
            path = bucket_path(web, name, monkeypatch) if kind == "/vsis3/" else web.path(name)
            how = {"tiled": True, "blockxsize": 512, "blockysize": 512, **blocks}
            write_raster(web.folder / name, land_of(0), **how)
            first = RasterSource(path)
            corner = Window(0, 0, 512, 512)
            np.testing.assert_array_equal(first.read(corner), land_of(0)[:, :512, :512])
            write_raster(web.folder / name, land_of(1), **how)
            # Part of it GDAL still has. What it would make of that and of what lies there now goes into the cache for all.
            whole = Window(0, 0, 900, 700)
            np.testing.assert_array_equal(RasterSource(path).read(whole), land_of(1))
            total = read_in_another_process(path)
            assert total == pytest.approx(float(land_of(1).astype(np.float64).sum()))

    def test_that_is_replaced_while_it_is_read_ends_the_reading(
        self, web: WebFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        how = {"tiled": True, "blockxsize": 128, "blockysize": 128}
        write_raster(web.folder / "r.tif", land_of(0), **how)
        source = RasterSource(web.path("r.tif"))
        source.read(Window(0, 0, 64, 64))
        write_raster(web.folder / "r.tif", land_of(1), **how)
        monkeypatch.setattr("false_core.raster.chunks_on_disk.ASK_AGAIN_S", 0.0)
        with pytest.raises(InputError, match=r"r\.tif was replaced while it was read.*Start the job again"):
            source.read(Window(600, 600, 64, 64))
        assert len(entries(cache)) == 1, "nothing of the new one under the name of the old one"

    def test_that_is_replaced_so_that_nothing_fits_is_said(self, web: WebFolder, image: np.ndarray, cache: Path) -> None:
        source = RasterSource(web.path("image.tif"))
        source.read(Window(0, 0, 64, 64))
        write_raster(web.folder / "image.tif", np.zeros((3, 700, 900), "uint16"), **BLOCKS)
        with pytest.raises(InputError, match="was replaced while it was read"):
            source.read(Window(600, 600, 64, 64))

    def test_that_is_of_another_size_when_it_is_first_read_is_said(
        self, web: WebFolder, image: np.ndarray, cache: Path
    ) -> None:
        source = RasterSource(web.path("image.tif"))
        write_raster(web.folder / "image.tif", land_of(1)[:, :300], nodata=0, **BLOCKS)
        with pytest.raises(InputError, match=r"image\.tif was replaced since it was opened.*Start the job again"):
            source.read(Window(0, 0, 64, 64))

    def test_that_cannot_be_opened_says_what_may_be_wrong(self, web: WebFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("none.tif", "tiles/", "tiles/*.tif"):
            with pytest.raises(InputError, match=r"cannot be opened: .*[^.]\. Look at .*ends in a slash"):
                RasterSource(bucket_path(web, name, monkeypatch))

    def test_that_has_changed_is_read_anew(self, web: WebFolder, image: np.ndarray, cache: Path) -> None:
        before = read_in_another_process(web.path("image.tif"))
        write_raster(web.folder / "image.tif", land_of(1), nodata=0, **BLOCKS)
        after = read_in_another_process(web.path("image.tif"))
        assert after == pytest.approx(float(land_of(1).astype(np.float64).sum()))
        assert after != before

    def test_of_which_the_server_does_not_say_whether_it_changes_is_not_kept(
        self, web: WebFolder, image: np.ndarray, cache: Path
    ) -> None:
        web.forget_what_files_are()
        with pytest.warns(RuntimeWarning, match="cannot be told whether they change"):
            read = RasterSource(web.path("image.tif")).read(Window(0, 0, 900, 700))
        np.testing.assert_array_equal(read, as_read(image))
        assert not entries(cache)

    def test_is_read_from_the_server_where_an_entry_is_damaged(self, web: WebFolder, image: np.ndarray, cache: Path) -> None:
        RasterSource(web.path("image.tif")).read(Window(0, 0, 900, 700))
        for number, file in enumerate(entries(cache)):
            content = file.read_bytes()
            file.write_bytes([content[:50], b"", content[:-1] + b"?", content[::-1]][number])
        read = RasterSource(web.path("image.tif")).read(Window(0, 0, 900, 700))
        np.testing.assert_array_equal(read, as_read(image))

    def test_is_not_kept_where_the_disk_is_not_to_be_used(
        self, web: WebFolder, image: np.ndarray, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DISK_GB", "0")
        RasterSource(web.path("image.tif")).read(Window(0, 0, 900, 700))
        assert not cache.exists()

    def test_keeps_to_the_limit(
        self, web: WebFolder, image: np.ndarray, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Noise of three bands: 1.5 MB for a whole chunk, and an entry may take a quarter.
        monkeypatch.setenv("FALSE_DISK_GB", "0.0065")
        for seed in range(4):
            write_raster(web.folder / f"{seed}.tif", land_of(seed), nodata=0, **BLOCKS)
            read = RasterSource(web.path(f"{seed}.tif")).read(Window(0, 0, 900, 700))
            np.testing.assert_array_equal(read, as_read(land_of(seed)))
            assert 0 < sum(file.stat().st_size for file in entries(cache)) <= 6_500_000

    def test_named_by_a_vrt_here_is_kept_too(
        self, web: WebFolder, image: np.ndarray, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DRIVERS", "/vsicurl/")
        vrt = tmp_path / "far.vrt"
        vrt.write_text(
            '<VRTDataset rasterXSize="900" rasterYSize="700"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
            f"<SourceFilename>{web.path('image.tif')}</SourceFilename><SourceBand>2</SourceBand></SimpleSource>"
            "</VRTRasterBand></VRTDataset>"
        )
        for _ in ("from the server", "from the disk"):
            read = RasterSource(str(vrt)).read(Window(0, 0, 900, 700))
            np.testing.assert_array_equal(read[0], image[1])
        assert len(entries(cache)) == 4


class TestARasterHere:
    def test_does_not_go_through_the_cache_unless_asked_for(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_raster(tmp_path / "here.tif", land_of(0), nodata=0, **BLOCKS)
        RasterSource(path).read(Window(0, 0, 900, 700))
        assert not cache.exists()
        monkeypatch.setenv("FALSE_DISK_FOR", "all")
        for _ in ("from the file", "from the disk"):
            np.testing.assert_array_equal(RasterSource(path).read(Window(0, 0, 900, 700)), as_read(land_of(0)))
        assert len(entries(cache)) == 4

    def test_that_was_written_again_is_read_anew(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_DISK_FOR", "all")
        path = write_raster(tmp_path / "here.tif", land_of(0), nodata=0)
        RasterSource(path).read(Window(0, 0, 900, 700))
        size, changed = os.stat(path).st_size, os.stat(path).st_mtime_ns
        write_raster(tmp_path / "here.tif", land_of(1), nodata=0)
        assert os.stat(path).st_size == size
        os.utime(path, ns=(changed + 1, changed + 1))
        np.testing.assert_array_equal(RasterSource(path).read(Window(0, 0, 900, 700)), as_read(land_of(1)))

    def test_with_other_bands_or_another_nodata_value_is_another(
        self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALSE_DISK_FOR", "all")
        path = write_raster(tmp_path / "here.tif", land_of(0))
        whole = Window(0, 0, 900, 700)
        np.testing.assert_array_equal(RasterSource(path, (1,)).read(whole), land_of(0)[:1])
        np.testing.assert_array_equal(RasterSource(path, (3, 1)).read(whole), land_of(0)[[2, 0]])
        marked = Path(f"{path}.aux.xml")
        bands = "".join(f'<PAMRasterBand band="{b}"><NoDataValue>0</NoDataValue></PAMRasterBand>' for b in (1, 2, 3))
        marked.write_text(f"<PAMDataset>{bands}</PAMDataset>")
        np.testing.assert_array_equal(RasterSource(path, (1,)).read(whole), as_read(land_of(0)[:1]))


class TestAJobOnFarRasters:
    def test_gives_what_it_gives_here(
        self, web: WebFolder, cache: Path, land: str, model: str, tmp_path: Path, listener: Listener
    ) -> None:
        shutil.copy(land, web.folder / "land.tif")
        far = web.path("land.tif")
        here, there = tmp_path / "here.tif", tmp_path / "there.tif"
        run(Classify(land, model, str(here), device="cpu"))
        run(Classify(far, model, str(there), device="cpu"), listener)
        whole = Window(0, 0, 170, 120)
        np.testing.assert_array_equal(RasterSource(str(there)).read(whole), RasterSource(str(here)).read(whole))
        (tmp_path / "far.txt").write_text(f"{far}\n")
        job = Pretrain(
            rasters=(str(tmp_path / "far.txt"),), encoder=str(tmp_path / "e.safetensors"), preset="quick", device="cpu",
            steps=1, batch_size=4,
        )  # fmt: skip
        assert np.isfinite(run(job, listener)["loss"])
        assert not listener.warnings

    def test_is_not_put_together_from_two_rasters(
        self, web: WebFolder, small_jobs: SmallJobs, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "false_core.inference.tiles.MAX_STRIDE_PX": 256,
            "false_core.mapping.classify.plan.LEAST_PIXELS": 1,
        }.items():
            monkeypatch.setattr(name, value)
        old, new = textured_land(600, 1100), textured_land(600, 1100)[:, :, ::-1]
        write_raster(web.folder / "far.tif", old, nodata=0)
        here = write_raster(tmp_path / "here.tif", new, nodata=0)
        wanted = run(Classify(here, small_jobs.model, str(tmp_path / "wanted.tif"), device="cpu"))["output"]
        job = Classify(web.path("far.tif"), small_jobs.model, str(tmp_path / "map.tif"), device="cpu")
        stop = threading.Event()

        def leave_off(event: Event) -> None:
            if isinstance(event, Progress) and list(tmp_path.glob(".*.strips/strip-*")):
                stop.set()

        with pytest.raises(Cancelled):
            run(job, leave_off, stop)
        write_raster(web.folder / "far.tif", new, nodata=0)
        run(job)
        whole = Window(0, 0, 600, 1100)
        np.testing.assert_array_equal(RasterSource(job.output).read(whole), RasterSource(wanted).read(whole))

        def replace(event: Event) -> None:
            if isinstance(event, Progress) and event.stage == "Writing the map":
                write_raster(web.folder / "far.tif", old, nodata=0)

        earlier = Path(job.output).read_bytes()
        with pytest.raises(InputError, match="was (changed while it was classified|replaced while it was read)"):
            run(job, replace)
        assert Path(job.output).read_bytes() == earlier


class TestTheStateOfAFile:
    def test_is_its_size_and_date(self, tmp_path: Path) -> None:
        file = tmp_path / "a.bin"
        file.write_bytes(b"abc")
        os.utime(file, ns=(5, 7))
        assert state_of(str(file)) == "3 7"
        assert state_of(str(tmp_path / "none")) is None
        assert states_of([str(file), str(tmp_path / "none")]) is None

    def test_in_an_archive_is_that_of_the_archive(self, tmp_path: Path) -> None:
        archive = tmp_path / "a.zip"
        archive.write_bytes(b"abcd")
        os.utime(archive, ns=(5, 9))
        for path in (f"/vsizip/{archive}/in/a.tif", f"/vsizip/{{{archive}}}/a.tif", f"/vsigzip/{archive}"):
            assert state_of(path) == "4 9", path
        assert state_of("/vsimem/a.tif") is None
        assert state_of("/vsizip//vsicurl/http://host/a.zip/a.tif") is None

    def test_on_a_server_is_what_the_server_calls_it(self, web: WebFolder) -> None:
        (web.folder / "a.bin").write_bytes(b"abc")
        first = state_of(web.path("a.bin"))
        assert first is not None
        assert first.startswith("3 ")
        assert state_of(web.path("none.bin")) is None

    def test_in_a_bucket_is_the_same(self, web: WebFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        (web.folder / "a.bin").write_bytes(b"abc" * 10_000)
        assert state_of(bucket_path(web, "a.bin", monkeypatch)) == state_of(web.path("a.bin"))

    def test_on_a_server_tells_whether_a_raster_was_changed(self, web: WebFolder) -> None:
        (web.folder / "a.bin").write_bytes(b"abc")
        files = [web.path("a.bin")]
        signature = raster_signature(files)
        assert not was_changed(files, signature)
        (web.folder / "a.bin").write_bytes(b"abd")
        assert was_changed(files, signature)
        (web.folder / "a.bin").unlink()
        assert not was_changed(files, signature), "a server that does not answer says nothing about its files"

    @pytest.mark.parametrize(
        ("path", "far"),
        [
            ("/vsicurl/https://h/a.tif", True), ("/vsis3/b/a.tif", True), ("/vsizip//vsis3/b/a.zip/a.tif", True),
            ("https://h/a.tif", True), ("s3://b/a.tif", True), ("\\\\server\\share\\a.tif", True), ("/data/a.tif", False),
            ("C:\\data\\a.tif", False), ("/vsizip//data/a.zip/a.tif", False), ("a.tif", False),
        ],
    )  # fmt: skip
    def test_that_is_far_is_told_by_its_path(self, path: str, far: bool) -> None:
        assert is_on_network(path) == far

    @pytest.mark.parametrize(
        ("path", "is_file"),
        [
            ("/vsicurl/https://h/a.tif", True), ("/vsicurl_streaming/https://h/a.tif", True), ("/vsis3/b/a.tif", True),
            ("/vsicurl?url=https%3A%2F%2Fh%2Fa.tif", True), ("/vsizip//vsis3/b/a.zip/a.tif", False), ("/data/a.tif", False),
        ],
    )  # fmt: skip
    def test_that_is_itself_on_a_server_is_told_by_its_path(self, path: str, is_file: bool) -> None:
        assert is_served(path) == is_file

    @pytest.mark.parametrize(
        ("path", "plain"),
        [
            ("/vsicurl/https://h/a.tif?sv=2024&se=x&sr=b&sig=1%3D", "/vsicurl/https://h/a.tif"),
            ("/vsicurl/https://h/a.tif?id=3&X-Amz-Date=1&X-Amz-Signature=2", "/vsicurl/https://h/a.tif?id=3"),
            ("/vsicurl/https://h/a.tif?id=3&se=x", "/vsicurl/https://h/a.tif?id=3&se=x"),
            ("/data/what?sig=1.tif", "/data/what?sig=1.tif"),
        ],
    )
    def test_does_not_depend_on_the_signature_of_its_address(self, path: str, plain: str) -> None:
        assert unsigned(path) == plain
