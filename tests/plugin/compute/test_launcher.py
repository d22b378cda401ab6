"""A launcher starts what computes, here or elsewhere, and the run in QGIS is like any other: progress, cancel, results."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import time
from pathlib import Path

import pytest
from qgis.core import QgsProcessingException
from test_worker import SOON_S, ends, wait_for_note

from false_core import jobs
from false_core.events import Artifact, Finished, Message

HERE = Path(__file__).parents[1]
LAUNCHER, JOB = HERE / "fake_launcher.py", HERE / "fake_job.py"


@pytest.fixture
def mapped(provider):
    from qgis_false.compute.path_mapping import parse_mapping

    return parse_mapping


class TestPathMapping:
    @pytest.mark.parametrize(
        ("here", "there"),
        [
            ("/home/me/maps/a b.tif", "/scratch/me/a b.tif"),
            ("/home/me/maps", "/scratch/me"),
            ("/home/me/maps/old/a.tif", "/archive/a.tif"),
            ("/home/me/maps/l.gpkg|layername=x/y", "/scratch/me/l.gpkg|layername=x/y"),
            ("/vsizip//home/me/maps/a.zip/b.tif", "/vsizip//scratch/me/a.zip/b.tif"),
            ("/vsizip/{/home/me/maps/a.zip}/b.tif", "/vsizip/{/scratch/me/a.zip}/b.tif"),
            ('NETCDF:"/home/me/maps/a.nc":sst', 'NETCDF:"/scratch/me/a.nc":sst'),
            ("/home/me/mapsets/a.tif", "/home/me/mapsets/a.tif"),
            ("/mnt/home/me/maps/a.tif", "/mnt/home/me/maps/a.tif"),
            ("imagenet", "imagenet"),
        ],
    )
    def test_a_folder_is_called_what_it_is_called_there_and_back(self, mapped, here, there):
        mapping = mapped("/home/me/maps=/scratch/me; /home/me/maps/old/=/archive")
        assert mapping.there(here) == there
        assert mapping.here(there) == here

    @pytest.mark.parametrize(
        ("here", "there"),
        [
            (r"D:\maps\a\b.tif", "/data/maps/a/b.tif"),
            (r"\\server\share\a.tif", "/share/a.tif"),
            (r"D:\maps\l.gpkg|layername=a\b", r"/data/maps/l.gpkg|layername=a\b"),
        ],
    )
    def test_a_windows_computer_and_a_cluster_understand_each_other(self, mapped, here, there):
        mapping = mapped("D:\\maps=/data/maps\n\\\\server\\share\\=/share")
        assert mapping.there(here) == there
        assert mapping.here(there) == here
        assert mapping.there(here.replace("D:", "d:")) == there

    def test_every_path_of_a_job_is_mapped_and_nothing_else(self, mapped):
        job = jobs.Pretrain(
            rasters=("/a/1.tif", "/b/2.tif"), encoder="/a/e.safetensors", weights="imagenet", truth="/a/t.tif",
            report="/a/r.html", device="/a",
        )  # fmt: skip
        there = mapped("/a=/x").job_there(job)
        assert there == jobs.Pretrain(
            rasters=("/x/1.tif", "/b/2.tif"), encoder="/x/e.safetensors", weights="imagenet", truth="/x/t.tif",
            report="/x/r.html", device="/a",
        )  # fmt: skip
        assert mapped("/a=/x").job_here(there) == job
        assert mapped("/a=/x").left_out(job) == ["/b/2.tif"]

    def test_events_come_back_with_the_paths_of_this_computer(self, mapped):
        mapping = mapped("/a=/x")
        assert mapping.event_here(Artifact("output", "/x/m.tif")) == Artifact("output", "/a/m.tif")
        finished = Finished({"output": "/x/m.tif", "pixels": 3, "device": "cpu"})
        assert mapping.event_here(finished).outputs == {"output": "/a/m.tif", "pixels": 3, "device": "cpu"}
        assert mapping.event_here(Message("info", "Reading /x/m.tif")) == Message("info", "Reading /x/m.tif")

    @pytest.mark.parametrize("text", ["", " ; \n "])
    def test_an_empty_one_changes_nothing(self, mapped, text):
        assert mapped(text).there("/a/b.tif") == "/a/b.tif"

    @pytest.mark.parametrize("text", ["/a", "maps=/b", "/a=b", "=/b", "/a=/b;c"])
    def test_one_that_cannot_be_read_says_how_to_write_it(self, mapped, text):
        with pytest.raises(QgsProcessingException, match="FOLDER HERE=FOLDER THERE"):
            mapped(text)


class TestTheCommandLine:
    @pytest.fixture
    def words(self, provider, monkeypatch):
        from qgis_false.compute.launcher import launcher_for

        def made(template: str, job: jobs.Job | None = None, file: str = "/a b/job.json", paths: str = "") -> list[str]:
            monkeypatch.setenv("FALSE_LAUNCHER", template)
            monkeypatch.setenv("FALSE_PATHS", paths)
            job = job or jobs.Check()
            return launcher_for(type(job)).command(job, file)

        return made

    def test_what_is_to_be_run_comes_last(self, words):
        assert words("srun --gpus=1 'my python'") == [
            "srun", "--gpus=1", "my python", "-m", "false_core", "run", "/a b/job.json", "--events"]  # fmt: skip

    def test_the_other_side_gets_its_own_path(self, words):
        assert words("srun python", paths="/a b=/x")[-2] == "/x/job.json"

    def test_for_a_shell_at_the_other_end_it_is_one_quoted_word(self, words):
        made = words('ssh -T server "source ~/env/bin/activate; cd ${HOME}; python {command}"')
        assert made[:3] == ["ssh", "-T", "server"]
        assert len(made) == 4
        assert shlex.split(made[3])[-5:] == ["-m", "false_core", "run", "/a b/job.json", "--events"]
        assert "cd ${HOME};" in made[3]

    def test_the_user_may_say_it_all(self, words):
        assert words("sbatch --wait -J {name} x.sh {job}") == ["sbatch", "--wait", "-J", "check", "x.sh", "/a b/job.json"]

    def test_the_python_that_computes_here_is_known(self, words, monkeypatch):
        monkeypatch.setenv("FALSE_CORE_PYTHON", sys.executable)
        assert words("{python} -m torch.distributed.run")[0] == sys.executable

    @pytest.mark.parametrize(
        ("visible", "device", "preferred", "count"),
        [
            ("0,1,2", "auto", "", "3"),
            ("0,1,2", "cuda", "cpu", "3"),
            ("0,1,2", "auto", "cpu", "1"),
            ("0,1,2", "cuda:1", "", "1"),
            ("0,1,2", "cpu", "", "1"),
            ("", "auto", "", "1"),
            ("-1", "auto", "", "1"),
        ],
    )
    def test_devices_are_the_cards_that_the_job_may_use(self, words, monkeypatch, visible, device, preferred, count):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setenv("FALSE_DEVICE", preferred)
        assert words("torchrun --nproc-per-node {devices}", jobs.Check(device=device))[2] == count

    def test_devices_are_those_that_the_driver_tells_of(self, words, monkeypatch):
        from qgis_false.compute import launcher

        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("FALSE_DEVICE", raising=False)
        monkeypatch.setattr(launcher, "find_gpus", lambda *_: ["one", "two"])
        assert words("torchrun --nproc-per-node={devices}")[1] == "--nproc-per-node=2"

    @pytest.mark.parametrize(
        ("template", "what"), [("srun 'python", "quotation mark"), ("torchrun {gpus} python", r"has \{gpus\}.*\{devices\}")]
    )
    def test_one_that_cannot_be_understood_says_why(self, words, template, what):
        with pytest.raises(QgsProcessingException, match=what):
            words(template)

    def test_one_with_the_python_that_computes_here_needs_one_here(self, words, monkeypatch, tmp_path):
        monkeypatch.setenv("FALSE_CORE_PYTHON", str(tmp_path / "none"))
        with pytest.raises(QgsProcessingException, match="FALSE_CORE_PYTHON names .*none, which is not a program"):
            words("{python} -m torch.distributed.run")

    def test_no_shell_sees_it(self, words):
        assert words("srun $(reboot) `reboot` > x | y ; z && python")[:-5] == [
            "srun", "$(reboot)", "`reboot`", ">", "x", "|", "y", ";", "z", "&&", "python"]  # fmt: skip

    def test_on_windows_a_backslash_is_no_escape(self, words, monkeypatch):
        monkeypatch.setattr("qgis_false.compute.launcher.IS_WINDOWS", True)
        assert words(r'C:\env\python.exe "\\server\a b\c.py"')[:2] == [r"C:\env\python.exe", r"\\server\a b\c.py"]

    def test_what_computes_goes_through_it_and_what_does_not_is_done_here(self, provider, monkeypatch):
        from qgis_false.compute.launcher import launcher_for

        monkeypatch.setenv("FALSE_LAUNCHER", "srun python")
        through = {name for name, job in jobs.JOBS.items() if launcher_for(job)}
        assert {"pretrain", "finetune", "classify", "classifymany", "embed", "check"} <= through
        assert not {"modelinfo", "polygonise", "samplepoints", "assess"} & through
        monkeypatch.setenv("FALSE_SCHEDULER", "local")
        assert through - {name for name, job in jobs.JOBS.items() if launcher_for(job)} == {"classify", "classifymany"}
        monkeypatch.delenv("FALSE_LAUNCHER")
        assert launcher_for(jobs.Pretrain) is None

    def test_a_scheduler_computes_maps_and_is_named_to_the_compute_process(self, algorithm, monkeypatch):
        from qgis_false import settings

        monkeypatch.setenv("FALSE_SCHEDULER", "tls://server:8786")
        assert settings.for_the_library()["FALSE_SCHEDULER"] == "tls://server:8786"
        assert not algorithm("classify").can_be_estimated()
        assert algorithm("pretrain").can_be_estimated()

    def test_without_an_environment_here_it_is_enough(self, algorithm, monkeypatch, tmp_path):
        monkeypatch.setenv("FALSE_CORE_PYTHON", str(tmp_path / "none"))
        monkeypatch.setenv("FALSE_LAUNCHER", "ssh server python")
        assert algorithm("classify").canExecute() == (True, "")
        assert not algorithm("polygonise").canExecute()[0]
        monkeypatch.setenv("FALSE_LAUNCHER", "{python} -m torch.distributed.run")
        assert not algorithm("classify").canExecute()[0]
        monkeypatch.setenv("FALSE_PATHS", "nonsense")
        assert "FOLDER HERE" in algorithm("classify").canExecute()[1]


@pytest.fixture
def shared(tmp_path) -> Path:
    """A folder that is called ``there`` where the launcher computes."""
    folder = tmp_path / "here"
    folder.mkdir()
    (tmp_path / "there").symlink_to(folder)
    return folder


@pytest.fixture
def job(shared) -> jobs.Classify:
    return jobs.Classify(raster=str(shared / "r.tif"), model=str(shared / "m"), output=str(shared / "my map.tif"))


@pytest.fixture
def run(provider, job, shared, feedback, tmp_path, monkeypatch):
    """Run the job with a launcher and a job behind it that behave as named, and see to it that nothing hangs."""
    from qgis_false.compute.worker import run_job

    monkeypatch.setenv("FALSE_CACHE", str(shared / "cache"))
    monkeypatch.setenv("FALSE_PATHS", f"{shared}={tmp_path / 'there'}")
    monkeypatch.delenv("FALSE_LOG_LEVEL", raising=False)

    def cancel_when_it_runs() -> None:
        wait_for_note(tmp_path)
        time.sleep(1.0)
        feedback.cancel()

    def run_modes(launcher: str, behind: str = "well behaved", cancel: bool = False, asked: jobs.Job = job):
        words = [sys.executable, LAUNCHER, launcher, tmp_path / "note", sys.executable, JOB, behind]
        monkeypatch.setenv("FALSE_LAUNCHER", " ".join(shlex.quote(str(word)) for word in words))
        if cancel:
            threading.Thread(target=cancel_when_it_runs, daemon=True).start()
        began = time.monotonic()
        try:
            return run_job(asked, feedback)
        finally:
            assert time.monotonic() - began < SOON_S
            assert not list((shared / "cache" / "jobs").iterdir())

    return run_modes


class TestARun:
    @pytest.mark.parametrize("launcher", ["stays", "replaces itself"])
    def test_is_like_any_other_but_for_the_paths(self, run, job, feedback, tmp_path, launcher):
        assert run(launcher) == {"output": job.output, "pixels": 12}
        assert feedback.fractions == [50.0]
        assert feedback.texts == ["Classifying"]
        assert not feedback.warnings
        seen = json.loads(Path(job.output).read_text())
        assert seen["output"] == str(tmp_path / "there" / "my map.tif")
        assert seen["raster"] == str(tmp_path / "there" / "r.tif")

    def test_what_the_launcher_says_before_the_job_begins_goes_to_the_log(self, run, feedback):
        run("stays")
        assert "Starting with the launcher" in feedback.infos[0] and "--events" in feedback.infos[0]
        assert "[launcher] Welcome to the cluster" in feedback.infos
        assert '[launcher] {"mood": "good"}' in feedback.infos

    def test_what_is_no_event_after_that_is_an_error_as_ever(self, run):
        with pytest.raises(QgsProcessingException, match="not an event.*Downloading"):
            run("stays", "talks")

    def test_a_launcher_that_fails_is_quoted(self, run):
        with pytest.raises(QgsProcessingException) as caught:
            run("fails")
        assert "the launcher, ended before anything was heard of the job: exit code 4" in str(caught.value)
        assert "error: there is no partition called gpus" in str(caught.value)
        assert "Connecting ..." in str(caught.value)

    def test_a_launcher_that_is_not_there_is_an_error(self, provider, job, feedback, monkeypatch):
        from qgis_false.compute.worker import run_job

        monkeypatch.setenv("FALSE_LAUNCHER", "no-such-launcher python")
        with pytest.raises(QgsProcessingException, match="no-such-launcher cannot be started"):
            run_job(job, feedback)

    def test_a_cache_folder_that_cannot_hold_its_files_is_an_error(
        self, algorithm, context, feedback, raster, tmp_path, monkeypatch
    ):
        """They lie there where another computer is to see them."""
        monkeypatch.setenv("FALSE_LAUNCHER", "srun python")
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        (tmp_path / "cache").write_text("a file")
        (tmp_path / "m.safetensors").write_bytes(b"model")
        values = {"RASTER": raster, "MODEL": str(tmp_path / "m.safetensors"), "OUTPUT": str(tmp_path / "map.tif")}
        said = "The cache folder .*cache cannot be written to: (Not a directory|File exists)"
        with pytest.raises(QgsProcessingException, match=said):
            algorithm("classify").run(values, context, feedback, {}, False)

    def test_a_job_that_fails_behind_it_is_told_in_the_library_s_words(self, run, tmp_path):
        with pytest.raises(QgsProcessingException) as caught:
            run("stays", "fails")
        assert str(caught.value) == f"The raster {tmp_path / 'there' / 'r.tif'} is not there. Choose another."

    def test_a_launcher_that_passes_on_nothing_is_judged_by_what_was_written(self, run, job, feedback):
        assert run("passes on nothing") == {"output": job.output}
        assert "The launcher passed on no events, but the outputs are there." in feedback.infos

    def test_an_old_output_does_not_pass_for_a_new_one(self, run, job):
        Path(job.output).write_bytes(b"of yesterday")
        with pytest.raises(QgsProcessingException, match="ended before anything was heard of the job"):
            run("passes on nothing", "fails")
        with pytest.raises(QgsProcessingException, match="ended before anything was heard of the job"):
            run("passes on nothing", "writes nothing")

    def test_a_job_without_outputs_cannot_be_judged_where_nothing_is_passed_on(self, run):
        """Such as the check of the environment, of which sbatch --wait says nothing but that it ended well."""
        with pytest.raises(QgsProcessingException, match="passed on nothing, and this job writes no file"):
            run("passes on nothing", "checks", asked=jobs.Check())
        assert run("stays", "checks", asked=jobs.Check()) == {"device": "cpu"}

    def test_an_output_that_is_not_seen_here_is_an_error(self, run, monkeypatch):
        monkeypatch.setattr("qgis_false.compute.started_by_launcher.SHARED_S", 0.2)
        with pytest.raises(QgsProcessingException, match="OUTPUT. is not there: .*my map.tif"):
            run("stays", "writes nothing")

    def test_another_version_there_is_mentioned_with_what_mends_it(self, run, feedback):
        run("stays", "another version")
        (warning,) = feedback.warnings
        assert "version 9.9.9" in warning and "pip install" in warning

    def test_paths_that_the_mapping_leaves_out_are_named(self, provider, job, shared, tmp_path, feedback, run, monkeypatch):
        from qgis_false.compute.worker import run_job

        run("stays")
        assert not feedback.warnings
        monkeypatch.setenv("FALSE_PATHS", f"{shared / 'cache'}=/x")
        monkeypatch.setenv("FALSE_LAUNCHER", "false")
        with pytest.raises(QgsProcessingException):
            run_job(job, feedback)
        (warning,) = feedback.warnings
        assert job.raster in warning and job.output in warning

    def test_the_variables_lead_to_this_plugin_s_library_and_the_folders_there(self, provider, shared, monkeypatch):
        from qgis_false import LIBRARY_FOLDER
        from qgis_false.compute.launcher import launcher_for

        monkeypatch.setenv("FALSE_LAUNCHER", "srun python")
        monkeypatch.setenv("FALSE_CACHE", str(shared / "cache"))
        monkeypatch.setenv("FALSE_PATHS", f"{shared}=/x")
        monkeypatch.setenv("PYTHONPATH", "/of/qgis")
        seen = launcher_for(jobs.Check).variables()
        assert (seen["PYTHONPATH"], seen["FALSE_CACHE"]) == (str(LIBRARY_FOLDER), "/x/cache")


@pytest.mark.thorough
class TestCancelling:
    @pytest.mark.thorough
    @pytest.mark.parametrize(
        ("launcher", "behind"),
        [("stays", "listens"), ("replaces itself", "listens"), ("is deaf", "watches its file"),
         ("passes on nothing", "watches its file")],
    )  # fmt: skip
    def test_it_ends_the_launcher_and_the_job_behind_it(self, run, job, tmp_path, launcher, behind):
        if launcher == "replaces itself":
            (tmp_path / "note").write_text(str(os.getpid()))
        with pytest.raises(QgsProcessingException, match="Cancelled"):
            run(launcher, behind, cancel=True)
        if launcher != "replaces itself":
            assert ends(int(wait_for_note(tmp_path)))
        assert not Path(job.output).exists()

    def test_a_launcher_that_waits_in_a_queue_gives_up_its_place(self, run, tmp_path):
        with pytest.raises(QgsProcessingException, match="Cancelled"):
            run("waits in a queue", cancel=True)
        assert ends(int(wait_for_note(tmp_path)))
