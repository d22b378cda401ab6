"""What a raster of class codes says of its classes, whoever made it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from small_world import write_raster

from false_core.raster.class_map import read_classes

NAMED = (
    "<PAMDataset><PAMRasterBand band='1'><CategoryNames>"
    "<Category></Category><Category>field</Category><Category>{}</Category>"
    "</CategoryNames></PAMRasterBand></PAMDataset>"
)


def codes(folder: Path) -> str:
    return write_raster(folder / "codes.tif", np.array([[[1, 2], [2, 1]]], np.uint8))


def test_names_of_another_program_are_taken_over_with_its_colours(tmp_path: Path) -> None:
    path = codes(tmp_path)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 0, 255, 255)})
        file.colorinterp = [ColorInterp.palette]
    Path(f"{path}.aux.xml").write_text(NAMED.format("water"), encoding="utf-8")
    assert [(c.code, c.name, c.color) for c in read_classes(path)] == [(1, "field", "#ff0000"), (2, "water", "#0000ff")]


def test_a_file_beside_it_that_would_blow_up_is_not_believed(tmp_path: Path) -> None:
    # A "billion laughs": entities made of entities, 10 to the 11th in all.
    path = codes(tmp_path)
    entities = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    bomb = f"<!DOCTYPE d [<!ENTITY a0 'ha'>{entities}]>" + NAMED.format("&a11;")
    Path(f"{path}.aux.xml").write_text(bomb, encoding="utf-8")
    assert read_classes(path) == ()


def test_one_that_is_damaged_neither(tmp_path: Path) -> None:
    path = codes(tmp_path)
    Path(f"{path}.aux.xml").write_text(NAMED.format("water")[:90], encoding="utf-8")
    assert read_classes(path) == ()
