"""Stages: several pretrainings in one job, each from the encoder of the one before, which go on where they were."""

from __future__ import annotations

import dataclasses
import errno
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import safetensors.torch
from small_world import FROM_NOTHING, Listener, textured_land, write_raster
from torch import Tensor

from false_core import jobs, rerun
from false_core.dispatch import run
from false_core.errors import Cancelled, InputError, ModelFileError, OutputError, RequestError
from false_core.events import Event, Metric, Progress
from false_core.jobs import Estimate, Pretrain
from false_core.models.general import BACKBONE
from false_core.models.model_file import read_card, wrong_bands
from false_core.models.record import read_record
from false_core.training import stages
from false_core.training.stages import asks_network, read_stages

TWO = """
[[stages]]
title = "general"
rasters = ["archive.tif"]
method = "simclr"
steps = 6

[[stages]]
title = "special"
steps = 4
learning_rate = 1e-4
keep = "stride4"
"""


def staged(land: str, folder: Path, text: str = TWO, **more: Any) -> Pretrain:
    """Return a job with stages, of which one learns from another raster beside the file."""
    folder.mkdir(exist_ok=True)
    write_raster(folder / "archive.tif", textured_land()[:, ::-1].copy(), nodata=0)
    (folder / "stages.toml").write_text(text, encoding="utf-8")
    settings = {**FROM_NOTHING, "batch_size": 4, "stages": str(folder / "stages.toml"), **more}
    return Pretrain((land,), str(folder / "e.safetensors"), **settings)


def weights(path: str | Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(path)


def assert_equal(one: str | Path, other: str | Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(first[name].equal(second[name]) for name in first)


class TestTheFile:
    def test_says_what_each_stage_does_otherwise(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path, seed=7)
        general, special = read_stages(job)
        assert (general.title, special.title) == ("general", "special")
        assert general.job.rasters == (str(tmp_path / "archive.tif"),)
        assert special.job.rasters == (land,)
        assert (general.job.method, general.job.steps, general.job.keep) == ("simclr", 6, "nothing")
        assert (special.job.method, special.job.learning_rate, special.job.keep) == ("false", 1e-4, "stride4")
        assert general.job.seed == special.job.seed == 7
        assert general.job.stages is None

    def test_may_leave_out_titles(self, land: str, tmp_path: Path) -> None:
        assert [one.title for one in read_stages(staged(land, tmp_path, "[[stages]]\n[[stages]]\n"))] == [
            "Stage 1",
            "Stage 2",
        ]

    @pytest.mark.parametrize(
        ("text", "error", "what"),
        [
            ("stages = 3", RequestError, "stages.toml holds no stages. Begin each with a line \\[\\[stages\\]\\]."),
            ("", RequestError, "holds no stages"),
            ("[[stages]]\n" * 21, RequestError, "holds 21 stages. There may be 20."),
            ("[[stages]]\nsteps = ", InputError, "is not valid TOML"),
            ("[[stages]]\nstep = 3", RequestError, "Stage 1 of stages.toml: pretrain has no parameter step."),
            (
                "[[stages]]\n[[stages]]\nsteps = 0",
                RequestError,
                "Stage 2 of stages.toml: steps must be at least 1; it is 0.",
            ),
            ("[[stages]]\nmethod = 'byol'", RequestError, "Stage 1 of stages.toml: method must be one of"),
            (
                "[[stages]]\nseed = 3",
                RequestError,
                "Stage 1 of stages.toml has its own seed, which all stages have in common.",
            ),
            (
                "[[stages]]\n[[stages]]\nmethod = 'pca'",
                RequestError,
                "Stage 2 of stages.toml has the method pca, which goes on from no other stage. .* Make it the first stage.",
            ),
            (
                "[[stages]]\nmethod = 'pca'\n[[stages]]",
                RequestError,
                "Stage 1 of stages.toml makes an encoder that the stages behind it do not have. Set backbone to pca.",
            ),
            (
                "[[stages]]\nplaces = ''",
                RequestError,
                "Stage 1 of stages.toml: places must be a text that is not empty; it is ''.",
            ),
            ("[[stages]]\nrasters = 3", RequestError, "Stage 1 of stages.toml: rasters must be a list of paths"),
        ],
    )
    def test_that_is_wrong_says_where(self, land: str, tmp_path: Path, text: str, error: type, what: str) -> None:
        with pytest.raises(error, match=what):
            run(staged(land, tmp_path, text))

    def test_may_begin_with_components_where_all_stages_have_their_network(self, land: str, tmp_path: Path) -> None:
        text = "[[stages]]\nmethod = 'pca'\n"
        assert len(read_stages(staged(land, tmp_path, text))) == 1
        assert len(read_stages(staged(land, tmp_path, text + "[[stages]]\n", backbone="pca"))) == 2

    def test_leads_to_the_network_where_a_stage_names_an_address(self, land: str, tmp_path: Path) -> None:
        assert not asks_network(staged(land, tmp_path))
        assert asks_network(staged(land, tmp_path, "[[stages]]\nrasters = ['/vsis3/archive/a.tif']\n[[stages]]\n"))

    def test_that_is_missing_is_named(self, land: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere.toml"):
            run(staged(land, tmp_path, stages=str(tmp_path / "nowhere.toml")))

    def test_that_cannot_be_read_says_why(self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(path: str, what: str) -> str:
            raise PermissionError(errno.EACCES, "Permission denied", path)

        job = staged(land, tmp_path)
        monkeypatch.setattr(stages, "read_text", refused)
        with pytest.raises(InputError, match=r"file with stages .*stages\.toml cannot be read: Permission denied"):
            read_stages(job)

    def test_that_names_a_raster_that_is_missing_says_so_before_anything_is_learned(
        self, land: str, tmp_path: Path, listener: Listener
    ) -> None:
        job = staged(land, tmp_path, "[[stages]]\nsteps = 2\n[[stages]]\nrasters = ['gone.tif']\n")
        with pytest.raises(InputError, match=r"gone\.tif does not exist"):
            run(job, listener)
        assert not listener.all(Metric)

    @pytest.mark.parametrize("bands", [3, 5])
    def test_that_has_other_bands_than_the_first_is_refused_before_anything_is_learned(
        self, land: str, tmp_path: Path, listener: Listener, bands: int
    ) -> None:
        pixels = textured_land()
        write_raster(tmp_path / "other.tif", np.concatenate([pixels, pixels])[:bands])
        job = staged(land, tmp_path, "[[stages]]\nsteps = 2\n[[stages]]\nsteps = 2\nrasters = ['other.tif']\n")
        with pytest.raises(InputError, match=rf"^Stage 2 of stages\.toml: other\.tif has {bands} bands, but .* has 4\."):
            run(job, listener)
        assert not listener.all(Metric)
        stages._check_bands(read_stages(job), dataclasses.replace(job, bands=(1, 2, 3)))

    def test_may_have_more_bands_than_the_first_where_it_says_which_are_the_same(self, land: str, tmp_path: Path) -> None:
        pixels, colours = textured_land(), ("blue", "green", "red", "nir")
        few = write_raster(tmp_path / "few.tif", pixels)
        more = write_raster(tmp_path / "more.tif", np.concatenate([pixels[:1], pixels]))
        for path, names in ((few, colours), (more, ("coastal", *colours))):
            with rasterio.open(path, "r+") as file:
                file.descriptions = names
        job = staged(few, tmp_path, "[[stages]]\n[[stages]]\nrasters = ['more.tif']\n")
        stages._check_bands(read_stages(job), job)

    def test_says_in_which_stage_it_is_refused_though_it_is_the_first(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(stage: Pretrain, *_: object) -> None:
            raise InputError(f"{Path(stage.encoder).name} is not to be.", "Leave it.")

        monkeypatch.setattr(stages, "pretrain_stage", refused)
        with pytest.raises(InputError, match=r"^Stage 1 of stages\.toml: Stage 1 is not to be\.") as told:
            run(staged(land, tmp_path))
        assert told.value.remedy == "Leave it."

    def test_that_does_not_fit_the_stage_before_says_which_stages_they_are(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(stage: Pretrain, *_: object) -> None:
            raise wrong_bands(read_card(land_encoder), str(stage.weights), 3, "other.tif")

        job = staged(land, tmp_path)
        run(dataclasses.replace(job, stages=None, steps=1))
        land_encoder = job.encoder
        monkeypatch.setattr(stages, "_earlier_stage", lambda *_: None)
        monkeypatch.setattr(stages, "pretrain_stage", refused)
        with pytest.raises(ModelFileError, match=r"^Stage 2 of stages\.toml: Stage 1 was made for 4 bands .* 3 of other"):
            run(job)

    def test_does_not_let_a_raster_of_a_stage_be_written_over(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path)
        with pytest.raises(OutputError, match="archive.tif"):
            run(dataclasses.replace(job, encoder=str(tmp_path / "archive.tif")))


@pytest.mark.thorough
class TestTheJob:
    def test_does_what_its_stages_would_do_one_by_one(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path)
        assert run(job)["steps"] == 10
        first, second = str(tmp_path / "first.safetensors"), str(tmp_path / "second.safetensors")
        alone = dataclasses.replace(job, stages=None)
        run(dataclasses.replace(alone, rasters=(str(tmp_path / "archive.tif"),), method="simclr", steps=6, encoder=first))
        run(dataclasses.replace(alone, weights=first, steps=4, learning_rate=1e-4, keep="stride4", encoder=second))
        assert_equal(job.encoder, second)

    def test_lists_its_stages_in_the_encoder_file(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path)
        run(job)
        card = read_card(job.encoder)
        told = [
            (one["title"], one["method"]["name"], one["method"]["steps"], one["rasters"])
            for one in card.provenance["stages"]
        ]
        assert told == [("general", "simclr", 6, ["archive.tif"]), ("special", "false", 4, [Path(land).name])]
        assert read_record(card, job.encoder).job["stages"] == str(tmp_path / "stages.toml").replace(str(Path.home()), "~")

    @pytest.mark.parametrize("text", [TWO, "[[stages]]\nsteps = 2\n[[stages]]\nsteps = 2\nrasters = ['archive.tif']\n"])
    def test_can_be_made_again_and_says_what_has_changed_since(self, land: str, tmp_path: Path, text: str) -> None:
        job, again = staged(land, tmp_path, text), str(tmp_path / "again.safetensors")
        run(job)
        assert rerun.plan(job.encoder, again).is_the_same
        assert rerun.rerun(rerun.plan(job.encoder, again), job.encoder) == 0
        assert not [path for path in read_record(read_card(job.encoder), job.encoder).inputs if "stage_1" in path]
        write_raster(tmp_path / "archive.tif", textured_land()[:, :, ::-1].copy(), nodata=0)
        changed = [one.path for one in rerun.plan(job.encoder, again).inputs if one.state == rerun.CHANGED]
        assert changed == [str(tmp_path / "archive.tif")]

    def test_says_what_the_first_stage_started_from_and_nothing_of_files_that_are_gone(
        self, land: str, tmp_path: Path
    ) -> None:
        job = staged(land, tmp_path, "[[stages]]\nsteps = 1\n" * 3)
        run(job)
        card = read_card(job.encoder)
        assert "weights" not in card.provenance
        assert not [path for path in read_record(card, job.encoder).inputs if "stage_" in path]
        on = dataclasses.replace(job, weights=job.encoder, encoder=str(tmp_path / "on.safetensors"))
        run(on)
        assert read_card(on.encoder).provenance["weights"]["file"] == "e.safetensors"

    def test_may_have_as_many_stages_as_are_admitted(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path, "[[stages]]\nsteps = 1\n" * stages.MOST_STAGES)
        assert run(job)["steps"] == stages.MOST_STAGES
        assert len(read_card(job.encoder).provenance["stages"]) == stages.MOST_STAGES

    @pytest.mark.parametrize(("damaged", "is_done_again"), [("stage_1.safetensors", True), ("stage_1.json", False)])
    def test_does_a_stage_again_whose_encoder_cannot_be_read_and_goes_without_its_curves(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: str, is_done_again: bool
    ) -> None:
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "cache"))
        job, cancel, steps = staged(land, tmp_path / "work", report=str(tmp_path / "r.html")), threading.Event(), list[int]()

        def watch(event: Event) -> None:
            if isinstance(event, Metric) and event.step == 7:
                cancel.set()

        with pytest.raises(Cancelled):
            run(job, watch, cancel)
        (file,) = (tmp_path / "cache" / "stages").glob(f"*/{damaged}")
        file.write_bytes(file.read_bytes()[:-40])
        renamed = Path(str(job.stages))
        renamed.write_text(renamed.read_text("utf-8").replace("general", "of anything"), encoding="utf-8")
        run(job, lambda event: steps.append(event.step) if isinstance(event, Metric) else None)
        assert (min(steps) == 1) == is_done_again and max(steps) == 10
        assert "An earlier stage: of anything" in Path(str(job.report)).read_text("utf-8")

    def test_shows_what_a_pattern_no_longer_finds_as_missing(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path, "[[stages]]\nrasters = ['arch*.tif']\nsteps = 1\n[[stages]]\nsteps = 1\n")
        run(job)
        again = str(tmp_path / "again.safetensors")
        assert rerun.plan(job.encoder, again).is_the_same
        (tmp_path / "archive.tif").unlink()
        missing = [one.path for one in rerun.plan(job.encoder, again).inputs if one.state == rerun.MISSING]
        assert missing == [str(tmp_path / "arch*.tif")]

    def test_shows_the_curves_of_each_stage(self, land: str, tmp_path: Path, listener: Listener) -> None:
        report = tmp_path / "report.html"
        run(staged(land, tmp_path, report=str(report)), listener)
        html = report.read_text("utf-8")
        assert "An earlier stage: general" in html
        assert "The stage general had 6 steps of the method simclr." in html
        assert "general, method simclr" in html
        steps = [event.step for event in listener.all(Metric) if event.name == "loss"]
        assert steps == sorted(steps) and max(steps) == 10
        assert {event.stage.partition(":")[0] for event in listener.all(Progress)} >= {"general", "special"}

    def test_leaves_nothing_in_the_cache(self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = tmp_path / "cache"
        monkeypatch.setenv("FALSE_CACHE", str(cache))
        run(staged(land, tmp_path / "work"))
        assert not list((cache / "stages").iterdir())
        assert not list((cache / "checkpoints").glob("*.safetensors"))

    @pytest.mark.parametrize("interrupted_at", [5, 6, 7])
    def test_goes_on_within_the_stage_in_which_it_was_interrupted(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted_at: int
    ) -> None:
        """Within the first stage, at its end, and within the second."""
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "one cache"))
        undisturbed = staged(land, tmp_path / "undisturbed")
        run(undisturbed)
        monkeypatch.setenv("FALSE_CACHE", str(tmp_path / "another cache"))
        job, cancel, steps = staged(land, tmp_path / "work"), threading.Event(), list[int]()

        def watch(event: Event) -> None:
            if isinstance(event, Metric):
                steps.append(event.step)
                if event.step == interrupted_at:
                    cancel.set()

        with pytest.raises(Cancelled):
            run(job, watch, cancel)
        steps.clear()
        run(job, lambda event: steps.append(event.step) if isinstance(event, Metric) else None)
        assert min(steps) > interrupted_at - 1 and max(steps) == 10
        assert_equal(undisturbed.encoder, job.encoder)

    def test_goes_on_with_the_general_encoder_that_its_first_stage_fell_back_to(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        text = """[[stages]]\nmethod = "random"\n[[stages]]\nmethod = "random"\n"""
        job = staged(land, tmp_path / "stages", text, preset="standard", backbone=None, weights=None)
        run(job)
        assert read_card(job.encoder).encoder == read_card(job.encoder).general == BACKBONE

    def test_of_one_stage_is_that_pretraining(self, land: str, tmp_path: Path) -> None:
        job = staged(land, tmp_path, "[[stages]]\nsteps = 3\n")
        run(job)
        plain = dataclasses.replace(job, stages=None, steps=3, encoder=str(tmp_path / "plain.safetensors"))
        run(plain)
        assert_equal(job.encoder, plain.encoder)

    def test_can_be_estimated_where_a_later_stage_keeps_what_the_first_one_learned(self, land: str, tmp_path: Path) -> None:
        file = tmp_path / "job.json"
        file.write_text(jobs.to_json(staged(land, tmp_path / "work")), encoding="utf-8")
        assert run(Estimate(str(file)))["memory_gb"] > 0

    def test_counts_all_stages_in_its_estimate(self, land: str, tmp_path: Path) -> None:
        many = "[[stages]]\nsteps = 20000\n" * 3
        file = tmp_path / "job.json"
        found = []
        for text in ("[[stages]]\nsteps = 20000\n", many):
            file.write_text(jobs.to_json(staged(land, tmp_path / "work", text, method="simclr")), encoding="utf-8")
            found.append(run(Estimate(str(file)))["seconds"])
        # A step is timed anew, and three times as long is meant: on a busy computer that is never exact.
        assert found[1] > 1.8 * found[0]
