"""Every algorithm has an icon of its own that can be told apart in the toolbox, in a light theme and in a dark one."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QIcon, QImage

ROOT = Path(__file__).resolve().parents[2]
ICONS = sorted((ROOT / "qgis_false" / "icons").glob("*.svg"))
TOOLBOX = 16
THEMES = ("#ffffff", "#323232")
each_icon = pytest.mark.parametrize("file", ICONS, ids=lambda file: file.stem)


def drawn(file: Path, size: int = TOOLBOX) -> QImage:
    return QIcon(str(file)).pixmap(QSize(size, size)).toImage().convertToFormat(QImage.Format.Format_ARGB32)


def colours(image: QImage) -> list[QColor]:
    return [image.pixelColor(x, y) for y in range(image.height()) for x in range(image.width())]


def luminance(colour: QColor) -> float:
    """Return the relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(one: QColor, other: QColor) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_algorithms_and_provider_have_their_own(provider, algorithm):
    assert Path(provider.svgIconPath()).name == "false.svg"
    assert not provider.icon().isNull()
    for name in ("pretrain", "finetune", "classify", "checkenvironment"):
        assert Path(algorithm(name).svgIconPath()).name == f"{name}.svg"
        assert not algorithm(name).icon().isNull()


def test_an_algorithm_without_an_icon_shows_that_of_the_provider(algorithm, provider, monkeypatch, tmp_path):
    monkeypatch.setattr("qgis_false.algorithms.base.ICONS_FOLDER", tmp_path)
    assert provider.algorithm("classify").svgIconPath() == provider.svgIconPath()


def test_no_icon_is_left_over(provider):
    named = {made.name() for made in provider.algorithms()} | {"false", "label"}
    for file in ICONS:
        assert file.stem in named, f"{file.name} belongs to nothing in ALGORITHMS of qgis_false/provider.py"


@each_icon
@pytest.mark.parametrize("theme", THEMES)
def test_it_is_seen_in_every_theme(qgis_app, file, theme):
    """An eighth of a small icon at least stands out from the background by the 2:1 that a coloured surface needs."""
    solid = [colour for colour in colours(drawn(file)) if colour.alpha() > 200]
    seen = [colour for colour in solid if contrast(colour, QColor(theme)) >= 2]
    assert len(seen) >= TOOLBOX * TOOLBOX / 8


@each_icon
def test_it_fills_its_square_and_stays_inside(qgis_app, file):
    image = drawn(file, 64)
    inked = [(i % 64, i // 64) for i, colour in enumerate(colours(image)) if colour.alpha() > 128]
    width, height = (max(side) - min(side) + 1 for side in zip(*inked))
    assert max(width, height) >= 52 and min(width, height) >= 44


def test_no_two_look_alike(qgis_app):
    images = {file.stem: colours(drawn(file)) for file in ICONS}
    for one, other in combinations(images, 2):
        different = sum(
            max(abs(a - b) for a, b in zip(p.getRgb(), q.getRgb())) > 64 for p, q in zip(images[one], images[other])
        )
        assert different > TOOLBOX * TOOLBOX / 10, f"{one} and {other}"


@each_icon
def test_it_is_drawn_with_shapes_alone(file):
    """No text, picture, script or link to elsewhere: QGIS draws SVG Tiny, and an icon must need nothing else."""
    text = file.read_text("utf-8")
    assert set(re.findall(r"<(\w+)", text)) <= {"svg", "g", "rect", "circle", "path"}
    assert "href" not in text
    assert len(text) < 2000
