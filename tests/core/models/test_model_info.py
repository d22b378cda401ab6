"""The report on a model file says everything the file says of itself, and shows names as they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from false_core.dispatch import run
from false_core.errors import ModelFileError
from false_core.jobs import ModelInfo
from false_core.models.header import SEGMENTER
from false_core.models.label_crops import CROPS_PREFIX
from false_core.models.model_file import ModelCard, read_card, save_model
from false_core.raster.classes import ClassTable, LandCoverClass
from false_core.raster.statistics import Normalisation


def report_on(path: str, folder: Path) -> tuple[dict[str, object], str]:
    """Run the job and return its results and the words of its report."""
    report = folder / "report.html"
    results = run(ModelInfo(path, str(report)))
    html = report.read_text(encoding="utf-8")
    assert "<script" not in html and "http" not in html
    return results, " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL).split())


class TestOfAModel:
    def test_it_says_what_the_model_maps_needs_and_does_and_how_it_was_made(self, model: str, tmp_path: Path) -> None:
        results, said = report_on(model, tmp_path)
        card = read_card(model)
        for c in card.classes:
            assert f"{c.name} {c.code} {c.color}" in said
        for number, name in zip(card.band_numbers, card.bands):
            assert f"{number} {name}" in said
        assert f"{card.encoder} + {card.decoder}" in said
        assert "Pixel size it works on 1 m" in said
        assert f"{card.patch_size} x {card.patch_size} pixels" in said
        assert f"head network, preset quick, {card.method['steps']} steps" in said and "learning rate" not in said
        assert "Overall accuracy" in said and "Fine-tuned on land.tif" in said and "Pretrained on land.tif" in said
        statistics = card.normalisation
        within = np.iinfo(card.dtype) if card.dtype.startswith("uint") else np.finfo(card.dtype)
        low, high = max(within.min, statistics.low[1]), min(within.max, statistics.high[1])
        values = (low, high, statistics.mean[1], statistics.std[1])
        assert f"{card.bands[1]} " + " ".join(f"{value:.6g}" for value in values) in said
        assert {key: value for key, value in results.items() if key != "report"} == {
            "kind": "segmenter", "classes": 3, "pixel_size": 1.0, "encoder": card.encoder
        }  # fmt: skip

    def test_it_says_that_it_holds_imagery(self, model: str, encoder: str, tmp_path: Path) -> None:
        told = "It holds pieces of the imagery around its labels: who gets the file gets them too."
        assert told in report_on(model, tmp_path)[1]
        assert told not in report_on(encoder, tmp_path)[1]

    def test_its_colours_are_shown(self, model: str, tmp_path: Path) -> None:
        report_on(model, tmp_path)
        html = (tmp_path / "report.html").read_text(encoding="utf-8")
        for c in read_card(model).classes:
            assert f"background:{c.color}" in html

    def test_it_counts_the_weights_in_the_file(self, model: str, tmp_path: Path) -> None:
        _, said = report_on(model, tmp_path)
        tensors = safetensors.torch.load_file(model)
        weights = sum(tensor.numel() for name, tensor in tensors.items() if not name.startswith(CROPS_PREFIX))
        assert weights < sum(tensor.numel() for tensor in tensors.values())
        assert f"{Path(model).stat().st_size / 1e6:.1f} MB, {weights / 1e6:.1f} million weights" in said

    def test_names_are_shown_as_they_are(self, tmp_path: Path) -> None:
        card = ModelCard(
            SEGMENTER,
            "resnet10t",
            ("<b>red</b>",),
            (1,),
            "uint8",
            Normalisation((0,), (255,), (100,), (50,)),
            0.5,
            None,
            64,
            "segformer",
            classes=ClassTable(
                (LandCoverClass(0, "<script>alert(1)</script>", "#ffffff"), LandCoverClass(254, "森", "#000000"))
            ),
        )
        path = str(tmp_path / "a & b.safetensors")
        save_model(path, card, torch.nn.Linear(2, 2))
        results = run(ModelInfo(path, str(tmp_path / "report.html")))
        html = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert "&lt;script&gt;alert(1)" in html and "<script" not in html
        assert "&lt;b&gt;red" in html and "森" in html and "a &amp; b.safetensors" in html
        assert results["classes"] == 2


class TestOfAnEncoder:
    def test_it_says_how_it_learned_and_names_no_classes(self, encoder: str, tmp_path: Path) -> None:
        results, said = report_on(encoder, tmp_path)
        assert (results["kind"], results["classes"]) == ("encoder", 0)
        assert said.startswith("encoder.safetensors") and "An encoder." in said
        assert "Pretrained on land.tif" in said
        assert "What it maps" not in said


class TestOfSomethingElse:
    def test_it_is_refused_and_nothing_is_written(self, land: str, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="not a model made by FALSE"):
            run(ModelInfo(land, str(tmp_path / "report.html")))
        assert not list(tmp_path.iterdir())

    def test_a_model_that_is_cut_off_is_called_so(self, model: str, tmp_path: Path) -> None:
        short = tmp_path / "short.safetensors"
        short.write_bytes(Path(model).read_bytes()[:-100])
        with pytest.raises(ModelFileError, match="damaged or cut off"):
            run(ModelInfo(str(short), str(tmp_path / "report.html")))


def test_the_command_line_and_the_report_say_the_same(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from false_core.cli import main

    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.argv", ["false-core", "info", model])
    main()
    printed = " ".join(capsys.readouterr().out.split())
    report_on(model, tmp_path)
    headings = re.findall(r"<h2>(.*?)</h2>", (tmp_path / "report.html").read_text(encoding="utf-8"))
    assert headings.pop() == "What to do next"
    assert len(headings) == 5
    for heading in headings:
        assert heading in printed
