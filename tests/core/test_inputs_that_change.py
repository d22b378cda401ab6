"""A raster that is changed, removed or out of reach while a job reads it ends the job, and nothing is lost."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_jobs import ALL, TRAININGS, SmallJobs, checkpoints, goes_on, output_of, undisturbed
from small_world import textured_land, write_raster
from web_folder import WebFolder, served

from false_core.dispatch import run
from false_core.errors import InputError
from false_core.events import Event, Metric, Progress
from false_core.jobs import Classify, Job

pytestmark = pytest.mark.thorough

GIVES_UP_S = 60


def on_raster(job: Job, raster: Path | str) -> Any:
    """Return the job on another raster."""
    return dataclasses.replace(job, **({"rasters": (str(raster),)} if hasattr(job, "rasters") else {"raster": str(raster)}))  # type: ignore[type-var]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("change", ["written to", "removed"])
@pytest.mark.parametrize("name", ALL)
class TestARasterThatIs:
    def test_meanwhile_is_noticed_before_anything_is_written(
        self, small_jobs: SmallJobs, out: Path, cache: Path, tmp_path: Path, name: str, change: str
    ) -> None:
        raster, aside = tmp_path / "changing.tif", tmp_path / "aside.tif"
        shutil.copy(small_jobs.land, raster)
        job = on_raster(small_jobs.make(name, out), raster)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        output_of(job).write_text("earlier")

        def disturb(event: Event) -> None:
            due = isinstance(event, Metric) or (isinstance(event, Progress) and event.stage == "Writing the map")
            if due and not aside.exists():
                shutil.copy2(raster, aside)
                raster.unlink() if change == "removed" else raster.write_bytes(aside.read_bytes() + b"more")

        with pytest.raises(InputError, match=r"changing.tif (was changed|cannot be|does not exist)") as raised:
            run(job, disturb)
        assert raised.value.remedy
        assert output_of(job).read_text() == "earlier"
        assert all(path.suffix == ".strips" for path in out.iterdir() if path != output_of(job))
        # It is brought back as it was, and the job goes on.
        os.replace(aside, raster)
        kept = checkpoints(cache)
        said = goes_on(job)
        assert not kept or "Going on from step" in said
        assert output_of(job).read_bytes() == wanted


class TestAServer:
    @pytest.fixture
    def web(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebFolder]:
        for variable, value in {
            "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "FALSE_DISK_GB": "0",
            # Those of the product are a minute, and four times.
            "GDAL_HTTP_LOW_SPEED_TIME": "2", "GDAL_HTTP_LOW_SPEED_LIMIT": "100", "GDAL_HTTP_MAX_RETRY": "1",
            "GDAL_HTTP_RETRY_DELAY": "0.1",
        }.items():  # fmt: skip
            monkeypatch.setenv(variable, value)
        folder = tmp_path / "server"
        folder.mkdir()
        with served(folder) as made:
            yield made

    def test_that_falls_silent_ends_the_job_and_what_is_finished_is_kept(
        self, small_jobs: SmallJobs, web: WebFolder, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {
            "false_core.inference.tiles.MAX_STRIDE_PX": 256,
            "false_core.mapping.classify.plan.LEAST_PIXELS": 1,
        }.items():
            monkeypatch.setattr(name, value)
        pixels = textured_land(600, 1700)
        noise = np.random.default_rng(0).integers(0, 9, pixels.shape, dtype=pixels.dtype)
        write_raster(web.folder / "far.tif", pixels + noise * (pixels > 0), nodata=0)
        size = (web.folder / "far.tif").stat().st_size
        job = Classify(web.path("far.tif"), small_jobs.model, str(out / "map.tif"), device="cpu")
        wanted = undisturbed(dataclasses.replace(job, raster=str(web.folder / "far.tif")), tmp_path / "undisturbed")
        output_of(job).write_text("earlier")
        web.fall_silent(after=size // 2)
        began = time.monotonic()
        with pytest.raises(InputError, match=r"far.tif can no longer be read over the network: .*run the job again"):
            run(job)
        assert time.monotonic() - began < GIVES_UP_S
        assert output_of(job).read_text() == "earlier"
        assert list(out.glob(".*.strips/strip-*"))
        web.come_back()
        assert "Going on with" in goes_on(job)
        assert output_of(job).read_bytes() == wanted

    @pytest.mark.usefixtures("often")
    @pytest.mark.parametrize("name", TRAININGS)
    def test_that_cannot_be_asked_any_more_keeps_what_was_learned(
        self, small_jobs: SmallJobs, out: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Of a small raster everything is read in the beginning: here the reading of a far one fails at the second step."""
        job = small_jobs.make(name, out)
        wanted = undisturbed(job, tmp_path / "undisturbed")
        monkeypatch.setattr("false_core.training.checkpoint.INTERVAL_S", 1e9)
        with monkeypatch.context() as patch:
            module = f"false_core.training.{name}"
            loaded = __import__(module, fromlist=["loaded_ahead"]).loaded_ahead

            def cut_off(make: Any, keys: range, device: Any) -> Any:
                def read(step: int) -> Any:
                    if step == 2:
                        raise InputError("The raster can no longer be read over the network.")
                    return make(step)

                return loaded(read, keys, device)

            patch.setattr(f"{module}.loaded_ahead", cut_off)
            with pytest.raises(InputError, match="no longer be read"):
                run(job)
        assert "Going on from step 2" in goes_on(job)
        assert output_of(job).read_bytes() == wanted
