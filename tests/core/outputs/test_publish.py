"""Outputs appear whole or not at all, and whether they can be written is found out before the work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from false_core.dispatch import run
from false_core.errors import OutputError
from false_core.jobs import Classify, Finetune, Pretrain, SamplePoints
from false_core.outputs.locks import NameLock
from false_core.outputs.publish import check_destinations, discard_unfinished, make_own_folder, published


def write_half(target: Path, error: BaseException | type[BaseException]) -> None:
    with published(target) as (partial,):
        partial.write_text("half")
        raise error


class TestPublishing:
    def test_files_appear_at_the_end_and_together(self, tmp_path: Path) -> None:
        targets = [tmp_path / name for name in ("map.tif", "map.tif.aux.xml", "map.qml")]
        with published(*targets) as partial:
            for path in partial:
                path.write_text("new " + path.name)
                assert not any(target.exists() for target in targets)
            assert [path.name for path in partial] == [target.name for target in targets]
        assert sorted(tmp_path.iterdir()) == sorted(targets)
        assert targets[2].read_text() == "new map.qml"

    def test_until_then_they_lie_hidden_in_the_same_folder(self, tmp_path: Path) -> None:
        with published(tmp_path / "map.tif") as (partial,):
            partial.touch()
            (hidden,) = tmp_path.iterdir()
            assert hidden.name.startswith(".")
            assert partial.parent == hidden

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_nothing_appears_after_an_error(self, tmp_path: Path, error: type[BaseException]) -> None:
        with pytest.raises(error):
            write_half(tmp_path / "map.tif", error)
        assert not list(tmp_path.iterdir())

    def test_what_was_there_before_survives_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "map.tif").write_text("old")
        with pytest.raises(RuntimeError):
            write_half(tmp_path / "map.tif", RuntimeError)
        assert (tmp_path / "map.tif").read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_disk_that_fills_up_meanwhile_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "map.tif").write_text("old")
        with pytest.raises(OutputError, match=r"map.tif cannot be written: No space left.*Is the disk full\?"):
            write_half(tmp_path / "map.tif", OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(PermissionError):  # Of something else, an input for example.
            write_half(tmp_path / "map.tif", PermissionError(errno.EPERM, "no"))
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]

    def test_what_was_there_before_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "map.tif").write_text("old")
        with published(tmp_path / "map.tif") as (partial,):
            partial.write_text("new")
            assert (tmp_path / "map.tif").read_text() == "old"
        assert (tmp_path / "map.tif").read_text() == "new"

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
    def test_a_file_that_its_writer_made_private_is_as_public_as_any(self, tmp_path: Path) -> None:
        (tmp_path / "usual").touch()
        with published(tmp_path / "model") as (partial,):
            partial.touch(mode=0o600)
        assert (tmp_path / "model").stat().st_mode == (tmp_path / "usual").stat().st_mode

    @pytest.mark.parametrize("name", ["m" * 251 + ".tif", "ü" * 120 + ".tif", "a b'\"$(x).tif"])
    def test_any_name_that_the_system_takes_will_do(self, tmp_path: Path, name: str) -> None:
        with published(tmp_path / name) as (partial,):
            partial.touch()
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_two_at_once_do_not_meet(self, tmp_path: Path) -> None:
        with published(tmp_path / "map.tif") as (one,), published(tmp_path / "map.tif") as (two,):
            assert one != two
            one.write_text("one")
            two.write_text("two")
        assert (tmp_path / "map.tif").read_text() == "one"

    def test_into_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="cannot be written to"), published(tmp_path / "nowhere" / "map.tif"):
            pytest.fail("there is nothing to write into")

    def test_onto_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "map.tif").mkdir()
        with pytest.raises(OutputError, match="cannot be replaced"), published(tmp_path / "map.tif") as (partial,):
            partial.touch()
        assert list(tmp_path.iterdir()) == [tmp_path / "map.tif"]

    def test_a_process_about_to_end_itself_takes_along_what_is_unfinished(self, tmp_path: Path) -> None:
        writing = published(tmp_path / "map.tif")
        (partial,) = writing.__enter__()
        partial.write_text("half")
        discard_unfinished()
        assert not list(tmp_path.iterdir())


class TestAfterAKill:
    HOLDS = (
        "import sys\n"
        "from pathlib import Path\n"
        "from false_core.outputs.publish import published\n"
        "with published(sys.argv[1]) as (partial,):\n"
        "    partial.write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read()\n"
    )

    @pytest.fixture
    def writing(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        """Another process in the midst of writing ``map.tif``."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.HOLDS, str(tmp_path / "map.tif")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        # As if it had begun a minute ago: what is younger than a second is left alone in any case.
        (scratch,) = tmp_path.iterdir()
        os.utime(scratch, (time.time() - 60,) * 2)
        yield process
        process.kill()
        process.communicate()

    @pytest.mark.skipif(os.name == "nt", reason="Windows cannot tell, and waits for a day")
    def test_what_was_left_is_removed_by_the_next_that_writes_the_same(
        self, tmp_path: Path, writing: subprocess.Popen[str]
    ) -> None:
        writing.kill()
        writing.wait()
        with published(tmp_path / "other.tif") as (other,):
            other.touch()
        assert len(list(tmp_path.glob(".*"))) == 1, "it belongs to another output"
        with published(tmp_path / "map.tif") as (partial,):
            partial.touch()
        assert {path.name for path in tmp_path.iterdir()} == {"map.tif", "other.tif"}

    def test_what_another_process_is_writing_is_left_to_it(self, tmp_path: Path, writing: subprocess.Popen[str]) -> None:
        with published(tmp_path / "map.tif") as (partial,):
            partial.write_text("this one")
        assert writing.communicate("")[0] == ""
        assert writing.returncode == 0
        assert (tmp_path / "map.tif").read_text() == "half"
        assert len(list(tmp_path.iterdir())) == 1


class TestBeforeTheWork:
    @pytest.fixture
    def inputs(self, tmp_path: Path) -> Path:
        for name in ("a.tif", "b.tif", "labels.gpkg", "encoder.safetensors", "legend.json", "model.safetensors"):
            (tmp_path / name).write_text("input")
        return tmp_path

    def test_a_good_destination_is_left_as_it_is(self, inputs: Path) -> None:
        before = sorted(inputs.iterdir())
        check_destinations(
            Pretrain((str(inputs / "a.tif"),), str(inputs / "new.safetensors"), report=str(inputs / "r.html"))
        )
        assert sorted(inputs.iterdir()) == before

    def test_a_folder_that_is_not_there_is_named_with_the_output(self, inputs: Path) -> None:
        with pytest.raises(OutputError, match=r"folder of report, .*nowhere, does not exist.*Create it"):
            check_destinations(
                Pretrain((str(inputs / "a.tif"),), str(inputs / "e.safetensors"), report=str(inputs / "nowhere" / "r.html"))
            )

    @pytest.mark.parametrize("name", ["x" * 216 + ".html", "ä" * 120, "x" * 4000])
    def test_a_name_that_leaves_no_room_for_those_beside_it(self, inputs: Path, name: str) -> None:
        with pytest.raises(OutputError, match=r"The name of report is too long: .*at most 220 bytes: .*in Chinese"):
            check_destinations(Pretrain((str(inputs / "a.tif"),), str(inputs / "e.safetensors"), report=str(inputs / name)))

    @pytest.mark.parametrize("path", ["/vsis3/bucket/map.tif", "s3://bucket/map.tif", "https://host/map.tif"])
    def test_a_server_where_a_disk_should_be(self, path: str) -> None:
        with pytest.raises(OutputError, match="output is not on a disk: .*Choose a file on a disk, and copy it there"):
            check_destinations(Classify("x.tif", "m.safetensors", path))

    def test_a_file_where_a_folder_should_be(self, inputs: Path) -> None:
        with pytest.raises(OutputError, match="does not exist"):
            check_destinations(Classify("x.tif", "m.safetensors", str(inputs / "a.tif" / "map.tif")))

    def test_a_folder_where_a_file_should_be(self, inputs: Path) -> None:
        with pytest.raises(OutputError, match="output is a folder"):
            check_destinations(Classify("x.tif", "m.safetensors", str(inputs)))

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no folder here that even root cannot write to")
    def test_a_folder_that_cannot_be_written_to(self) -> None:
        with pytest.raises(OutputError, match="folder of output, /proc/self, cannot be written to"):
            check_destinations(Classify("x.tif", "m.safetensors", "/proc/self/map.tif"))

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
    @pytest.mark.parametrize("special", ["pipe", "/dev/null", "link"])
    def test_a_device_is_not_replaced_by_a_file(self, tmp_path: Path, special: str) -> None:
        target = tmp_path / "report.html"
        if special == "pipe":
            os.mkfifo(target)
        elif special == "link":
            target.symlink_to("/dev/null")
        path = special if special.startswith("/dev") else str(target)
        with pytest.raises(OutputError, match="output is a pipe or a device"):
            check_destinations(Classify("x.tif", "m.safetensors", path))

    @pytest.mark.parametrize(("output", "confidence", "said"), [
        ("map.tif", "./map.tif", "output and confidence are the same file"),
        ("map.tif", "link.tif", "output and confidence are the same file"),
        ("map.tif", "map.tif.ovr", "confidence would be a part of output"),
        ("map.tif.aux.xml", "map.tif", "output would be a part of confidence"),
        ("map.tif", "map.qml", "confidence would be a part of output"),
    ])  # fmt: skip
    def test_outputs_that_are_in_each_other_s_way(self, tmp_path: Path, output: str, confidence: str, said: str) -> None:
        (tmp_path / "link.tif").symlink_to(tmp_path / "map.tif")
        with pytest.raises(OutputError, match=said):
            check_destinations(
                Classify("x.tif", "m.safetensors", str(tmp_path / output), confidence=f"{tmp_path}/{confidence}")
            )

    @pytest.mark.parametrize("name", ["a.tif.aux.xml", "a.tif.ovr", "a.tfw", "a.qml"])
    def test_what_would_change_how_an_input_is_read(self, inputs: Path, name: str) -> None:
        with pytest.raises(OutputError, match=f"report would be a part of an input: .*{name}"):
            check_destinations(Classify(str(inputs / "a.tif"), "m", str(inputs / "map.tif"), report=str(inputs / name)))
        check_destinations(Classify(str(inputs / "a.tif"), "m", str(inputs / "a.vrt"), report=str(inputs / "a.html")))

    def test_a_table_that_is_a_part_of_points(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="key would be a part of output"):
            check_destinations(SamplePoints("map.tif", str(tmp_path / "p.shp"), key=str(tmp_path / "p.dbf")))
        check_destinations(SamplePoints("map.tif", str(tmp_path / "p.shp"), key=str(tmp_path / "p.csv")))

    def test_an_output_that_is_an_input(self, inputs: Path) -> None:
        def path(name: str) -> str:
            return str(inputs / name)

        (inputs / "link.tif").symlink_to(inputs / "a.tif")
        rasters = (path("a.tif"), path("b.tif"))
        for job in (
            Pretrain(rasters, path("b.tif")),
            Pretrain(rasters, path("e.safetensors"), report=path("a.tif")),
            Finetune(path("a.tif"), path("labels.gpkg|layername=x"), "f", path("labels.gpkg")),
            Finetune(path("a.tif"), path("labels.gpkg"), "f", path("encoder.safetensors"), path("encoder.safetensors")),
            Finetune(
                path("a.tif"),
                path("labels.gpkg"),
                "f",
                path("m.safetensors"),
                legend=path("legend.json"),
                report=path("legend.json"),
            ),
            Classify(path("a.tif"), path("model.safetensors"), str(inputs / "." / "a.tif")),
            Classify(path("a.tif"), path("model.safetensors"), path("link.tif")),
            Classify(path("a.tif"), path("model.safetensors"), path("map.tif"), confidence=path("model.safetensors")),
        ):
            with pytest.raises(OutputError, match="would overwrite an input"):
                check_destinations(job)
        assert (inputs / "a.tif").read_text() == "input"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such owners")
class TestWhereOthersMayWrite:
    def test_a_folder_of_ours_is_made_and_found_again(self, tmp_path: Path) -> None:
        make_own_folder(tmp_path / "own")
        make_own_folder(tmp_path / "own")
        assert (tmp_path / "own").is_dir()

    def test_what_somebody_else_has_put_there_is_not_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "file").touch()
        for name in ("link", "file"):
            with pytest.raises(OutputError, match=f"{name} was made by another user, or is no folder"):
                make_own_folder(tmp_path / name)
        really = os.lstat

        def of_another(path: str) -> os.stat_result:
            status = list(really(path))
            return os.stat_result([*status[:4], status[4] + 1, *status[5:]])

        monkeypatch.setattr("false_core.outputs.publish.os.lstat", of_another)
        with pytest.raises(OutputError, match="made by another user"):
            make_own_folder(tmp_path / "elsewhere")

    @pytest.mark.thorough
    def test_a_map_does_not_grow_where_a_link_leads(self, land: str, model: str, tmp_path: Path) -> None:
        from false_core.mapping.classify import store

        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        names = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "make_own_folder", lambda path: names.append(path) or path.mkdir())
            run(Classify(land, model, str(tmp_path / "map.tif"), device="cpu"))
        names[0].symlink_to(elsewhere)
        with pytest.raises(OutputError, match="made by another user"):
            run(Classify(land, model, str(tmp_path / "map.tif"), device="cpu"))
        assert not list(elsewhere.iterdir())

    def test_a_lock_follows_no_link(self, tmp_path: Path) -> None:
        (tmp_path / "lock").symlink_to(tmp_path / "made elsewhere")
        with pytest.raises(OSError, match="symbolic links"):
            NameLock(tmp_path / "lock")
        assert not (tmp_path / "made elsewhere").exists()

    def test_a_pipe_in_place_of_a_folder_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / ".map.tif.00000000.partial")
        with published(tmp_path / "map.tif") as (partial,):
            partial.touch()
        assert (tmp_path / "map.tif").exists()
