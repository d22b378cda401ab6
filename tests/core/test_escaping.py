"""Names come from data: of classes, bands, fields and files. In a report each is shown, and none is obeyed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import rasterio
from small_world import FROM_NOTHING, label_boxes, on_map, textured_land, write_labels, write_raster

from false_core.dispatch import run
from false_core.jobs import Assess, Classify, Finetune, ModelInfo, Pretrain

pytestmark = pytest.mark.thorough

HARMLESS = ("field", "forest", "water")
HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(1)>',
    "</style></svg></text>'-->]]><iframe src='javascript:alert(1)'>$\\frac{$ &lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "<svg/onload=alert(1)>\u202e\x00\x1b[2J&#60;script&#62;",
)


class Structure(HTMLParser):
    """Counts what a browser would obey in a page, and collects what it would show."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.addresses: set[str] = set()
        self.shown = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on"), f"<{tag} {name}={value}>"
            if name in ("href", "xlink:href", "src", "action", "data", "srcdoc"):
                self.addresses.add((value or "").partition(",")[0])

    def handle_data(self, data: str) -> None:
        self.shown += data


@dataclass(frozen=True)
class Reports:
    """The pages of every job that writes one, by job, and the folder with all that was written."""

    pages: dict[str, str]
    folder: Path


def everything(folder: Path, names: tuple[str, ...], file: str) -> Reports:
    """Run every job that writes a report on data that is called so."""
    folder.mkdir(exist_ok=True)
    raster = write_raster(folder / f"{file}.tif", textured_land(), nodata=0)
    with rasterio.open(raster, "r+") as opened:
        opened.descriptions = tuple(f"{name}{number}".replace("\0", "") for number, name in enumerate((*names, names[0])))
    which, boxes = label_boxes()
    in_field = [names[HARMLESS.index(name)].replace("\0", "") for name in which]
    labels = write_labels(folder / "labels.gpkg", in_field, [on_map(box) for box in boxes], field="cover")
    out = {name: str(folder / f"{name}.html") for name in ("pretrain", "finetune", "classify", "info", "assess")}
    encoder, model, the_map = (str(folder / name) for name in ("e.safetensors", "m.safetensors", "map.tif"))
    run(Pretrain((raster,), encoder, steps=1, batch_size=4, report=out["pretrain"], **FROM_NOTHING))
    run(Finetune(raster, labels, "cover", model, encoder, head="linear", device="cpu", report=out["finetune"]))
    run(Classify(raster, model, the_map, device="cpu", report=out["classify"]))
    run(ModelInfo(model, out["info"]))
    run(Assess(the_map, labels, "cover", report=out["assess"], table=str(folder / "table.csv")))
    return Reports({name: Path(path).read_text("utf-8") for name, path in out.items()}, folder)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reports, Reports]:
    """Those with harmless names, and those with hostile ones."""
    folder = tmp_path_factory.mktemp("escaping")
    file = "\"><script>alert(1)<b onclick='x'>&amp;{{ 7 * 7 }}"
    return everything(folder / "harmless", HARMLESS, "land"), everything(folder / "hostile", HOSTILE, file)


@pytest.mark.parametrize("name", ["pretrain", "finetune", "classify", "info", "assess"])
class TestAReport:
    def test_has_the_same_elements_whatever_things_are_called(self, reports: Any, name: str) -> None:
        harmless, hostile = (Structure(each.pages[name]) for each in reports)
        assert set(hostile.elements) == set(harmless.elements)
        assert not {"script", "iframe", "object", "embed", "form", "link", "base"} & set(hostile.elements)
        # Curves and bars may have other numbers of strokes; everything outside the figures is the same.
        for tag in ("h1", "h2", "table", "tr", "td", "th", "p", "svg", "style", "span"):
            assert hostile.elements[tag] == harmless.elements[tag], tag

    def test_loads_nothing(self, reports: Any, name: str) -> None:
        for each in reports:
            addresses = Structure(each.pages[name]).addresses
            assert all(address.startswith("#") or address == "data:image/png;base64" for address in addresses), addresses

    def test_shows_names_as_they_are(self, reports: Any, name: str) -> None:
        shown = " ".join(Structure(reports[1].pages[name]).shown.split())
        assert "<script>alert(1)" in shown
        assert "49" not in [word for word in shown.split() if word == "49"] or "{{ 7 * 7 }}" in shown
        if name != "pretrain":
            for wanted in HOSTILE[:2]:
                assert " ".join(wanted.split()) in shown


def test_other_files_with_names_are_read_as_what_they_are(reports: tuple[Reports, Reports]) -> None:
    folder = reports[1].folder
    names = [element.text for element in ET.parse(folder / "map.tif.aux.xml").iter("Category")]
    assert HOSTILE[0] in names
    labels = [element.get("label") for element in ET.parse(folder / "map.qml").iter("paletteEntry")]
    assert HOSTILE[0] in labels
