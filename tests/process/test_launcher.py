"""A launcher, an exported job and its results, as a user has them: through ``qgis_process`` and the real torchrun."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from osgeo import gdal
from qgis_profile import LIMIT_S, ROOT, SHORT_PRETRAINING, Outcome, Profile, interrupt, wait_until
from test_cancel import children_of, lives, started_for_the_job


@pytest.fixture(scope="session")
def profile(plain_profile):
    """The processes themselves are looked at here."""
    return plain_profile


@pytest.fixture(scope="module")
def torchrun(preloaded) -> str:
    """torchrun, and processes of the library below it, that begin at once. Whether they end is looked at with another."""
    return f"{shlex.quote(preloaded)}/python -m torch.distributed.run --standalone --nproc-per-node {{devices}}"


@pytest.fixture
def elsewhere(tmp_path) -> dict[str, str]:
    """A folder that has another name where the launcher computes, with the cache in it."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to(tmp_path / "here")
    return {"FALSE_PATHS": f"{tmp_path / 'here'}={tmp_path / 'there'}", "FALSE_CACHE": str(tmp_path / "here" / "cache")}


def called(profile: Profile, variables: dict[str, str]) -> Profile:
    return Profile(profile.program, profile.folder, {**profile.variables, **variables})


class TestTorchrun:
    @pytest.fixture
    def pretraining(self, profile, scene, torchrun, elsewhere, tmp_path) -> Outcome:
        return profile.run(
            "false:pretrain", {"FALSE_LAUNCHER": torchrun, **elsewhere}, RASTERS=scene.image,
            ENCODER=tmp_path / "here" / "my encoder.safetensors", REPORT=tmp_path / "here" / "report.html",
            **SHORT_PRETRAINING,
        )  # fmt: skip

    def test_a_job_goes_through_it_from_end_to_end(self, pretraining, tmp_path):
        results = pretraining.results
        assert results["ENCODER"] == str(tmp_path / "here" / "my encoder.safetensors")
        assert results["STEPS"] == 2 and results["LOSS"] > 0
        assert Path(results["ENCODER"]).stat().st_size > 0
        assert "<svg" in Path(results["REPORT"]).read_text("utf-8")
        assert "Starting with the launcher" in pretraining.said
        left = {path.name for path in (tmp_path / "here").iterdir()}
        assert left == {"my encoder.safetensors", "report.html", "cache"}
        assert not list((tmp_path / "here" / "cache" / "jobs").iterdir())

    def test_it_computes_with_the_plugin_s_library(self, profile, torchrun):
        outcome = profile.run("false:checkenvironment", {"FALSE_LAUNCHER": torchrun}, DEVICE="cpu")
        assert outcome.results["DEVICE"] == "cpu"
        assert "The launcher started version" not in outcome.said

    def test_a_failure_behind_it_is_told_in_the_library_s_words(self, profile, scene, torchrun, tmp_path):
        (tmp_path / "m.safetensors").write_bytes(b"no model")
        outcome = profile.run(
            "false:classify", {"FALSE_LAUNCHER": torchrun}, RASTER=scene.image, MODEL=tmp_path / "m.safetensors",
            OUTPUT=tmp_path / "map.tif",
        )  # fmt: skip
        assert outcome.code == 1
        assert "is not a model made by FALSE" in outcome.said
        assert not (tmp_path / "map.tif").exists()

    # test_nothing_left.py shows the same where one of the processes is stuck.
    @pytest.fixture
    def training(self, profile, scene, compute_python, elsewhere, tmp_path):
        """A pretraining of two processes that would go on for hours, caught when it is at work."""
        two = f"{shlex.quote(str(Path(compute_python).with_name('torchrun')))} --standalone --nproc-per-node 2"
        process, said = called(profile, {"FALSE_LAUNCHER": two, **elsewhere}).start(
            "false:pretrain", RASTERS=scene.image, ENCODER=tmp_path / "here" / "e.safetensors",
            **{**SHORT_PRETRAINING, "STEPS": 1_000_000},
        )  # fmt: skip
        try:
            wait_until(lambda: any("Pretraining" in line for line in said), process)
            (launcher,) = started_for_the_job(process.pid)
            ranks = children_of(launcher)
            assert len(ranks) == 2
            yield process, [launcher, *ranks]
        finally:
            process.kill()
            process.wait(LIMIT_S)

    @pytest.mark.slow
    def test_ctrl_c_ends_it_and_every_process_that_it_started(self, training, tmp_path):
        process, started = training
        assert interrupt(process) == 1
        assert not lives(started[0])
        wait_until(lambda: not any(map(lives, started)))
        assert {path.name for path in (tmp_path / "here").iterdir()} == {"cache"}

    @pytest.mark.slow
    def test_a_killed_qgis_leaves_no_orphan(self, training, tmp_path):
        process, started = training
        process.kill()
        process.wait(LIMIT_S)
        wait_until(lambda: not any(map(lives, started)))
        assert {path.name for path in (tmp_path / "here").iterdir()} == {"cache"}


class TestALauncherThatFails:
    def test_its_own_message_is_in_the_error(self, profile):
        outcome = profile.run("false:checkenvironment", {"FALSE_LAUNCHER": "ls --no-such-option"}, DEVICE="cpu")
        assert outcome.code == 1
        assert "ls, the launcher, ended before anything was heard of the job" in outcome.said
        assert "no-such-option" in outcome.said

    def test_a_python_without_the_library_says_so(self, profile):
        outcome = profile.run("false:checkenvironment", {"FALSE_LAUNCHER": "/usr/bin/python3 -I"}, DEVICE="cpu")
        assert outcome.code == 1
        assert "No module named false_core" in outcome.said


class TestExportAndImport:
    @pytest.fixture
    def exported(self, profile, scene, model, tmp_path) -> Path:
        target = tmp_path / "my job.json"
        outcome = profile.run(
            "false:classify", RASTER=scene.image, MODEL=model, OUTPUT=tmp_path / "map.tif", DEVICE="cpu", EXPORT=target
        )
        assert outcome.results == {"EXPORT": str(target), "OUTPUT": str(tmp_path / "map.tif")}
        assert not (tmp_path / "map.tif").exists()
        return target

    @pytest.fixture
    def run_elsewhere(self, preloaded) -> Callable[..., None]:
        """Return a function that runs an exported job in processes of its own, of which it says how many."""
        python = f"{preloaded}/python"

        def run(job: Path, processes: int = 1) -> None:
            torchrun = [
                "-m",
                "torch.distributed.run",
                "--standalone",
                f"--nproc-per-node={processes}",
                "--no-python",
                python,
            ]
            done = subprocess.run(
                [python, *(torchrun if processes > 1 else []), "-m", "false_core", "run", str(job)], cwd="/", check=False,
                env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=LIMIT_S,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert ": done" in done.stdout

        return run

    def test_what_qgis_wrote_runs_elsewhere_and_comes_back_but_not_before(self, profile, exported, run_elsewhere, tmp_path):
        outcome = profile.run("false:importresults", JOB=exported)
        assert outcome.code == 1
        assert "(OUTPUT) is not there" in outcome.said and "not finished" in outcome.said
        before = exported.read_bytes()
        run_elsewhere(exported)
        assert exported.read_bytes() == before
        results = profile.run("false:importresults", JOB=exported).results
        assert results == {"KIND": "classify", "OUTPUT": str(tmp_path / "map.tif")}
        assert json.loads(gdal.Open(results["OUTPUT"]).GetMetadataItem("FALSE_CLASSES"))

    def test_labels_and_temporary_outputs_lie_beside_it_and_it_runs(self, profile, scene, run_elsewhere, tmp_path):
        target = tmp_path / "finetune.json"
        exported = profile.run(
            "false:finetune", RASTER=scene.image, LABELS=f"{scene.labels}|layername=labels", FIELD="land_cover",
            MODEL="TEMPORARY_OUTPUT", PRESET="quick", HEAD="texture", DEVICE="cpu", EXPORT=target,
        ).results  # fmt: skip
        folder = tmp_path / "finetune_files"
        assert exported == {"EXPORT": str(target), "MODEL": str(folder / "model.safetensors")}
        run_elsewhere(target)
        assert profile.run("false:importresults", JOB=target).results["MODEL"] == exported["MODEL"]

    def test_a_map_in_tiles_comes_back_too(self, profile, scene, model, run_elsewhere, elsewhere, tmp_path):
        here, target = tmp_path / "here", tmp_path / "here" / "job.json"
        profile.run(
            "false:classify", elsewhere, RASTER=scene.image, MODEL=model, OUTPUT=here / "map.vrt", DEVICE="cpu",
            EXPORT=target,
        )  # fmt: skip
        assert f'"{tmp_path / "there" / "map.vrt"}"' in target.read_text("utf-8")
        run_elsewhere(target, processes=2)
        results = profile.run("false:importresults", elsewhere, JOB=target).results
        assert results == {"KIND": "classify", "OUTPUT": str(here / "map.vrt")}
        brought, image = gdal.Open(results["OUTPUT"]), gdal.Open(str(scene.image))
        assert json.loads(brought.GetMetadataItem("FALSE_CLASSES"))
        assert (brought.RasterXSize, brought.RasterYSize) == (image.RasterXSize, image.RasterYSize)
        assert brought.ReadAsArray().any()
        assert json.loads((here / "map.stac.json").read_text("utf-8"))["assets"]["map"]["href"] == "./map.vrt"
