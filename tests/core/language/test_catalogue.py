"""Every text of the library has its German, and a text that was filled in finds the template that it was made from."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from false_core.language.catalogue import LANGUAGES_FOLDER, Catalogue, catalogue_of
from false_core.language.templates import NUMBER_MARK, Hole, Template

ROOT = Path(__file__).resolve().parents[3]
TOOL = "tools/build_language.py"
GERMAN = catalogue_of("de")
VALUES = ("EPSG:32633", "{curly}", "%", "ValueError('x')", "land cover.tif", "/Änderung {neu}/a, b.gpkg", "a (b) [c] 'd'")
NUMBERS = {"3": "3", "1,234,567": "1.234.567", "0.25": "0,25", "-31.75": "-31,75", "1.5e-05": "1,5e-05", "nan": "nan"}


def filled(template: Template, values: dict[str, str]) -> str:
    return "".join(values[part.name] if isinstance(part, Hole) else part for part in template.parts)


def test_no_text_of_the_library_lacks_its_german() -> None:
    done = subprocess.run([sys.executable, str(ROOT / TOOL), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
def test_a_message_that_is_new_or_gone_is_noticed(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "false_core", tmp_path / "false_core", ignore=ignored)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=ignored)
    file = tmp_path / "false_core" / "dispatch.py"
    file.write_text(file.read_text("utf-8").replace("The memory ran out.", "No memory is left."), "utf-8")
    done = subprocess.run([sys.executable, str(tmp_path / TOOL), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    wanted = "has no translation in false_core/language/de/library.json, where make generate puts it: No memory is left."
    assert "dispatch.py" in done.stderr and wanted in done.stderr
    assert "no longer said by the library: The memory ran out." in done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("file", sorted(LANGUAGES_FOLDER.glob("de/*.json")), ids=lambda file: file.stem)
def test_a_text_that_was_filled_in_finds_its_german(file: Path) -> None:
    assert GERMAN is not None
    for english, german in json.loads(file.read_text("utf-8")).items():
        for said, expected in filled_in(english, german):
            assert GERMAN.translated(said) == expected, english


def filled_in(english: str, german: str) -> Iterator[tuple[str, str]]:
    """Yield a text with names and numbers in its holes, if it has any, and what it must become, three times."""
    template, translation = Template.parse(english), Template.parse(german)
    if not template.holes:
        return
    chance = random.Random(english)
    for _ in range(3):
        numbers = {hole.name: chance.choice(list(NUMBERS)) for hole in template.holes if hole.mark == NUMBER_MARK}
        # A name that holds what stands between two names could end at either place.
        values = [value for value in VALUES if not any(part in value for part in template.parts if isinstance(part, str))]
        names = {hole.name: chance.choice(values) for hole in template.holes if hole.mark != NUMBER_MARK}
        names.update({"s": chance.choice(("s", ""))} if "s" in names else {})  # The plural, which German makes otherwise.
        expected = filled(translation, {**names, **{name: NUMBERS[value] for name, value in numbers.items()}})
        yield filled(template, {**names, **numbers}), expected


class TestACatalogue:
    CATALOGUE = Catalogue(
        {
            "{file} has {bands#} bands.": "{file} hat {bands} Kanäle.",
            "{file} has {what}.": "{file} hat {what*}.",
            "no name": "keinen Namen",
            "Choose another.": "Wählen Sie ein anderes.",
            "{what} It is left out.": "{what*} Es wird ausgelassen.",
            "{low#} to {high#}": "{low} bis {high}",
            "{share#} ({limits})": "{share} ({limits*})",
            "{why} They hold for all.": "{why*} Sie gelten für alle.",
            "It is so. It is not otherwise.": "Es ist so. Es ist nicht anders.",
            "using {bands}, {told_by}": "mit {bands*}, {told_by*}",
            "band {number} for {colour}": "Kanal {number} für {colour*}",
            "{value} is {name} there and {name2} here": "{value} ist dort {name} und hier {name2}",
            "{one} is {two}": "{one} ist {two}",
            "red": "Rot",
            "and": "und",
            "as asked": "wie verlangt",
        }
    )

    @pytest.mark.parametrize(
        ("english", "german"),
        [
            ("a.tif has 1,204 bands.", "a.tif hat 1.204 Kanäle."),
            ("a.tif has no name.", "a.tif hat keinen Namen."),
            ("no name has x.", "no name hat x."),
            ("a.tif has 3 bands. Choose another.", "a.tif hat 3 Kanäle. Wählen Sie ein anderes."),
            ("a.tif has 3 bands. It is left out.", "a.tif hat 3 Kanäle. Es wird ausgelassen."),
            ("GDAL says so. a.tif has 3 bands.", "GDAL says so. a.tif hat 3 Kanäle."),
            ("83.8 % (72.7 % to 91.7 %)", "83,8 % (72,7 % bis 91,7 %)"),
            ("It is so. It is not otherwise. They hold for all.", "Es ist so. Es ist nicht anders. Sie gelten für alle."),
            ("No. They hold for all. Choose another.", "No. Sie gelten für alle. Wählen Sie ein anderes."),
            (
                "using 1 is a there and b here, 2 is c there and d here, as asked",
                "mit 1 ist dort a und hier b, 2 ist dort c und hier d, wie verlangt",
            ),
            ("my file is b.tif", "my file ist b.tif"),
            ("using band 1 for red, band 2 for mauve, as asked", "mit Kanal 1 für Rot, Kanal 2 für mauve, wie verlangt"),
            ("76.1 % to 80.3 %", "76,1 % bis 80,3 %"),
            ("  Choose another.\n", "  Wählen Sie ein anderes.\n"),
            ("76.7 ± 5.4 %", "76,7 ± 5,4 %"),
        ],
    )
    def test_translates_what_it_knows_and_leaves_names(self, english: str, german: str) -> None:
        assert self.CATALOGUE.translated(english) == german

    @pytest.mark.parametrize(
        "text",
        ["", " ", "Something else.", "What another library says of it is b.tif", "1.2.3", "a" * 10_000, "x. " * 2_000],
    )
    def test_says_of_other_texts_that_it_does_not_know_them(self, text: str) -> None:
        assert self.CATALOGUE.translated(text) is None
