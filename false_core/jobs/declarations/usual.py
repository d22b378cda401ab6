"""The parameters that several jobs have: each function returns the one that it is named after."""

from __future__ import annotations

from typing import Any

from false_core.jobs.declarations.choices import AUTO_PRECISION, GENERAL_WEIGHTS, NO_WEIGHTS, PRECISIONS, PRESETS
from false_core.jobs.kinds import BANDS, CHOICE, EXTENT, FIELD, FILE, INTEGER, MODEL, NUMBER, TEXT, Kind, parameter

STANDS_FOR_MANY = (
    " A name may stand for many rasters: a folder, a pattern such as tiles/**/*.tif, a text file with a path per line, or a "
    "STAC item, item collection or catalog on disk. Addresses such as /vsis3/bucket/a.tif are read where they are."
)
STANDS_FOR_ONE = " It may be a file, an address such as /vsis3/bucket/a.tif, or a STAC item with one raster."
METRES_OF_GROUND = " The side is measured on the ground; where the CRS does not tell metres, in the raster's own units."


def seed() -> Any:
    return parameter(
        INTEGER,
        "Seed",
        "The same seed on the same CPU gives the same result. On a GPU it may differ a little each time.",
        0,
        minimum=0,
        maximum=2**31 - 1,
        advanced=True,
    )


def device() -> Any:
    return parameter(
        TEXT,
        "Device",
        "auto takes a GPU where there is a working one, unless the options or FALSE_DEVICE name a device, and says what it "
        "took. With cuda, cuda:1, mps or cpu the job fails where that device does not work.",
        "auto",
        advanced=True,
    )


def precision() -> Any:
    return parameter(
        CHOICE,
        "Precision",
        "The numbers that the network computes with. auto: short ones where a GPU was built for them, or a CPU and the head "
        "is network, unless FALSE_PRECISION says float32. They are faster, and few pixels get another class. float32: long "
        "ones, with which all computers make the same map but for rounding. int8: a fast map on a CPU. The network of the "
        "model takes about a third of the time, and 1 to 3 % of the pixels get another class. The report compares "
        "the two on labels that the model learned from, which is not the accuracy of the map.",
        AUTO_PRECISION,
        choices=PRECISIONS,
        advanced=True,
    )


def extent(what: str, without: str, of: str) -> Any:
    help = f"{what}, as xmin,xmax,ymin,ymax, with [EPSG:code] where it is not in the raster's own CRS. Empty: {without}."
    return parameter(EXTENT, "Extent", help, None, of=of)


def legend(what: str, style: str) -> Any:
    help = f"JSON file with a list of {{value, name, color}}: what {what}. In QGIS it is taken from {style}."
    return parameter(FILE, "Legend", help, None, dialog=False)


def working_pixel_size(help: str) -> Any:
    return parameter(NUMBER, "Working pixel size", help, None, unit="CRS units", minimum=0.0, advanced=True)


def class_field(help: str, of: str, *default: None) -> Any:
    by_style = " In QGIS it may be left out: then it is the field that the layer is styled by."
    return parameter(FIELD, "Class field", help + by_style, *default, of=of)


def encoder_file() -> Any:
    return parameter(
        MODEL,
        "Encoder",
        "Encoder file from pretraining. Empty: the general encoder alone. With one, both are used.",
        None,
        of="encoder",
    )


def general_encoder(more: str = "") -> Any:
    return parameter(
        CHOICE,
        "General encoder",
        "general: an encoder that others trained on photographs, which comes with the library. none: the encoder file "
        f"alone.{more}",
        GENERAL_WEIGHTS,
        choices=(GENERAL_WEIGHTS, NO_WEIGHTS),
        advanced=True,
    )


def bands_of_encoder(of: str) -> Any:
    help = "Bands to use, counted from 1. Empty: those of the encoder, or all but alpha."
    return parameter(BANDS, "Bands", help, (), of=of, advanced=True)


def preset() -> Any:
    return parameter(
        CHOICE,
        "Preset",
        "quick: minutes on a laptop without a GPU. standard: one GPU. paper: the published settings, many GPU hours. "
        "auto: standard on a GPU that pretrains with it in half an hour, as a test of two seconds finds; otherwise quick.",
        "auto",
        choices=PRESETS,
    )


def backbone(empty: str) -> Any:
    help = "The network that becomes the encoder, by its name in timm, for example resnet18 or convnext_tiny."
    return parameter(TEXT, "Backbone", f"{help} Empty: {empty}.", None, advanced=True)


def from_preset(kind: Kind, label: str, help: str, **more: Any) -> Any:
    return parameter(kind, label, help + " Empty: from the preset.", None, advanced=True, **more)
