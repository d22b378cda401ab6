"""Nothing let in: files from strangers are answered with one clear error, execute nothing and lead nowhere else.

What each takes of time and memory is measured by ``benchmarks/hostile_files.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hostile_zoo import ZOO, Animal, Good, _described, write_vrt
from small_world import Listener

from false_core import jobs
from false_core.dispatch import run
from false_core.errors import MAX_ERROR_CHARACTERS, FalseError, InputError, RequestError
from false_core.inference.tiles import Blender, TilePlan
from false_core.jobs import Classify, Finetune, ModelInfo
from false_core.mapping.classify.classify import classify
from false_core.models.header import LONGEST_HEADER
from false_core.models.model_file import MADE_BY, read_card, save_model
from false_core.raster.source import RasterSource, Window
from false_core.raster.statistics import measure
from false_core.untrusted import LONGEST_TEXT, check_unpacked, parse_json, read_text

pytestmark = pytest.mark.thorough

ESCAPE = "\x1b[2J\x1b]0;gone\x07"
"""Clears a terminal and renames it."""


@pytest.fixture
def good(land: str, labels: str, encoder: str, model: str) -> Good:
    return Good(land, labels, encoder, model)


def _contents(folder: Path) -> dict[Path, bytes]:
    """Return what is in a folder: files with their content, the first megabyte of it."""
    found = sorted(folder.rglob("*"))
    plain = {path for path in found if path.is_file() and not path.is_symlink()}
    return {path: path.open("rb").read(1_000_000) if path in plain else b"" for path in found}


@pytest.mark.skipif(os.name == "nt", reason="The zoo has pipes and devices.")
class TestTheZoo:
    @pytest.mark.parametrize("animal", ZOO, ids=lambda animal: f"{animal.kind}: {animal.name}")
    def test_is_answered_with_one_clear_error_and_nothing_is_written(
        self, animal: Animal, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zoo, out = tmp_path / "zoo", tmp_path / "out"
        zoo.mkdir()
        out.mkdir()
        # What takes too long is given up sooner here.
        monkeypatch.setattr("false_core.untrusted.databases.QUERY_TIMEOUT_S", 1.0)
        job = animal.job(animal.make(zoo, good), good, out)
        before = _contents(zoo)
        with pytest.raises(FalseError, match=rf"(?s){animal.said}") as caught:
            run(job)
        assert "Traceback" not in str(caught.value)
        assert len(str(caught.value)) < 2 * MAX_ERROR_CHARACTERS + 100
        assert not list(out.iterdir())
        assert _contents(zoo) == before, "nothing is written beside it, and nothing in it was executed"


class TestAModelOfAStranger:
    def test_has_no_file_opened_and_nothing_looked_up_in_the_network(self, land: str, model: str, tmp_path: Path) -> None:
        canary = tmp_path / "canary-that-sings"
        canary.write_text("sings")
        paths = [str(canary), f"file://{canary}", "http://127.0.0.1:9/x", "/vsicurl/http://127.0.0.1:9/x", "hf-hub:a/b"]
        told = {
            "raster": paths[0],
            "rasters": paths,
            "weights": {"file": paths[0], "timm": paths[4]},
            "encoder": {"rasters": paths},
        }
        told[MADE_BY] = {
            "job": {"job": "finetune", "raster": paths[0], "labels": paths[2]},
            "inputs": {paths[0]: "0"},
            "made_with": {},
        }
        hostile = _described(tmp_path, model, provenance=told, dtype=paths[3], bands=paths[:4], method={"name": paths[0]})
        program = textwrap.dedent(
            """
            import sys
            from false_core.jobs import Classify, Finetune, ModelInfo
            from false_core.dispatch import run
            raster, good, model, folder = sys.argv[1:]
            # First with a good one, so that what libraries look for when they are imported is over.
            run(Classify(raster, good, folder + "/map.tif", device="cpu"))
            seen = []
            sys.addaudithook(lambda event, given: seen.append((event, str(given[:2]))) if event.partition(".")[0] in
                             ("open", "socket", "subprocess", "os", "urllib", "ftplib", "http") else None)
            run(ModelInfo(model, folder + "/info.html"))
            run(Classify(raster, model, folder + "/map.tif", device="cpu"))
            outside = ("socket.connect", "socket.getaddrinfo", "subprocess", "os.system", "os.exec", "urllib")
            wrong = [(event, what) for event, what in seen if "canary-that-sings" in what or event.startswith(outside)]
            print(len(seen), wrong)
            """
        )
        answer = subprocess.run(
            [sys.executable, "-c", program, land, model, hostile, str(tmp_path)], capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stderr
        watched, _, wrong = answer.stdout.strip().splitlines()[-1].partition(" ")
        assert int(watched) > 10
        assert wrong == "[]"
        assert (tmp_path / "map.tif").is_file()

    def test_cannot_speak_to_the_terminal(self, model: str, tmp_path: Path) -> None:
        hostile = _described(tmp_path, model, bands=[ESCAPE] * 4, dtype=ESCAPE, provenance={"raster": ESCAPE})
        card = read_card(hostile)
        texts = json.dumps([card.bands, card.dtype, card.provenance])
        assert "u001b" not in texts
        assert "u0007" not in texts
        with pytest.raises(FalseError) as caught:
            read_card(_described(tmp_path, model, encoder=ESCAPE))
        assert "\x1b" not in str(caught.value)

    def test_of_many_inputs_is_still_written_and_read(self, model: str, tmp_path: Path) -> None:
        card, path = read_card(model), str(tmp_path / "m.safetensors")
        record = {"inputs": {f"/data/{'x' * 200}{number}.tif": "0" * 32 for number in range(30_000)}}
        from dataclasses import replace

        from false_core.models.from_file import segmenter_from

        network = segmenter_from(model, card)
        save_model(path, replace(card, provenance={**card.provenance, MADE_BY: record}), network)
        assert MADE_BY not in read_card(path).provenance
        assert Path(path).stat().st_size < Path(model).stat().st_size + LONGEST_HEADER


class TestAVrt:
    """Is a usual input: it may name files anywhere. Only what cannot work, or should not be possible, is refused."""

    def test_of_files_elsewhere_is_read(self, land: str, tmp_path: Path) -> None:
        path = write_vrt(tmp_path / "mosaic.vrt", [land], 170, 120)
        with rasterio.open(land) as file:
            pixels = file.read(window=rasterio.windows.Window(20, 20, 8, 8))
        np.testing.assert_array_equal(RasterSource(path).read(Window(20, 20, 8, 8)), pixels)

    def test_of_vrts_of_vrts_is_read_too(self, land: str, tmp_path: Path) -> None:
        path = land
        for level in range(5):
            path = write_vrt(tmp_path / f"{level}.vrt", [path], 170, 120)
        assert np.isfinite(RasterSource(path).read(Window(20, 20, 8, 8))).all()

    def test_of_raw_pixels_beside_it_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "pixels.raw").write_bytes(bytes(range(256)))
        path = Path(write_vrt(tmp_path / "raw.vrt", [], 16, 16, more=' subClass="VRTRawRasterBand"', dtype="Byte"))
        inside = '<SourceFilename relativetoVRT="1">pixels.raw</SourceFilename><ImageOffset>0</ImageOffset></VRTRasterBand>'
        path.write_text(path.read_text().replace("</VRTRasterBand>", inside))
        assert RasterSource(str(path)).read(Window(0, 0, 16, 16))[0, 15, 15] == 255

    def test_that_is_changed_is_looked_at_again(self, land: str, tmp_path: Path) -> None:
        path = write_vrt(tmp_path / "mosaic.vrt", [land], 170, 120)
        RasterSource(path)
        os.utime(write_vrt(tmp_path / "mosaic.vrt", ["mosaic.vrt"]), (1, 1))
        with pytest.raises(InputError, match="leads back to itself"):
            RasterSource(path)


class TestWhatIsTooLarge:
    def test_a_raster_without_a_valid_pixel_is_not_searched_for_ever(
        self, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("false_core.raster.statistics.LOOKED_AT_MOST", 100)
        path = tmp_path / "empty.tif"
        options: dict[str, Any] = {
            "driver": "GTiff",
            "count": 1,
            "dtype": "uint8",
            "nodata": 0,
            "tiled": True,
            "sparse_ok": True,
        }
        with rasterio.open(path, "w", width=100_000, height=100_000, **options):
            pass
        source = RasterSource(str(path))
        with pytest.raises(InputError, match="100 pieces of empty.tif were looked at, and none holds a valid pixel.*extent"):
            measure([source], [source.window_of(None)], listener.feedback)

    def test_a_map_wider_than_the_memory_is_refused_before_it_is_made(self) -> None:
        import torch

        plan = TilePlan(Window(0, 0, 2**31 - 1, 256), 768, 96, 32)
        with pytest.raises(FalseError, match=r"2,147,483,647 pixels wide, takes .* GB of memory.*extent"):
            Blender(plan, 254, torch.device("cpu"))

    def test_part_of_a_raster_that_is_too_large_can_be_classified(
        self, land: str, model: str, tmp_path: Path, listener: Listener
    ) -> None:
        path = write_vrt(tmp_path / "huge.vrt", [land], 2**31 - 1, 2**31 - 1)
        part = "500020,500084,5599920,5599984"
        done = classify(Classify(path, model, str(tmp_path / "map.tif"), extent=part, device="cpu"), listener.feedback)
        assert done["pixels"] == 64 * 64

    def test_a_text_that_is_read_as_a_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "legend.json"
        path.touch()
        os.truncate(path, LONGEST_TEXT + 1)
        with pytest.raises(InputError, match="is longer than 16 MB"):
            read_text(str(path), "The legend")

    def test_an_archive_that_is_not_too_large_passes(self, tmp_path: Path) -> None:
        import zipfile

        with zipfile.ZipFile(tmp_path / "small.zip", "w") as archive:
            archive.writestr("a", "b")
        check_unpacked(str(tmp_path / "small.zip"))


class TestStrictJson:
    @pytest.mark.parametrize(
        "text",
        ['{"a": [1, "]}"], "b": {"c": null}}', '"\\"[[["', "[" * 32 + "]" * 32, '["' + '\\"' * 1000 + '"]', "1", "NaN"],
        ids=lambda text: text[:20],
    )
    def test_reads_what_json_reads(self, text: str) -> None:
        assert repr(parse_json(text)) == repr(json.loads(text))

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("[" * 33 + "]" * 33, "nested more than 32 levels deep"),
            ('{"a":' * 33, "nested more than 32"),
            ('{"a": 1, "a": 1}', "'a' is given twice"),
            ('[{"b": {"a": 1, "c": 2, "a": 1}}]', "'a' is given twice"),
            ('"' + '\\"' * 2_000_000, "Unterminated"),
            ("", "Expecting value"),
        ],
        ids=lambda text: text[:20],
    )
    def test_refuses_what_two_readers_would_read_differently(self, text: str, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            parse_json(text)

    def test_knows_no_numbers_that_json_does_not_know(self) -> None:
        for text in ("NaN", "[Infinity]", '{"a": -Infinity}'):
            with pytest.raises(ValueError, match="is not JSON"):
                parse_json(text, finite=True)


class TestAJobOfAStranger:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('{"job": "check", "device": "cpu", "device": "cuda"}', "'device' is given twice"),
            ('{"job": ' + "[" * 100_000, "levels deep"),
            ('{"job": "check", "device": "' + "x" * 900_000 + '"} x', "not valid JSON"),
            ('{"job": "modelinfo", "model": "a", "report": "\\ud800"}', "must be a text that is not empty"),
            ('{"job": "modelinfo", "model": "a\\u0000b", "report": "c"}', "must be a text that is not empty"),
            ('{"job": "embed", "raster": "a", "model": "b", "output": "c", "components": ' + "9" * 4000 + "}", "must be"),
            ('{"job": "' + "x" * 900_000 + '"}', "There is no job called"),
        ],
        ids=lambda text: text[:40],
    )
    def test_is_refused_in_a_sentence_that_can_be_read(self, text: str, why: str) -> None:
        with pytest.raises(RequestError, match=why) as caught:
            jobs.from_json(text)
        assert len(str(caught.value)) < 2 * MAX_ERROR_CHARACTERS + 100

    def test_cannot_write_over_what_it_reads(self, land: str, model: str, tmp_path: Path) -> None:
        link = tmp_path / "map.tif"
        link.symlink_to(land)
        content = Path(land).read_bytes()
        with pytest.raises(FalseError, match="would overwrite an input"):
            run(Classify(land, model, str(link), device="cpu"))
        assert Path(land).read_bytes() == content

    def test_that_writes_to_a_link_replaces_the_link(self, model: str, tmp_path: Path) -> None:
        precious, link = tmp_path / "precious.txt", tmp_path / "report.html"
        precious.write_text("mine")
        link.symlink_to(precious)
        run(ModelInfo(model, str(link)))
        assert precious.read_text() == "mine"
        assert not link.is_symlink()


class TestAnError:
    def test_leaves_out_what_moves_the_cursor_and_shortens_what_nobody_reads(self) -> None:
        error = FalseError(f"{ESCAPE}The raster {'x' * 100_000} is wrong.", "\u202eDo\nthis.")
        assert str(error).isascii() or "…" in str(error)
        assert len(str(error)) < 2 * MAX_ERROR_CHARACTERS
        assert "\x1b" not in str(error)
        assert error.remedy == " Do\nthis."

    def test_that_nobody_foresaw_ends_a_command_without_a_traceback_unless_it_is_asked_for(self, tmp_path: Path) -> None:
        program = (
            "import sys, false_core.cli as cli\n"
            "def broken(*_): raise KeyError('deep inside')\n"
            "cli.run = broken\n"
            "sys.argv = ['false-core', 'check']\n"
            "cli.main()"
        )
        for asked in (False, True):
            variables = {**os.environ, "FALSE_TRACEBACK": "1" if asked else ""}
            answer = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=variables, cwd=tmp_path
            )
            assert answer.returncode == 1
            assert "deep inside" in answer.stderr
            assert ("Traceback" in answer.stderr) == asked
            assert ("FALSE_TRACEBACK=1" in answer.stderr) != asked


def test_a_name_of_bytes_that_are_no_characters_is_said_to_be_the_trouble(
    land: str, labels: str, model: str, encoder: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    raster, vector = (os.fsdecode(os.fsencode(str(tmp_path)) + name) for name in (b"/\xff\x1b.tif", b"/\xff.gpkg"))
    shutil.copy(land, raster)
    shutil.copy(labels, vector)
    for job in (
        Classify(raster, model, str(folder / "map.tif"), device="cpu"),
        Finetune(land, vector, "cover", str(folder / "m.safetensors"), encoder, preset="quick", device="cpu", steps=1),
    ):
        with pytest.raises(InputError, match="cannot be (opened|read)|does not exist") as caught:
            run(job)
        str(caught.value).encode()
