"""What a user has set for every job counts wherever a job runs, and a wrong value is said to be wrong."""

from __future__ import annotations

import os
import sys
import threading
import types
from pathlib import Path

import pytest
from small_world import Listener

from false_core import settings
from false_core.computing.device import choose_device
from false_core.dispatch import run
from false_core.errors import DeviceError, RequestError
from false_core.feedback import Feedback
from false_core.jobs import Finetune, Pretrain
from false_core.raster.source import RasterSource


class TestMemoryForPixels:
    def test_is_what_was_set_or_one_gigabyte(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("FALSE_MEMORY_GB", raising=False)
        assert settings.memory_for_pixels() == 1_000_000_000
        monkeypatch.setenv("FALSE_MEMORY_GB", " 2.5 ")
        assert settings.memory_for_pixels() == 2_500_000_000

    def test_is_no_more_than_a_computer_can_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("MEMORY_GB", "DISK_GB", "PATIENCE_S"):
            monkeypatch.setenv(f"FALSE_{name}", "1e300")
        assert settings.memory_for_pixels() == settings.disk_cache_bytes() == sys.maxsize
        assert settings.patience_s() < threading.TIMEOUT_MAX

    @pytest.mark.parametrize("value", ["much", "0", "-1", "nan", "inf", "1e400"])
    def test_that_is_no_amount_is_refused(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("FALSE_MEMORY_GB", value)
        with pytest.raises(RequestError, match="FALSE_MEMORY_GB is"):
            settings.memory_for_pixels()

    @pytest.mark.thorough
    def test_bounds_both_trainings(
        self, land: str, labels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
    ) -> None:
        asked: list[int] = []
        for module in ("preparation", "decoder_model", "reading_labels"):
            monkeypatch.setattr(f"false_core.training.{module}.memory_for_pixels", lambda: asked.append(1) or 10**7)
        short = {"preset": "quick", "device": "cpu", "steps": 1}
        run(Pretrain(rasters=(land,), encoder=str(tmp_path / "e.safetensors"), batch_size=4, **short))  # type: ignore[arg-type]
        assert asked == [1]
        run(Finetune(raster=land, labels=labels, field="cover", model=str(tmp_path / "m.safetensors"), validation=0.0,
                     head="network", **short))  # type: ignore[arg-type]  # fmt: skip
        assert asked == [1, 1]


class TestTheDiskForRasters:
    def test_is_what_was_set_or_ten_gigabytes_in_the_cache_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("FALSE_DISK_GB", "FALSE_DISK_FOLDER", "FALSE_DISK_FOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FALSE_CACHE", "/scratch/false")
        assert settings.disk_cache_bytes() == 10_000_000_000
        assert settings.disk_cache_folder() == Path("/scratch/false/rasters")
        assert not settings.disk_cache_takes_all()
        monkeypatch.setenv("FALSE_DISK_GB", "0")
        monkeypatch.setenv("FALSE_DISK_FOLDER", "/local/me")
        monkeypatch.setenv("FALSE_DISK_FOR", "all")
        assert settings.disk_cache_bytes() == 0
        assert settings.disk_cache_folder() == Path("/local/me")
        assert settings.disk_cache_takes_all()
        for word in ("remote", "far"):  # The second is the word of earlier versions.
            monkeypatch.setenv("FALSE_DISK_FOR", word)
            assert not settings.disk_cache_takes_all()

    @pytest.mark.parametrize(("name", "value"), [("GB", "much"), ("GB", "-1"), ("GB", "inf"), ("FOR", "some")])
    def test_that_makes_no_sense_is_refused(self, land: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(f"FALSE_DISK_{name}", value)
        with pytest.raises(
            RequestError, match=f"FALSE_DISK_{name} is '{value}'.*QGIS has it under Settings > Options > FALSE"
        ):
            RasterSource(land)


class TestTheDevice:
    def test_auto_is_what_was_set(self, monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
        monkeypatch.setenv("FALSE_DEVICE", "cpu")
        assert choose_device("auto", Feedback(listener)).type == "cpu"

    def test_one_that_is_not_there_is_an_error_that_says_who_named_it(
        self, monkeypatch: pytest.MonkeyPatch, listener: Listener
    ) -> None:
        monkeypatch.setenv("FALSE_DEVICE", "cuda:99")
        with pytest.raises(
            DeviceError, match="The device cuda:99, which FALSE_DEVICE or the options of the plugin name, cannot"
        ):
            choose_device("auto", Feedback(listener))
        assert choose_device("cpu", Feedback(listener)).type == "cpu"


class TestTheCacheFolder:
    def test_is_what_was_set_or_the_user_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FALSE_CACHE", "/scratch/false")
        assert settings.cache_folder() == Path("/scratch/false")
        monkeypatch.delenv("FALSE_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache")
        monkeypatch.setenv("LOCALAPPDATA", "/home/me/.cache")
        assert Path("/home/me/.cache/false") in (settings.cache_folder(), *settings.cache_folder().parents)

    @pytest.mark.skipif(os.name == "nt", reason="Windows knows it otherwise")
    @pytest.mark.parametrize("caches", [None, "", "relative/one"])
    def test_without_a_home_is_that_of_the_account(self, monkeypatch: pytest.MonkeyPatch, caches: str | None) -> None:
        monkeypatch.delenv("FALSE_CACHE", raising=False)
        monkeypatch.setenv("HOME", "")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        if caches is not None:
            monkeypatch.setenv("XDG_CACHE_HOME", caches)
        monkeypatch.setattr("pwd.getpwuid", lambda _: types.SimpleNamespace(pw_dir="/home/of"))
        assert settings.cache_folder() == Path("/home/of/.cache/false")

    @pytest.mark.thorough
    @pytest.mark.skipif(os.name == "nt", reason="Windows knows it otherwise")
    def test_of_a_user_without_a_name_cannot_be_made_and_the_work_is_done(
        self, land: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
    ) -> None:
        def unknown(_: int) -> None:
            raise KeyError("uid not found")

        for name in ("FALSE_CACHE", "HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("pwd.getpwuid", unknown)
        with pytest.raises(OSError, match="Not a directory"):
            settings.cache_folder().mkdir(parents=True)
        encoder = tmp_path / "e.safetensors"
        run(Pretrain((land,), str(encoder), preset="quick", device="cpu", steps=1, batch_size=2), listener)
        assert encoder.exists()
        monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache")
        assert settings.cache_folder() == Path("/home/me/.cache/false")
