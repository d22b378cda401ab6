"""The scripts that come with the plugin, as a user runs them: from the folder of scripts in the profile."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from osgeo import gdal, ogr
from qgis_profile import LIMIT_S, ROOT, SHORT_RUN

from false_core import jobs

SCRIPTS = sorted((ROOT / "processing_scripts").glob("*.py"))
SHORT = {"PRESET": "quick", "STEPS": 2}
LIGHT = {"false:pretrain": "BATCH_SIZE=8", "false:finetune": 'HEAD="linear"'}
"""What makes a job light, by its algorithm. The scripts do not ask for it."""


@pytest.fixture(scope="module", autouse=True)
def scripts(profile):
    """The scripts as they are shipped, but that each training is a light one."""
    profile.scripts.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        (profile.scripts / script.name).write_text(lightened(script.read_text("utf-8")), "utf-8")


def lightened(script: str) -> str:
    for algorithm, light in LIGHT.items():
        script = re.sub(rf'("{algorithm}",(?: context, bar,)?) (?=\w+=)', rf"\1 {light}, ", script)
    return script


@pytest.fixture(scope="module")
def labelled(scene) -> dict[str, str]:
    return {"RASTER": scene.image, "LABELS": scene.labels, "FIELD": "land_cover"}


def test_every_script_is_in_the_toolbox_under_the_name_of_its_file(profile):
    listed = profile.call("list").said
    for script in SCRIPTS:
        assert f"script:{script.stem}" in listed


def test_map_from_a_few_labels_makes_everything_and_uses_the_encoder_again(profile, labelled, tmp_path):
    folder = tmp_path / "results"
    first = profile.run("script:map_from_a_few_labels", **labelled, **SHORT, PRETRAIN=True, OUTPUT=folder)
    assert 0 <= first.results["MIOU"] <= 1
    made = {"encoder.safetensors", "model.safetensors", "pretrain.html", "finetune.html", "map.tif", "map.qml",
            "confidence.tif"}  # fmt: skip
    assert {path.name for path in folder.iterdir() if not path.name.endswith(".aux.xml")} == made
    plain = profile.run("script:map_from_a_few_labels", **labelled, **SHORT, OUTPUT=tmp_path / "plain")
    assert plain.code == 0
    names = {path.name for path in (tmp_path / "plain").iterdir() if not path.name.endswith(".aux.xml")}
    assert names == made - {"encoder.safetensors", "pretrain.html"}, "the first map needs no pretraining"
    encoder = (folder / "encoder.safetensors").stat().st_mtime_ns
    again = profile.run("script:map_from_a_few_labels", **labelled, **SHORT, PRETRAIN=True, OUTPUT=folder)
    assert again.code == 0
    assert (folder / "encoder.safetensors").stat().st_mtime_ns == encoder


def test_map_folder_of_rasters_makes_a_map_of_each(profile, scene, tmp_path):
    rasters = tmp_path / "rasters"
    rasters.mkdir()
    for name in ("north.tif", "south.tif"):
        (rasters / name).write_bytes(Path(scene.image).read_bytes())
    results = profile.run(
        "script:map_folder_of_rasters", FOLDER=rasters, LABELLED=rasters / "north.tif", LABELS=scene.labels,
        FIELD="land_cover", **SHORT, PRETRAIN=True, OUTPUT=tmp_path / "maps",
    ).results  # fmt: skip
    assert results["MAPS"] == 2
    assert {path.name for path in (tmp_path / "maps").glob("*.tif")} == {"north_classified.tif", "south_classified.tif"}


@pytest.fixture(scope="module")
def curve(profile, scene, pretrained, tmp_path_factory) -> tuple[list[dict[str, str]], str]:
    """Table and page of the label budget, of one model for each of two shares."""
    folder = tmp_path_factory.mktemp("a curve")
    results = profile.run(
        "script:label_budget_curve", RASTER=scene.image, LABELS=scene.labels, FIELD="land_cover", SHARES="0.3,1", REPEATS=1,
        ENCODER=pretrained.results["ENCODER"], TABLE=folder / "curve.csv", CHART=folder / "curve.html", **SHORT_RUN,
    ).results  # fmt: skip
    with open(results["TABLE"], encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream)), Path(results["CHART"]).read_text("utf-8")


class TestLabelBudgetCurve:
    def test_the_table_has_a_line_for_each_model(self, curve):
        table, _ = curve
        assert [(row["encoder"], row["share"]) for row in table] == [("pretrained", "0.3"), ("pretrained", "1.0")]
        assert all(0 <= float(row[score]) <= 1 for row in table for score in ("oa", "miou"))

    def test_a_larger_share_has_more_polygons_and_some_are_set_aside(self, curve, scene):
        few, many = (int(row["polygons"]) for row in curve[0])
        dataset = ogr.Open(scene.labels)
        assert 0 < few < many < dataset.GetLayer(0).GetFeatureCount()

    def test_the_page_is_complete_in_itself(self, curve):
        _, page = curve
        assert not re.findall(r"(?:src|href)=|<script|@import", page)
        pictures = [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
        assert len(pictures) == 2
        for picture in pictures:
            assert len(picture.findall("{*}circle")) == 2
            assert len(picture.findall("{*}polyline")) == 1

    @pytest.mark.parametrize(
        ("values", "what"),
        [
            ({"SHARES": "0.5,2"}, "shares '0.5,2' cannot be read"),
            ({"SHARES": "half"}, "shares 'half' cannot be read"),
            ({"COMPARE": "true"}, "no encoder to compare with"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, profile, labelled, tmp_path, values, what):
        outcome = profile.run(
            "script:label_budget_curve", **labelled, **values, TABLE=tmp_path / "t.csv", CHART=tmp_path / "c.html"
        )
        assert outcome.code == 1
        assert what in " ".join(outcome.said.split())
        assert list(tmp_path.iterdir()) == []


SCRIPT = "land_cover.slurm"


class TestRunOnCluster:
    @pytest.fixture(scope="class")
    def prepared(self, profile, preloaded, labelled, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("prepared") / "a job"
        # In a Slurm script this would be: module load python, source .../activate
        activate = f'PATH="{preloaded}:$PATH"; export PYTHONPATH="{ROOT}"'
        outcome = profile.run(
            "script:run_on_cluster", **labelled, **SHORT, ACTIVATE=activate, OPTIONS="--partition=gpu --account=me",
            HOURS=3, OUTPUT=folder,
        )  # fmt: skip
        assert outcome.code == 0, outcome.said
        return folder

    def test_it_writes_jobs_labels_and_a_script_and_starts_nothing(self, prepared):
        names = {"land_cover.slurm", "1_pretrain.json", "2_finetune.json", "3_classify.json", "labels.gpkg"}
        assert {path.name for path in prepared.iterdir()} == names

    def test_the_script_asks_slurm_for_what_was_entered(self, prepared):
        asked = re.findall(r"^#SBATCH (.*)$", (prepared / "land_cover.slurm").read_text("utf-8"), re.MULTILINE)
        assert {"--time=3:00:00", "--gpus=1", "--partition=gpu", "--account=me"} <= set(asked)

    def test_sbatch_reads_a_folder_with_a_space_as_one(self, prepared):
        """A backslash does not help there: it is an invalid directive to Slurm 22.05. Quotation marks do."""
        (output,) = re.findall(r"^#SBATCH (--output.*)$", (prepared / SCRIPT).read_text("utf-8"), re.MULTILINE)
        assert output == f'--output="{prepared}/log-%j.txt"'

    def test_what_sbatch_takes_for_a_sign_is_written_as_it_wants_it(self, profile, labelled, tmp_path):
        outcome = profile.run(
            "script:run_on_cluster", **labelled, REMOTE_FOLDER='/data/50% of "it"', OUTPUT=tmp_path / "job",
        )  # fmt: skip
        script = (tmp_path / "job" / SCRIPT).read_text("utf-8")
        assert r'#SBATCH --output="/data/50%% of \"it\"/log-%j.txt"' in script.splitlines()
        assert json.dumps(f"""sbatch '/data/50% of "it"/{SCRIPT}'""")[1:-1] in outcome.said

    def test_an_environment_may_look_at_variables_that_are_not_set(self, profile, labelled, tmp_path):
        """As what clusters put in front of module and conda does."""
        activate = '[ -z "$NEVER_SET" ] && echo ready; exit 0'
        profile.run("script:run_on_cluster", **labelled, ACTIVATE=activate, OUTPUT=tmp_path / "job")
        done = subprocess.run(["bash", str(tmp_path / "job" / SCRIPT)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr

    def test_paths_on_the_cluster_are_its_own(self, profile, labelled, tmp_path):
        profile.run(
            "script:run_on_cluster", **labelled, REMOTE_RASTER="/data/scene.tif", REMOTE_FOLDER="/scratch/me/a job",
            OUTPUT=tmp_path / "job",
        )  # fmt: skip
        job = jobs.from_json((tmp_path / "job" / "2_finetune.json").read_text("utf-8"))
        assert (job.raster, job.labels) == ("/data/scene.tif", "/scratch/me/a job/labels.gpkg")
        assert job.preset == "paper"
        script = (tmp_path / "job" / "land_cover.slurm").read_text("utf-8")
        assert "cd '/scratch/me/a job'" in script
        assert str(tmp_path) not in script + json.dumps(job.__dict__)

    def test_files_that_are_there_are_left_alone(self, profile, labelled, tmp_path):
        (tmp_path / "labels.gpkg").write_text("mine")
        outcome = profile.run("script:run_on_cluster", **labelled, OUTPUT=tmp_path)
        assert outcome.code == 1
        assert "holds labels.gpkg already" in outcome.said
        assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]

    def test_an_option_that_is_none_is_refused(self, profile, labelled, tmp_path):
        outcome = profile.run("script:run_on_cluster", **labelled, OPTIONS="--time=1; rm", OUTPUT=tmp_path / "job")
        assert outcome.code == 1
        assert "is no option for sbatch" in outcome.said
        assert not (tmp_path / "job").exists()

    def test_what_it_wrote_makes_a_map(self, prepared):
        """To a plain shell the lines for Slurm are comments."""
        for name, light in (("1_pretrain.json", {"batch_size": 8}), ("2_finetune.json", {"head": "linear"})):
            job = json.loads((prepared / name).read_text("utf-8"))
            (prepared / name).write_text(json.dumps({**job, **light}), "utf-8")
        done = subprocess.run(
            ["bash", str(prepared / "land_cover.slurm")], capture_output=True, text=True, check=False, timeout=LIMIT_S,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert gdal.Open(str(prepared / "map.tif")).GetMetadataItem("FALSE_CLASSES")
        assert (prepared / "finetune.html").exists()
